// Each way in which Redis can be configured wrongly, against a real one: one sentence that names
// what mends it.
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { parseRedisUrl, type RedisTls } from '../../src/storage/redis-location.ts'
import { checkRedis } from '../../src/storage/redis-check.ts'
import { openRedis, withRedis } from '../../src/storage/redis.ts'
import { storeProblem } from '../../src/storage/store-problems.ts'
import { openWaitingConnection } from '../../src/storage/waiting-connection.ts'
import { type RedisServer, startRedis } from '../support/backends.ts'
import { type Certificates, makeCertificates } from '../support/certificates.ts'
import { quiet } from './short-lived-stores.ts'

let certificates: Certificates
// Those that keep the process alive.
const countTimers = () =>
  process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
let timersBefore: number
let open: RedisServer
let locked: RedisServer
let expired: RedisServer
beforeAll(async () => {
  timersBefore = countTimers()
  certificates = await makeCertificates()
  const { caFile, expired: server } = certificates
  ;[open, locked, expired] = await Promise.all([
    startRedis(),
    startRedis({ config: { requirepass: 'right', databases: '4' } }),
    startRedis({ tls: { caFile, server } }),
  ])
})
afterAll(async () => {
  await Promise.all([open.stop(), locked.stop(), expired.stop()])
  certificates[Symbol.dispose]()
  // ioredis holds a timer where it closes a connection that was closed already, as those to
  // sentinels are; a test process that ends before would count as one with a leak.
  while (countTimers() > timersBefore) await sleep(20, undefined, { ref: false })
})

/** What an operator is told at start. */
async function told(url: string, tls: RedisTls = {}): Promise<string> {
  const client = openRedis(parseRedisUrl(url, tls), quiet)
  try {
    return (await checkRedis(client)).refusals.join(' ')
  } catch (error) {
    return storeProblem(error) ?? `not told: ${String(error)}`
  } finally {
    client.disconnect()
  }
}

const at = ({ host, port }: RedisServer): string => `${host}:${port}`

it.each<[string, () => string, RegExp]>([
  [
    'nobody there',
    () => 'redis://127.0.0.1:9',
    /nothing listens at 127.0.0.1:9: .* OTESSE_REDIS_URL/,
  ],
  ['an unknown name', () => 'redis://redis.invalid', /the name redis.invalid cannot be resolved/],
  ['no password', () => `redis://${at(locked)}`, /wants a password/],
  ['a wrong password', () => `redis://:wrong@${at(locked)}`, /refuses user or password/],
  ['an unknown user', () => `redis://who:right@${at(locked)}`, /refuses user or password/],
  [
    'a database that is not there',
    () => `redis://:right@${at(locked)}/7`,
    /no database of the number/,
  ],
  ['TLS where there is none', () => `rediss://${at(open)}`, /does not (speak TLS|answer in time)/],
  ['no TLS where there is some', () => `redis://${at(expired)}`, /may want TLS \(rediss:/],
  [
    'an authority that nobody knows',
    () => expired.url,
    /authority .* OTESSE_REDIS_CA_FILE|expired/,
  ],
  ['a Cluster that is none', () => `redis-cluster://${at(open)}`, /is no Cluster/],
  ['sentinels that are none', () => `redis-sentinel://${at(open)}/m`, /sentinels/],
  ['sentinels that are away', () => 'redis-sentinel://127.0.0.1:9/m', /nothing listens/],
  ['nodes that are away', () => 'redis-cluster://127.0.0.1:9', /nothing listens/],
])('%s', async (_what, url, words) => {
  const sentence = await told(url())
  expect(sentence).toMatch(words)
  expect(sentence).not.toMatch(/wrong|right|\n/)
})

it('a certificate whose time is over', async () => {
  expect(await told(expired.url, { ca: certificates.ca })).toMatch(/certificate has expired/)
})

it('never falls back to database 0, neither at start nor where it loses its database later', async () => {
  const admin = new Redis(locked.port, locked.host, { password: 'right' })
  const client = openRedis(parseRedisUrl(`redis://:right@${at(locked)}/7`), quiet)
  const waiting = openWaitingConnection(client, 100)
  try {
    for (const one of [client, waiting])
      await expect(withRedis(() => one.set('lost', '1'))).rejects.toMatchObject({
        code: 'temporarily_unavailable',
      })
    expect(await admin.exists('lost')).toBe(0)
  } finally {
    for (const one of [admin, client, waiting]) one.disconnect()
  }
})
