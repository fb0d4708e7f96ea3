// The three implementations of the short-lived store, opened for the contract suites: one Redis, a
// Redis Cluster, the embedded store on PGlite. The clock is the test's own. Redis expires keys by
// its real clock, so `pass` waits there and moves the clock for the embedded store.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, type Redis } from 'ioredis'
import { openEmbeddedStore } from '../../src/grants/embedded-family.store.ts'
import type { ShortLivedStore } from '../../src/grants/family-store.ts'
import { createRedisStore } from '../../src/grants/redis-family.store.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { IN_MEMORY, openDatabase } from '../../src/storage/database.ts'
import { migrate } from '../../src/storage/migrate.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { openRedis, type RedisClient } from '../../src/storage/redis.ts'

export const quiet = createLogger('silent')

/** A clock that stands still until it is moved. */
export interface MovableClock {
  (): number
  move(millis: number): void
}

/** Creates a clock that shows the machine's time until it is moved; it then runs on from there. */
export function createMovableClock(): MovableClock {
  let ahead = 0
  return Object.assign(() => Date.now() + ahead, {
    move: (millis: number) => void (ahead += millis),
  })
}

export interface OpenedStore extends AsyncDisposable {
  store: ShortLivedStore
  clock: MovableClock
  /** Lets so much time pass that whatever lives that long has ended. */
  pass(millis: number): Promise<void>
  /** Every key and every value of the store, as a thief would read it. */
  dump(): Promise<string[]>
  /** How long a name of a family still lives, in milliseconds; 0 where it is gone. */
  remainingMillis(family: string, name: string): Promise<number>
  /** Where the store is on Redis. */
  redis?: RedisClient
  /** The beginning of its keys there. */
  prefix?: string
}

export const OPENERS: Record<string, () => Promise<OpenedStore>> = {
  'one Redis': () => openOnRedis(process.env['OTESSE_TEST_REDIS_URL'] ?? ''),
  'a Redis Cluster': () =>
    openOnRedis(`redis-cluster://${process.env['OTESSE_TEST_REDIS_CLUSTER_NODES'] ?? ''}`),
  'the embedded store': openEmbedded,
}

/** Opens the store under a prefix of its own on the Redis at the URL. */
export async function openOnRedis(url: string): Promise<OpenedStore> {
  const client = openRedis(parseRedisUrl(url), quiet)
  const keyPrefix = `test-${randomBytes(6).toString('hex')}:`
  const store = createRedisStore(client, keyPrefix)
  await store.ping()
  return {
    store,
    redis: client,
    prefix: keyPrefix,
    clock: createMovableClock(),
    pass: (millis) => sleep(millis + 30),
    dump: async () => {
      const masters = client instanceof Cluster ? client.nodes('master') : [client]
      return (await Promise.all(masters.map((node) => dumpNode(node, keyPrefix)))).flat()
    },
    remainingMillis: async (family, name) =>
      Math.max(0, await client.pttl(`${keyPrefix}{${family}}:${name}`)),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      client.disconnect()
    },
  }
}

async function dumpNode(node: Redis, keyPrefix: string): Promise<string[]> {
  const texts: string[] = []
  let cursor = '0'
  do {
    const [next, keys] = await node.scan(cursor, 'MATCH', `${keyPrefix}*`, 'COUNT', 1000)
    cursor = next
    for (const key of keys) {
      const isIndex = (await node.type(key)) === 'zset'
      const values = isIndex ? await node.zrange(key, '0', '-1') : [await node.get(key)]
      texts.push(key, ...values.map((value) => value ?? ''))
    }
  } while (cursor !== '0')
  return texts
}

async function openEmbedded(): Promise<OpenedStore> {
  const { db, ...database } = await openDatabase({ kind: 'pglite', directory: IN_MEMORY }, quiet)
  await migrate(db)
  const clock = createMovableClock()
  const store = await openEmbeddedStore(db, clock)
  const rows = () => db.selectFrom('grant_journal').selectAll().execute()
  return {
    store,
    clock,
    pass(millis) {
      clock.move(millis)
      return Promise.resolve()
    },
    dump: async () => (await rows()).flatMap(({ key, value }) => [key, value]),
    remainingMillis: async (family, name) => {
      const row = (await rows()).find(({ key }) => key === `${family}:${name}`)
      return row === undefined ? 0 : Math.max(0, Number(row.expires_at) - clock())
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}
