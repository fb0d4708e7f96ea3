// Everything that a fault happens to: real stores on free ports, the network between, and one or
// more built servers. Each variant of a fault gets a world of its own; the PostgreSQL server is
// shared, its databases are not.
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  addClusterReplica,
  createDatabase,
  type PostgresServer,
  type RedisOptions,
  type RedisServer,
  startPostgres,
  startRedis,
  startRedisCluster,
} from '../../test/support/backends.ts'
import { type FakeClock, openFakeClock } from './fake-clocks.ts'
import { createNode, type Node } from './node.ts'
import { buildPreviousRelease } from './previous-release.ts'
import { type Apps, type Cli, COMMON_SETTINGS, createCli, fill } from './setup.ts'
import { openSmallDisk, type SmallDisk } from './small-disk.ts'
import { openTcpLink, type TcpLink } from './tcp-link.ts'

export interface WorldOptions {
  /** Everything in one process and one directory, instead of Redis and Postgres. */
  isEmbedded?: boolean
  nodes?: number
  redis?: RedisOptions
  /** A Cluster of three masters with a replica each, without links, instead of one Redis. */
  isCluster?: boolean
  /** The files of Redis, or of an embedded server, are on a disk of this size. */
  diskMebibytes?: number
  /** Each server has a clock of its own that can be wrong. */
  hasFakeClocks?: boolean
  /** Begins with the release before this one, on stores that it has filled. */
  isPrevious?: boolean
  settings?: Readonly<Record<string, string>>
  /** Stores have names instead of addresses, which `failNames` can make fail. */
  isNamed?: boolean
}

export interface World extends AsyncDisposable {
  nodes: readonly Node[]
  apps: Apps
  directory: string
  settings: Readonly<Record<string, string>>
  cli: Cli
  /** The command line of what is under test, where the world begins with the release before. */
  newestCli: Cli
  /** Where main.js of both releases is; of the one before only where the world begins with it. */
  scripts: { newest: string; previous: string }
  cluster: { masters: RedisServer[]; replicas: RedisServer[] }
  disk: SmallDisk
  /** Of the servers that the world began with. */
  clocks: readonly FakeClock[]
  redis: RedisServer
  redisLink: TcpLink
  postgres: PostgresServer
  postgresLink: TcpLink
  /** All that lead to stores. */
  links: readonly TcpLink[]
  /** From now on names of stores do not resolve, with this code; again when undefined. */
  failNames(code: 'EAI_AGAIN' | 'ENOTFOUND' | undefined): Promise<void>
  /** The database, past the link. */
  databaseUrl: string
  dataDirectory: string
  random: () => number
  /** A server of its own in the same world, for whoever wants one more. */
  addNode(settings?: Readonly<Record<string, string>>): Promise<Node>
  /** Keeps something open as long as the world. */
  keep<T extends AsyncDisposable>(resource: T): T
}

/** What all worlds of a run start from. */
export interface Origin extends AsyncDisposable {
  dist: string
  openWorld(options: WorldOptions, random: () => number): Promise<World>
}

