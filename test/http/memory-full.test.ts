// The memory of Redis runs out: strangers are refused first, then what is issued; revocations
// never. Nothing is answered 200 falsely.
import type { Redis } from 'ioredis'
import { openNetworkedStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import { startRedis } from '../support/backends.ts'
import { createScopes, REDIRECT_URI, registerApp } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient, type Tokens } from '../support/oauth-client.ts'
import { waitUntil } from '../support/server-process.ts'

let redis: Awaited<ReturnType<typeof startRedis>>
let stores: TestStores
let server: TestApp
let web: OAuthClient
let first: Tokens
let second: Tokens

beforeAll(async () => {
  redis = await startRedis()
  stores = await openNetworkedStores({ redisUrl: redis.url })
  server = await startTestApp({ backend: 'redis', stores })
  await createScopes(server)
  web = createOAuthClient(server, await registerApp(server))
  first = await web.authorize()
  second = await web.authorize()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
  await redis.stop()
})

const direct = (): Redis => server.infrastructure.redis as Redis

/**
 * Bounds the memory so that this share of it is used; beyond 1 Redis refuses every write that needs
 * more.
 */
async function setUsedShare(wanted: number): Promise<void> {
  const info = await direct().info('memory')
  const used = Number(/used_memory:(\d+)/.exec(info)?.[1])
  await direct().config('SET', 'maxmemory', Math.floor(used / wanted))
}

function beginSignIn() {
  const query = new URLSearchParams({
    client_id: web.client.id,
    redirect_uri: REDIRECT_URI,
    response_type: 'code',
    scope: 'bookings:read',
    state: 'xyz',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  })
  return fetch(`${server.url}/oauth/authorize?${query.toString()}`, { redirect: 'manual' })
}

it('above the watermark strangers begin no sign-in, and everything else goes on', async () => {
  expect((await beginSignIn()).status).toBe(302)
  await setUsedShare(0.9)
  let refused = await beginSignIn()
  await waitUntil('strangers to be refused', async () => {
    refused = await beginSignIn()
    return refused.status === 503
  })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await web.credentials()).toMatchObject({ status: 200 })
  expect(await web.refresh(first.refresh)).toMatchObject({ status: 200 })
})

it('when memory is full nothing is issued, and what is revoked is dead and told', async () => {
  const told: string[] = []
  const unfollow = server.infrastructure.revocations.follow({
    onRevoked: ({ kind }) => void told.push(kind),
    onGap: () => undefined,
    onContact: () => undefined,
  })
  await server.infrastructure.revocations.ready()
  await setUsedShare(2)
  expect(await web.credentials()).toMatchObject({ status: 503 })
  expect(await web.refresh(second.refresh)).toMatchObject({ status: 503 })
  expect(await web.isActive(second.access)).toBe(true)

  expect(await web.revoke(second.refresh)).toMatchObject({ status: 200 })
  expect(await web.isActive(second.access)).toBe(false)
  expect(await web.revoke(first.access)).toMatchObject({ status: 200 })
  expect(await web.isActive(first.access)).toBe(false)
  await waitUntil('both to be told', () => Promise.resolve(told.length >= 2))
  unfollow()
  expect(told).toEqual(expect.arrayContaining(['grant', 'token']))
})
