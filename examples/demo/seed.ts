// What the demo puts into its server: scopes, a user, an admin, and three apps. Everything is found
// again at the next start, so connections survive. Only secrets are made anew, because a stored
// secret cannot be read back; the previous one stays valid.
import type { NewAccount } from '../../src/accounts/accounts.ts'
import type { App, AppInput } from '../../src/model/app.ts'
import type { ScopeInput } from '../../src/apps/scope.ts'
import type { Services } from '../../src/services.ts'
import { CONNECTION_SCOPES } from './seed-connections.ts'
import { LOGO_SVG } from './logo.ts'

const ACTOR = { actor: 'demo' } as const
const ENVIRONMENT = 'demo'

export const DEMO_LOGIN = { email: 'demo@example.com', password: 'otesse-demo-password' }

/** Who administers the demo. */
export const DEMO_ADMIN = { email: 'admin@example.com', password: 'otesse-demo-admin' }

const SCOPES: readonly ScopeInput[] = [
  {
    name: 'bookings:read',
    group: 'Bookings',
    sentence: 'See your bookings, with dates, guests and prices',
  },
  {
    name: 'bookings:write',
    group: 'Bookings',
    sentence: 'Create, change and cancel your bookings',
    sensitive: true,
  },
  {
    name: 'customers:read',
    group: 'Customers',
    sentence: 'See the names and e-mail addresses of your customers',
  },
  { name: 'customers:write', group: 'Customers', sentence: 'Add customers and change their data' },
  {
    name: 'payments:read',
    group: 'Payments',
    sentence: 'See your payments and payouts',
    sensitive: true,
  },
]

/** How an app of the demo proves who it is. */
export interface Credentials {
  clientId: string
  clientSecret: string
}

/** The demo's apps, with secrets that work from now on. */
export interface Seeded {
  dashboard: Credentials
  api: Credentials
  machine: Credentials
}

/** Puts in what is missing. @param origins where the demo's app runs this time */
export async function seed(services: Services, origins: { dashboard: string }): Promise<Seeded> {
  await seedScopes(services)
  await seedAccount(services, { ...DEMO_LOGIN, name: 'Dana Demo' })
  await seedAccount(services, { ...DEMO_ADMIN, name: 'Adil Admin', role: 'admin' })
  const dashboard = await seedApp(services, {
    name: 'Bookings Dashboard',
    type: 'web',
    description: 'All your bookings and customers on one page.',
    redirectUris: [`${origins.dashboard}/callback`, `${origins.dashboard}/connected`],
    scopes: ['bookings:read', 'bookings:write', 'customers:read', ...CONNECTION_SCOPES],
    requirePkce: true,
  })
  await services.apps.setLogo(dashboard.clientId, Buffer.from(LOGO_SVG), 'image/svg+xml')
  const api = await seedApp(services, { name: 'Bookings API', type: 'resource_server' })
  const machine = await seedApp(services, {
    name: 'Nightly Export',
    type: 'machine',
    description: 'A program that acts for itself, without a user.',
    scopes: ['bookings:read', 'customers:read'],
  })
  return { dashboard, api, machine }
}

async function seedScopes({ scopes, audit }: Services): Promise<void> {
  for (const scope of SCOPES) {
    if (scopes.current().scopes.has(scope.name)) continue
    await scopes.create(scope)
    audit.events.scopeCreated({ scope: scope.name }, ACTOR)
  }
}

async function seedAccount({ accounts }: Services, account: NewAccount): Promise<void> {
  if ((await accounts.findByEmail(account.email)) !== undefined) return
  await accounts.create(account, ACTOR)
}

async function seedApp(services: Services, input: AppInput): Promise<Credentials> {
  const { apps, audit } = services
  const wanted = { ...input, environment: ENVIRONMENT }
  const { apps: found } = await apps.list({ search: input.name })
  const before = found.find((app) => app.name === input.name && app.environment === ENVIRONMENT)
  if (before !== undefined) return renew(services, before, wanted)
  const outcome = await apps.register(wanted)
  if (outcome.kind === 'refused' || outcome.secret === undefined)
    throw new Error(`the demo's app was refused: ${JSON.stringify(outcome)}`)
  const { app, secret } = outcome
  audit.events.appRegistered({ appId: app.id, name: app.name }, ACTOR)
  return { clientId: app.id, clientSecret: secret.reveal() }
}

/** Brings an app of an earlier start up to date and gives it a new secret. */
async function renew({ apps, audit }: Services, app: App, wanted: AppInput): Promise<Credentials> {
  // Its port may be another one than last time.
  const updated = await apps.update(app.id, app.version, wanted)
  if (updated.kind !== 'updated')
    throw new Error(`the demo's app cannot be changed: ${JSON.stringify(updated)}`)
  const oldestFirst = [...updated.app.secrets].sort(
    (a, b) => a.createdAt.getTime() - b.createdAt.getTime(),
  )
  for (const { id } of oldestFirst.slice(0, -1)) {
    await apps.revokeSecret(app.id, id)
    audit.events.secretRevoked({ appId: app.id, secretId: id }, ACTOR)
  }
  const created = await apps.createSecret(app.id)
  if (created.kind === 'refused')
    throw new Error(`no new secret for the demo's app: ${JSON.stringify(created.problems)}`)
  audit.events.secretCreated({ appId: app.id, secretId: created.secretId }, ACTOR)
  return { clientId: app.id, clientSecret: created.secret.reveal() }
}
