// A server that may cache the status of tokens: it does not ask Redis again, forgets what is
// revoked elsewhere, and trusts nothing from its cache once it is cut off from the log of
// revocations.
import { setTimeout as sleep } from 'node:timers/promises'
import { BELIEVED_FOR_MILLIS } from '../../src/grants/remembered-access.ts'
import { openNetworkedStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import { type RedisServer, startRedis } from '../support/backends.ts'
import { createScopes, registerApp } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'
import { type CommandCounter, watchRedis } from '../support/round-trips.ts'
import { waitUntil } from '../support/server-process.ts'

let redis: RedisServer
let stores: TestStores
let asking: TestApp
let remembering: TestApp
let counter: CommandCounter
let web: OAuthClient
let api: OAuthClient
beforeAll(async () => {
  redis = await startRedis()
  stores = await openNetworkedStores({ redisUrl: redis.url })
  asking = await startTestApp({ backend: 'redis', stores })
  remembering = await startTestApp({
    backend: 'redis',
    stores,
    issuer: asking.issuer,
    overrides: { OTESSE_INTROSPECTION_CACHE_SECONDS: '60' },
  })
  await createScopes(asking)
  web = createOAuthClient(asking, await registerApp(asking))
  api = createOAuthClient(remembering, await registerApp(asking, { type: 'resource_server' }))
  counter = await watchRedis(redis.url)
})
afterAll(async () => {
  await counter[Symbol.asyncDispose]()
  await remembering[Symbol.asyncDispose]()
  await asking[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
  await redis.stop()
})

const isActive = async (token: string): Promise<unknown> =>
  (await api.introspect(token)).body['active']

/** Resolves when the server answers from memory. */
async function remembered(token: string): Promise<void> {
  await waitUntil('the token to be remembered', async () => {
    const commands = await counter.during(async () => {
      for (let look = 0; look < 20; look += 1) expect(await isActive(token)).toBe(true)
    })
    return !commands.includes('mget')
  })
}

it('asks Redis no more for a token that it remembers', async () => {
  const { access } = await web.authorize()
  await remembered(access)
})

it('forgets a token, and a family, that another process revoked', async () => {
  const first = await web.authorize()
  const second = await web.authorize()
  await remembered(first.access)
  await remembered(second.access)
  await web.revoke(first.access)
  await web.revoke(second.refresh)
  await waitUntil('the token to be forgotten', async () => (await isActive(first.access)) === false)
  await waitUntil(
    'the family to be forgotten',
    async () => (await isActive(second.access)) === false,
  )
})

it('believes nothing that it remembers when it no longer hears of revocations, and goes on by itself', async () => {
  const { access } = await web.authorize()
  await remembered(access)
  redis.pause()
  try {
    await sleep(BELIEVED_FOR_MILLIS + 200)
    expect((await api.introspect(access)).status).toBe(503)
  } finally {
    redis.resume()
  }
  await waitUntil('Redis to be used again', async () => (await isActive(access)) === true)
  await remembered(access)
})
