// The budget of the hot paths: commands on Redis and statements on PostgreSQL per request, with
// limits and events on and caches warm. Background writes may cost something per batch, never
// something per request.
import { startRedis, type RedisServer } from '../support/backends.ts'
import { openNetworkedStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import { approveInBrowser, createBrowser } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  issueCode,
  PASSWORD,
  registerApp,
} from '../support/builders.ts'
import { createOAuthClient, type OAuthClient, type Tokens } from '../support/oauth-client.ts'
import { type CommandCounter, countQueries, watchRedis } from '../support/round-trips.ts'

const REQUESTS = 200
// Limits settle and events are written every 150 and 200 ms, for a handful of keys, as long as a
// run takes. One more command or statement per request would be twice as much.
const BACKGROUND = REQUESTS / 2

let redis: RedisServer
let stores: TestStores
let server: TestApp
let counter: CommandCounter
let web: OAuthClient
let spa: OAuthClient
let api: OAuthClient
let accountId: string
beforeAll(async () => {
  redis = await startRedis()
  stores = await openNetworkedStores({ redisUrl: redis.url })
  server = await startTestApp({
    backend: 'redis',
    stores,
    // All that is refused here comes from one address.
    overrides: {
      OTESSE_LIMIT_FAILED_PROOFS_PER_ADDRESS: '100000/60',
      OTESSE_LIMIT_FAILED_PROOFS_PER_CLIENT: '100000/60',
    },
  })
  await createScopes(server)
  web = createOAuthClient(server, await registerApp(server))
  spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
  api = createOAuthClient(server, await registerApp(server, { type: 'resource_server' }))
  accountId = (await createAccount(server)).id
  counter = await watchRedis(redis.url)
})
afterAll(async () => {
  await counter[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
  await redis.stop()
})

const AT_ONCE = 5

/**
 * Runs the request this many times, a few at a time as real clients do, and returns what all of
 * them cost together.
 */
async function costOf(request: (index: number) => Promise<{ status: number }>, atOnce = AT_ONCE) {
  const expectOk = async (index: number) => expect((await request(index)).status).toBe(200)
  await expectOk(0)
  let statements: string[] = []
  const commands = await counter.during(async () => {
    statements = await countQueries(async () => {
      for (let done = 1; done <= REQUESTS; done += atOnce)
        await Promise.all(Array.from({ length: atOnce }, (_, step) => expectOk(done + step)))
    })
  })
  return { commands, statements }
}

function expectBudget(
  { commands, statements }: Awaited<ReturnType<typeof costOf>>,
  perRequest: number,
) {
  // Requests of one moment share a command for what they read.
  expect(commands.length).toBeGreaterThanOrEqual(REQUESTS / AT_ONCE)
  expect(commands.length).toBeLessThanOrEqual(REQUESTS * perRequest + BACKGROUND)
  expect(statements.length).toBeLessThanOrEqual(BACKGROUND)
}

const authorizeAll = (client: OAuthClient): Promise<Tokens[]> =>
  Promise.all(Array.from({ length: REQUESTS + 1 }, () => client.authorize({ accountId })))

it('introspection costs one command and no statement', async () => {
  const { access } = await web.authorize({ accountId })
  expectBudget(await costOf(() => api.introspect(access)), 1)
  const alone = await costOf(() => api.introspect(access), 1)
  expect(alone.commands.filter((name) => name === 'mget')).toHaveLength(REQUESTS)
})

it('a token that is not of our form costs nothing at all', async () => {
  const { commands, statements } = await costOf(() => api.introspect('otesse_at_nonsense'))
  expect(commands.length).toBeLessThanOrEqual(BACKGROUND)
  expect(statements.length).toBeLessThanOrEqual(BACKGROUND)
})

it('client_credentials costs one command and no statement', async () => {
  expectBudget(await costOf(() => web.credentials()), 1)
})

it('a refresh of a confidential app costs at most three commands and no statement', async () => {
  const { refresh } = await web.authorize({ accountId })
  expectBudget(await costOf(() => web.refresh(refresh)), 2)
})

it('a rotating refresh costs at most three commands and no statement', async () => {
  const tokens = await authorizeAll(spa)
  expectBudget(await costOf((index) => spa.refresh(tokens[index]!.refresh)), 2)
})

it('a code exchange costs at most four commands and no statement', async () => {
  const codes = await Promise.all(
    Array.from({ length: REQUESTS + 1 }, () => issueCode(server, web.client, { accountId })),
  )
  expectBudget(await costOf((index) => web.exchange(codes[index]!.code)), 2)
})

it('a code for an app that was allowed before costs three statements', async () => {
  const person = await createAccount(server, { password: PASSWORD })
  const { id, redirectUri } = web.client
  const url = `${server.issuer}/oauth/authorize?${new URLSearchParams({
    client_id: id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'bookings:read',
  }).toString()}`
  const browser = createBrowser(server)
  await approveInBrowser(server, url, { email: person.email, password: PASSWORD }, browser)
  const codes = 20
  const statements = await countQueries(async () => {
    for (let done = 0; done < codes; done += 1)
      expect((await browser.open(url)).url).toContain('code=otesse_ac_')
  })
  // What is remembered, and before and after the grant is written what it stands on.
  const asked = statements.filter((text) =>
    /from "(accounts|apps|app_secrets|consents)"/.test(text),
  )
  expect(asked).toHaveLength(codes * 3)
})

it('a refused client costs nothing at all', async () => {
  const stranger = createOAuthClient(server, { ...web.client, secret: 'guess' })
  let statements: string[] = []
  const commands = await counter.during(async () => {
    statements = await countQueries(async () => {
      for (let done = 0; done < REQUESTS; done += 1)
        expect((await stranger.credentials()).status).toBe(401)
    })
  })
  expect(commands.length).toBeLessThanOrEqual(BACKGROUND)
  expect(statements.length).toBeLessThanOrEqual(BACKGROUND)
})
