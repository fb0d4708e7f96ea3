// An app that is answered 503 and tries again as it was told, over HTTP: a Redis that stands still
// between the look and the commit, and a database that is away when everything is committed
// already.
import { startTestApp, openNetworkedStores, type TestApp, type TestStores } from '../support/app.ts'
import {
  type PostgresServer,
  type RedisServer,
  startPostgres,
  startRedis,
} from '../support/backends.ts'
import { createScopes, issueCode, registerApp } from '../support/builders.ts'
import { type Answer, createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'

let redis: RedisServer
let postgres: PostgresServer
let stores: TestStores
let server: TestApp
let web: OAuthClient
let spa: OAuthClient
beforeAll(async () => {
  ;[redis, postgres] = await Promise.all([startRedis(), startPostgres()])
  stores = await openNetworkedStores({ redisUrl: redis.url, postgresUrl: postgres.url })
  server = await startTestApp({
    backend: 'redis',
    stores,
    overrides: { OTESSE_REFRESH_GRACE_SECONDS: '0' },
  })
  await createScopes(server)
  web = createOAuthClient(server, await registerApp(server))
  spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
})
afterAll(async () => {
  redis.resume()
  postgres.resume()
  await server[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
  await redis.stop()
  await postgres.stop()
})

function expectTryAgain(answer: Answer): void {
  expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
}

/** Sends a request whose next commit meets a Redis that stands still, until it is answered. */
async function meetingAPause(request: () => Promise<Answer>): Promise<Answer> {
  const { store } = server.infrastructure
  const commit = store.commit.bind(store)
  store.commit = (family, change) => {
    redis.pause()
    store.commit = commit
    return commit(family, change)
  }
  try {
    return await request()
  } finally {
    store.commit = commit
    redis.resume()
  }
}

it('the exchange of a code: the second try gets the tokens, a third one ends them', async () => {
  const { code } = await issueCode(server, web.client)
  expectTryAgain(await meetingAPause(() => web.exchange(code)))
  const second = await web.exchange(code)
  expect(second.status).toBe(200)
  expect(await web.isActive(second.body.access_token)).toBe(true)
  expect(await web.exchange(code)).toMatchObject({
    status: 400,
    body: { error: 'invalid_grant' },
  })
  expect(await web.isActive(second.body.access_token)).toBe(false)
})

it('a rotation, without any grace: the second try gets the successor', async () => {
  const { refresh, grantId } = await spa.authorize()
  expectTryAgain(await meetingAPause(() => spa.refresh(refresh)))
  const second = await spa.refresh(refresh)
  expect(second.status).toBe(200)
  expect((await spa.refresh(second.body.refresh_token)).status).toBe(200)
  expect(await server.services.grants.find(grantId)).toBeDefined()
})

it('client_credentials and a refresh that does not rotate', async () => {
  const { refresh } = await web.authorize()
  for (const request of [() => web.credentials(), () => web.refresh(refresh)]) {
    expectTryAgain(await meetingAPause(request))
    const { status, body } = await request()
    expect(status).toBe(200)
    expect(await web.isActive(body.access_token)).toBe(true)
  }
})

it.each(['access', 'refresh'] as const)(
  'a revocation of the %s token: what was not answered has not happened, and happens at the second try',
  async (kind) => {
    const tokens = await web.authorize()
    expectTryAgain(await meetingAPause(() => web.revoke(tokens[kind])))
    expect(await web.isActive(tokens.access)).toBe(true)
    expect((await web.revoke(tokens[kind])).status).toBe(200)
    expect(await web.isActive(tokens.access)).toBe(false)
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({ appId: web.client.id, limit: 10 })
    const ends = events.filter(
      ({ name, grantId }) => grantId === tokens.grantId && /revoked/.test(name),
    )
    expect(ends.map(({ reason }) => reason)).toEqual(['client'])
  },
)

it.each(['a code', 'a rotation'])(
  '%s whose person cannot be looked up, when everything is committed, is as it was',
  async (what) => {
    const app = what === 'a code' ? web : spa
    const { store, invalidation } = server.infrastructure
    // Makes the app known to this process.
    await app.authorize()
    const begun = await issueCode(server, app.client)
    const token =
      what === 'a code' ? begun.code : (await app.exchange(begun.code)).body.refresh_token
    const request = () => (what === 'a code' ? app.exchange(token) : app.refresh(token))
    await invalidation.publish('account', begun.accountId)
    const commit = store.commit.bind(store)
    const outcomes: boolean[] = []
    store.commit = async (family, change) => {
      const done = await commit(family, change)
      outcomes.push(done)
      return done
    }
    postgres.pause()
    try {
      expectTryAgain(await request())
    } finally {
      postgres.resume()
      store.commit = commit
    }
    expect(outcomes).toEqual([true])
    expect((await request()).status).toBe(200)
  },
)
