// The demo: a server, a third-party app and a protected API on this machine, to see everything work
// before deciding anything. The server is the real one in embedded mode; the app and the API speak
// to it over HTTP only. What was connected stays connected over restarts.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as oauth from 'openid-client'
import { type Session, Refusal } from '../../src/cli/session.ts'
import { type Environment, loadConfig } from '../../src/config/config.ts'
import { startServer } from '../../src/serve.ts'
import { SECOND, systemClock } from '../../src/shared/clock.ts'
import { lockDirectory } from '../../src/storage/directory-lock.ts'
import { createBookings } from './bookings.ts'
import { createBookingsApi } from './bookings-api.ts'
import { openConnections } from './connections.ts'
import { createDashboard } from './dashboard.ts'
import { MAILBOX_PATH, withMailbox } from './mailbox.ts'
import { createOtherSystems } from './other-systems.ts'
import { choosePort, openHttpServer, PortRefused } from './ports.ts'
import { seedConnections } from './seed-connections.ts'
import { seedUsage } from './seed-usage.ts'
import { type Credentials, DEMO_ADMIN, DEMO_LOGIN, seed, type Seeded } from './seed.ts'

/** What may be chosen. */
export interface DemoFlags {
  fresh?: boolean
  port?: string
  appPort?: string
  apiPort?: string
  otherPort?: string
  dataDir: string
}

interface Addresses {
  server: string
  app: string
  api: string
  /** The systems of other companies. */
  other: string
  port: number
}

/** Runs the demo until ctrl-C. @returns the exit code */
export async function runDemo(session: Session, flags: DemoFlags): Promise<number> {
  const addresses = await chooseAddresses(flags, session.env)
  if (flags.fresh === true) await forget(flags.dataDir)
  if (!session.isJson)
    session.terminal.warn('Starting. The first start can take up to a minute …\n')
  const config = loadConfig(demoSettings(flags, addresses))
  const stopped = stopSignal()
  await using stack = new AsyncDisposableStack()
  const { services } = stack.use(await startServer(config, session.logger()))
  await openOtherSystems(stack, addresses, flags.dataDir)
  await seedConnections(services, addresses.other)
  const seeded = await seed(services, { dashboard: addresses.app })
  await seedUsage(services, config)
  await openApi(stack, addresses, seeded.api)
  await openApp(stack, addresses, seeded.dashboard, flags.dataDir)
  announce(session, addresses, seeded, flags.dataDir)
  await stopped
  return 0
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
}

async function chooseAddresses(flags: DemoFlags, env: Environment): Promise<Addresses> {
  const taken = new Set<number>()
  const choose = async (name: string, asked: string | undefined, usual: number) => {
    const port = await choosePort(name, asked, usual, taken)
    taken.add(port)
    return port
  }
  try {
    const port = await choose('server', flags.port ?? env['OTESSE_PORT'], 3000)
    const appPort = await choose('app', flags.appPort, 3001)
    const apiPort = await choose('API', flags.apiPort, 3002)
    const otherPort = await choose('other systems', flags.otherPort, 3003)
    return {
      port,
      server: `http://localhost:${port}`,
      // Another host name than the server's, so that a browser treats the two as two sites.
      app: `http://127.0.0.1:${appPort}`,
      api: `http://127.0.0.1:${apiPort}`,
      other: `http://127.0.0.1:${otherPort}`,
    }
  } catch (error) {
    if (error instanceof PortRefused) throw new Refusal('port_refused', error.message)
    throw error
  }
}

/** Ignores the environment: the demo must not touch a database that somebody has configured. */
const demoSettings = (flags: DemoFlags, { server, port }: Addresses): Record<string, string> => ({
  OTESSE_ISSUER: server,
  OTESSE_PORT: String(port),
  OTESSE_DATA_DIR: flags.dataDir,
  OTESSE_SHUTDOWN_GRACE_SECONDS: '0',
  OTESSE_CONNECTIONS: 'true',
  // The other systems are on this machine.
  OTESSE_UNSAFE_PRIVATE_DESTINATIONS: '127.0.0.1',
})

const KEPT = ['database', 'secrets', 'bookings-dashboard', 'mail']

