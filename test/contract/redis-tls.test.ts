// Redis with TLS under an authority of one's own: every half of the connection (data, sentinels,
// nodes of a Cluster, the channel, connections that wait) gets the same certificates.
import { openRedisInvalidation } from '../../src/storage/invalidation.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { openRedis, reachRedis } from '../../src/storage/redis.ts'
import { storeProblem } from '../../src/storage/store-problems.ts'
import { openWaitingConnection } from '../../src/storage/waiting-connection.ts'
import { startRedis, startRedisCluster, startSentinel } from '../support/backends.ts'
import { type Certificates, makeCertificates } from '../support/certificates.ts'
import { quiet } from './short-lived-stores.ts'

let certificates: Certificates
beforeAll(async () => {
  certificates = await makeCertificates()
})
afterAll(() => certificates[Symbol.dispose]())

/** Uses each kind of connection once; resolves to what is wrong, or to nothing. */
async function useAll(url: string, tls: Parameters<typeof parseRedisUrl>[1]): Promise<string> {
  const client = openRedis(parseRedisUrl(url, tls), quiet)
  const waiting: { disconnect(): void }[] = []
  try {
    await reachRedis(client)
    await client.set('key', 'value')
    expect(await client.get('key')).toBe('value')
    await using channel = await openRedisInvalidation(client, 'p:', {
      logger: quiet,
      onLost: () => undefined,
    })
    await channel.publish('app', 'id')
    const own = openWaitingConnection(client, 1000)
    waiting.push(own)
    await own.xadd('log', '*', 'a', 'b')
    expect(await own.xread('COUNT', 1, 'BLOCK', 1000, 'STREAMS', 'log', '0')).toHaveLength(1)
    return ''
  } catch (error) {
    return storeProblem(error) ?? String(error)
  } finally {
    for (const one of waiting) one.disconnect()
    client.disconnect()
  }
}

it('one Redis that wants our certificate too', async () => {
  const { ca, caFile, server, client } = certificates
  await using redis = await startRedis({ tls: { caFile, server, wantsClientCertificate: true } })
  const { cert, key } = client
  expect(await useAll(redis.url, { ca, cert, key })).toBe('')
  expect(await useAll(redis.url, { ca })).toContain('OTESSE_REDIS_CERT_FILE')
  expect(await useAll(redis.url, {})).toContain('OTESSE_REDIS_CA_FILE')
})

it('a certificate with another name is taken by the name that it carries', async () => {
  const { ca, caFile, misnamed } = certificates
  await using redis = await startRedis({ tls: { caFile, server: misnamed } })
  expect(await useAll(redis.url, { ca, servername: 'elsewhere.example' })).toBe('')
  expect(await useAll(redis.url, { ca })).toContain('OTESSE_REDIS_SERVER_NAME')
})

it('a Sentinel set, whose sentinels speak TLS as well', async () => {
  const { ca, caFile, server } = certificates
  await using set = await startSentinel({ tls: { caFile, server } })
  const hosts = set.sentinels.map(({ host, port }) => `${host}:${port}`).join(',')
  expect(await useAll(`rediss-sentinel://${hosts}/${set.name}`, { ca })).toBe('')
  expect(await useAll(`rediss-sentinel://${hosts}/${set.name}`, {})).toContain(
    'OTESSE_REDIS_CA_FILE',
  )
})

it('a Cluster whose certificates carry names that its nodes do not tell', async () => {
  const { ca, caFile, misnamed } = certificates
  await using cluster = await startRedisCluster({ tls: { caFile, server: misnamed } })
  const hosts = cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',')
  const servername = 'elsewhere.example'
  expect(await useAll(`rediss-cluster://${hosts}`, { ca, servername })).toBe('')
  expect(await useAll(`rediss-cluster://${hosts}`, { ca })).toContain('OTESSE_REDIS_SERVER_NAME')
}, 60_000)
