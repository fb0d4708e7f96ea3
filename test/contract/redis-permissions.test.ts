// A user of Redis that may do what docs/operating.md lists and nothing else: every store works with
// it, and what it lacks is named.
import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { createRedisStore } from '../../src/grants/redis-family.store.ts'
import { openRedisRevocationLog } from '../../src/revocations/redis-revocation-log.ts'
import { openRedisInvalidation } from '../../src/storage/invalidation.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { missingPermissions, NEEDED_COMMANDS } from '../../src/storage/redis-permissions.ts'
import { checkRedis } from '../../src/storage/redis-check.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { openReplication } from '../../src/storage/replication.ts'
import { startRedis } from '../support/backends.ts'
import { quiet } from './short-lived-stores.ts'

const RULES = NEEDED_COMMANDS.map((command) => `+${command}`)

it('docs/operating.md lists the commands', () => {
  const page = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8')
  expect(page.replace(/\s+/g, ' ')).toContain(RULES.join(' '))
})

it('what is listed is enough for every store, and what is taken away is named', async () => {
  await using server = await startRedis()
  const admin = new Redis(server.port, server.host)
  const allow = (...rules: string[]) => admin.acl('SETUSER', 'limited', ...rules)
  await allow('on', '>pw', '~otesse:*', '&otesse:*', ...RULES)
  const client = openRedis(parseRedisUrl(server.url.replace('//', '//limited:pw@')), quiet)
  try {
    await checkRedis(client)
    const store = createRedisStore(client, 'otesse:')
    const put = [{ name: 'g', value: 'v', ttlMillis: 60_000 }]
    expect(await store.commit('f', { expect: [{ name: 'g', state: 'absent' }], put })).toBe(true)
    expect(await store.read('f', ['g'])).toEqual(['v'])
    await store.putRecord('s:1', 'x', 1000)
    await store.removeRecord('s:1')
    await store.addToIndex('u:1', 'm', Date.now() + 1000, Date.now())
    await store.listIndex('u:1', Date.now(), 0, 10)
    await store.removeFromIndex('u:1', ['m'])
    await using log = openRedisRevocationLog(client, 'otesse:', { logger: quiet })
    await log.append({ kind: 'grant', key: 'g' })
    await log.ready()
    const hooks = { logger: quiet, onLost: () => undefined }
    await using channel = await openRedisInvalidation(client, 'otesse:', hooks)
    await channel.publish('app', 'a')
    using replication = await openReplication(client, 'otesse:', {
      logger: quiet,
      onUnreached: () => undefined,
    })
    await replication.reach('f')

    expect(await missingPermissions(client, 'otesse:')).toBeUndefined()
    await allow('+multi', '+discard')
    const before = await admin.dbsize()
    expect(await missingPermissions(client, 'otesse:')).toEqual([])
    expect(await missingPermissions(client, 'other:')).toContain('mget')
    await allow('-xadd', '-wait', '-xread', '-eval', '-evalsha', '-select')
    expect(await missingPermissions(client, 'otesse:')).toEqual([
      'xadd',
      'wait',
      'select',
      'xread',
      'eval',
      'evalsha',
    ])
    await allow('+xadd', '+wait', '+xread', '+eval', '+evalsha', '+select', '-subscribe')
    expect(await missingPermissions(client, 'otesse:')).toEqual(['subscribe'])
    await allow('+subscribe')
    expect(await missingPermissions(client, 'otesse:')).toEqual([])
    expect(await admin.dbsize()).toBeLessThanOrEqual(before)
  } finally {
    admin.disconnect()
    client.disconnect()
  }
})
