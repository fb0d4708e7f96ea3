// A 503 means that nothing happened: what waited in a Redis that stood still is not carried out
// later, and what was carried out without anybody hearing of it is taken back before the next try.
import { jest } from '@jest/globals'
import { createGrants, type Grants } from '../../src/grants/grants.ts'
import type { ShortLivedStore } from '../../src/grants/family-store.ts'
import { parseRecord, type RefreshRecord } from '../../src/grants/grant.ts'
import { createRedisStore } from '../../src/grants/redis-family.store.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { newAccountId, newClientId } from '../../src/shared/ids.ts'
import { newCode, newGrantId } from '../../src/shared/token-format.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import {
  type RedisCluster,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from '../support/backends.ts'
import { waitUntil } from '../support/server-process.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { assertIssued, parsed, refreshTokens, TERMS } from './grants.contract.ts'
import { quiet } from './short-lived-stores.ts'

const AWAY = { code: 'temporarily_unavailable', retryAfterSeconds: 2 }
const ROTATING = { ...TERMS, rotate: true }
/** With it nothing but an undo helps an app whose answer was lost. */
const STRICT = { ...ROTATING, graceSeconds: 0 }

let redis: RedisServer
let cluster: RedisCluster
beforeAll(async () => {
  ;[redis, cluster] = await Promise.all([startRedis(), startRedisCluster()])
}, 60_000)
afterAll(() => Promise.all([redis.stop(), cluster.stop()]))

/** A process of its own: store and grants on a connection of their own. */
function openProcess(url: string) {
  const client = openRedis(parseRedisUrl(url), quiet)
  const store = createRedisStore(client, 'p:')
  const told: string[] = []
  const deps = {
    clock: systemClock,
    refreshTokens,
    onEnded: ({ family }: { family: string }) => Promise.resolve(void told.push(family)),
  }
  return {
    client,
    store,
    told,
    grants: createGrants({ ...deps, store }),
    /** Grants whose first commit waits for what `meet` does to Redis just before. */
    meeting: (meet: () => void | Promise<void>) =>
      createGrants({ ...deps, store: before(store, meet) }),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      client.disconnect()
    },
  }
}

function before(store: ShortLivedStore, meet: () => void | Promise<void>): ShortLivedStore {
  let isFirst = true
  return {
    ...store,
    async commit(family, change) {
      if (isFirst) {
        isFirst = false
        await meet()
      }
      return store.commit(family, change)
    },
  }
}

/** Lets so many come together, then acts once, then lets all go on. */
function gathering(count: number, act: () => void): () => Promise<void> {
  let arrived = 0
  let resolve: () => void
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return () => {
    arrived += 1
    if (arrived === count) {
      act()
      resolve()
    }
    return promise
  }
}

const appId = newClientId()

async function begin(grants: Grants): Promise<string> {
  const id = newGrantId()
  const code = newCode(id)
  const nowSeconds = Math.floor(Date.now() / 1000)
  await grants.begin(
    { id, appId, accountId: newAccountId(), scopes: ['a'], createdAt: nowSeconds },
    code,
    { redirectUri: 'x', expiresAt: nowSeconds + 60 },
    100_000,
  )
  return code
}
const redeem = (grants: Grants, code: string, terms = TERMS) =>
  grants.redeem(
    parsed(code),
    appId,
    terms,
    () => undefined,
    () => true,
  )
const refresh = (grants: Grants, token: string, terms = STRICT) =>
  grants.refresh(parsed(token), { appId, terms, scopes: undefined, isPermitted: () => true })
async function authorize(grants: Grants, terms = STRICT): Promise<string> {
  const issued = await redeem(grants, await begin(grants), terms)
  assertIssued(issued)
  return issued.refreshToken ?? ''
}
const credentials = (grants: Grants, app = appId) =>
  grants.issueToApp({ id: app, generation: 0 }, ['a'], undefined, TERMS)

