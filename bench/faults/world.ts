// Everything that a fault happens to: real stores on free ports, the network between, and one or
// more built servers. Each variant of a fault
// gets a world of its own; the PostgreSQL server is shared, its databases are not.
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
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
  const settings = {
    ...COMMON_SETTINGS,
    OTESSE_DATABASE_URL: onPort(database.url, postgresLink.port),
    OTESSE_REDIS_URL: onPort(redis.url, redisLink.port),
    ...options.settings,
  }
  const cli = createCli(dist, { ...COMMON_SETTINGS, ...direct, ...options.settings })
  return await startNodes(
    stack,
    { dist, directory, options, settings, random },
    (nodes, addNode) => ({
      ...{ nodes, addNode, apps, directory, settings, cli, random },
      ...{ redis, redisLink, postgres, postgresLink },
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
  const addNode: World['addNode'] = async (more = {}) => {
    const script = resolve(options.dists?.[nodes.length] ?? dist, 'src/main.js')
    const env = { ...settings, ...more }
    const node = await createNode({ index: nodes.length, script, directory, env })
    nodes.push(node)
    stack.defer(() => node.end('SIGKILL'))
    await node.start()
    return node
  }
  for (let index = 0; index < (options.nodes ?? 2); index += 1) await addNode()
  const open = stack.move()
  return {
    ...finish(nodes, addNode),
    keep: (resource) => open.use(resource),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
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

/** The same URL with another port. */
export function onPort(url: string, port: number): string {
  const changed = new URL(url)
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
