// Everything that a fault happens to: real stores on free ports, the network between, and one or
// more built servers. Each variant of a fault
// gets a world of its own; the PostgreSQL server is shared, its databases are not.
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  createDatabase,
  type PostgresServer,
  type RedisOptions,
  type RedisServer,
  startPostgres,
  startRedis,
} from '../../test/support/backends.ts'
import { createNode, type Node } from './node.ts'
import { type Apps, type Cli, COMMON_SETTINGS, createCli, fill } from './setup.ts'
import { openTcpLink, type TcpLink } from './tcp-link.ts'

export interface WorldOptions {
  /** Everything in one process and one directory, instead of Redis and Postgres. */
  isEmbedded?: boolean
  nodes?: number
  redis?: RedisOptions
  /** A Redis that the fault brings along; `settings` then says where it is. */
  hasOwnRedis?: boolean
  /** What was built of another release, for one node each; the others run the newest. */
  dists?: readonly string[]
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
  const networked = once(async () => {
    const postgres = stack.adopt(await startPostgres(), (server) => server.stop())
    await using redis = await startRedis()
    const own = await mkdtemp(join(directory, 'networked-'))
    let apps: Apps | undefined
    const template = {
      name: 'faults',
      prepare: async (url: string) => {
        const settings = { OTESSE_DATABASE_URL: url, OTESSE_REDIS_URL: redis.url }
        apps = await fill(createCli(dist, { ...COMMON_SETTINGS, ...settings }), own)
      },
    }
    await (await createDatabase(postgres.url, template)).drop()
    return { postgres, template, apps: apps! }
  })
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
        : openNetworkedWorld(dist, directory, networked, options, random),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const EMBEDDED = { OTESSE_UNSAFE_EMBEDDED_IN_PRODUCTION: 'true' }

async function openNetworkedWorld(
  dist: string,
  parent: string,
  prepare: () => Promise<{
    postgres: PostgresServer
    template: Parameters<typeof createDatabase>[1]
    apps: Apps
  }>,
  options: WorldOptions,
  random: () => number,
): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const { postgres, template, apps } = await prepare()
  const directory = await mkdtemp(join(parent, 'world-'))
  const database = await createDatabase(postgres.url, template)
  const redis = stack.adopt(await startRedis(options.redis), (server) => server.stop())
  const redisLink = stack.use(await openTcpLink(redis.port, random))
  const postgresLink = stack.use(await openTcpLink(postgres.port, random))
  const direct = { OTESSE_DATABASE_URL: database.url, OTESSE_REDIS_URL: redis.url }
  const host = (store: string) => (options.isNamed ? `${store}.faults.test` : '127.0.0.1')
  const resolverFile = join(directory, 'resolver')
  const settings = {
    ...COMMON_SETTINGS,
    OTESSE_DATABASE_URL: onPort(database.url, postgresLink.port, host('postgres')),
    OTESSE_REDIS_URL: onPort(redis.url, redisLink.port, host('redis')),
    ...(options.isNamed && {
      NODE_OPTIONS: `--import=${new URL('failing-resolver.ts', import.meta.url).href}`,
      FAULTS_RESOLVER_FILE: resolverFile,
    }),
    ...options.settings,
  }
  const cli = createCli(dist, { ...COMMON_SETTINGS, ...direct, ...options.settings })
  return await startNodes(
    stack,
    { dist, directory, options, settings, random },
    (nodes, addNode) => ({
      ...{ nodes, addNode, apps, directory, settings, cli, random },
      ...{ redis, redisLink, postgres, postgresLink },
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
  const dataDirectory = options.settings?.['OTESSE_DATA_DIR'] ?? join(directory, 'data')
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
    { dist, directory, options: { ...options, nodes: 1 }, settings, random },
    (nodes, addNode) => ({
      ...{ nodes, addNode, apps, directory, settings, dataDirectory, random },
      cli: createCli(dist, settings),
      ...{ redis: none, redisLink: none, postgres: none, postgresLink: none },
      links: [],
      failNames: none,
      databaseUrl: '',
    }),
  )
}

interface NodePlan {
  dist: string
  directory: string
  options: WorldOptions
  settings: Readonly<Record<string, string>>
  random: () => number
}

async function startNodes(
  stack: AsyncDisposableStack,
  { dist, directory, options, settings }: NodePlan,
  finish: (
    nodes: Node[],
    addNode: World['addNode'],
  ) => Omit<World, typeof Symbol.asyncDispose | 'keep'>,
): Promise<World> {
  const nodes: Node[] = []
  let owner = stack
  const addNode: World['addNode'] = async (more = {}) => {
    const script = resolve(options.dists?.[nodes.length] ?? dist, 'src/main.js')
    const env = { ...settings, ...more }
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
export async function copyInto(from: string, to: string): Promise<void> {
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
