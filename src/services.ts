// What the server knows, one service for each thing: accounts, apps, scopes, keys, grants, events.
// The server and the command line share it. Each service and each store is built once, here.
// Disposing writes out what waits.
import { createAccountLinkStore } from './accounts/account-link.store.ts'
import { type AccountLinks, createAccountLinks } from './accounts/account-links.ts'
import { type AccountStore, createAccountStore } from './accounts/account.store.ts'
import { type Accounts, createAccounts } from './accounts/accounts.ts'
import { createPasswords } from './accounts/passwords.ts'
import { type AppRegistry, createAppRegistry } from './apps/app-registry.ts'
import type { AppStore } from './apps/app-persistence.ts'
import { createAppStore } from './apps/app.store.ts'
import { createScopeCatalogue, type ScopeCatalogue } from './apps/scope-catalogue.ts'
import { createScopeStore } from './apps/scope.store.ts'
import {
  createAccountConnections,
  type ListAccountConnections,
} from './admin/account-connections.ts'
import { createUsageReports, type UsageReports } from './admin/usage-reports.ts'
import { type Audit, openAudit } from './audit/audit.ts'
import { createEventStore, type EventStore } from './audit/event.store.ts'
import { createGaugeStore, type GaugeStore } from './audit/gauge.store.ts'
import { createUsageStore, type UsageStore } from './audit/usage.store.ts'
import { createDeliveries, type Deliveries } from './compose/deliveries.ts'
import { createNotices, createPasswordNotice, type Notices } from './compose/notices.ts'
import { type ConnectionStore, createConnectionStore } from './connections/connection.store.ts'
import { createIntegrationStore, type IntegrationStore } from './connections/integration.store.ts'
import { createKnownProviders, type KnownProviders } from './connections/known-providers.ts'
import { createProviderStore, type ProviderStore } from './connections/provider.store.ts'
import {
  createWebhookSecretStore,
  type WebhookSecretStore,
} from './connections/webhooks/webhook-secret.store.ts'
import { createConsentStore } from './grants/consent.store.ts'
import { type Consents, createConsents } from './grants/consents.ts'
import { createGrantFigures, type GrantFigures } from './grants/grant-figures.ts'
import { type GrantUses, openGrantUses } from './grants/grant-uses.ts'
import { createGrants, type Grants } from './grants/grants.ts'
import { createPreviews, type Previews } from './grants/previews.ts'
import { createPurgeJobStore, type PurgeJobStore } from './grants/purge-job.store.ts'
import type { Infrastructure } from './infrastructure.ts'
import { type KeyRing, openKeyRing } from './keys/key-ring.ts'
import { createKeyStore } from './keys/key.store.ts'
import type { InspectToken } from './model/token-status.ts'
import { createTokenInspector } from './oauth/introspect/token-inspector.ts'
import { createEndings } from './revocations/endings.ts'
import { createRefreshTokenForm } from './shared/token-format.ts'

/** The services. */
export interface Services extends AsyncDisposable {
  accounts: Accounts
  accountLinks: AccountLinks
  apps: AppRegistry
  scopes: ScopeCatalogue
  keyRing: KeyRing
  grants: Grants
  grantUses: GrantUses
  grantFigures: GrantFigures
  usageReports: UsageReports
  accountConnections: ListAccountConnections
  consents: Consents
  previews: Previews
  audit: Audit
  /** What is to reach somebody: the outbox, and who empties it. */
  deliveries: Deliveries
  /** What people are told about their account. */
  notices: Notices
  /** The systems that can be connected. */
  providers: KnownProviders
  /** Asks the stores, and remembers nothing. */
  inspectToken: InspectToken
  /** What is read and written without a service in between. */
  stores: {
    accounts: AccountStore
    apps: AppStore
    events: EventStore
    usage: UsageStore
    gauges: GaugeStore
    purgeJobs: PurgeJobStore
    providers: ProviderStore
    integrations: IntegrationStore
    connections: ConnectionStore
    webhookSecrets: WebhookSecretStore
  }
}

