// Connections of everybody: listed by integration, state and owner, looked at, renewed, disabled,
// deleted. Invariant: no page shows a credential; whose a connection is, by name, only to those who
// may see accounts.
import { CONNECTION_STATUSES, type Connection } from '../../connections/connection.ts'
import type { Integration } from '../../connections/integration.ts'
import { AppError } from '../../shared/errors.ts'
import type { KnownConnection } from '../connection-service.ts'
import { may, type Operator } from '../operator.ts'
import { accountPath } from './account-facts.ts'
import { page, redirected, type Row } from './action.ts'
import { appPath } from './app-frame.ts'
import { confirmation } from './confirmation.ts'
import type { ConsoleConnections, ConsoleDeps } from './console-deps.ts'
import { narrowingOf } from './filters.ts'
import type { Frame } from './frame.ts'
import {
  CONNECTION_BADGES,
  CONNECTION_LIST_PATH as PATH,
  connectionPath,
  faultOf,
  integrationPath,
  reasonOf,
  type ShownConnection,
} from './integration-facts.ts'
import { doneOf, pagerOf } from './paging.ts'
import { totalInWords } from './sorting.ts'

const PAGE = 25
/** How many accounts a search for an owner may mean. */
const MOST_OWNERS = 50
const CRUMBS = [{ label: 'Connections', href: PATH }]
const DONE: Readonly<Record<string, string>> = {
  renewed: 'The access was renewed. The connection works.',
  disabled: 'Connection disabled. Apps can no longer use it.',
  enabled: 'Connection enabled. Apps can use it again.',
  deleted: 'Connection deleted, with its credentials.',
}

type Deps = ConsoleDeps & { connections: ConsoleConnections }

/** Returns the rows. */
export const connectionRows = (deps: Deps): Row[] => [
  list(deps),
  overview(deps),
  renew(deps),
  disable(deps),
  enable(deps),
  remove(deps),
]

const list = (deps: Deps): Row =>
  page({
    path: PATH,
    scope: 'admin:connections:read',
    async show({ query, admin: { by } }) {
      const { services } = deps
      const integrations = await services.integrations.list()
      const integration = integrations.find(({ handle }) => handle === query.get('integration'))
      const status = CONNECTION_STATUSES.find((one) => one === query.get('status'))
      const owner = query.get('owner') ?? ''
      const filter = {
        integration: integration?.handle,
        status,
        owners: await ownersIn(deps, owner, by),
      }
      const [{ connections, next }, total] = await Promise.all([
        services.connections.list({ ...filter, cursor: query.get('cursor'), limit: PAGE }, by),
        services.connections.count(filter, by),
      ])
      const narrowing = narrowingOf(PATH, query, [
        { name: 'integration', label: 'Integration', value: integration?.name },
        { name: 'status', label: 'Status', value: status && CONNECTION_BADGES[status].label },
        { name: 'owner', label: 'Owner', value: owner === '' ? undefined : owner },
      ])
      return {
        template: 'connections',
        frame: {
          title: 'Connections',
          narrowedTo: narrowing.text,
          section: 'connections',
          crumbs: [],
          lead: 'What users and the company have connected.',
          done: doneOf(query, DONE),
        },
        connections: await shownAll(deps, connections, by),
        integrations: integrations.map(({ handle, name }) => ({ handle, name })),
        statuses: CONNECTION_STATUSES.map((value) => ({
          value,
          label: CONNECTION_BADGES[value].label,
        })),
        filter: { integration: integration?.handle ?? '', status: status ?? '', owner },
        total: totalInWords(total, 'connection', 'connections'),
        narrowing,
        pager: pagerOf(PATH, query, next),
      }
    },
  })

