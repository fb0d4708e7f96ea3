// Revocations wait for a replica of Redis where there is one, for a bounded time and on a
// connection of their own.
import { Redis } from 'ioredis'
import { createEndings } from '../../src/revocations/endings.ts'
import { newGrantId } from '../../src/shared/token-format.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { openReplication } from '../../src/storage/replication.ts'
import {
  addClusterReplica,
  type Address,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from '../support/backends.ts'
import { watchRedis } from '../support/round-trips.ts'
import { waitUntil } from '../support/server-process.ts'
import { quiet } from './short-lived-stores.ts'

const FOREVER = 60_000

async function ask({ host, port }: Address, ...words: [string, ...string[]]): Promise<string> {
  const client = new Redis(port, host)
  try {
    const [command, ...args] = words
    return String(await client.call(command, args))
  } finally {
    client.disconnect()
  }
}

const inStep = (master: Address) =>
  waitUntil('the replica to be in step', async () =>
    (await ask(master, 'INFO', 'replication')).includes('state=online'),
  )

async function open(url: string, waitMillis?: number) {
  const client = openRedis(parseRedisUrl(url), quiet)
  await client.ping()
  let unreached = 0
  const hooks = { logger: quiet, onUnreached: () => (unreached += 1) }
  const options = waitMillis === undefined ? {} : { waitMillis }
  const replication = await openReplication(client, 'p:', hooks, options)
  return {
    client,
    replication,
    unreached: () => unreached,
    [Symbol.dispose]() {
      replication[Symbol.dispose]()
      client.disconnect()
    },
  }
}

describe('a master with a replica', () => {
  let master: RedisServer
  let replica: RedisServer
  beforeAll(async () => {
    master = await startRedis()
    replica = await startRedis({ replicaOf: master })
    await inStep(master)
  })
  afterAll(() => Promise.all([master.stop(), replica.stop()]))

  it('an ending is answered when the replica has it, and nobody else waits along', async () => {
    using opened = await open(master.url, FOREVER)
    const { client, replication } = opened
    await using endings = createEndings({
      store: { add: () => Promise.resolve(1) },
      log: { append: () => client.set('p:log', 'told').then(() => undefined) },
      replication,
      logger: quiet,
    })
    const family = newGrantId()
    const ending = { family, reason: 'client', endedAt: 0, keepUntil: 0 }
    await endings.record(ending)
    replica.pause()
    let isAnswered = false
    const answered = endings.record(ending).then(() => (isAnswered = true))
    try {
      await waitUntil('the wait to begin', async () =>
        (await ask(master, 'INFO', 'clients')).includes('blocked_clients:1'),
      )
      await client.set('p:later', '1')
      expect(await client.get('p:later')).toBe('1')
      expect(isAnswered).toBe(false)
    } finally {
      replica.resume()
    }
    await answered
    expect(await ask(replica, 'GET', 'p:log')).toBe('told')
    expect(opened.unreached()).toBe(0)
  })

  it('a replica that stands still is not waited for beyond the bound: counted, and no error', async () => {
    using opened = await open(master.url)
    replica.pause()
    try {
      await opened.replication.reach(newGrantId())
      expect(opened.unreached()).toBe(1)
      const many = Array.from({ length: 500 }, () => opened.replication.reach(newGrantId()))
      await Promise.all(many)
      expect(opened.unreached()).toBe(501)
    } finally {
      replica.resume()
    }
  })
})

it('without a replica nothing is asked', async () => {
  await using server = await startRedis()
  using opened = await open(server.url)
  await using counter = await watchRedis(server.url)
  expect(await counter.during(() => opened.replication.reach(newGrantId()))).toEqual([])
  expect(opened.unreached()).toBe(0)
})

it('a Redis that dies fails nobody', async () => {
  await using master = await startRedis()
  await using _replica = await startRedis({ replicaOf: master })
  await inStep(master)
  using opened = await open(master.url)
  await master.kill()
  await opened.replication.reach(newGrantId())
  expect(opened.unreached()).toBe(1)
})

it('a Cluster: the node that has the family is the one that is waited for', async () => {
  await using cluster = await startRedisCluster()
  const replicas = await Promise.all(cluster.masters.map((master) => addClusterReplica(master)))
  try {
    const [first] = cluster.masters
    if (first === undefined) throw new Error('a Cluster has masters')
    using opened = await open(`redis-cluster://${first.host}:${first.port}`, 2000)
    const isOnFirst = (family: string): Promise<boolean> =>
      ask(first, 'EXISTS', `p:{${family}}:e`).then(
        () => true,
        () => false,
      )
    replicas[0]?.pause()
    for (const wanted of [true, false]) {
      let family = newGrantId()
      while ((await isOnFirst(family)) !== wanted) family = newGrantId()
      await opened.replication.reach(family)
    }
    expect(opened.unreached()).toBe(1)
  } finally {
    await Promise.all(replicas.map((server) => server.stop()))
  }
}, 60_000)
