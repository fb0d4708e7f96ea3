// The log of revocations: every follower gets every entry in one order, or learns that it missed
// some. On Redis two logs on two connections stand for two processes. The embedded log passes the
// same suite alone.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { jest } from '@jest/globals'
import { Cluster, type Redis } from 'ioredis'
import { openEmbeddedRevocationLog } from '../../src/revocations/embedded-revocation-log.ts'
import { openRedisRevocationLog } from '../../src/revocations/redis-revocation-log.ts'
import {
  isAfter,
  type Revocation,
  type RevocationLog,
} from '../../src/revocations/revocation-log.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { openRedis, type RedisClient } from '../../src/storage/redis.ts'
import { startRedis } from '../support/backends.ts'
import { createMovableClock, quiet } from './short-lived-stores.ts'

const URLS = {
  'one Redis': process.env['OTESSE_TEST_REDIS_URL'] ?? '',
  'a Redis Cluster': `redis-cluster://${process.env['OTESSE_TEST_REDIS_CLUSTER_NODES'] ?? ''}`,
}
const newPrefix = () => `test-${randomBytes(6).toString('hex')}:`
const named = (key: string): Revocation => ({ kind: 'grant', key })

interface Process extends AsyncDisposable {
  client: RedisClient
  log: RevocationLog
  heard: string[]
  ids: string[]
  gaps: number
  contacts: number
}

function listen(log: RevocationLog) {
  const told = { log, heard: [] as string[], ids: [] as string[], gaps: 0, contacts: 0 }
  log.follow({
    onRevoked(entry) {
      told.heard.push(entry.key)
      told.ids.push(entry.id)
    },
    onGap: () => void (told.gaps += 1),
    onContact: () => void (told.contacts += 1),
  })
  return told
}

async function startProcess(url: string, keyPrefix: string): Promise<Process> {
  const client = openRedis(parseRedisUrl(url), quiet)
  const log = openRedisRevocationLog(client, keyPrefix, { logger: quiet })
  const told = listen(log)
  await log.ready()
  return Object.assign(told, {
    client,
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]()
      client.disconnect()
    },
  })
}

async function until(what: string, check: () => boolean, withinMillis = 8000): Promise<number> {
  const start = performance.now()
  while (!check()) {
    if (performance.now() - start > withinMillis) throw new Error(`not in time: ${what}`)
    await sleep(2)
  }
  return performance.now() - start
}

