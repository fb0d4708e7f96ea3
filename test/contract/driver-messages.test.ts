// Each message that is known by its words, as the real library or server says it today: an upgrade
// that says it otherwise fails here.
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import pg from 'pg'
import { type DriverMessage, says, sentinelReplyCode } from '../../src/storage/driver-messages.ts'
import type { ConnectionOptions } from '../../src/storage/redis-location.ts'
import { replyCode } from '../../src/storage/redis-replies.ts'
import {
  type PostgresServer,
  type RedisServer,
  startPgBouncer,
  startPostgres,
  startRedis,
  startSentinel,
} from '../support/backends.ts'
import { makeCertificates } from '../support/certificates.ts'

let redis: RedisServer
let locked: RedisServer
let postgres: PostgresServer
let pooler: PostgresServer
let silent: Server
const sockets = new Set<Socket>()
beforeAll(async () => {
  ;[redis, locked, postgres] = await Promise.all([
    startRedis({ config: { databases: '4', 'rename-command': 'HELLO ""' } }),
    startRedis({ config: { requirepass: 'right' } }),
    startPostgres(),
  ])
  pooler = await startPgBouncer(postgres.url)
  silent = createServer((socket) => sockets.add(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  silent.close()
  await pooler.stop()
  await Promise.all([redis.stop(), locked.stop(), postgres.stop()])
})

const silentPort = () => (silent.address() as { port: number }).port

/** The error of work on a Redis. */
async function redisError(
  work: (client: Redis) => Promise<unknown>,
  options: ConnectionOptions = {},
): Promise<Error> {
  const client = new Redis({
    host: redis.host,
    port: redis.port,
    protocol: 2,
    retryStrategy: () => null,
    ...options,
  })
  client.on('error', () => undefined)
  try {
    await work(client)
  } catch (error) {
    return error as Error
  } finally {
    client.disconnect()
  }
  throw new Error('it succeeded')
}

/** What a client tells of its sentinel. */
async function sentinelError(port: number, name = 'main'): Promise<[each: Error, all: Error]> {
  const client = new Redis({
    sentinels: [{ host: '127.0.0.1', port }],
    name,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
  })
  const [each, all] = await Promise.all([
    new Promise<Error>((resolve) => client.once('sentinelError', resolve)),
    new Promise<Error>((resolve) => client.once('error', resolve)),
  ])
  client.disconnect()
  return [each, all]
}

async function postgresError(
  settings: pg.ClientConfig,
  work: (client: pg.Client) => Promise<unknown> = () => Promise.resolve(),
): Promise<Error> {
  const client = new pg.Client(settings)
  client.on('error', () => undefined)
  try {
    await client.connect()
    await work(client)
  } catch (error) {
    return error as Error
  } finally {
    await client.end().catch(() => undefined)
  }
  throw new Error('it succeeded')
}

const changed = (server: PostgresServer, change: (url: URL) => void): string => {
  const url = new URL(server.url)
  change(url)
  return url.href
}

it.each<[DriverMessage, string, () => Promise<Error>]>([
  [
    'redisTimeout',
    'a command',
    () => redisError((client) => client.blpop('nothing', 1), { commandTimeout: 50 }),
  ],
  [
    'redisTimeout',
    'a connection that says nothing',
    () =>
      new Promise((resolve) => {
        const client = new Redis({
          ...{ host: '127.0.0.1', port: silentPort(), socketTimeout: 50 },
          retryStrategy: () => null,
        })
        client.once('error', (error) => {
          client.disconnect()
          resolve(error)
        })
        client.ping().catch(() => undefined)
      }),
  ],
  [
    'redisClosed',
    'a command after the end',
    () =>
      redisError((client) => {
        client.disconnect()
        return client.ping()
      }),
  ],
  ['redisDatabaseUnknown', 'SELECT', () => redisError((client) => client.select(9))],
  ['redisIsNoCluster', 'CLUSTER', () => redisError((client) => client.cluster('SLOTS'))],
  ['sentinelIsNone', 'SENTINEL', () => redisError((client) => client.call('SENTINEL', 'MASTERS'))],
  ['redisTooOld', 'HELLO', () => redisError((client) => client.call('HELLO', '3'))],
  ['redisCommandUnknown', 'another command', () => redisError((client) => client.call('NOTHING'))],
  [
    // No proxy is at hand: a script answers as one does.
    'redisBehindProxy',
    'ERR of something in front',
    () =>
      redisError((client) => client.eval("return redis.error_reply('ERR upstream failure')", 0)),
  ],
  [
    'postgresTimeout',
    'a server that says nothing',
    () => postgresError({ host: '127.0.0.1', port: silentPort(), connectionTimeoutMillis: 50 }),
  ],
  [
    'postgresTimeout',
    'a statement',
    () =>
      postgresError({ connectionString: postgres.url, query_timeout: 50 }, (client) =>
        client.query('select pg_sleep(1)'),
      ),
  ],
  [
    'postgresClosed',
    'a statement after the end',
    () =>
      postgresError({ connectionString: postgres.url }, async (client) => {
        await client.end()
        await client.query('select 1')
      }),
  ],
  [
    'postgresHasNoTls',
    'TLS where there is none',
    () => postgresError({ connectionString: postgres.url, ssl: { rejectUnauthorized: false } }),
  ],
  [
    'postgresPasswordMissing',
    'no password',
    () => postgresError({ connectionString: changed(postgres, (url) => (url.password = '')) }),
  ],
  [
    'poolerRefuses',
    'a database that the pooler lacks',
    () => postgresError({ connectionString: changed(pooler, (url) => (url.pathname = '/none')) }),
  ],
])('%s: %s', async (what, _by, provoke) => {
  const error = await provoke()
  expect([error.message, says(what, error)]).toEqual([error.message, true])
})

it('a pool that waited in vain', async () => {
  const pool = new pg.Pool({ connectionString: postgres.url, max: 1, connectionTimeoutMillis: 50 })
  const client = await pool.connect()
  const error = await pool.connect().then(
    () => undefined,
    (reason: unknown) => reason as Error,
  )
  client.release()
  await pool.end()
  expect(says('postgresTimeout', error ?? new Error('it succeeded'))).toBe(true)
})

it('a Redis that is full', async () => {
  await using full = await startRedis({ config: { maxclients: '1' } })
  const first = new Redis(full.port, full.host)
  await first.ping()
  // A client that writes may lose the words to the reset that follows them.
  const message = await new Promise<string>((resolve) => {
    createConnection(full.port, full.host).once('data', (bytes) => resolve(bytes.toString()))
  })
  first.disconnect()
  expect([message, says('redisIsFull', { message })]).toEqual([message, true])
})

it('what ioredis keeps of sentinels', async () => {
  const [away, all] = await sentinelError(9)
  expect(says('sentinelsAway', all)).toBe(true)
  expect(sentinelReplyCode(away)).toBeUndefined()
  const [asked] = await sentinelError(locked.port)
  expect([asked.message, sentinelReplyCode(asked)]).toEqual([asked.message, 'NOAUTH'])
})

it('a sentinel that knows no such master', async () => {
  await using group = await startSentinel()
  const [error] = await sentinelError(group.sentinels[0]!.port, 'another')
  expect([error.message, says('sentinelKnowsNoMaster', error)]).toEqual([error.message, true])
})

it('a server that lets nobody in without TLS', async () => {
  using certificates = await makeCertificates()
  await using secure = await startPostgres('otesse', { tls: certificates.server })
  const admin = new pg.Client({ connectionString: secure.url })
  await admin.connect()
  await admin.query(
    "do $$ begin execute format('copy (select ''hostssl all all all scram-sha-256'') to %L', current_setting('hba_file')); end $$",
  )
  await admin.query('select pg_reload_conf()')
  await admin.end()
  const error = await postgresError({ connectionString: secure.url })
  expect([error.message, says('postgresWantsTls', error)]).toEqual([error.message, true])
})

it('codes of replies', async () => {
  const unauthenticated = await redisError((client) => client.get('x'), {
    host: locked.host,
    port: locked.port,
  })
  expect(replyCode(unauthenticated)).toBe('NOAUTH')
  const inScript = await redisError((client) =>
    client.eval(
      "return redis.call('lpush', KEYS[1], 'x', redis.call('set', KEYS[1], '1'))",
      1,
      'k',
    ),
  )
  expect(replyCode(inScript)).toMatch(/^[A-Z]+$/)
  expect(replyCode(new Error('NOAUTH of nobody'))).toBeUndefined()
})