const SERVERS = {
  'one Redis': () => ({ url: redis.url, server: redis }),
  'a Redis Cluster': () => ({
    url: `redis-cluster://${cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`,
    server: cluster,
  }),
}

describe.each(Object.entries(SERVERS))('%s that stands still', (_name, open) => {
  it('carries nothing out when it goes on', async () => {
    const { url, server } = open()
    await using here = openProcess(url)
    const family = newGrantId()
    const put = (name: string) =>
      here.store.commit(family, { expect: [], put: [{ name, value: 'x', ttlMillis: 60_000 }] })
    expect(await put('before')).toBe(true)
    server.pause()
    try {
      await expect(put('late')).rejects.toMatchObject(AWAY)
    } finally {
      server.resume()
    }
    // On the same connection, so what waited has had its turn.
    expect(await put('after')).toBe(true)
    expect(await here.store.read(family, ['before', 'late', 'after'])).toEqual([
      'x',
      undefined,
      'x',
    ])
  })

  it('leaves a code, a refresh token and an app as they were, and revokes at the second try', async () => {
    const { url, server } = open()
    await using here = openProcess(url)
    await using elsewhere = openProcess(url)
    const { grants } = here
    const code = await begin(grants)
    const token = await authorize(grants)
    const doomed = await authorize(grants)
    await credentials(grants)
    await elsewhere.store.ping()
    // With the reads of all four behind them.
    const pause = gathering(4, () => server.pause())
    try {
      const tries = await Promise.allSettled([
        redeem(here.meeting(pause), code),
        refresh(here.meeting(pause), token),
        here.meeting(pause).revoke(parsed(doomed).grantId),
        credentials(here.meeting(pause)),
      ])
      for (const tried of tries)
        expect(tried).toMatchObject({ status: 'rejected', reason: expect.objectContaining(AWAY) })
    } finally {
      server.resume()
    }
    // The second try may come to another process.
    assertIssued(await redeem(elsewhere.grants, code))
    expect(await refresh(elsewhere.grants, token)).toMatchObject({ refresh: 'rotated' })
    await credentials(elsewhere.grants)
    expect(await elsewhere.grants.revoke(parsed(doomed).grantId)).toMatchObject({ appId })
    expect(elsewhere.told).toEqual([parsed(doomed).grantId])
    // A code that was answered is used.
    expect(await redeem(grants, code)).toMatchObject({ reason: 'code_used' })
  })
})

