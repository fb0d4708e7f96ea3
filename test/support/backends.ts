// Real stores for tests, from the programs of this machine: Redis (single, Cluster, Sentinel) and
// PostgreSQL, on free ports of 127.0.0.1. Shared ones are started once per run by global-setup.ts.
// A test file that breaks its store starts its own here. On a shared store each test has a key
// prefix on Redis and a database on PostgreSQL (createDatabase).
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { getBinary, getPostgresBinary } from './binaries.ts'
import { onFreePort } from './ports.ts'
import {
  createServerDirectory,
  launchServer,
  together,
  waitUntil,
  type Disturbable,
  type User,
} from './server-process.ts'

const run = promisify(execFile)
const HOST = '127.0.0.1'
const SENTINEL_MASTER_NAME = 'otesse'

export interface Address {
  host: string
  port: number
}

export interface RedisServer extends Disturbable, Address {
  url: string
}

/** Makes a server speak TLS alone, on its port. */
export interface RedisTlsFiles {
  caFile: string
  server: { certFile: string; keyFile: string }
  /** Whoever connects must show a certificate of the same authority. */
  wantsClientCertificate?: boolean
}

function tlsConfig(port: number, tls: RedisTlsFiles | undefined): Record<string, string> {
  if (tls === undefined) return {}
  return {
    port: '0',
    'tls-port': String(port),
    'tls-cert-file': tls.server.certFile,
    'tls-key-file': tls.server.keyFile,
    'tls-ca-cert-file': tls.caFile,
    'tls-auth-clients': tls.wantsClientCertificate === true ? 'yes' : 'no',
    'tls-replication': 'yes',
  }
}

export interface RedisOptions {
  maxmemoryPolicy?: string
  /**
   * Keeps an append-only file that is synchronised before each answer. Without it nothing survives
   * a restart.
   */
  appendOnly?: boolean
  replicaOf?: Address
  tls?: RedisTlsFiles
  /** More of redis.conf, by directive. */
  config?: Record<string, string>
}

/**
 * Starts one Redis. Without options it keeps nothing on disk and never evicts. @throws {Error} when
 * Redis is not installed
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const binary = getBinary('redis-server', 'redis-server')
  const server = await onFreePort(async (port) => {
    const directory = createServerDirectory('redis')
    const config: Record<string, string> = {
      port: String(port),
      bind: HOST,
      dir: directory,
      save: '',
      appendonly: options.appendOnly ? 'yes' : 'no',
      appendfsync: 'always',
      'maxmemory-policy': options.maxmemoryPolicy ?? 'noeviction',
      'repl-diskless-sync-delay': '0',
      ...(options.replicaOf && {
        replicaof: `${options.replicaOf.host} ${options.replicaOf.port}`,
      }),
      ...tlsConfig(port, options.tls),
      ...(options.tls === undefined ? {} : { 'tls-cluster': 'yes' }),
      ...options.config,
    }
    const file = join(directory, 'redis.conf')
    writeFileSync(file, toConfigFile(config))
    const running = await launchServer({
      binary,
      args: [file],
      directory,
      readyText: 'Ready to accept connections',
    })
    return { ...running, host: HOST, port }
  })
  const scheme = options.tls === undefined ? 'redis' : 'rediss'
  return { ...server, url: `${scheme}://${HOST}:${server.port}` }
}

export interface RedisCluster extends Disturbable {
  /** Any of them leads a client to the others. */
  nodes: Address[]
  masters: RedisServer[]
}