/** Prepares for a run on what was built. */
export async function openOrigin(dist: string): Promise<Origin> {
  // Stores are opened when the first world wants them, so the stack stays where it is.
  const stack = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'otesse-faults-'))
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const startedPostgres = once(async () =>
    stack.adopt(await startPostgres(), (server) => server.stop()),
  )
  const fillNetworked = async (release: string, name: string) => {
    const postgres = await startedPostgres()
    await using redis = await startRedis()
    const own = await mkdtemp(join(directory, 'networked-'))
    let apps: Apps | undefined
    const template = {
      name,
      prepare: async (url: string) => {
        const settings = { OTESSE_DATABASE_URL: url, OTESSE_REDIS_URL: redis.url }
        apps = await fill(createCli(release, { ...COMMON_SETTINGS, ...settings }), own)
      },
    }
    await (await createDatabase(postgres.url, template)).drop()
    return { dist: release, newest: dist, postgres, template, apps: apps! }
  }
  const networked = once(() => fillNetworked(dist, 'faults'))
  const previous = once(async () =>
    fillNetworked(await buildPreviousRelease(join(directory, 'previous')), 'faults_previous'),
  )
  const embedded = once(async () => {
    const own = await mkdtemp(join(directory, 'embedded-'))
    const data = join(own, 'data')
    const settings = { ...COMMON_SETTINGS, ...EMBEDDED, OTESSE_DATA_DIR: data }
    return { data, apps: await fill(createCli(dist, settings), own) }
  })

  return {
    dist,
    openWorld: (options, random) =>
      options.isEmbedded
        ? openEmbeddedWorld(dist, directory, embedded, options, random)
        : openNetworkedWorld(directory, options.isPrevious ? previous : networked, options, random),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const EMBEDDED = { OTESSE_UNSAFE_EMBEDDED_IN_PRODUCTION: 'true' }

async function openNetworkedWorld(
  parent: string,
  prepare: () => Promise<{
    dist: string
    newest: string
    postgres: PostgresServer
    template: Parameters<typeof createDatabase>[1]
    apps: Apps
  }>,
  options: WorldOptions,
  random: () => number,
): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const { dist, newest, postgres, template, apps } = await prepare()
  const directory = await mkdtemp(join(parent, 'world-'))
  const database = await createDatabase(postgres.url, template)
  const disk = await openDisk(stack, directory, options)
  const cluster = options.isCluster ? await openCluster(stack) : undefined
  const config = { ...options.redis?.config, ...(disk && { dir: disk.path }) }
  const redis = stack.adopt(await startRedis({ ...options.redis, config }), (server) =>
    server.stop(),
  )
  const redisLink = stack.use(await openTcpLink(redis.port, random))
  const postgresLink = stack.use(await openTcpLink(postgres.port, random))
  const nodesOfCluster = cluster?.masters.map(({ port }) => `127.0.0.1:${port}`)
  const clusterUrl = nodesOfCluster && `redis-cluster://${nodesOfCluster.join(',')}`
  const redisUrl = clusterUrl ?? redis.url
  const direct = { OTESSE_DATABASE_URL: database.url, OTESSE_REDIS_URL: redisUrl }
  const host = (store: string) => (options.isNamed ? `${store}.faults.test` : '127.0.0.1')
  const resolverFile = join(directory, 'resolver')
  const settings = {
    ...COMMON_SETTINGS,
    OTESSE_DATABASE_URL: onPort(database.url, postgresLink.port, host('postgres')),
    OTESSE_REDIS_URL: clusterUrl ?? onPort(redis.url, redisLink.port, host('redis')),
    ...(options.isNamed && {
      NODE_OPTIONS: `--import=${new URL('failing-resolver.ts', import.meta.url).href}`,
      FAULTS_RESOLVER_FILE: resolverFile,
    }),
    ...options.settings,
  }
  const own = { ...COMMON_SETTINGS, ...direct, ...options.settings }
  const clocks = await openClocks(options, directory)
  return await startNodes(
    stack,
    { dist, directory, options, settings, clocks },
    (nodes, addNode) => ({
      ...{ nodes, addNode, apps, directory, settings, random },
      cli: createCli(dist, own),
      newestCli: createCli(newest, own),
      scripts: { newest: scriptOf(newest), previous: scriptOf(dist) },
      ...{ redis, redisLink, postgres, postgresLink, clocks },
      cluster: cluster ?? absent('this world has no Cluster'),
      disk: disk ?? absent('this world has no disk of its own'),
      links: [redisLink, postgresLink],
      failNames: (code) => writeFile(resolverFile, code ?? ''),
      databaseUrl: database.url,
      dataDirectory: '',
    }),
  )
}