/** Removes what earlier demos kept, and nothing else that may be in the directory. */
async function forget(dataDir: string): Promise<void> {
  try {
    await using _lock = await lockDirectory(join(dataDir, 'database'))
    for (const name of KEPT) await rm(join(dataDir, name), { recursive: true, force: true })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw error
  }
}

const discover = (server: string, { clientId, clientSecret }: Credentials) =>
  oauth.discovery(
    new URL(server),
    clientId,
    undefined,
    oauth.ClientSecretBasic(clientSecret),
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so by its authors as a warning; on loopback there is no TLS
    { execute: [oauth.allowInsecureRequests] },
  )

async function openApi(
  stack: AsyncDisposableStack,
  { server, api }: Addresses,
  credentials: Credentials,
): Promise<void> {
  const listener = createBookingsApi({
    server: await discover(server, credentials),
    bookings: createBookings(systemClock),
  })
  stack.use(await openHttpServer(Number(new URL(api).port), listener))
}

async function openOtherSystems(
  stack: AsyncDisposableStack,
  { server, other }: Addresses,
  dataDir: string,
): Promise<void> {
  const callback = `${server}/connections/callback/noteboard`
  const listener = createOtherSystems({ clock: systemClock, callback })
  const all = withMailbox(join(dataDir, 'mail'), listener)
  stack.use(await openHttpServer(Number(new URL(other).port), all))
}

async function openApp(
  stack: AsyncDisposableStack,
  { server, app, api }: Addresses,
  credentials: Credentials,
  dataDir: string,
): Promise<void> {
  const listener = createDashboard({
    ...credentials,
    server: await discover(server, credentials),
    origin: app,
    apiUrl: api,
    serverUrl: server,
    connections: await openConnections(join(dataDir, 'bookings-dashboard')),
    clock: systemClock,
    login: DEMO_LOGIN,
  })
  stack.use(await openHttpServer(Number(new URL(app).port), listener))
}

function announce(
  { terminal, isJson }: Session,
  { server, app, api, other }: Addresses,
  { machine }: Seeded,
  dataDirectory: string,
): void {
  const startedInMillis = Math.round(process.uptime() * SECOND)
  const curl = `curl ${server}/oauth/token -d grant_type=client_credentials -d client_id=${machine.clientId} -d client_secret=${machine.clientSecret}`
  const { email, password } = DEMO_LOGIN
  if (isJson) {
    const account = { email, password }
    const admin = DEMO_ADMIN
    const facts = {
      server,
      app,
      api,
      other,
      mail: other + MAILBOX_PATH,
      account,
      admin,
      machine,
      curl,
      dataDirectory,
      startedInMillis,
    }
    terminal.write(`${JSON.stringify(facts, null, 2)}\n`)
    return
  }
  const bold = (text: string): string => terminal.paint('bold', text)
  const dim = (text: string): string => terminal.paint('dim', text)
  const link = (text: string): string => terminal.paint('cyan', text.padEnd(34))
  terminal.write(`
  ${bold('Otesse Auth')} ${dim(`· demo, ready after ${(startedInMillis / SECOND).toFixed(1)} s`)}

  ${bold('Open this')}  ${link(app)} Bookings Dashboard, a third-party app
  Server     ${link(server)} sign-in, consent, tokens
  API        ${link(`${api}/v1/bookings`)} opens with a token only

  Sign in    ${bold(email)}
  Password   ${bold(password)}

  ${bold('Run it')}     ${link(`${server}/admin`)} the admin console
  Sign in    ${bold(DEMO_ADMIN.email)}
  Password   ${bold(DEMO_ADMIN.password)}

  ${bold('Connect')}    ${link(`${server}/connections`)} other systems: Noteboard by OAuth, Weather Desk by key

  ${bold('Mail')}       ${link(other + MAILBOX_PATH)} what the demo would send: forgotten passwords, notices

  ${bold('A token for a program')}, ready to run:

${curl}

  ${bold('Use it')}:

curl ${api}/v1/bookings -H "Authorization: Bearer otesse_at_…"

  ${dim(`Kept in ${dataDirectory}; --fresh starts over. Ctrl-C stops it.`)}
`)
}
