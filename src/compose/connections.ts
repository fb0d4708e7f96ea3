// Connections to other systems: what keeps them alive, and the interface through which apps use
// them. Only where OTESSE_CONNECTIONS is on.
import type Router from '@koa/router'
import { startBackgroundRefresh } from '../connections/background-refresh.ts'
import { matchesRedirectUri } from '../apps/redirect-uri.ts'
import { createCheckStore } from '../connections/check.store.ts'
import { checkConnection, type CheckDeps } from '../connections/check.ts'
import { createConnectApiRouter } from '../connections/connect-api.routes.ts'
import { createConnectionUseStore } from '../connections/connection-use.store.ts'
import { type ConnectSession, SESSION_MILLIS } from '../connections/connect/connect-session.ts'
import { createKeeper, type Keeper } from '../connections/connect/keeper.ts'
import { createSessionRouter } from '../connections/connect/session-api.routes.ts'
import { createDeactivated } from '../connections/deactivated.ts'
import { createDueStore } from '../connections/due.store.ts'
import { createEndingStore } from '../connections/ending.store.ts'
import { createProxyRouter } from '../connections/proxy/proxy.routes.ts'
import { createProviderCalls } from '../connections/provider-calls.ts'
import { createRefreshStore } from '../connections/refresh.store.ts'
import { createRefresher, type Refresher } from '../connections/refresh.ts'
import { createRequestTokens } from '../connections/renewal-request.ts'
import type { Rounds } from '../connections/rounds.ts'
import { createMemorySpool, createRedisSpool, type Spool } from '../connections/spool.ts'
import { createTokenExchange } from '../connections/token-exchange.ts'
import { type ConnectionUses, createConnectionUses } from '../connections/uses.ts'
import { createWithdrawalStore } from '../connections/withdrawal.store.ts'
import { startWithdrawals, type WithdrawalDeps } from '../connections/withdrawals.ts'
import { createWebhookRouter } from '../connections/webhooks/webhook.routes.ts'
import type { Limits } from '../http/limits.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { InspectToken } from '../model/token-status.ts'
import type { ExchangeToken } from '../oauth/token/token-endpoint.ts'
import type { Services } from '../services.ts'

/** What is open while connections are on. */
export interface Connections extends AsyncDisposable {
  refresher: Refresher
  uses: ConnectionUses
  background: Rounds
  withdrawals: Rounds
  routers: readonly Router[]
  /** Exchanges tokens of ours for those of connections. */
  exchange: ExchangeToken
}

/** Opens connections; without them there is nothing to open. */
export function openConnections(
  infrastructure: Infrastructure,
  services: Services,
  limits: Limits,
  inspect: InspectToken,
): Connections | undefined {
  const { config, db, clock, logger } = infrastructure
  if (!config.connections.enabled) return undefined
  const { accounts, audit, providers, stores } = services
  const spool = createSpool(infrastructure)
  const refresher = createConnectionRefresher(infrastructure, services, spool)
  const uses = createConnectionUses({ store: createConnectionUseStore(db), clock, logger })
  const handing = {
    issuer: config.server.issuer,
    inspect,
    connections: stores.connections,
    integrations: stores.integrations,
    refresher,
    providerOf: providers.of,
    isAccountActive: accounts.isActive,
    uses,
    events: audit.events,
  }
  const admission = { perClient: limits.connectPerClient, failedProofs: limits.failedProofs }
  const api = createConnectApiRouter({ ...handing, ...admission })
  const proxy = createProxyRouter({
    ...handing,
    ...admission,
    outgoing: infrastructure.outgoing,
    onProxied: (appId, outcome) => audit.count('connection.proxied', appId, outcome),
  })
  const webhooks = createWebhookRouter({
    ...handing,
    ...admission,
    findIntegration: (handle) => stores.integrations.findByHandle(handle),
    findScheme: async ({ providerKey }) => (await providers.find(providerKey))?.webhook,
    revealSecrets: (id) => stores.webhookSecrets.reveal(id),
    clock,
    onChecked: (appId, outcome) => audit.count('webhook.checked', appId, outcome),
  })
  const sessions = createSessionRouter({
    ...handing,
    ...admission,
    sessions: createSessions(infrastructure),
    isRegistered: matchesRedirectUri,
    clock,
  })
  const background = startBackgroundRefresh({
    due: createDueStore(db),
    connections: stores.connections,
    refresher,
    providerOf: providers.of,
    check: (usable) => checkConnection(checkDeps(infrastructure, services, refresher), usable),
    checks: createCheckStore(db),
    events: audit.events,
    clock,
    logger,
  })
  const withdrawals = startEndings(infrastructure, services, spool)
  return {
    refresher,
    uses,
    background,
    withdrawals,
    routers: [api, sessions, proxy, webhooks],
    exchange: createTokenExchange({ ...handing, clock }),
    async [Symbol.asyncDispose]() {
      await Promise.all([background[Symbol.asyncDispose](), withdrawals[Symbol.asyncDispose]()])
      await Promise.all([refresher[Symbol.asyncDispose](), uses[Symbol.asyncDispose]()])
    },
  }
}

