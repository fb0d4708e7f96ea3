// The check of Redis before serving: one that may lose grants is refused; one that keeps nothing
// over a restart causes a warning.
import { Redis } from 'ioredis'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { checkRedis, type RedisCheck } from '../../src/storage/redis-check.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { startRedis, type RedisOptions } from '../support/backends.ts'
import { quiet } from './short-lived-stores.ts'

async function judge(options: RedisOptions): Promise<RedisCheck> {
  await using server = await startRedis(options)
  const client = openRedis(parseRedisUrl(server.url), quiet)
  try {
    return await checkRedis(client)
  } finally {
    client.disconnect()
  }
}

it.each(['allkeys-lru', 'volatile-ttl'])(
  'refuses a Redis that may evict keys (%s)',
  async (policy) => {
    const verdict = await judge({ maxmemoryPolicy: policy, appendOnly: true })
    expect(verdict.refusals).toEqual([
      `Redis may evict keys (maxmemory-policy ${policy}): set it to noeviction`,
    ])
  },
)

it('has nothing against an append-only file and noeviction', async () => {
  expect(await judge({ appendOnly: true })).toEqual({
    refusals: [],
    warnings: [],
    notes: [
      'Redis evicts no keys',
      'Redis writes to disk before it answers (appendfsync always): a crash loses nothing',
      expect.stringContaining('Redis has no replica'),
    ],
  })
})

it.each([
  ['everysec', 'last one or two seconds'],
  ['no', 'half a minute'],
])('does not call appendfsync %s safe', async (appendfsync, words) => {
  const verdict = await judge({ appendOnly: true, config: { appendfsync } })
  expect(verdict.refusals).toEqual([])
  expect(verdict.warnings).toEqual([expect.stringContaining(`(appendfsync ${appendfsync})`)])
  expect(verdict.warnings[0]).toContain(words)
})

it('refuses a replica, whoever named it', async () => {
  await using master = await startRedis()
  const verdict = await judge({ appendOnly: true, replicaOf: master })
  expect(verdict.refusals).toEqual([expect.stringContaining('leads to a replica')])
})

it('lets somebody put up with eviction, and with nothing else', async () => {
  await using server = await startRedis({ maxmemoryPolicy: 'allkeys-lru', appendOnly: true })
  const client = openRedis(parseRedisUrl(server.url), quiet)
  try {
    const verdict = await checkRedis(client, { mayEvict: true })
    expect(verdict.refusals).toEqual([])
    expect(verdict.warnings).toEqual([expect.stringContaining('may evict keys')])
  } finally {
    client.disconnect()
  }
})

it('says what it could not look at where CONFIG or INFO is forbidden', async () => {
  await using server = await startRedis({ appendOnly: true })
  const admin = new Redis(server.port, server.host)
  const client = openRedis(parseRedisUrl(server.url.replace('//', '//limited:pw@')), quiet)
  try {
    await admin.acl('SETUSER', 'limited', 'on', '>pw', '~*', '+@all', '-config')
    const { warnings, notes } = await checkRedis(client)
    expect(warnings).toEqual([])
    expect(notes).toContainEqual(expect.stringContaining('does not report how often'))
    await admin.acl('SETUSER', 'limited', '-info')
    expect((await checkRedis(client)).warnings).toEqual([expect.stringContaining('+info')])
  } finally {
    admin.disconnect()
    client.disconnect()
  }
})

it('warns of a Redis that keeps nothing', async () => {
  const verdict = await judge({})
  expect(verdict.refusals).toEqual([])
  expect(verdict.warnings).toEqual([expect.stringContaining('keeps nothing on disk')])
})

it('warns of a Redis that only saves snapshots', async () => {
  const verdict = await judge({ config: { save: '3600 1' } })
  expect(verdict.warnings).toEqual([expect.stringContaining('only saves snapshots')])
})

it('looks at every master of a Cluster and says a thing once', async () => {
  const nodes = process.env['OTESSE_TEST_REDIS_CLUSTER_NODES'] ?? ''
  const last = new URL(`redis://${nodes.split(',').at(-1) ?? ''}`)
  const direct = new Redis(Number(last.port), last.hostname)
  const client = openRedis(parseRedisUrl(`redis-cluster://${nodes}`), quiet)
  try {
    expect((await checkRedis(client)).refusals).toEqual([])
    await direct.config('SET', 'maxmemory-policy', 'allkeys-lfu')
    expect((await checkRedis(client)).refusals).toHaveLength(1)
    expect((await checkRedis(client)).warnings).toEqual([
      expect.stringContaining('keeps nothing on disk'),
      expect.stringContaining('has no up-to-date replica'),
    ])
  } finally {
    await direct.config('SET', 'maxmemory-policy', 'noeviction')
    direct.disconnect()
    client.disconnect()
  }
})

describe('a URL', () => {
  it.each([
    ['redis://h:1', { kind: 'single', options: { host: 'h', port: 1 } }],
    ['redis://[::1]/0', { kind: 'single', options: { host: '::1', port: 6379 } }],
    [
      'rediss://u:p%40@h:1/2',
      {
        kind: 'single',
        options: { host: 'h', port: 1, tls: {}, username: 'u', password: 'p@', db: 2 },
      },
    ],
    [
      'redis-sentinel://u:p%40@a,b:7/mymaster',
      {
        kind: 'sentinel',
        sentinels: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 7 },
        ],
        master: 'mymaster',
        options: { username: 'u', password: 'p@' },
        login: { sentinelUsername: 'u', sentinelPassword: 'p@' },
      },
    ],
    [
      'rediss-cluster://:p@a:7,b',
      {
        kind: 'cluster',
        nodes: [
          { host: 'a', port: 7 },
          { host: 'b', port: 6379 },
        ],
        options: { tls: {}, password: 'p' },
      },
    ],
  ])('%s is read', (url, location) => {
    expect(parseRedisUrl(url)).toEqual(location)
  })

  it.each([
    ['redis://a,b', 'names one server'],
    ['redis://h/db', 'number of a database'],
    ['redis://h?db=2', 'no ?parameters'],
    ['redis://:50%@h', 'percent-encoded'],
    ['redis://u:a/b@h:6379', 'percent-encoded'],
    ['redis-cluster://h/3', 'no numbered databases'],
    ['redis-sentinel://h/m?db=3', 'only'],
  ])('%s is refused with words that mend it', (url, words) => {
    expect(() => parseRedisUrl(url)).toThrow(words)
  })

  it('TLS is for every half of the connection', () => {
    const tls = { ca: 'c', servername: 'n' }
    expect(parseRedisUrl('rediss-sentinel://h/m', tls)).toMatchObject({
      options: { tls },
      login: { sentinelTLS: tls, enableTLSForSentinelMode: true },
    })
    expect(parseRedisUrl('rediss-cluster://h', tls)).toMatchObject({ options: { tls } })
  })

  it.each(['http://h', 'redis-sentinel://a,b', 'redis://', 'redis-other://h'])(
    '%s is refused with words',
    (url) => {
      expect(() => parseRedisUrl(url)).toThrow(/redis-sentinel:\/\/host/)
    },
  )
})
