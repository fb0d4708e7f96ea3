// The package that APIs import, against real servers: two nodes on one Redis and PostgreSQL, four
// verifiers. A revoked token is refused at once while the stream is connected, and never later than
// the stated bound when it is not.
import { jest } from '@jest/globals'
import { type AddressInfo, connect, createServer as createProxy, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  createVerifier,
  type Verifier,
  type VerifierOptions,
} from '../../packages/resource-server/src/resource-server.ts'
import { newAccessToken, newGrantId } from '../../src/shared/token-format.ts'
import { openNetworkedStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import { startRedis, type RedisServer } from '../support/backends.ts'
import { createScopes, registerApp, type TestClient } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'
import { findFreePort } from '../support/ports.ts'

const SILENCE_SECONDS = 3
// Heartbeats come every five seconds, so a shorter bound would lose a stream that is well.
const USUAL_SILENCE_SECONDS = 8

let redis: RedisServer
let stores: TestStores
let one: TestApp
let two: TestApp
let web: OAuthClient
let api: TestClient

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true })
  stores = await openNetworkedStores({ redisUrl: redis.url })
  const generous = {
    OTESSE_LIMIT_TOKEN_PER_CLIENT: '0',
    OTESSE_LIMIT_TOKEN_PER_ADDRESS: '0',
  }
  one = await startTestApp({ backend: 'redis', stores, overrides: generous })
  two = await startTestApp({ backend: 'redis', stores, issuer: one.issuer, overrides: generous })
  await createScopes(one)
  web = createOAuthClient(one, await registerApp(one))
  api = await registerApp(one, { type: 'resource_server' })
})
afterAll(async () => {
  await two[Symbol.asyncDispose]()
  await one[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
  await redis.stop()
})

function verifierAt(url: string, options: Partial<VerifierOptions> = {}): Verifier {
  return createVerifier({
    issuer: url,
    clientId: api.id,
    clientSecret: api.secret ?? '',
    positiveTtlSeconds: 300,
    streamSilenceSeconds: USUAL_SILENCE_SECONDS,
    ...options,
  })
}

async function until(what: string, check: () => Promise<boolean> | boolean, millis = 10_000) {
  const start = performance.now()
  while (!(await check())) {
    if (performance.now() - start > millis) throw new Error(`not in time: ${what}`)
    await sleep(3)
  }
  return performance.now() - start
}

const kindOf = async (verifier: Verifier, token: string) => (await verifier.verify(token)).kind
const followed = (verifier: Verifier) =>
  until('the stream to be followed', () => verifier.isFollowing())

/** Stands between a verifier and a server, and can stop passing anything on, or cut off. */
async function startProxy(target: string) {
  const sockets = new Set<Socket>()
  let isStalled = false
  const proxy = createProxy((socket) => {
    const upstream = connect(Number(new URL(target).port), '127.0.0.1')
    for (const end of [socket, upstream]) {
      sockets.add(end)
      end.on('error', () => undefined)
      end.on('close', () => {
        sockets.delete(end)
        socket.destroy()
        upstream.destroy()
      })
    }
    socket.on('data', (data) => isStalled || upstream.write(data))
    upstream.on('data', (data) => isStalled || socket.write(data))
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const cutOff = () => sockets.forEach((socket) => socket.destroy())
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    stall: (stalled: boolean) => void (isStalled = stalled),
    cutOff,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        proxy.close(() => resolve())
        cutOff()
      }),
  }
}

it('says whose token it is, and asks the server once for many checks', async () => {
  await using verifier = verifierAt(one.url)
  await followed(verifier)
  const { access, accountId, grantId } = await web.authorize()
  const asked = jest.spyOn(globalThis, 'fetch')
  const answers = await Promise.all(Array.from({ length: 50 }, () => verifier.verify(access)))
  await verifier.verify(access)
  expect(asked).toHaveBeenCalledTimes(1)
  asked.mockRestore()
  expect(answers[49]).toEqual({
    kind: 'active',
    token: {
      subject: accountId,
      clientId: web.client.id,
      scopes: new Set(['bookings:read', 'customers:read']),
      audience: undefined,
      grantId,
      issuer: one.issuer,
      expiresAt: expect.any(Number),
    },
  })
})

it('refuses what was never a token without asking, and remembers a no', async () => {
  await using verifier = verifierAt(one.url)
  await followed(verifier)
  const { access, refresh } = await web.authorize()
  const asked = jest.spyOn(globalThis, 'fetch')
  const broken = access.slice(0, -1) + (access.endsWith('0') ? '1' : '0')
  for (const text of ['', 'nonsense', refresh, broken, access.slice(1)])
    expect(await kindOf(verifier, text)).toBe('inactive')
  expect(asked).not.toHaveBeenCalled()
  // Well formed, and nobody revoked it: only the server can say no, which it is asked for once.
  const unknown = newAccessToken(newGrantId())
  expect(await kindOf(verifier, unknown)).toBe('inactive')
  expect(await kindOf(verifier, unknown)).toBe('inactive')
  expect(asked).toHaveBeenCalledTimes(1)
  asked.mockRestore()
  await web.revoke(access)
  expect(await kindOf(verifier, access)).toBe('inactive')
})