/** Creates what keeps the links of apps by which people connect. */
export const createSessions = ({
  store,
  sealedBox: box,
  clock,
}: Infrastructure): Keeper<ConnectSession> =>
  createKeeper({ store, box, clock }, 'connect-session', SESSION_MILLIS)

/** Creates what keeps connections alive. */
export function createConnectionRefresher(
  infrastructure: Infrastructure,
  {
    audit,
    providers,
    stores,
  }: Pick<Services, 'providers' | 'stores'> & { audit: Pick<Services['audit'], 'events'> },
  spool = createSpool(infrastructure),
): Refresher {
  const { db, clock, logger, credentialEncryption } = infrastructure
  return createRefresher({
    connections: stores.connections,
    integrations: stores.integrations,
    store: createRefreshStore(db, credentialEncryption),
    spool,
    withdrawals: createWithdrawalStore(db, credentialEncryption),
    providerOf: providers.of,
    requestTokens: createRequestTokens({
      calls: callsOf(infrastructure),
      providerOf: providers.of,
    }),
    events: audit.events,
    clock,
    logger,
  })
}

const callsOf = ({ outgoing, clock }: Pick<Infrastructure, 'outgoing' | 'clock'>) =>
  createProviderCalls({ send: (lane, request) => outgoing.send(lane, request), clock })

const createSpool = ({ redis, keyPrefix, credentialEncryption }: Infrastructure): Spool =>
  redis === undefined
    ? createMemorySpool()
    : createRedisSpool(redis, keyPrefix, credentialEncryption)

/** Returns what withdrawing access at providers works with. */
export const withdrawalDeps = (
  infrastructure: Infrastructure,
  { providers, audit }: Pick<Services, 'providers' | 'audit'>,
  spool = createSpool(infrastructure),
): WithdrawalDeps => {
  const { db, clock, logger, credentialEncryption } = infrastructure
  const store = createWithdrawalStore(db, credentialEncryption)
  const calls = callsOf(infrastructure)
  return { store, spool, providers, calls, events: audit.events, clock, logger }
}

/** Starts what withdraws the access of connections that have ended. */
function startEndings(infrastructure: Infrastructure, services: Services, spool: Spool): Rounds {
  const { db, clock, invalidation } = infrastructure
  const { audit } = services
  const deactivated = createDeactivated({
    endings: createEndingStore(db),
    onEnded: ({ id: connection, accountId, integration }) =>
      audit.events.connectionExpired({
        accountId,
        connection,
        integration,
        reason: 'account_deactivated',
      }),
    clock,
  })
  invalidation.on('account', (accountId) => deactivated.look(accountId))
  return startWithdrawals(withdrawalDeps(infrastructure, services, spool), deactivated.end)
}

/** Returns what trying connections works with. */
export const checkDeps = (
  infrastructure: Infrastructure,
  { providers, audit }: Pick<Services, 'providers'> & { audit: Pick<Services['audit'], 'events'> },
  refresher: Refresher,
): CheckDeps => ({
  store: createCheckStore(infrastructure.db),
  refresher,
  providerOf: providers.of,
  calls: callsOf(infrastructure),
  events: audit.events,
  clock: infrastructure.clock,
})
