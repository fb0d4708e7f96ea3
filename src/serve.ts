// Runs the server until it is stopped. Invariant: a request that was accepted is answered: while it
// drains, the process takes no new connections, lets load balancers know, finishes what is under
// way and then writes out what waits.
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as setTimeoutPromise } from 'node:timers/promises'
import { type Application, createApp } from './app.ts'
import {
  type Config,
  ConfigError,
  type Environment,
  loadConfig,
  type SecretsConfig,
} from './config/config.ts'
import { openInfrastructure } from './infrastructure.ts'
import { StartRefused } from './open-stores.ts'
import { makeOwnSecrets } from './own-secrets.ts'
import { offerSetup } from './offer-setup.ts'
import { openServices, type Services } from './services.ts'
import { SECOND } from './shared/clock.ts'
import { createLogger, type Logger } from './shared/logger.ts'
import { DirectoryRefused } from './storage/private-directory.ts'
import { storeProblem } from './storage/store-problems.ts'

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  config: Config
  services: Services
  /** Where the public port really is. */
  url: string
}

/**
 * Returns the configured secrets, or in embedded mode those that it keeps in its data directory.
 */
export const secretsOf = async (config: Config): Promise<SecretsConfig> =>
  config.secrets ?? (await makeOwnSecrets(config))

/** Starts listening; disposing drains. */
export async function startServer(config: Config, logger: Logger): Promise<RunningServer> {
  await using stack = new AsyncDisposableStack()
  const infrastructure = stack.use(
    await openInfrastructure(config, await secretsOf(config), { logger, processMetrics: true }),
  )
  const services = stack.use(await openServices(infrastructure))
  const app = stack.use(createApp(infrastructure, services))
  const { host, port } = config.server
  const server = await listen(app.listener, host, port, logger)
  stack.defer(() => void server.close())
  const ops =
    config.ops.port === 0
      ? undefined
      : await listen(app.ops, config.ops.host, config.ops.port, logger)
  stack.defer(() => void ops?.close())
  stack.defer(() => drain(app, server, config.server.shutdownGraceSeconds, logger))
  const open = stack.move()
  const { address, port: realPort } = server.address() as AddressInfo
  const url = `http://${address.includes(':') ? `[${address}]` : address}:${realPort}`
  logger.info({ issuer: config.server.issuer, listening: url }, 'ready')
  return { config, services, url, [Symbol.asyncDispose]: () => open.disposeAsync() }
}

/** An address cannot be listened on; the message is for the operator. */
class ListenRefused extends Error {}

const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process uses the port',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not open ports below 1024',
  ENOTFOUND: 'this is neither an address nor a name that can be resolved',
  EAI_AGAIN: 'the name cannot be resolved',
  EAFNOSUPPORT: 'this machine does not support that address family',
}

function listen(
  listener: RequestListener,
  host: string,
  port: number,
  logger: Logger,
): Promise<Server> {
  const server = createServer(listener)
  // Longer than the 60 s of common load balancers: a connection that we close first loses the
  // request that is on its way.
  server.keepAliveTimeout = 75 * SECOND
  server.headersTimeout = 30 * SECOND
  server.requestTimeout = 60 * SECOND
  return new Promise((resolve, reject) => {
    // Stays for good: later it reports connections that could not be accepted, for want of file
    // descriptors for instance.
    server.on('error', (error: NodeJS.ErrnoException) => {
      const { code = '', message } = error
      if (server.listening) logger.error({ code, reason: message }, 'connection not accepted')
      else
        reject(
          new ListenRefused(
            `The server cannot listen on ${host}:${port}: ${LISTEN_PROBLEMS[code] ?? message}.`,
            { cause: error },
          ),
        )
    })
    // As in a URL, an IPv6 address may be in brackets.
    server.listen(port, host.replace(/^\[(.*)\]$/, '$1'), () => resolve(server))
  })
}

// How long connections are still served, each with its last answer, before idle ones are closed: a
// request may be on its way on a connection that looks idle, and a load balancer needs a moment to
// hear that we are not ready.
const LAME_DUCK_MILLIS = SECOND

/** Finishes what was accepted. */
async function drain(
  app: Application,
  server: Server,
  graceSeconds: number,
  logger: Logger,
): Promise<void> {
  app.startDraining()
  await setTimeoutPromise(Math.min(LAME_DUCK_MILLIS, graceSeconds * SECOND))
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const idle = setInterval(() => server.closeIdleConnections(), 50)
  const deadline = setTimeout(() => {
    logger.warn('requests under way were cut off: they took longer than the grace')
    server.closeAllConnections()
  }, graceSeconds * SECOND)
  await closed
  clearInterval(idle)
  clearTimeout(deadline)
}

/** Runs the server until SIGTERM, SIGINT or SIGHUP; returns the exit code. */
export async function runServer(env: Environment): Promise<number> {
  const read = readConfig(env)
  if (typeof read === 'string') {
    process.stderr.write(`${read}\n`)
    return 1
  }
  const logger = createLogger(read.server.logLevel)
  for (const warning of read.warnings) logger.warn(warning)
  // Heard from the beginning: who sees "ready" may send one at once. A second one ends the process
  // as it is.
  const stopping = stopSignal()
  try {
    await using server = await startServer(read, logger)
    const terminal = process.stdout.isTTY ? process.stdout : undefined
    await offerSetup(read, server.services, { logger, terminal })
    const signal = await stopping
    logger.info({ signal }, 'stopping')
  } catch (error) {
    const message = startProblem(error)
    if (message === undefined) throw error
    logger.error(message)
    return 1
  }
  logger.info('stopped')
  return 0
}

/** Says why the server did not start, where the operator can mend it. */
function startProblem(error: unknown): string | undefined {
  if (error instanceof StartRefused || error instanceof DirectoryRefused) return error.message
  if (error instanceof ListenRefused) return error.message
  return storeProblem(error)
}

function readConfig(env: Environment): Config | string {
  try {
    return loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}

function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.once(signal, () => resolve(signal))
  })
}