/** Starts a Redis Cluster of three masters and resolves when all of them call its state ok. */
export async function startRedisCluster({
  tls,
}: { tls?: RedisTlsFiles } = {}): Promise<RedisCluster> {
  const cli = getBinary('redis-cli', 'redis-tools')
  const config = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '2000' }
  const masters = await startAll(
    [1, 2, 3].map(() => startRedis({ config, ...(tls === undefined ? {} : { tls }) })),
  )
  const cluster = together(masters)
  try {
    const nodes = masters.map(({ host, port }) => ({ host, port }))
    const addresses = nodes.map(({ host, port }) => `${host}:${port}`)
    const secure = tls === undefined ? [] : ['--tls', '--cacert', tls.caFile]
    await run(cli, [...secure, '--cluster', 'create', ...addresses, '--cluster-yes'])
    for (const master of masters) {
      await waitUntil('the cluster to be formed', async () => {
        const info = await askRedis(master, ['CLUSTER', 'INFO'], undefined, tls)
        return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3')
      })
    }
    return { ...cluster, nodes, masters }
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

/** Adds a replica to a master of a Cluster, and resolves when it is in step. */
export async function addClusterReplica(master: RedisServer): Promise<RedisServer> {
  const replica = await startRedis({
    config: { 'cluster-enabled': 'yes', 'cluster-node-timeout': '2000' },
  })
  try {
    const id = await askRedis(master, ['CLUSTER', 'MYID'])
    await askRedis(replica, ['CLUSTER', 'MEET', master.host, String(master.port)])
    await waitUntil('the replica to know its master', async () =>
      (await askRedis(replica, ['CLUSTER', 'NODES'])).includes(id),
    )
    await askRedis(replica, ['CLUSTER', 'REPLICATE', id])
    await waitUntil('the replica to be in step', async () =>
      (await askRedis(master, ['INFO', 'replication'])).includes('state=online'),
    )
    return replica
  } catch (error) {
    await replica.stop()
    throw error
  }
}

export interface Sentinel extends Disturbable {
  /** The name that clients ask the sentinels for. */
  name: string
  sentinels: RedisServer[]
  master: RedisServer
  replica: RedisServer
  /** Kills the master and resolves when all sentinels name the replica as the master. */
  killMaster(): Promise<void>
}

/** Starts a master, a replica and three sentinels that fail over within seconds. */
export async function startSentinel({
  password,
  tls,
}: { password?: string; tls?: RedisTlsFiles } = {}): Promise<Sentinel> {
  const secure = tls === undefined ? {} : { tls }
  const started: RedisServer[] = []
  const config = password === undefined ? {} : { requirepass: password, masterauth: password }
  try {
    const master = await startRedis({ config, ...secure })
    started.push(master)
    const replica = await startRedis({ replicaOf: master, config, ...secure })
    started.push(replica)
    const sentinels = await startAll([1, 2, 3].map(() => startOneSentinel(master, password, tls)))
    started.push(...sentinels)
    for (const sentinel of sentinels) {
      await waitUntil('the sentinels to know each other and the replica', async () => {
        const question = ['SENTINEL', 'MASTER', SENTINEL_MASTER_NAME]
        const state = await askRedis(sentinel, question, password, tls)
        return state.includes('num-slaves,1') && state.includes('num-other-sentinels,2')
      })
    }
    await waitUntil('the replica to be in step', async () =>
      (await askRedis(replica, ['INFO', 'replication'], password, tls)).includes(
        'master_link_status:up',
      ),
    )
    return {
      ...together(started),
      name: SENTINEL_MASTER_NAME,
      sentinels,
      master,
      replica,
      async killMaster() {
        await master.kill()
        const question = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', SENTINEL_MASTER_NAME]
        await waitUntil('the failover', async () => {
          const answers = await Promise.all(
            sentinels.map((sentinel) => askRedis(sentinel, question, password, tls)),
          )
          return answers.every((answer) => answer.includes(String(replica.port)))
        })
        await waitUntil('the replica to be promoted', async () =>
          (await askRedis(replica, ['INFO', 'replication'], password, tls)).includes('role:master'),
        )
      },
    }
  } catch (error) {
    await together(started).stop()
    throw error
  }
}

async function startOneSentinel(
  master: Address,
  password?: string,
  tls?: RedisTlsFiles,
): Promise<RedisServer> {
  const binary = getBinary('redis-server', 'redis-server')
  const server = await onFreePort(async (port) => {
    const directory = createServerDirectory('sentinel')
    const file = join(directory, 'sentinel.conf')
    const name = SENTINEL_MASTER_NAME
    const lines = [
      ...Object.entries({ port: String(port), ...tlsConfig(port, tls) }).map(
        ([directive, value]) => `${directive} ${value}`,
      ),
      `bind ${HOST}`,
      `dir ${directory}`,
      `sentinel monitor ${name} ${master.host} ${master.port} 2`,
      `sentinel down-after-milliseconds ${name} 500`,
      `sentinel failover-timeout ${name} 3000`,
      ...(password === undefined
        ? []
        : [`sentinel auth-pass ${name} ${password}`, `requirepass ${password}`]),
    ]
    writeFileSync(file, lines.join('\n'))
    const args = [file, '--sentinel']
    const running = await launchServer({ binary, args, directory, readyText: '+monitor master' })
    return { ...running, host: HOST, port }
  })
  return { ...server, url: `redis://${HOST}:${server.port}` }
}

export interface PostgresServer extends Disturbable, Address {
  /** The database `otesse`, as its owner, with the password in the URL. */
  url: string
}

/**
 * Starts PostgreSQL without fsync (a machine that crashes may lose the test's data).
 *
 * @param superuser the role that it begins with; with another name than `otesse` there is no
 * database of ours, and the URL is that of `postgres`
 * @throws {Error} when it is not installed
 */
export async function startPostgres(
  superuser = 'otesse',
  more: { socketDirectory?: string; tls?: { cert: string; key: string } } = {},
): Promise<PostgresServer> {
  const binary = getPostgresBinary('postgres')
  const initdb = getPostgresBinary('initdb')
  const user = await findPostgresUser()
  const password = randomBytes(12).toString('hex')
  const server = await onFreePort(async (port) => {
    const directory = createServerDirectory('postgres', user)
    const data = join(directory, 'data')
    const passwordFile = join(directory, 'password')
    writeFileSync(passwordFile, password)
    const cluster = [`--username=${superuser}`, '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
    const text = ['--encoding=UTF8', '--locale=C.UTF-8', '--no-sync']
    const settings = {
      listen_addresses: HOST,
      port,
      unix_socket_directories: more.socketDirectory ?? '',
      ...(more.tls && ownTls(more.tls, directory, user)),
      fsync: 'off',
      full_page_writes: 'off',
      max_connections: 200,
      // A prepared transaction holds its locks without a connection that could be cut.
      max_prepared_transactions: 10,
      shared_buffers: '64MB',
      timezone: 'UTC',
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const running = await launchServer({
      binary,
      args: ['-D', data, ...flags],
      directory,
      prepare: { binary: initdb, args: ['-D', data, ...cluster, ...text] },
      readyText: 'database system is ready to accept connections',
      killSignal: 'SIGQUIT', // "immediate shutdown": all its processes end at once, and the next start recovers as after a crash
      user,
    })
    return { ...running, host: HOST, port }
  })
  const url = (database: string) =>
    `postgres://${superuser}:${password}@${HOST}:${server.port}/${database}`
  if (superuser !== 'otesse') return { ...server, url: url('postgres') }
  await onDatabase(url('postgres'), (client) => client.query('CREATE DATABASE otesse'))
  return { ...server, url: url('otesse') }
}

/** PostgreSQL wants its key to be its own. */
function ownTls(tls: { cert: string; key: string }, directory: string, user: User | undefined) {
  const [certFile, keyFile] = [join(directory, 'server.crt'), join(directory, 'server.key')]
  writeFileSync(certFile, tls.cert, { mode: 0o644 })
  writeFileSync(keyFile, tls.key, { mode: 0o600 })
  if (user) chownSync(keyFile, user.uid, user.gid)
  return { ssl: 'on', ssl_cert_file: certFile, ssl_key_file: keyFile }
}

/**
 * Starts PgBouncer before a database. @throws {Error} when it is not installed
 */
export async function startPgBouncer(
  databaseUrl: string,
  poolMode: 'session' | 'transaction' = 'transaction',
): Promise<PostgresServer> {
  const binary = getBinary('pgbouncer', 'pgbouncer')
  const user = await findPostgresUser()
  const target = new URL(databaseUrl)
  const database = target.pathname.slice(1)
  const server = await onFreePort(async (port) => {
    const directory = createServerDirectory('pgbouncer', user)
    const users = join(directory, 'users.txt')
    writeFileSync(users, `"${target.username}" "${target.password}"\n`)
    const file = join(directory, 'pgbouncer.ini')
    const lines = [
      '[databases]',
      `${database} = host=${target.hostname} port=${target.port} dbname=${database}`,
      '[pgbouncer]',
      `listen_addr = ${HOST}`,
      `listen_port = ${port}`,
      'auth_type = plain',
      `auth_file = ${users}`,
      `pool_mode = ${poolMode}`,
      'unix_socket_dir =',
    ]
    writeFileSync(file, `${lines.join('\n')}\n`)
    const readyText = 'process up'
    const running = await launchServer({ binary, args: [file], directory, readyText, user })
    return { ...running, host: HOST, port }
  })
  target.port = String(server.port)
  return { ...server, url: target.href }
}

/**
 * A database that several test files start from: prepared (for example migrated) by the first that
 * asks for it, then copied.
 */
export interface DatabaseTemplate {
  /** Lower-case letters, digits and underscores; says what `prepare` does. */
  name: string
  prepare: (url: string) => Promise<void>
}

export interface TestDatabase extends AsyncDisposable {
  url: string
  /** Deletes it. @throws {Error} when connections to it are still open: something was not closed */
  drop(): Promise<void>
}

/**
 * Creates an empty database, or a copy of the template, on a running server. Workers may ask for
 * one template at the same time.
 */
export async function createDatabase(
  serverUrl: string,
  template?: DatabaseTemplate,
): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`
  await onDatabase(serverUrl, async (client) => {
    if (template) await prepareTemplate(client, serverUrl, template)
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template?.name ?? 'template1'}`)
  })
  // The server itself waits 5 s for connections that are just closing.
  const drop = async () => {
    await onDatabase(serverUrl, (client) => client.query(`DROP DATABASE ${name}`))
  }
  return { url: withDatabase(serverUrl, name), drop, [Symbol.asyncDispose]: drop }
}

