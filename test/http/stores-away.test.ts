// A store that goes away under load: a clear 503 within two seconds, and no restart needed when it
// is back.
import { type AdminClient, createAdminClient } from '../support/admin-client.ts'
import { openNetworkedStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import {
  type PostgresServer,
  type RedisServer,
  startPostgres,
  startRedis,
} from '../support/backends.ts'
import { createScopes, REDIRECT_URI, registerApp, type TestClient } from '../support/builders.ts'
import { type Answer, createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'
import { waitUntil } from '../support/server-process.ts'

let redis: RedisServer
let postgres: PostgresServer
let stores: TestStores
let server: TestApp
let client: TestClient
let web: OAuthClient
beforeAll(async () => {
  ;[redis, postgres] = await Promise.all([startRedis(), startPostgres()])
  stores = await openNetworkedStores({ redisUrl: redis.url, postgresUrl: postgres.url })
  server = await startTestApp({ backend: 'redis', stores })
  await createScopes(server)
  client = await registerApp(server)
  web = createOAuthClient(server, client)
}, 60_000)
afterAll(async () => {
  redis.resume()
  postgres.resume()
  await server[Symbol.asyncDispose]()
  await redis.stop()
  await postgres.stop()
})

/** The time that a client waits, as far as the machine is not too busy to tell. */
async function within(millis: number, request: () => Promise<Answer>): Promise<Answer> {
  const startedAt = performance.now()
  const answer = await request()
  expect(performance.now() - startedAt).toBeLessThan(millis)
  return answer
}

const unavailable = { status: 503, body: { error: 'temporarily_unavailable' } }
function expectUnavailable(answer: Answer): void {
  expect(answer).toMatchObject(unavailable)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  // The page of the error is at the server's own address; the stores' addresses stay out.
  expect(answer.text).not.toMatch(/redis|postgres|ioredis|127\.0\.0\.1(?!:\d+\/errors\/)/i)
}

async function expectAdminUnavailable(admin: AdminClient): Promise<void> {
  const startedAt = performance.now()
  const headers = { 'idempotency-key': 'while-away' }
  const app = { name: 'While away', type: 'machine' }
  const answers = await Promise.all([admin.get('/apps'), admin.post('/apps', app, { headers })])
  expect(performance.now() - startedAt).toBeLessThan(2500)
  for (const { status, body, headers: answered, text } of answers) {
    expect({ status, code: body.code }).toEqual({ status: 503, code: 'temporarily_unavailable' })
    expect(Number(answered.get('retry-after'))).toBeGreaterThan(0)
    expect(answered.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(text).not.toMatch(/redis|postgres|127\.0\.0\.1:(?!\d+\/admin)/i)
  }
}

const askPage = () =>
  fetch(
    `${server.url}/oauth/authorize?${new URLSearchParams({
      client_id: client.id,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope: 'bookings:read',
    }).toString()}`,
    { redirect: 'manual' },
  )
const ready = async () => (await fetch(`${server.url}/readyz`)).status

describe.each(['frozen', 'gone'])('Redis is %s', (how) => {
  let access: string
  let refresh: string
  let admin: AdminClient
  beforeAll(async () => {
    ;({ access, refresh } = await web.authorize())
    admin = await createAdminClient(server)
    if (how === 'frozen') redis.pause()
    else await redis.kill()
  })
  afterAll(async () => {
    if (how === 'frozen') redis.resume()
    else await redis.restart()
    await waitUntil('the server to be ready again', async () => (await ready()) === 200)
  })

  it('introspection, refresh and client_credentials answer 503 within two seconds', async () => {
    const answers = await Promise.all([
      within(2000, () => web.introspect(access)),
      within(2000, () => web.refresh(refresh)),
      within(2000, () => web.credentials()),
      within(2000, () => web.revoke(refresh)),
    ])
    answers.forEach(expectUnavailable)
  })

  it('the admin API answers 503', () => expectAdminUnavailable(admin))

  it('the authorization endpoint shows a page, and never sends the person on', async () => {
    const answer = await askPage()
    expect(answer.status).toBe(503)
    expect(answer.headers.get('content-type')).toMatch(/^text\/html/)
    expect(answer.headers.get('location')).toBeNull()
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  it('a token of another form is refused as ever, because that needs no store', async () => {
    expect(await web.introspect('nonsense')).toMatchObject({
      status: 200,
      text: '{"active":false}',
    })
  })

  it('readiness says no', async () => {
    expect(await ready()).toBe(503)
  })

  it('everything works again by itself', async () => {
    if (how === 'frozen') redis.resume()
    else await redis.restart()
    await waitUntil('a token to be issued', async () => (await web.credentials()).status === 200)
    // A Redis that was gone has lost what it did not write down; one that was frozen has not.
    if (how === 'frozen') expect(await web.isActive(access)).toBe(true)
    expect(await web.isActive((await web.authorize()).access)).toBe(true)
    expect((await askPage()).headers.get('location')).toMatch(/\/interaction\//)
  })
})

describe('PostgreSQL is frozen', () => {
  let access: string
  let cold: TestClient
  let admin: AdminClient
  beforeAll(async () => {
    // Whoever may have missed messages forgets all, and could not read it again.
    const { redis: own, config } = server.infrastructure
    const { stores: known } = config
    const channel = `${known.kind === 'networked' ? known.redis.prefix : ''}invalidate`
    await waitUntil('the channel between processes to be back', async () => {
      const [, listeners] = (await own!.call('PUBSUB', 'NUMSUB', channel)) as [string, number]
      return listeners > 0
    })
    ;({ access } = await web.authorize())
    admin = await createAdminClient(server)
    await admin.get('/apps')
    cold = await registerApp(server)
    postgres.pause()
  })
  afterAll(() => postgres.resume())

  it('what is known goes on: introspection, client_credentials', async () => {
    expect((await within(2000, () => web.introspect(access))).body.active).toBe(true)
    expect(await within(2000, () => web.credentials())).toMatchObject({ status: 200 })
  })

  it('an app that this process has not met yet gets 503', async () => {
    const stranger = createOAuthClient(server, cold)
    expectUnavailable(await within(2500, () => stranger.credentials()))
  })

  it('the admin API answers 503', () => expectAdminUnavailable(admin))

  it('everything works again by itself, and no event was lost', async () => {
    await web.credentials()
    postgres.resume()
    // What failed has freed its key, or never had it.
    await waitUntil('an app to be registered', async () => {
      const headers = { 'idempotency-key': 'after' }
      const app = { name: 'After', type: 'machine' }
      return (await admin.post('/apps', app, { headers })).status === 201
    })
    const stranger = createOAuthClient(server, cold)
    await waitUntil(
      'the app to be found',
      async () => (await stranger.credentials()).status === 200,
    )
    await waitUntil('the events to be written', () => server.services.audit.flush())
    const { events } = await server.services.stores.events.list({ appId: client.id, limit: 500 })
    const issued = events.filter(({ data }) => data?.['grantType'] === 'client_credentials')
    expect(issued.length).toBeGreaterThanOrEqual(2)
  })
})