/** Opens the services. */
export async function openServices(infrastructure: Infrastructure): Promise<Services> {
  const { config, clock, logger, metrics, serverKeys, sealedBox: box, db } = infrastructure
  const { invalidation, store } = infrastructure
  await using stack = new AsyncDisposableStack()
  const stores = {
    accounts: createAccountStore(db),
    apps: createAppStore(db),
    events: createEventStore(db),
    usage: createUsageStore(db),
    gauges: createGaugeStore(db),
    purgeJobs: createPurgeJobStore(db),
    ...connectionStores(infrastructure),
  }
  const onRefreshFailed = (error: unknown): void =>
    logger.warn({ err: error }, 'a cached list could not be read again')
  const { queueSize } = config.events
  const audit = stack.use(
    openAudit({
      store: stores.events,
      usageStore: stores.usage,
      metrics,
      logger,
      clock,
      queueSize,
      onSuspicion: (ended) => notices.suspicion(ended),
      onReconnectNeeded: (connection) => notices.reconnect(connection),
    }),
  )
  const { events } = audit
  const deliveries = createDeliveries(infrastructure, events, () => ({
    accounts,
    links: accountLinks,
  }))
  stack.use(deliveries.deliverer)
  const passwords = await createPasswords({
    waiting: metrics.passwordChecksWaiting,
    concurrency: config.signIn.passwordHashingConcurrency,
  })
  const tellPasswordChanged = createPasswordNotice(deliveries.mailbox, clock)
  const accounts = createAccounts({
    store: stores.accounts,
    passwords,
    clock,
    invalidation,
    events,
    tellPasswordChanged,
  })
  const accountLinks = createAccountLinks({
    store: createAccountLinkStore(db),
    findAccount: (id) => accounts.find(id),
    passwords,
    clock,
    invalidation,
    events,
    tellPasswordChanged,
  })
  const scopes = stack.use(
    createScopeCatalogue({ store: createScopeStore(db), clock, invalidation, onRefreshFailed }),
  )
  await scopes.load()
  const apps = stack.use(
    createAppRegistry({ store: stores.apps, catalogue: scopes, serverKeys, clock, invalidation }),
  )
  const keyRing = stack.use(
    await openKeyRing({ store: createKeyStore(db), box, clock, invalidation, onRefreshFailed }),
  )
  const notices = createNotices({
    db,
    mailbox: deliveries.mailbox,
    findAccount: (id) => accounts.find(id),
    nameOfApp: async (id) => (await apps.find(id))?.name,
    nameOfIntegration: async (handle) => (await stores.integrations.findByHandle(handle))?.name,
    clock,
    logger,
  })
  const incarnations = () => scopes.current().incarnations
  const grantUses = stack.use(openGrantUses({ store, clock, logger }))
  const grants = openGrants(infrastructure, incarnations, grantUses, stack)
  const grantFigures = createGrantFigures({ store, walkOfApp: grants.walkOfApp, clock })
  const open = stack.move()
  return {
    accounts,
    accountLinks,
    apps,
    scopes,
    keyRing,
    grants,
    grantUses,
    grantFigures,
    usageReports: createUsageReports({ ...stores, figures: grantFigures, apps, clock }),
    accountConnections: createAccountConnections({ grants, figures: grantFigures, apps, clock }),
    consents: createConsents({ store: createConsentStore(db), clock, incarnations }),
    previews: createPreviews({ store, box, clock, issuer: config.server.issuer }),
    audit,
    deliveries,
    notices,
    providers: createKnownProviders(stores.providers),
    inspectToken: createInspector({ accounts, apps, scopes, grants }, grants.findAccess),
    stores,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

const connectionStores = ({ db, credentialEncryption }: Infrastructure) => ({
  providers: createProviderStore(db),
  integrations: createIntegrationStore(db, credentialEncryption),
  connections: createConnectionStore(db, credentialEncryption),
  webhookSecrets: createWebhookSecretStore(db, credentialEncryption),
})

/** Creates a token inspector that finds access tokens in its own way. */
export const createInspector = (
  { accounts, apps, scopes, grants }: Pick<Services, 'accounts' | 'apps' | 'scopes' | 'grants'>,
  findAccess: Grants['findAccess'],
  onUsed?: GrantUses['used'],
): InspectToken =>
  createTokenInspector({
    grants: { findAccess, findRefresh: grants.findRefresh },
    apps,
    admitsGrant: accounts.admitsGrant,
    scopeExists: scopes.exists,
    ...(onUsed && { onUsed }),
  })

function openGrants(
  { store, serverKeys, clock, logger, endedStore, ...channels }: Infrastructure,
  incarnations: () => ReadonlyMap<string, number>,
  uses: GrantUses,
  stack: AsyncDisposableStack,
): Grants {
  const endings = stack.use(
    createEndings({
      store: endedStore,
      log: channels.revocations,
      replication: channels.replication,
      logger,
      afterWritten: channels.catchUp?.afterWritten,
    }),
  )
  return createGrants({
    store,
    refreshTokens: createRefreshTokenForm(serverKeys),
    clock,
    onEnded: (ended) => endings.record(ended),
    onRefreshed: (grant, prolongedTo) => uses.refreshed(grant, prolongedTo),
    incarnations,
  })
}