async function prepareTemplate(
  client: Client,
  serverUrl: string,
  { name, prepare }: DatabaseTemplate,
): Promise<void> {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new Error(`"${name}" cannot name a template`)
  // The lock is held to the end of the session, or until this function lets it go.
  await client.query('SELECT pg_advisory_lock(hashtext($1))', [name])
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])
    if (found.rowCount !== 0) return
    const draft = `${name}_draft`
    await client.query(`DROP DATABASE IF EXISTS ${draft}`)
    await client.query(`CREATE DATABASE ${draft}`)
    await prepare(withDatabase(serverUrl, draft))
    await client.query(`ALTER DATABASE ${draft} RENAME TO ${name}`)
  } finally {
    await client.query('SELECT pg_advisory_unlock(hashtext($1))', [name])
  }
}

/** Does work on a connection of its own. */
export async function onDatabase<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

function withDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

// PostgreSQL refuses to run as root: then it runs as the user that its Debian package has made.
async function findPostgresUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const id = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout)
  return { uid: await id('-u'), gid: await id('-g') }
}

// Sends one command and answers its reply as text, arrays joined by commas.
async function askRedis(
  { host, port }: Address,
  [command, ...args]: string[],
  password?: string,
  tls?: RedisTlsFiles,
): Promise<string> {
  const client = new Redis({
    host,
    port,
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined
      ? {}
      : { tls: { ca: readFileSync(tls.caFile), checkServerIdentity: () => undefined } }),
    lazyConnect: true,
    connectTimeout: 30_000,
    retryStrategy: () => null,
  })
  try {
    await client.connect()
    return String(await client.call(command ?? 'PING', args))
  } finally {
    client.disconnect()
  }
}

// All of them, or none: what did start is stopped when another one fails.
async function startAll<T extends Disturbable>(starting: Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(starting)
  const started = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? outcome.value : [],
  )
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed) {
    await together(started).stop()
    throw failed.reason
  }
  return started
}

function toConfigFile(config: Record<string, string>): string {
  return Object.entries(config)
    .map(([directive, value]) => `${directive} ${value === '' ? '""' : value}\n`)
    .join('')
}