it('refuses within 100 ms, as a rule, what was revoked at either node: four verifiers, 40 revocations', async () => {
  await using stack = new AsyncDisposableStack()
  const verifiers = [one, one, two, two].map((node) => stack.use(verifierAt(node.url)))
  await Promise.all(verifiers.map(followed))
  const nodes = [web, createOAuthClient(two, web.client)]
  const delays: number[] = []
  for (let round = 0; round < 40; round += 1) {
    const { access, refresh } = await web.authorize()
    for (const verifier of verifiers) expect(await kindOf(verifier, access)).toBe('active')
    const answer = await nodes[round % 2]!.revoke(round % 4 < 2 ? access : refresh)
    expect(answer.status).toBe(200)
    const answeredAt = performance.now()
    await Promise.all(
      verifiers.map(async (verifier) => {
        await until('the refusal', async () => (await kindOf(verifier, access)) === 'inactive')
        delays.push(performance.now() - answeredAt)
      }),
    )
  }
  delays.sort((a, b) => a - b)
  expect(delays).toHaveLength(160)
  // The median, because others may use this machine; bench/verifier.ts measures the rest.
  expect(delays[80]).toBeLessThan(100)
  expect(delays.at(-1)).toBeLessThan(USUAL_SILENCE_SECONDS * 1000)
}, 60_000)

it('forgets all tokens of an app and of an account that are shut down', async () => {
  await using verifier = verifierAt(two.url)
  await followed(verifier)
  const client = await registerApp(one)
  const other = createOAuthClient(one, client)
  const [first, second] = [await other.authorize(), await web.authorize()]
  for (const { access } of [first, second]) expect(await kindOf(verifier, access)).toBe('active')
  await one.services.apps.suspend(client.id, 'abuse')
  await one.services.accounts.deactivate(second.accountId, 'left')
  for (const { access } of [first, second])
    await until('the refusal', async () => (await kindOf(verifier, access)) === 'inactive', 1500)
})

it('never remembers a token beyond its end', async () => {
  await using verifier = verifierAt(one.url)
  await followed(verifier)
  // Issued an hour ago, all but two seconds.
  const ago = one.infrastructure.config.tokens.accessTtlSeconds * 1000 - 2000
  one.clock.move(-ago)
  const { access } = await web.authorize()
  one.clock.move(ago)
  expect(await kindOf(verifier, access)).toBe('active')
  await sleep(2100)
  expect(await kindOf(verifier, access)).toBe('inactive')
})

