// Connections to Redis that stay open and lead nowhere: the other machine is gone, or something on
// the way forgot them, and nobody said so. Each kind of connection must notice by itself.
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { openRedis, type RedisClient } from '../../src/storage/redis.ts'
import { openRedisInvalidation } from '../../src/storage/invalidation.ts'
import { openWaitingConnection } from '../../src/storage/waiting-connection.ts'
import { type RedisServer, startRedis } from '../support/backends.ts'
import { waitUntil } from '../support/server-process.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { quiet } from './short-lived-stores.ts'

// Its own: other files end all subscriptions of the shared one.
let redis: RedisServer
let proxy: TcpProxy
let client: RedisClient
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())
beforeEach(async () => {
  proxy = await startTcpProxy(redis.port)
  client = openRedis(parseRedisUrl(`redis://127.0.0.1:${proxy.port}`), quiet)
  await client.ping()
})
afterEach(async () => {
  client.disconnect()
  await proxy[Symbol.asyncDispose]()
})

const answers = (connection: RedisClient) => () =>
  connection.ping().then(
    () => true,
    () => false,
  )

it('commands fail for a moment, and then have a new connection', async () => {
  proxy.cut('silence')
  await expect(client.ping()).rejects.toThrow('timed out')
  await waitUntil('a new connection', answers(client))
})

it('a connection that waits for entries gets a new one', async () => {
  const waiting = openWaitingConnection(client, 100)
  waiting.on('error', () => undefined)
  await waiting.ping()
  proxy.cut('silence')
  await expect(waiting.ping()).rejects.toThrow('timed out')
  await waitUntil('a new connection', answers(waiting))
  waiting.disconnect()
})

it('the channel between processes is subscribed again, and tells of the gap', async () => {
  let gaps = 0
  const heard: string[] = []
  const hooks = { logger: quiet, onLost: () => undefined }
  const channel = await openRedisInvalidation(client, 'half-open:', hooks)
  channel.onGap(() => (gaps += 1))
  channel.on('app', (id) => void heard.push(id))
  proxy.cut('silence')
  await waitUntil('the gap to be told', () => Promise.resolve(gaps > 0))

  await using other = await startTcpProxy(redis.port)
  const teller = openRedis(parseRedisUrl(`redis://127.0.0.1:${other.port}`), quiet)
  await teller.publish('half-open:invalidate', 'app app_1')
  await waitUntil('the message', () => Promise.resolve(heard.includes('app_1')))
  teller.disconnect()
  await channel[Symbol.asyncDispose]()
})