describe('an answer that is lost on its way', () => {
  /** Two processes; the connection of the one can be disturbed. */
  async function openBoth() {
    const stack = new AsyncDisposableStack()
    const proxy = stack.use(await startTcpProxy(redis.port))
    const here = stack.use(openProcess(`redis://127.0.0.1:${proxy.port}`))
    const elsewhere = stack.use(openProcess(redis.url))
    await here.store.ping()
    return {
      proxy,
      here,
      elsewhere,
      lossy: here.meeting(() => proxy.loseAnswers()),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  }

  /** Resolves when the commit was carried out, whoever was told of it. */
  const untilGeneration = ({ store }: { store: ShortLivedStore }, token: string, wanted: number) =>
    waitUntil('the commit to be carried out', async () => {
      const [state] = await store.read(parsed(token).grantId, ['r'])
      return state !== undefined && parseRecord<RefreshRecord>(state).generation === wanted
    })

  it.each(['before the connection is back', 'later, to another process'])(
    'of a code leaves the code as it was: the next try comes %s',
    async (when) => {
      await using both = await openBoth()
      const { here, elsewhere, lossy, proxy } = both
      const code = await begin(here.grants)
      const first = expect(redeem(lossy, code)).rejects.toMatchObject(AWAY)
      await untilGeneration(elsewhere, code, 0)
      // Nor does anything arrive any more.
      proxy.cut('silence')
      await first
      const early = when.startsWith('before') ? redeem(here.grants, code) : undefined
      proxy.cut('reset')
      await here.store.settled(parsed(code).grantId)
      const issued = await (early ?? redeem(elsewhere.grants, code))
      assertIssued(issued)
      expect(await elsewhere.grants.findAccess(parsed(issued.accessToken))).toBeDefined()
      expect(await redeem(elsewhere.grants, code)).toMatchObject({ reason: 'code_used' })
      expect(await elsewhere.grants.findAccess(parsed(issued.accessToken))).toBeUndefined()
    },
  )

  it('of a rotation leaves the refresh token as it was, without any grace', async () => {
    await using both = await openBoth()
    const { here, elsewhere, lossy, proxy } = both
    const token = await authorize(here.grants)
    const first = expect(refresh(lossy, token)).rejects.toMatchObject(AWAY)
    await untilGeneration(elsewhere, token, 1)
    proxy.cut('silence')
    await first
    proxy.cut('reset')
    const next = await refresh(here.grants, token)
    assertIssued(next)
    expect(next.refresh).toBe('rotated')
    expect(await refresh(here.grants, token)).toMatchObject({ reason: 'refresh_token_reused' })
  })

  it('of a rotation takes nothing from a worker that got the successor by the grace', async () => {
    await using both = await openBoth()
    const { here, elsewhere, lossy, proxy } = both
    const token = await authorize(here.grants, ROTATING)
    const first = expect(refresh(lossy, token, ROTATING)).rejects.toMatchObject(AWAY)
    await untilGeneration(elsewhere, token, 1)
    const worker = await refresh(elsewhere.grants, token, ROTATING)
    assertIssued(worker)
    expect(worker.refresh).toBe('repeated')
    await first
    proxy.cut('reset')
    await here.store.settled(parsed(token).grantId)
    const again = await refresh(here.grants, token, ROTATING)
    assertIssued(again)
    expect(again.refreshToken).toBe(worker.refreshToken)
    expect(await refresh(elsewhere.grants, worker.refreshToken ?? '', ROTATING)).toMatchObject({
      refresh: 'rotated',
    })
  })

  it('of a revocation is made good by the second try', async () => {
    await using both = await openBoth()
    const { here, lossy, proxy } = both
    const family = parsed(await authorize(here.grants)).grantId
    await expect(lossy.revoke(family)).rejects.toMatchObject(AWAY)
    proxy.cut('reset')
    await here.grants.revoke(family)
    expect(here.told).toEqual([family])
    expect(await here.grants.find(family)).toBeUndefined()
  })

  it.each([
    ['a code', 'redeem'],
    ['a rotation', 'refresh'],
  ])('of %s that the connection sends again is found', async (_name, what) => {
    await using both = await openBoth()
    const { here, elsewhere, lossy, proxy } = both
    const token = what === 'redeem' ? await begin(here.grants) : await authorize(here.grants)
    const trying = what === 'redeem' ? redeem(lossy, token) : refresh(lossy, token)
    await untilGeneration(elsewhere, token, what === 'redeem' ? 0 : 1)
    proxy.cut('reset')
    const outcome = await trying
    assertIssued(outcome)
    expect(await here.grants.findAccess(parsed(outcome.accessToken))).toBeDefined()
  })
})

describe('clocks', () => {
  afterEach(() => jest.restoreAllMocks())

  it.each(Object.entries(SERVERS))(
    '%s whose clock ran ahead of this process holds nothing up',
    async (_name, open) => {
      await using here = openProcess(open().url)
      const family = newGrantId()
      const put = (name: string) =>
        here.store.commit(family, { expect: [], put: [{ name, value: 'x', ttlMillis: 60_000 }] })
      expect(await put('before')).toBe(true)
      // A machine that slept: its count of time stood still.
      const now = performance.now.bind(performance)
      jest.spyOn(performance, 'now').mockImplementation(() => now() - 3_600_000)
      expect(await put('after')).toBe(true)
      expect(await put('again')).toBe(true)
      expect(await here.store.read(family, ['after', 'again'])).toEqual(['x', 'x'])
    },
  )
})