describe('when something breaks, nothing revoked is accepted later than the bound', () => {
  it('a stream that is cut off is found again and misses nothing', async () => {
    await using proxy = await startProxy(one.url)
    await using verifier = verifierAt(proxy.url)
    await followed(verifier)
    const { access, refresh } = await web.authorize()
    const { access: kept } = await web.authorize()
    expect(await kindOf(verifier, access)).toBe('active')
    expect(await kindOf(verifier, kept)).toBe('active')
    proxy.cutOff()
    await web.revoke(refresh)
    await until('the refusal', async () => (await kindOf(verifier, access)) === 'inactive', 3000)
    // It went on where it was: what was not revoked is still remembered.
    expect(verifier.size()).toBeGreaterThan(0)
    await followed(verifier)
    const asked = jest.spyOn(globalThis, 'fetch')
    expect(await kindOf(verifier, kept)).toBe('active')
    expect(asked).not.toHaveBeenCalled()
    asked.mockRestore()
  })

  it('a stream that goes silent is trusted for the bound and not longer; without the server there is no yes', async () => {
    await using proxy = await startProxy(one.url)
    const silence = SILENCE_SECONDS * 1000
    await using verifier = verifierAt(proxy.url, {
      streamSilenceSeconds: SILENCE_SECONDS,
      timeoutMillis: 500,
    })
    await followed(verifier)
    const { access, refresh } = await web.authorize()
    expect(await kindOf(verifier, access)).toBe('active')
    proxy.stall(true)
    await web.revoke(refresh)
    const revokedAt = performance.now()
    let acceptedAt = 0
    while (performance.now() - revokedAt < silence + 1500) {
      if ((await kindOf(verifier, access)) === 'active') acceptedAt = performance.now()
      await sleep(10)
    }
    // It was: or the test would not see the bound.
    expect(acceptedAt).toBeGreaterThan(revokedAt)
    expect(acceptedAt - revokedAt).toBeLessThanOrEqual(silence + 100)
    expect(await kindOf(verifier, access)).toBe('unavailable')
    proxy.stall(false)
    proxy.cutOff()
    await followed(verifier)
    expect(await kindOf(verifier, access)).toBe('inactive')
  })

  it('a server that is gone is believed for two seconds more, however long silence may last', async () => {
    const proxy = await startProxy(one.url)
    await using verifier = verifierAt(proxy.url, {
      streamSilenceSeconds: 60,
      timeoutMillis: 500,
    })
    await followed(verifier)
    const { access } = await web.authorize()
    expect(await kindOf(verifier, access)).toBe('active')
    await proxy[Symbol.asyncDispose]()
    // At once it is: an ordinary reconnect must not cost a question for each token.
    expect(await kindOf(verifier, access)).toBe('active')
    const took = await until(
      'the end of trust',
      async () => (await kindOf(verifier, access)) === 'unavailable',
      20_000,
    )
    expect(took).toBeGreaterThan(1000)
  })

  it('a Redis that goes away for a while: no yes without it beyond the bound, and recovery by itself', async () => {
    await using verifier = verifierAt(two.url, { timeoutMillis: 800 })
    await followed(verifier)
    const { access, refresh } = await web.authorize()
    const { access: kept } = await web.authorize()
    expect(await kindOf(verifier, access)).toBe('active')
    await redis.kill()
    // Nobody can revoke now: the revocation says so, and may be tried again.
    expect((await web.revoke(refresh)).status).toBe(503)
    await until(
      'the end of trust',
      async () => (await kindOf(verifier, access)) === 'unavailable',
      USUAL_SILENCE_SECONDS * 1000 + 2500,
    )
    await redis.restart()
    await until('the revocation', async () => (await web.revoke(refresh)).status === 200)
    await until('the refusal', async () => (await kindOf(verifier, access)) === 'inactive')
    await until('a yes', async () => (await kindOf(verifier, kept)) === 'active')
    await followed(verifier)
  }, 60_000)

  it('a node that drains: its verifiers come back, to another one', async () => {
    const node = await startTestApp({ backend: 'redis', stores, issuer: one.issuer })
    let target = node.url
    const sockets = new Set<Socket>()
    const proxy = createProxy((socket) => {
      sockets.add(socket)
      const upstream = connect(Number(new URL(target).port), '127.0.0.1')
      socket.on('error', () => upstream.destroy()).pipe(upstream)
      upstream.on('error', () => socket.destroy()).pipe(socket)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const balancer = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    await using verifier = verifierAt(balancer)
    await followed(verifier)
    const { access, refresh } = await web.authorize()
    expect(await kindOf(verifier, access)).toBe('active')
    target = one.url
    node.startDraining()
    await node[Symbol.asyncDispose]()
    await web.revoke(refresh)
    await until('the refusal', async () => (await kindOf(verifier, access)) === 'inactive', 4000)
    verifier.close()
    await new Promise<void>((resolve) => {
      proxy.close(() => resolve())
      // What a client keeps open for its next request would hold the proxy for a minute.
      for (const socket of sockets) socket.destroy()
    })
  })
})

it('without the stream a yes lives for its time and not longer; a stale one only where that was asked for', async () => {
  await using proxy = await startProxy(one.url)
  const options = { stream: false, positiveTtlSeconds: 0.5, timeoutMillis: 500 } as const
  await using strict = verifierAt(proxy.url, options)
  await using lenient = verifierAt(proxy.url, { ...options, staleIfErrorSeconds: 2 })
  const { access } = await web.authorize()
  for (const verifier of [strict, lenient]) expect(await kindOf(verifier, access)).toBe('active')
  proxy.stall(true)
  await sleep(600)
  expect(await kindOf(strict, access)).toBe('unavailable')
  expect(await kindOf(lenient, access)).toBe('active')
  await sleep(2000)
  expect(await kindOf(lenient, access)).toBe('unavailable')
})

it('a wrong secret is a problem that is told, and never a yes', async () => {
  const problems: string[] = []
  await using verifier = verifierAt(one.url, {
    clientSecret: 'wrong',
    onProblem: (error) => problems.push(error.message),
  })
  const { access } = await web.authorize()
  expect(await kindOf(verifier, access)).toBe('unavailable')
  await until('the problem', () => problems.length >= 2)
  expect([...problems].sort()).toEqual([
    'The introspection endpoint answered 401.',
    'The stream of revocations answered 401.',
  ])
  expect(problems.join()).not.toContain(access)
})

it('a server that is away is a problem that says which connection it was', async () => {
  const problems: string[] = []
  const nobody = `http://127.0.0.1:${await findFreePort()}`
  await using verifier = verifierAt(nobody, { onProblem: (error) => problems.push(error.message) })
  expect(await kindOf(verifier, (await web.authorize()).access)).toBe('unavailable')
  const ours = ['The stream of revocations cannot be reached, or was lost.']
  await until('the problem', () => ours.every((message) => problems.includes(message)))
  expect(problems).toContain('The introspection endpoint cannot be reached.')
})
