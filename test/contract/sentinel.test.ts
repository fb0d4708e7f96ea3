// Redis that fails over, freezes, dies, restarts or is full: commands fail soon and by name, and
// the same client recovers by itself.
import { setTimeout as sleep } from 'node:timers/promises'
import { openRedisRevocationLog } from '../../src/revocations/redis-revocation-log.ts'
import { createRedisStore } from '../../src/grants/redis-family.store.ts'
import type { ShortLivedStore } from '../../src/grants/family-store.ts'
import { newGrantId } from '../../src/shared/token-format.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { checkRedis } from '../../src/storage/redis-check.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { startRedis, startRedisCluster, startSentinel } from '../support/backends.ts'
import { quiet } from './short-lived-stores.ts'

const AWAY = { code: 'temporarily_unavailable', status: 503, retryAfterSeconds: 2 }

function openStore(url: string) {
  const client = openRedis(parseRedisUrl(url), quiet)
  return {
    client,
    store: createRedisStore(client, 'p:'),
    [Symbol.dispose]: () => client.disconnect(),
  }
}

const putOne = (store: ShortLivedStore, family = newGrantId()) =>
  store.commit(family, {
    expect: [{ name: 'g', state: 'absent' }],
    put: [{ name: 'g', value: 'grant', ttlMillis: 60_000 }],
  })

/** Resolves with the milliseconds until the store commits again. */
async function untilItCommits(store: ShortLivedStore, withinMillis: number): Promise<number> {
  const start = performance.now()
  for (;;) {
    try {
      if (await putOne(store)) return performance.now() - start
    } catch (error) {
      expect(error).toMatchObject(AWAY)
      if (performance.now() - start > withinMillis) throw error
      await sleep(50)
    }
  }
}

/**
 * Expects every kind of command to fail by name within two seconds, plus the delay of timers on
 * this machine.
 */
async function expectAway(store: ShortLivedStore): Promise<void> {
  const start = performance.now()
  const lateness = sleep(1500).then(() => performance.now() - start - 1500)
  const outcomes = await Promise.allSettled([
    putOne(store),
    store.read(newGrantId(), ['g']),
    store.findRecord('s:1'),
    store.putRecord('s:1', 'x', 1000),
    store.addToIndex('u:1', 'm', Date.now() + 1000, Date.now()),
    store.listIndex('u:1', Date.now(), 0, 10),
    store.ping(),
  ])
  const took = performance.now() - start
  expect(took).toBeLessThan(2000 + (await lateness))
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({ status: 'rejected', reason: AWAY })
}

it('a Sentinel set is followed to its new master without a restart of the client', async () => {
  await using group = await startSentinel()
  const hosts = group.sentinels.map(({ host, port }) => `${host}:${port}`).join(',')
  using opened = openStore(`redis-sentinel://${hosts}/${group.name}`)
  const { store } = opened
  const family = newGrantId()
  expect(await putOne(store, family)).toBe(true)
  const verdict = await checkRedis(opened.client)
  expect(verdict.refusals).toEqual([])
  expect(verdict.warnings).toContainEqual(expect.stringContaining('min-replicas-to-write 0'))
  await opened.client.call('WAIT', '1', '1000')
  await group.killMaster()
  // About 3 s on an idle machine, most of them Sentinel's own. The bound only tells recovery from
  // none.
  await untilItCommits(store, 30_000)
  expect(await store.read(family, ['g'])).toEqual(['grant'])
  expect(await putOne(store, family)).toBe(false)
})

it('a frozen sentinel, and a failover that is told while the sentinels are asked, end no connection', async () => {
  await using group = await startSentinel()
  const hosts = group.sentinels.map(({ host, port }) => `${host}:${port}`).join(',')
  using opened = openStore(`redis-sentinel://${hosts}/${group.name}`)
  await using log = openRedisRevocationLog(opened.client, 'p:', { logger: quiet })
  let hear: () => void = () => undefined
  const isTold = new Promise<void>((resolve) => (hear = resolve))
  // Of an entry, or that some may have been missed: both come over a connection that lives.
  log.follow({ onRevoked: hear, onGap: hear, onContact: () => undefined })
  await log.ready()
  group.sentinels[0]?.pause()
  await group.master.kill()
  await untilItCommits(opened.store, 30_000)
  await log.append({ kind: 'grant', key: 'g' })
  await isTold
}, 60_000)

describe('one Redis', () => {
  it('that is frozen makes commands fail within 2 s, and is used again when it thaws', async () => {
    await using server = await startRedis()
    using opened = openStore(server.url)
    await putOne(opened.store)
    server.pause()
    try {
      await expectAway(opened.store)
      await expectAway(opened.store)
    } finally {
      server.resume()
    }
    await untilItCommits(opened.store, 15_000)
  })

  it('that is dead makes commands fail within 2 s, and is found again after its restart, scripts and all', async () => {
    await using server = await startRedis()
    using opened = openStore(server.url)
    await putOne(opened.store)
    await server.kill()
    await expectAway(opened.store)
    await expectAway(opened.store)
    await server.restart()
    await untilItCommits(opened.store, 15_000)
  })

  it('that forgot its scripts commits all the same', async () => {
    await using server = await startRedis()
    using opened = openStore(server.url)
    await putOne(opened.store)
    await opened.client.script('FLUSH')
    expect(await Promise.all([putOne(opened.store), putOne(opened.store)])).toEqual([true, true])
  })

  it('that is full or may not write says so by name, and still revokes', async () => {
    await using server = await startRedis()
    using opened = openStore(server.url)
    const family = newGrantId()
    await putOne(opened.store, family)
    await opened.client.config('SET', 'maxmemory', '1')
    await expect(putOne(opened.store)).rejects.toMatchObject(AWAY)
    await expect(opened.store.putRecord('s:1', 'x', 1000)).rejects.toMatchObject(AWAY)
    expect(await opened.store.commit(family, { expect: [], remove: ['g'] })).toBe(true)
    expect(await opened.store.read(family, ['g'])).toEqual([undefined])
    await opened.client.config('SET', 'maxmemory', '0')
    await opened.client.config('SET', 'min-replicas-to-write', '1')
    await expect(putOne(opened.store)).rejects.toMatchObject(AWAY)
    await opened.client.config('SET', 'min-replicas-to-write', '0')
    expect(await putOne(opened.store)).toBe(true)
  })
})

describe('a Redis Cluster', () => {
  it('that is frozen or dead makes commands fail within 2 s, and is found again by itself', async () => {
    await using cluster = await startRedisCluster()
    const hosts = cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',')
    using opened = openStore(`redis-cluster://${hosts}`)
    await putOne(opened.store)
    cluster.pause()
    try {
      await expectAway(opened.store)
      await expectAway(opened.store)
    } finally {
      cluster.resume()
    }
    await untilItCommits(opened.store, 10_000)
    await cluster.kill()
    await expectAway(opened.store)
    await sleep(1500)
    await expectAway(opened.store)
    await cluster.restart()
    await untilItCommits(opened.store, 15_000)
  }, 60_000)
})

it('sentinels that ask for a password are logged in to, with the login of the master or their own', async () => {
  await using set = await startSentinel({ password: 'pass/word' })
  const hosts = set.sentinels.map(({ host, port }) => `${host}:${port}`).join(',')
  for (const url of [
    `redis-sentinel://:pass%2Fword@${hosts}/${set.name}`,
    `redis-sentinel://:pass%2Fword@${hosts}/${set.name}/2?sentinelPassword=pass%2Fword`,
  ]) {
    using opened = openStore(url)
    expect(await putOne(opened.store)).toBe(true)
  }
}, 60_000)
