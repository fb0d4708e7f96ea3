// Revocation by purge jobs, on Postgres with Redis and on PGlite with the embedded store: complete,
// retried, shared by several nodes.
import { setTimeout as sleep } from 'node:timers/promises'
import { appFamily } from '../../src/grants/app-tokens.ts'
import { openEmbeddedStore } from '../../src/grants/embedded-family.store.ts'
import type { Grant } from '../../src/grants/grant.ts'
import { createGrants } from '../../src/grants/grants.ts'
import { createPurgeJobStore } from '../../src/grants/purge-job.store.ts'
import type { PurgeTask } from '../../src/storage/purge-outbox.ts'
import { createPurger, type PurgeDeps, type Purger } from '../../src/grants/purge.ts'
import { AppError } from '../../src/shared/errors.ts'
import { newAccountId, newClientId } from '../../src/shared/ids.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { newCode, newGrantId, parseToken, type ParsedToken } from '../../src/shared/token-format.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { DATABASES } from '../support/migrated-database.ts'
import { refreshTokens, TERMS } from './grants.contract.ts'
import { createMovableClock, openOnRedis, quiet, type MovableClock } from './short-lived-stores.ts'
import type { ShortLivedStore } from '../../src/grants/family-store.ts'

describe.each(DATABASES)('on $name', ({ name, open }) => {
  const stack = new AsyncDisposableStack()
  let db: OpenDatabase['db']
  let store: ShortLivedStore
  let clock: MovableClock
  beforeAll(async () => {
    ;({ db } = stack.use(await open()))
    if (name === 'Postgres') {
      ;({ store, clock } = stack.use(await openOnRedis(process.env['OTESSE_TEST_REDIS_URL'] ?? '')))
    } else {
      clock = createMovableClock()
      store = stack.use(await openEmbeddedStore(db, clock))
    }
  })
  afterAll(() => stack.disposeAsync())
  afterEach(() => db.deleteFrom('purge_jobs').execute())

  const newGrants = () => createGrants({ store, clock, refreshTokens })

  /** Starts a node with ports that remember what they were told. */
  function startNode(overrides: Partial<PurgeDeps> = {}) {
    const revoked: { grant: Grant; reason: string }[] = []
    const signedOut: string[] = []
    const metrics = createMetrics({ processMetrics: false })
    const purger: Purger = createPurger({
      jobs: createPurgeJobStore(db),
      grants: newGrants(),
      sessions: {
        removeAllOf: (accountId) => {
          signedOut.push(accountId)
          return Promise.resolve()
        },
      },
      audit: { grantRevoked: (grant, reason) => void revoked.push({ grant, reason }) },
      clock,
      logger: quiet,
      metrics,
      ...overrides,
    })
    return {
      ...purger,
      revoked,
      signedOut,
      jobsInMetric: async () => (await metrics.purgeJobs.get()).values[0]?.value,
    }
  }

  async function begin(accountId: string, appId: string): Promise<string> {
    const nowSeconds = Math.floor(clock() / 1000)
    const id = newGrantId()
    await newGrants().begin(
      { id, accountId, appId, scopes: ['a'], createdAt: nowSeconds },
      newCode(id),
      { redirectUri: 'https://app.example/cb', expiresAt: nowSeconds + 60 },
      3600,
    )
    return id
  }
  async function beginMany(count: number, accountId: string, appId?: string): Promise<string[]> {
    const ids: string[] = []
    while (ids.length < count) {
      const next = Array.from({ length: Math.min(10, count - ids.length) }, () =>
        begin(accountId, appId ?? newClientId()),
      )
      ids.push(...(await Promise.all(next)))
    }
    return ids
  }

  /** Writes a job; with a generation it means the grants of before. */
  async function write(task: PurgeTask, generation: number | null = null): Promise<void> {
    await db
      .insertInto('purge_jobs')
      .values({
        kind: task.kind,
        app_id: task.kind === 'account' ? null : task.appId,
        account_id: task.kind === 'app' ? null : task.accountId,
        reason: task.reason,
        generation,
        created_at: new Date(clock()),
        attempts: 0,
      })
      .execute()
  }
  const jobs = () => db.selectFrom('purge_jobs').selectAll().execute()
  const aliveOf = async (ids: string[]) => {
    const grants = newGrants()
    let alive = 0
    for (let from = 0; from < ids.length; from += 100) {
      const found = await Promise.all(ids.slice(from, from + 100).map((id) => grants.find(id)))
      alive += found.filter((grant) => grant !== undefined).length
    }
    return alive
  }

  it('ends all grants and sessions of an account, and nobody else’s, with one event each', async () => {
    await using node = startNode()
    const accountId = newAccountId()
    const own = await beginMany(130, accountId)
    const others = await beginMany(3, newAccountId())
    await write({ kind: 'account', accountId, reason: 'account_deactivated' })
    await node.start()
    expect(await aliveOf(own)).toBe(0)
    expect(await aliveOf(others)).toBe(3)
    expect(node.signedOut).toEqual([accountId])
    expect(new Set(node.revoked.map(({ grant }) => grant.id))).toEqual(new Set(own))
    expect(node.revoked).toHaveLength(130)
    expect(new Set(node.revoked.map(({ reason }) => reason))).toEqual(
      new Set(['account_deactivated']),
    )
    expect(await newGrants().walkOfAccount(accountId, undefined, 10)).toEqual([])
    expect(await jobs()).toEqual([])
    expect(await node.jobsInMetric()).toBe(0)
  }, 60_000)

  it('ends all grants of an app and the tokens that it got for itself', async () => {
    await using node = startNode()
    const appId = newClientId()
    const own = await Promise.all(Array.from({ length: 5 }, () => begin(newAccountId(), appId)))
    const others = await beginMany(2, newAccountId())
    await newGrants().issueToApp({ id: appId, generation: 0 }, ['a'], undefined, TERMS)
    await write({ kind: 'app', appId, reason: 'app_suspended' })
    await node.start()
    expect(await aliveOf([...own, appFamily(appId)])).toBe(0)
    expect(await aliveOf(others)).toBe(2)
    expect(node.revoked).toHaveLength(6)
    expect(node.signedOut).toEqual([])
    expect(await newGrants().walkOfApp(appId, undefined, 10)).toEqual([])
    expect(await jobs()).toEqual([])
  })

  it('that comes late ends what an app got for itself before, and not what it got since', async () => {
    await using node = startNode()
    const appId = newClientId()
    const grants = newGrants()
    const issue = async (on: ReturnType<typeof newGrants>, generation: number) => {
      const { accessToken } = await on.issueToApp(
        { id: appId, generation },
        ['a'],
        undefined,
        TERMS,
      )
      const token = parseToken(accessToken)
      if (token === undefined) throw new Error('not one of our tokens')
      return token
    }
    const isAlive = async (token: ParsedToken) => (await grants.findAccess(token)) !== undefined
    const before = await issue(grants, 0)
    const suspended = { kind: 'app', appId, reason: 'app_suspended' } as const
    await write(suspended, 1)
    // Activated again, while the job waits behind others; one process knows the family, another one
    // does not.
    const since = [await issue(grants, 1), await issue(newGrants(), 1), await issue(grants, 1)]
    await finish(node)
    expect(await isAlive(before)).toBe(false)
    expect(await Promise.all(since.map(isAlive))).toEqual([true, true, true])
    await write(suspended, 2)
    await finish(node)
    expect(await Promise.all(since.map(isAlive))).toEqual([false, false, false])
    expect(await isAlive(await issue(grants, 2))).toBe(true)
    expect(await jobs()).toEqual([])
  })

  it('ends the grants of one account for one app, wherever among its others they are', async () => {
    await using node = startNode()
    const accountId = newAccountId()
    const appId = newClientId()
    const meant: string[] = []
    const kept: string[] = []
    for (const [count, isMeant] of [
      [3, true],
      [120, false],
      [2, true],
      [90, false],
      [110, true],
    ] as const) {
      clock.move(1000)
      const ids = await beginMany(count, accountId, isMeant ? appId : undefined)
      ;(isMeant ? meant : kept).push(...ids)
    }
    const ofAnother = await begin(newAccountId(), appId)
    await write({ kind: 'connection', accountId, appId, reason: 'user_disconnected' })
    await node.start()
    expect(await aliveOf(meant)).toBe(0)
    expect(await aliveOf([...kept, ofAnother])).toBe(kept.length + 1)
    expect(node.revoked).toHaveLength(meant.length)
    expect(node.signedOut).toEqual([])
    expect(await jobs()).toEqual([])
  }, 60_000)

  it.each(['account', 'app', 'connection'] as const)(
    'comes to an end where the %s’s index names grants that are gone',
    async (kind) => {
      await using node = startNode()
      const [accountId, appId] = [newAccountId(), newClientId()]
      const endsAt = clock() + 60_000
      for (let count = 0; count < 105; count += 1) {
        const gone = newGrantId()
        await store.addToIndex(`u:${accountId}`, `${gone} ${appId}`, endsAt, clock())
        await store.addToIndex(`p:${appId}`, gone, endsAt, clock())
      }
      const living = await begin(accountId, appId)
      await write({ kind, accountId, appId, reason: 'r' })
      await node.start()
      expect(await aliveOf([living])).toBe(0)
      expect(node.revoked).toHaveLength(1)
      expect(await newGrants().walkOfAccount(accountId, undefined, 10)).toHaveLength(
        kind === 'app' ? 10 : 0,
      )
      expect(await newGrants().walkOfApp(appId, undefined, 10)).toEqual([])
      expect(await jobs()).toEqual([])
    },
  )

  it.each(['account', 'app', 'connection'] as const)(
    'ends of the %s what began with a lower generation than the job, and pages past the rest',
    async (kind) => {
      await using node = startNode()
      const [accountId, appId] = [newAccountId(), newClientId()]
      const beginWith = async (generation: number) => {
        const nowSeconds = Math.floor(clock() / 1000)
        const id = newGrantId()
        await newGrants().begin(
          {
            id,
            accountId,
            appId,
            scopes: ['a'],
            createdAt: nowSeconds,
            accountGeneration: generation,
            appGeneration: generation,
          },
          newCode(id),
          { redirectUri: 'https://app.example/cb', expiresAt: nowSeconds + 60 },
          3600,
        )
        return id
      }
      const kept: string[] = []
      const meant: string[] = []
      for (const generation of [1, 2, 3, 1, 2]) {
        clock.move(1000)
        for (let count = 0; count < 60; count += 10)
          (generation < 2 ? meant : kept).push(
            ...(await Promise.all(Array.from({ length: 10 }, () => beginWith(generation)))),
          )
      }
      await db
        .insertInto('purge_jobs')
        .values({
          kind,
          app_id: kind === 'account' ? null : appId,
          account_id: kind === 'app' ? null : accountId,
          reason: 'r',
          generation: 2,
          created_at: new Date(clock()),
          attempts: 0,
        })
        .execute()
      await node.start()
      expect(await aliveOf(meant)).toBe(0)
      expect(await aliveOf(kept)).toBe(kept.length)
      expect(node.revoked).toHaveLength(meant.length)
      expect(await newGrants().walkOfAccount(accountId, undefined, 1000)).toHaveLength(kept.length)
      expect(await jobs()).toEqual([])
    },
    60_000,
  )

  it('does each job once, however many nodes look for it', async () => {
    await using one = startNode()
    await using two = startNode()
    await using three = startNode()
    const accounts = Array.from({ length: 12 }, newAccountId)
    for (const accountId of accounts) {
      await beginMany(5, accountId)
      await write({ kind: 'account', accountId, reason: 'r' })
    }
    const nodes = [one, two, three]
    await Promise.all(nodes.flatMap((node) => [node.start(), node.start()]))
    expect(nodes.flatMap(({ signedOut }) => signedOut).sort()).toEqual([...accounts].sort())
    expect(nodes.flatMap(({ revoked }) => revoked)).toHaveLength(60)
    expect(await jobs()).toEqual([])
  }, 60_000)

  /** Repeats what a busy machine did not answer in time. */
  async function patiently(work: () => Promise<unknown>): Promise<void> {
    for (let left = 20; ; left -= 1)
      try {
        await work()
        return
      } catch (error) {
        if (left === 0 || !(error instanceof AppError)) throw error
      }
  }
  /** Has the node look for jobs until there are none, also where a busy machine put one off. */
  async function finish(node: Pick<Purger, 'start'>): Promise<void> {
    for (let rounds = 0; rounds < 20 && (await jobs()).length > 0; rounds += 1) {
      if (rounds > 0) clock.move(15_000)
      await node.start()
    }
  }
  /** Grants that are there at once, without the work of 3,000 sign-ins. */
  async function plant(count: number, accountId: string, appId: string, generation = 0) {
    const nowSeconds = Math.floor(clock() / 1000)
    const endsAt = nowSeconds + 3600
    const ids = Array.from({ length: count }, newGrantId)
    const put = (id: string) => {
      const grant: Grant = {
        id,
        accountId,
        appId,
        scopes: ['a'],
        createdAt: nowSeconds,
        endsAt,
        accountGeneration: generation,
        appGeneration: generation,
      }
      return [
        store.addToIndex(`u:${accountId}`, `${id} ${appId}`, endsAt * 1000, clock()),
        store.addToIndex(`p:${appId}`, id, endsAt * 1000, clock()),
        store.commit(id, {
          expect: [],
          put: [{ name: 'g', value: JSON.stringify(grant), ttlMillis: 3_600_000 }],
        }),
      ]
    }
    for (let from = 0; from < count; from += 50)
      await patiently(() => Promise.all(ids.slice(from, from + 50).flatMap(put)))
    return ids
  }

  it.each([
    ['app', 3000],
    ['connection', 1100],
  ] as const)(
    'takes turns: a small job behind a large one of the %s is done after one of its turns',
    async (kind, count) => {
      await using node = startNode()
      const [accountId, appId, small] = [newAccountId(), newClientId(), newAccountId()]
      const large = await plant(count, accountId, appId)
      const few = await plant(3, small, newClientId())
      await write({ kind, accountId, appId, reason: 'large' })
      await write({ kind: 'account', accountId: small, reason: 'small' })
      await finish(node)
      const before = node.revoked.findIndex(({ reason }) => reason === 'small')
      expect(before).not.toBe(-1)
      expect(before).toBeLessThanOrEqual(500)
      expect(node.revoked).toHaveLength(count + 3)
      expect(await aliveOf([...large, ...few])).toBe(0)
      expect(await jobs()).toEqual([])
    },
    60_000,
  )

  it('takes turns among owners: many jobs of one account do not hold up the one of another', async () => {
    await using node = startNode()
    const [busy, other] = [newAccountId(), newAccountId()]
    await plant(40, busy, newClientId())
    for (let count = 0; count < 30; count += 1) {
      const appId = newClientId()
      await plant(1, busy, appId)
      await write({ kind: 'connection', accountId: busy, appId, reason: 'busy' })
    }
    await plant(1, other, newClientId())
    await write({ kind: 'account', accountId: other, reason: 'other' })
    await finish(node)
    const order = node.revoked.map(({ reason }) => reason)
    expect(order).toHaveLength(31)
    expect(order.indexOf('other')).toBeLessThanOrEqual(1)
    expect(await jobs()).toEqual([])
  }, 60_000)

  it('passes what stays once, however many of one end they are, and comes to its end', async () => {
    const looked: string[] = []
    const grants = newGrants()
    await using node = startNode({
      grants: {
        ...grants,
        revoke: (grantId, listed, reason) => {
          looked.push(grantId)
          return grants.revoke(grantId, listed, reason)
        },
      },
    })
    const [accountId, appId] = [newAccountId(), newClientId()]
    const kept = await plant(620, accountId, appId, 2)
    const meant = await plant(130, accountId, appId, 1)
    await write({ kind: 'account', accountId, reason: 'r' }, 2)
    await finish(node)
    expect(await aliveOf(meant)).toBe(0)
    expect(await aliveOf(kept)).toBe(kept.length)
    expect(looked.length).toBeLessThanOrEqual(kept.length + meant.length + 100)
    expect(await jobs()).toEqual([])
  }, 60_000)

  it('goes on where it was when a node died, and does not begin again', async () => {
    const looked: string[] = []
    const grants = newGrants()
    let dies = true
    const watched: PurgeDeps['grants'] = {
      ...grants,
      revoke: (grantId, listed, reason) => {
        looked.push(grantId)
        // The process is gone: nothing that it does arrives any more.
        if (dies && looked.length > 300) return new Promise(() => undefined)
        return grants.revoke(grantId, listed, reason)
      },
    }
    const [accountId, appId] = [newAccountId(), newClientId()]
    const kept = await plant(350, accountId, appId, 2)
    const meant = await plant(350, accountId, appId, 1)
    await write({ kind: 'account', accountId, reason: 'r' }, 2)
    const dead = startNode({ grants: watched })
    void dead.start()
    while (looked.length < 400) await new Promise((resolve) => setImmediate(resolve))
    dies = false
    const seen = new Set(looked.slice(0, 300))
    looked.length = 0
    clock.move(30_000)
    await using node = startNode({ grants: watched })
    await finish(node)
    expect(looked.filter((id) => seen.has(id))).toEqual([])
    expect(await aliveOf(meant)).toBe(0)
    expect(await aliveOf(kept)).toBe(kept.length)
    expect(await jobs()).toEqual([])
  }, 60_000)

  it('keeps a job while Redis is away, waits longer each time, and carries it out when it is back', async () => {
    let isAway = true
    const grants = newGrants()
    await using node = startNode({
      grants: {
        ...grants,
        revoke: (grantId, listed) =>
          isAway
            ? Promise.reject(new AppError('temporarily_unavailable'))
            : grants.revoke(grantId, listed),
      },
    })
    const accountId = newAccountId()
    const own = await beginMany(3, accountId)
    await write({ kind: 'account', accountId, reason: 'r' })
    const waits: number[] = []
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      await node.start()
      const [job] = await jobs()
      expect(job?.attempts).toBe(attempt)
      waits.push(Math.round(((job?.due_at.getTime() ?? 0) - clock()) / 1000))
      await node.start()
      expect((await jobs())[0]?.attempts).toBe(attempt)
      clock.move((waits.at(-1) ?? 0) * 1000 + 500)
    }
    expect(waits).toEqual([1, 2, 4, 8, 15, 15])
    expect(await node.jobsInMetric()).toBe(1)
    expect(node.revoked).toEqual([])
    expect(await aliveOf(own)).toBe(3)
    isAway = false
    await node.start()
    expect(await aliveOf(own)).toBe(0)
    expect(await jobs()).toEqual([])
  }, 60_000)

  it('does not let a job that fails keep the others waiting', async () => {
    const [broken, fine] = [newAccountId(), newAccountId()]
    await using node = startNode({
      sessions: {
        removeAllOf: (accountId) =>
          accountId === broken ? Promise.reject(new Error('no')) : Promise.resolve(),
      },
    })
    const own = await beginMany(2, fine)
    await write({ kind: 'account', accountId: broken, reason: 'r' })
    await write({ kind: 'account', accountId: fine, reason: 'r' })
    await node.start()
    expect(await aliveOf(own)).toBe(0)
    expect((await jobs()).map((job) => job.account_id)).toEqual([broken])
  })

  it('takes over the job of a node that died, when its lease is over', async () => {
    const accountId = newAccountId()
    const own = await beginMany(2, accountId)
    await write({ kind: 'account', accountId, reason: 'r' })
    const dead = await createPurgeJobStore(db).claim(new Date(clock()), new Date(clock() + 30_000))
    expect(dead).toMatchObject({ attempts: 1, task: { kind: 'account', accountId, reason: 'r' } })
    await using node = startNode()
    await node.start()
    expect(await aliveOf(own)).toBe(2)
    clock.move(30_000)
    await node.start()
    expect(await aliveOf(own)).toBe(0)
  })

  it('sees a job that was written while it was at work, when it was kicked after it', async () => {
    const [first, second] = [newAccountId(), newAccountId()]
    let kicked: Promise<void> | undefined
    await using node = startNode({
      sessions: {
        removeAllOf: async (accountId) => {
          if (accountId !== first) return
          await write({ kind: 'account', accountId: second, reason: 'r' })
          kicked = node.start()
        },
      },
    })
    const own = await beginMany(1, second)
    await write({ kind: 'account', accountId: first, reason: 'r' })
    await node.start()
    await kicked
    expect(await aliveOf(own)).toBe(0)
    expect(await jobs()).toEqual([])
  })

  it('finds jobs by itself within seconds', async () => {
    await using _node = startNode()
    const accountId = newAccountId()
    const own = await beginMany(1, accountId)
    await write({ kind: 'account', accountId, reason: 'r' })
    const deadline = performance.now() + 8000
    while ((await aliveOf(own)) > 0 && performance.now() < deadline) await sleep(200)
    expect(await aliveOf(own)).toBe(0)
  })

  it('stops between two batches when it is disposed, and gives the job back', async () => {
    const grants = newGrants()
    let closing: PromiseLike<void> | undefined
    const node = startNode({
      grants: {
        ...grants,
        revoke: (grantId, listed) => {
          closing ??= node[Symbol.asyncDispose]()
          return grants.revoke(grantId, listed)
        },
      },
    })
    const accountId = newAccountId()
    const own = await beginMany(150, accountId)
    await write({ kind: 'account', accountId, reason: 'r' })
    await node.start()
    await closing
    expect(await aliveOf(own)).toBe(50)
    await node.start()
    expect(await aliveOf(own)).toBe(50)
    await using other = startNode()
    await other.start()
    expect(await aliveOf(own)).toBe(0)
    expect(await jobs()).toEqual([])
  }, 60_000)
})