async function openEmbeddedWorld(
  dist: string,
  parent: string,
  prepare: () => Promise<{ data: string; apps: Apps }>,
  options: WorldOptions,
  random: () => number,
): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const { data, apps } = await prepare()
  const directory = await mkdtemp(join(parent, 'world-'))
  const disk = await openDisk(stack, directory, options)
  const dataDirectory = join(disk?.path ?? directory, 'data')
  await copyInto(data, dataDirectory)
  const settings = {
    ...COMMON_SETTINGS,
    ...EMBEDDED,
    ...options.settings,
    OTESSE_DATA_DIR: dataDirectory,
  }
  const none = absent('an embedded world has no stores of its own')
  return await startNodes(
    stack,
    { dist, directory, options: { ...options, nodes: 1 }, settings, clocks: [] },
    (nodes, addNode) => ({
      ...{ nodes, addNode, apps, directory, settings, dataDirectory, random },
      cli: createCli(dist, settings),
      newestCli: createCli(dist, settings),
      scripts: { newest: scriptOf(dist), previous: '' },
      ...{ redis: none, redisLink: none, postgres: none, postgresLink: none, cluster: none },
      disk: disk ?? none,
      ...{ links: [], clocks: [] },
      failNames: none,
      databaseUrl: '',
    }),
  )
}

const openDisk = async (
  stack: AsyncDisposableStack,
  directory: string,
  { diskMebibytes }: WorldOptions,
): Promise<SmallDisk | undefined> =>
  diskMebibytes === undefined
    ? undefined
    : stack.use(await openSmallDisk(join(directory, 'disk'), diskMebibytes))

async function openCluster(stack: AsyncDisposableStack) {
  const { masters } = stack.adopt(await startRedisCluster(), (servers) => servers.stop())
  const replicas: RedisServer[] = []
  for (const master of masters)
    replicas.push(stack.adopt(await addClusterReplica(master), (server) => server.stop()))
  return { masters, replicas }
}

const openClocks = ({ hasFakeClocks, nodes = 2 }: WorldOptions, directory: string) =>
  Promise.all(
    Array.from({ length: hasFakeClocks ? nodes : 0 }, (_, index) =>
      openFakeClock(directory, `clock-${index}`),
    ),
  )

interface NodePlan {
  dist: string
  directory: string
  options: WorldOptions
  settings: Readonly<Record<string, string>>
  clocks: readonly FakeClock[]
}

async function startNodes(
  stack: AsyncDisposableStack,
  { dist, directory, options, settings, clocks }: NodePlan,
  finish: (
    nodes: Node[],
    addNode: World['addNode'],
  ) => Omit<World, typeof Symbol.asyncDispose | 'keep'>,
): Promise<World> {
  const nodes: Node[] = []
  let owner = stack
  const addNode: World['addNode'] = async (more = {}) => {
    const env = { ...settings, ...clocks[nodes.length]?.settings, ...more }
    const script = scriptOf(dist)
    const node = await createNode({ index: nodes.length, script, directory, env })
    owner.defer(() => node.end('SIGKILL'))
    await node.start()
    nodes.push(node)
    return node
  }
  for (let index = 0; index < (options.nodes ?? 2); index += 1) await addNode()
  owner = stack.move()
  return {
    ...finish(nodes, addNode),
    keep: (resource) => owner.use(resource),
    [Symbol.asyncDispose]: () => owner.disposeAsync(),
  }
}

/**
 * Copies the contents of a directory, which must not have to be made by the copy (it may be a
 * mount).
 */
async function copyInto(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true })
  await readdir(to)
}

/** The same URL with another port, and another host. */
export function onPort(url: string, port: number, host = '127.0.0.1'): string {
  const changed = new URL(url)
  changed.hostname = host
  changed.port = String(port)
  return changed.href.replace(/\/$/, '')
}

const scriptOf = (dist: string): string => resolve(dist, 'src/main.js')

function absent(problem: string): never {
  const refuse = (): never => {
    throw new Error(problem)
  }
  return new Proxy({}, { get: refuse }) as never
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
