// The channel between processes: a message arrives within milliseconds, and a process that may have
// missed one is notified. Two channels on two connections stand for two processes.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import {
  createLocalInvalidation,
  openRedisInvalidation,
  type Invalidation,
} from '../../src/storage/invalidation.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { openRedis, type RedisClient } from '../../src/storage/redis.ts'
import { startRedis } from '../support/backends.ts'
import { quiet } from './short-lived-stores.ts'

const URLS = {
  'one Redis': process.env['OTESSE_TEST_REDIS_URL'] ?? '',
  'a Redis Cluster': `redis-cluster://${process.env['OTESSE_TEST_REDIS_CLUSTER_NODES'] ?? ''}`,
}

interface Process extends AsyncDisposable {
  client: RedisClient
  channel: Invalidation
  heard: string[]
  /** How often the metric counted a loss, and how often caches were told. */
  losses: number
  gaps: number
}

async function startProcess(url: string, keyPrefix: string): Promise<Process> {
  const client = openRedis(parseRedisUrl(url), quiet)
  const running: Process = {
    client,
    channel: await openRedisInvalidation(client, keyPrefix, {
      logger: quiet,
      onLost: () => (running.losses += 1),
    }),
    heard: [],
    losses: 0,
    gaps: 0,
    async [Symbol.asyncDispose]() {
      await running.channel[Symbol.asyncDispose]()
      client.disconnect()
    },
  }
  running.channel.onGap(() => (running.gaps += 1))
  for (const topic of ['app', 'account', 'scopes', 'keys'] as const)
    running.channel.on(topic, (id) => void running.heard.push(`${topic} ${id}`))
  return running
}

async function until(check: () => boolean, withinMillis: number): Promise<number> {
  const start = performance.now()
  while (!check()) {
    if (performance.now() - start > withinMillis) throw new Error(`not within ${withinMillis} ms`)
    await sleep(2)
  }
  return performance.now() - start
}

const newPrefix = () => `test-${randomBytes(6).toString('hex')}:`

describe.each(Object.entries(URLS))('on %s', (_name, url) => {
  it('a message reaches another process within 100 ms, and its own at once', async () => {
    const keyPrefix = newPrefix()
    await using one = await startProcess(url, keyPrefix)
    await using other = await startProcess(url, keyPrefix)
    await using stranger = await startProcess(url, newPrefix())
    await one.channel.publish('keys', 'warm')
    await until(() => other.heard.length > 0, 5000)
    const published = one.channel.publish('app', 'app_1')
    expect(one.heard).toContain('app app_1')
    expect(await until(() => other.heard.includes('app app_1'), 5000)).toBeLessThan(100)
    await published
    await other.channel.publish('account', 'acc_1')
    await until(() => one.heard.includes('account acc_1'), 5000)
    expect(stranger.heard).toEqual([])
    expect([one.gaps, other.gaps]).toEqual([0, 0])
  })

  it('whoever was cut off is told when it hears again, and not before', async () => {
    const keyPrefix = newPrefix()
    await using one = await startProcess(url, keyPrefix)
    await using other = await startProcess(url, keyPrefix)
    const { client } = other
    const cutOff = async () => {
      for (const node of client instanceof Cluster ? client.nodes() : [client])
        await node.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    }
    for (let round = 1; round <= 3; round += 1) {
      await cutOff()
      await until(() => other.gaps === round, 5000)
      // From the moment that the caches are emptied nothing may be missed.
      await one.channel.publish('app', `after-${round}`)
      await until(() => other.heard.includes(`app after-${round}`), 1000)
    }
    expect(other.losses).toBe(3)
  })

  it('ignores what is not a message of ours', async () => {
    const keyPrefix = newPrefix()
    await using one = await startProcess(url, keyPrefix)
    for (const message of ['error boom', 'newListener x', '', 'app'])
      await one.client.publish(`${keyPrefix}invalidate`, message)
    await until(() => one.heard.length > 0, 5000)
    expect(one.heard).toEqual(['app '])
  })
})

it('survives a restart of Redis, and hears again', async () => {
  await using server = await startRedis()
  await using one = await startProcess(server.url, 'p:')
  await server.kill()
  await sleep(700)
  expect(one.gaps).toBe(0)
  await server.restart()
  await until(() => one.gaps === 1, 5000)
  await one.client.publish('p:invalidate', 'scopes all')
  await until(() => one.heard.includes('scopes all'), 1000)
})

it('opens with temporarily_unavailable where Redis is away, and leaves no connection behind', async () => {
  await using server = await startRedis()
  const client = openRedis(parseRedisUrl(server.url), quiet)
  await client.ping()
  server.pause()
  const opening = openRedisInvalidation(client, 'p:', { logger: quiet, onLost: () => undefined })
  await expect(opening).rejects.toMatchObject({ code: 'temporarily_unavailable' })
  server.resume()
  client.disconnect()
  // Jest reports an open handle when the connection is left.
})

it('in one process a message is heard at once, and nothing after the end', async () => {
  const heard: string[] = []
  const channel = createLocalInvalidation()
  channel.on('app', (id) => void heard.push(id))
  await channel.publish('app', 'one')
  await channel.publish('keys', 'other')
  expect(heard).toEqual(['one'])
  await channel[Symbol.asyncDispose]()
  await channel.publish('app', 'late')
  expect(heard).toEqual(['one'])
})
