// Connections to other systems: what keeps them alive, and the interface through which apps use
// them. Only where OTESSE_CONNECTIONS is on.
import type Router from '@koa/router'
import {
  type BackgroundRefresh,
  startBackgroundRefresh,
} from '../connections/background-refresh.ts'
import { createConnectApiRouter } from '../connections/connect-api.routes.ts'
import { createConnectionUseStore } from '../connections/connection-use.store.ts'
import { createDueStore } from '../connections/due.store.ts'
import { createProxyRouter } from '../connections/proxy/proxy.routes.ts'
import { createProviderCalls } from '../connections/provider-calls.ts'
import { createRefreshStore } from '../connections/refresh.store.ts'
import { createRefresher, type Refresher } from '../connections/refresh.ts'
import { createRequestTokens } from '../connections/renewal-request.ts'
import { createMemorySpool, createRedisSpool } from '../connections/spool.ts'
import { createTokenExchange } from '../connections/token-exchange.ts'
import { type ConnectionUses, createConnectionUses } from '../connections/uses.ts'
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
  background: BackgroundRefresh
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
  const refresher = createConnectionRefresher(infrastructure, services)
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
  const background = startBackgroundRefresh({
    due: createDueStore(db),
    connections: stores.connections,
    refresher,
    providerOf: providers.of,
    clock,
    logger,
  })
  return {
    refresher,
    uses,
    background,
    routers: [api, proxy, webhooks],
    exchange: createTokenExchange({ ...handing, clock }),
    async [Symbol.asyncDispose]() {
      await background[Symbol.asyncDispose]()
      await Promise.all([refresher[Symbol.asyncDispose](), uses[Symbol.asyncDispose]()])
    },
  }
}

/** Creates what keeps connections alive. */
export function createConnectionRefresher(
  infrastructure: Infrastructure,
  {
    audit,
    providers,
    stores,
  }: Pick<Services, 'providers' | 'stores'> & { audit: Pick<Services['audit'], 'events'> },
): Refresher {
  const { db, clock, logger, redis, keyPrefix, credentialEncryption, outgoing } = infrastructure
  return createRefresher({
    connections: stores.connections,
    integrations: stores.integrations,
    store: createRefreshStore(db, credentialEncryption),
    spool:
      redis === undefined
        ? createMemorySpool()
        : createRedisSpool(redis, keyPrefix, credentialEncryption),
    providerOf: providers.of,
    requestTokens: createRequestTokens({
      calls: createProviderCalls({ send: (lane, request) => outgoing.send(lane, request), clock }),
      providerOf: providers.of,
    }),
    events: audit.events,
    clock,
    logger,
  })
}