/** Whom a search for an owner means; part of an address or a name only for who may see those. */
async function ownersIn(
  { accounts }: Pick<ConsoleDeps, 'accounts'>,
  search: string,
  by: Operator,
): Promise<readonly string[] | 'company' | undefined> {
  if (search === '') return undefined
  if (search.toLowerCase() === 'company') return 'company'
  if (search.startsWith('acc_') || !may(by, 'admin:accounts:read')) return [search]
  const found = await accounts.list({ search, limit: MOST_OWNERS })
  return found.accounts.map(({ id }) => id)
}

async function shownAll(
  deps: ConsoleDeps,
  found: readonly KnownConnection[],
  by: Operator,
): Promise<ShownConnection[]> {
  const uses = await usesOf(
    deps,
    found.map(({ connection }) => connection.id),
    by,
  )
  return Promise.all(
    found.map(async ({ connection, integration }) => ({
      href: connectionPath(connection.id),
      name: nameOf(connection, integration),
      integration: integration.name,
      owner: await ownerOf(deps, connection, by),
      badge: CONNECTION_BADGES[connection.status],
      reason: reasonOf(connection),
      since: connection.statusSince,
      lastRefreshedAt: connection.lastRefreshedAt,
      lastUse: uses.find(({ connectionId }) => connectionId === connection.id),
    })),
  )
}

const nameOf = ({ externalLabel, externalId }: Connection, { name }: Integration): string =>
  externalLabel ?? externalId ?? name

async function ownerOf(
  { accounts }: Pick<ConsoleDeps, 'accounts'>,
  { owner }: Connection,
  by: Operator,
): Promise<ShownConnection['owner']> {
  if (owner.kind === 'company') return undefined
  const account = may(by, 'admin:accounts:read') ? await accounts.find(owner.id) : undefined
  return { label: account?.email ?? owner.id, href: accountPath(owner) }
}

async function usesOf(
  { services: { connections }, apps }: Pick<ConsoleDeps, 'services' | 'apps'>,
  ids: readonly string[],
  by: Operator,
) {
  const uses = await connections.listUses(ids, by)
  return Promise.all(
    uses.map(async ({ connectionId, appId, usedAt }) => ({
      connectionId,
      app: (await apps.find(appId))?.name ?? appId,
      href: appPath(appId),
      at: usedAt,
    })),
  )
}

const overview = (deps: Deps): Row =>
  page({
    path: `${PATH}/:id`,
    scope: 'admin:connections:read',
    async show({ params, query, admin: { by } }) {
      const { connection, integration } = await deps.services.connections.get(params.id, by)
      const { id, status } = connection
      const isMachine = integration.kind === 'client_credentials'
      return {
        template: 'connection',
        frame: {
          title: nameOf(connection, integration),
          section: 'connections',
          crumbs: CRUMBS,
          badge: CONNECTION_BADGES[status],
          done: doneOf(query, DONE),
        },
        path: connectionPath(id),
        id,
        integration: { name: integration.name, href: integrationPath(integration.handle) },
        fault: faultOf(integration),
        owner: await ownerOf(deps, connection, by),
        reason: reasonOf(connection),
        connection: {
          status,
          statusSince: connection.statusSince,
          grantedScopes: connection.grantedScopes,
          missingScopes: connection.missingScopes,
          createdAt: connection.createdAt,
          lastRefreshedAt: connection.lastRefreshedAt,
          accessExpiresAt: connection.accessExpiresAt,
          refreshExpiresAt: connection.refreshExpiresAt,
          lastCheckedAt: connection.lastCheckedAt,
          lastCheck: connection.lastCheck,
        },
        uses: await usesOf(deps, [id], by),
        mayRenew: integration.kind !== 'keys' && (status === 'active' || status === 'failing'),
        mayDelete: !isMachine,
      }
    },
  })

const frameBelow = ({ connection, integration }: KnownConnection, title: string): Frame => ({
  title,
  section: 'connections',
  crumbs: [
    ...CRUMBS,
    { label: nameOf(connection, integration), href: connectionPath(connection.id) },
  ],
})

