// The real server in this process, on a free port of 127.0.0.1, with real stores: PGlite in a
// directory of its own, or a prefix on the run's Redis and a database on the run's PostgreSQL. Its
// clock can be moved and its log can be read. Two servers may share stores, as two processes behind
// one load balancer do. Disposing closes and deletes everything.
import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/config.ts'
import { type Infrastructure, openInfrastructure } from '../../src/infrastructure.ts'
import { openServices, type Services } from '../../src/services.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { secretsOf } from '../../src/serve.ts'
import { createDatabase } from './backends.ts'
import { embeddedTemplate } from './embedded-template.ts'
import { MIGRATED } from './migrated-database.ts'
import { createMovableClock, type MovableClock } from './movable-clock.ts'

/** The two ways to run: all in one process, or on Redis and PostgreSQL. */
export const BACKENDS = ['embedded', 'redis'] as const
export type Backend = (typeof BACKENDS)[number]

/** Where a test server keeps everything, as settings. */
export interface TestStores extends AsyncDisposable {
  backend: Backend
  settings: Readonly<Record<string, string>>
}

export interface TestAppOptions {
  backend: Backend
  clock?: MovableClock
  /** Settings beyond those that the test needs, by the name of their variable. */
  overrides?: Readonly<Record<string, string>>
  /**
   * Run on existing stores, for instance those of another server. They stay when this server is
   * disposed.
   */
  stores?: TestStores
  /**
   * The public address, if it is not this server's own but that of the other server behind the same
   * load balancer.
   */
  issuer?: string
}

export interface TestApp extends AsyncDisposable {
  /** Where it listens. */
  url: string
  issuer: string
  infrastructure: Infrastructure
  services: Services
  clock: MovableClock
  stores: TestStores
  /** The lines of its log, as they would be written. */
  log: string[]
  /** Begins to drain, as on SIGTERM. */
  startDraining(): void
}

const SECRETS = {
  OTESSE_SECRET_KEY: 'tests-sign-with-this-key-0123456789',
  OTESSE_ENCRYPTION_KEY: 'tests-seal-with-this-key-9876543210',
}

/** Starts a server; `await using` stops it. */
export async function startTestApp(options: TestAppOptions): Promise<TestApp> {
  await using stack = new AsyncDisposableStack()
  const stores = options.stores ?? stack.use(await openTestStores(options.backend))
  const clock = options.clock ?? createMovableClock()
  const log: string[] = []

  // Listens before it is there, because the issuer is in what it builds.
  const server = stack.adopt(await listen(), close)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer = options.issuer ?? url
  const config = loadConfig({
    OTESSE_ISSUER: issuer,
    ...SECRETS,
    ...stores.settings,
    ...options.overrides,
  })
  const logger = createLogger('debug', { write: (line) => void log.push(line) })
  const infrastructure = stack.use(
    await openInfrastructure(config, await secretsOf(config), { logger, clock }),
  )
  const services = stack.use(await openServices(infrastructure))
  const app = stack.use(createApp(infrastructure, services))
  server.on('request', app.listener)
  // Answers first, then the stores: the server stops before what it stands on.
  stack.defer(() => close(server))
  const open = stack.move()
  return {
    url,
    issuer,
    infrastructure,
    services,
    clock,
    stores,
    log,
    startDraining: () => app.startDraining(),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

/** Makes stores for one server or several; disposing deletes them. */
export async function openTestStores(backend: Backend): Promise<TestStores> {
  return backend === 'embedded' ? openEmbeddedStores() : openNetworkedStores()
}

async function openEmbeddedStores(): Promise<TestStores> {
  const directory = await mkdtemp(join(tmpdir(), 'otesse-test-data-'))
  await cp(embeddedTemplate(), directory, { recursive: true })
  return {
    backend: 'embedded',
    settings: { OTESSE_DATA_DIR: directory },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/** Makes a database and a prefix on the run's servers, or on those that are named. */
export async function openNetworkedStores({
  redisUrl = environment('OTESSE_TEST_REDIS_URL'),
  postgresUrl = environment('OTESSE_TEST_POSTGRES_URL'),
} = {}): Promise<TestStores> {
  const database = await createDatabase(postgresUrl, MIGRATED)
  return {
    backend: 'redis',
    settings: {
      OTESSE_DATABASE_URL: database.url,
      OTESSE_REDIS_URL: redisUrl,
      OTESSE_REDIS_PREFIX: `test-${randomBytes(6).toString('hex')}:`,
      OTESSE_OPS_PORT: '0',
    },
    [Symbol.asyncDispose]: () => database.drop(),
  }
}

function environment(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: no store was started for the tests`)
  return value
}

function listen(): Promise<Server> {
  const server = createServer()
  // As in serve.ts. With Node's 5 s a test on a busy machine can use a connection that is being
  // closed.
  server.keepAliveTimeout = 75_000
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

function close(server: Server): Promise<void> {
  if (!server.listening) return Promise.resolve()
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