/** Cuts the connections off that wait for entries. */
async function cutOffReaders(client: RedisClient): Promise<void> {
  for (const node of client instanceof Cluster ? client.nodes('master') : [client]) {
    const list = String(await node.call('CLIENT', 'LIST'))
    for (const line of list.split('\n'))
      if (line.includes('cmd=xread'))
        await node
          .call('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(line)?.[1] ?? '')
          .catch(() => undefined)
  }
}

describe.each(Object.entries(URLS))('on %s', (_name, url) => {
  it('tells every process every entry, in one order', async () => {
    const keyPrefix = newPrefix()
    await using one = await startProcess(url, keyPrefix)
    await using other = await startProcess(url, keyPrefix)
    const keys = Array.from({ length: 60 }, (_, number) => `g${number}`)
    await Promise.all(
      keys.map((key, number) => (number % 2 === 0 ? one : other).log.append(named(key))),
    )
    await until('all to arrive', () => one.heard.length === 60 && other.heard.length === 60)
    expect([...one.heard].sort()).toEqual([...keys].sort())
    expect(other.heard).toEqual(one.heard)
    expect(one.ids.every((id, at) => at === 0 || isAfter(id, one.ids[at - 1]!))).toBe(true)
    expect(one.log.position()).toBe(one.ids.at(-1))
    expect([one.gaps, other.gaps]).toEqual([0, 0])
  })

  it('goes on where it was when the connection is lost', async () => {
    const keyPrefix = newPrefix()
    await using one = await startProcess(url, keyPrefix)
    await one.log.append(named('before'))
    await until('the first', () => one.heard.length === 1)
    for (let round = 0; round < 3; round += 1) {
      await cutOffReaders(one.client)
      await one.log.append(named(`after-${round}`))
    }
    await until('the others', () => one.heard.length >= 4)
    expect(one.heard).toEqual(['before', 'after-0', 'after-1', 'after-2'])
    expect(one.gaps).toBe(0)
  })

  it('tells of a gap when the entry that it read last is gone', async () => {
    const keyPrefix = newPrefix()
    await using one = await startProcess(url, keyPrefix)
    await one.log.append(named('before'))
    await until('the first', () => one.heard.length === 1)
    const key = `${keyPrefix}revocations`
    // As if it had been away for longer than the log goes back.
    await cutOffReaders(one.client)
    await one.client
      .multi()
      .xtrim(key, 'MAXLEN', 0)
      .xadd(key, '*', 'kind', 'grant', 'key', 'unseen')
      .xadd(key, '*', 'kind', 'grant', 'key', 'trim')
      .xtrim(key, 'MAXLEN', 1)
      .exec()
    await until('the gap', () => one.gaps >= 1)
    await one.log.append(named('after'))
    await until('what follows', () => one.heard.includes('after'))
  })

  it('reads on from an entry that it has, and from no other', async () => {
    const keyPrefix = newPrefix()
    await using one = await startProcess(url, keyPrefix)
    const start = one.log.position()
    for (const key of ['a', 'b', 'c']) await one.log.append(named(key))
    await until('all', () => one.heard.length === 3)
    const keysAfter = async (id: string, limit = 10) =>
      (await one.log.readAfter(id, limit))?.map(({ key }) => key)
    expect(await keysAfter(start)).toEqual(['a', 'b', 'c'])
    expect(await keysAfter(one.ids[0]!)).toEqual(['b', 'c'])
    expect(await keysAfter(one.ids[0]!, 1)).toEqual(['b'])
    expect(await keysAfter(one.ids[2]!)).toEqual([])
    for (const unknown of ['1-1', '0-0', 'x', '', '-', '99999999999999-0'])
      expect(await keysAfter(unknown)).toBeUndefined()
  })

  it('keeps servers on one Redis apart', async () => {
    await using one = await startProcess(url, newPrefix())
    await using stranger = await startProcess(url, newPrefix())
    await one.log.append(named('a'))
    await until('it', () => one.heard.length === 1)
    expect(stranger.heard).toEqual([])
  })
})

describe('when Redis goes away', () => {
  it('there is no contact, an append fails and is made up for, and nothing is missed', async () => {
    await using server = await startRedis({ appendOnly: true })
    await using one = await startProcess(server.url, 'p:')
    await one.log.append(named('before'))
    await until('contact', () => one.contacts > 0 && one.heard.length === 1)
    await server.kill()
    await expect(one.log.append(named('lost'))).rejects.toMatchObject({
      code: 'temporarily_unavailable',
    })
    const { contacts } = one
    await sleep(1300)
    expect(one.contacts).toBe(contacts)
    await server.restart()
    await until('what failed', () => one.heard.includes('lost'))
    expect(one).toMatchObject({ gaps: 0, heard: ['before', 'lost'] })
  })

  it('a Redis that forgot everything is a gap', async () => {
    await using server = await startRedis()
    await using one = await startProcess(server.url, 'p:')
    await one.log.append(named('before'))
    await until('the first', () => one.heard.length === 1)
    await server.kill()
    await server.restart()
    await until('the gap', () => one.gaps === 1)
    await one.log.append(named('after'))
    await until('what follows', () => one.heard.includes('after'))
  })

  it('one that hangs is noticed', async () => {
    await using server = await startRedis()
    await using one = await startProcess(server.url, 'p:')
    await until('contact', () => one.contacts > 0)
    server.pause()
    await sleep(200)
    const { contacts } = one
    await sleep(1500)
    expect(one.contacts).toBe(contacts)
    server.resume()
    await until('contact', () => one.contacts > contacts)
  })
})

it('forgets the oldest: the log does not grow without end', async () => {
  await using one = await startProcess(URLS['one Redis'], newPrefix())
  const { client } = one as { client: Redis }
  // A script, which Redis carries out also when its memory is full.
  const added = jest.spyOn(client, 'eval')
  await one.log.append(named('a'))
  const [script, , , most] = added.mock.calls[0] ?? []
  expect(script).toContain("'MAXLEN', '~', ARGV[1]")
  expect(most).toBe(100_000)
})

describe('the embedded log', () => {
  it('tells at once, and reads on from any entry that it has', async () => {
    await using log = openEmbeddedRevocationLog(createMovableClock(), 10)
    const told = listen(log)
    const start = log.position()
    expect(await log.readAfter(start, 10)).toEqual([])
    for (let number = 1; number <= 10; number += 1) await log.append(named(`g${number}`))
    expect(told.heard).toHaveLength(10)
    expect((await log.readAfter(start, 100))?.map(({ key }) => key)).toEqual(told.heard)
    await log.append(named('g11'))
    expect(await log.readAfter(start, 100)).toBeUndefined()
    expect(await log.readAfter(told.ids[0]!, 100)).toBeUndefined()
    expect((await log.readAfter(told.ids[8]!, 100))?.map(({ key }) => key)).toEqual(['g10', 'g11'])
    expect(await log.readAfter(told.ids[10]!, 100)).toEqual([])
  })

  it('another one begins anew: its places are not those of the former', async () => {
    const clock = createMovableClock()
    await using former = openEmbeddedRevocationLog(clock)
    await former.append(named('a'))
    clock.move(1000)
    await using log = openEmbeddedRevocationLog(clock)
    await log.append(named('b'))
    expect(await log.readAfter(former.position(), 10)).toBeUndefined()
    expect(isAfter(log.position(), former.position())).toBe(true)
  })

  it('shows that it lives', async () => {
    await using log = openEmbeddedRevocationLog(createMovableClock())
    const told = listen(log)
    await until('contact', () => told.contacts > 0)
  })
})