async function find({ services, connections }: Deps, id: string): Promise<KnownConnection> {
  const connection = await connections.find(id)
  const integration = (await services.integrations.list()).find(
    (one) => one.id === connection?.integrationId,
  )
  if (connection === undefined || integration === undefined)
    throw new AppError('not_found', { detail: 'connection' })
  return { connection, integration }
}

/** An act on one connection: what it asks, and what it does. */
function act(
  deps: Deps,
  of: {
    name: 'renew' | 'disable' | 'enable' | 'delete'
    below: string
    title: (integration: Integration) => string
    consequences: readonly string[]
    button: string
    isDangerous: boolean
    run: (id: string, by: Operator) => Promise<unknown>
    redirectTo: (id: string) => string
  },
): Row {
  return confirmation({
    name: `connection.${of.name}`,
    path: `${PATH}/:id${of.below}`,
    scope: 'admin:connections:write',
    find: ({ id = '' }) => find(deps, id),
    recentSignIn: 'always',
    once: false,
    ask: (connection) => ({
      frame: frameBelow(connection, of.title(connection.integration)),
      consequences: of.consequences,
      button: of.button,
      isDangerous: of.isDangerous,
      cancelUrl: connectionPath(connection.connection.id),
    }),
    async run({ connection: { id } }, _, by) {
      try {
        await of.run(id, by)
      } catch (error) {
        const sentence = error instanceof AppError ? REFUSALS[error.code] : undefined
        if (sentence === undefined) throw error
        return {
          kind: 'refused',
          problems: [{ field: '', rule: 'provider', sentence }],
          status: 409,
        }
      }
      return redirected(of.redirectTo(id))
    },
  })
}

/** What renewing may come to. */
const REFUSALS: Readonly<Record<string, string>> = {
  reconnect_needed:
    'The provider no longer accepts this connection. Its owner has to connect again.',
  integration_misconfigured:
    'The provider refuses the client of the integration. Correct the integration, then try again.',
  connection_disabled: 'It is disabled, or its integration is.',
  provider_unavailable: 'The provider does not answer. Try again later.',
  refresh_in_progress: 'It is being renewed just now. Try again in a moment.',
}

const renew = (deps: Deps): Row =>
  act(deps, {
    name: 'renew',
    below: '/refresh',
    title: ({ name }) => `Renew the access to ${name}?`,
    consequences: ['The provider is asked for a new token now. That shows whether it works.'],
    button: 'Renew',
    isDangerous: false,
    run: (id, by) => deps.services.connections.refresh(id, by),
    redirectTo: (id) => connectionPath(id, '?done=renewed'),
  })

const disable = (deps: Deps): Row =>
  act(deps, {
    name: 'disable',
    below: '/disable',
    title: ({ name }) => `Disable this connection to ${name}?`,
    consequences: [
      'Apps can no longer use it, from this moment.',
      'Its credentials are kept: you can enable it again.',
    ],
    button: 'Disable',
    isDangerous: true,
    run: (id, by) => deps.services.connections.disable(id, by),
    redirectTo: (id) => connectionPath(id, '?done=disabled'),
  })

const enable = (deps: Deps): Row =>
  act(deps, {
    name: 'enable',
    below: '/enable',
    title: ({ name }) => `Enable this connection to ${name}?`,
    consequences: ['Apps that may use it can use it again at once.'],
    button: 'Enable',
    isDangerous: false,
    run: (id, by) => deps.services.connections.enable(id, by),
    redirectTo: (id) => connectionPath(id, '?done=enabled'),
  })

const remove = (deps: Deps): Row =>
  act(deps, {
    name: 'delete',
    below: '/delete',
    title: ({ name }) => `Delete this connection to ${name}?`,
    consequences: [
      'It is deleted with its credentials. Its owner has to connect again.',
      'The provider is told in the background, where it offers that.',
      'This cannot be undone.',
    ],
    button: 'Delete',
    isDangerous: true,
    run: (id, by) => deps.services.connections.remove(id, by),
    redirectTo: () => `${PATH}?done=deleted`,
  })
