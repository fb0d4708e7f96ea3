// What admins can do: the same services for console, admin API and command line.
import { createAccountImport } from '../accounts/account-import.ts'
import { type AccountService, createAccountService } from '../admin/account-service.ts'
import { type AppService, createAppService } from '../admin/app-service.ts'
import { createKeyService, type KeyService } from '../admin/key-service.ts'
import { type ConnectionService, createConnectionService } from '../admin/connection-service.ts'
import { createDeliveryService, type DeliveryService } from '../admin/delivery-service.ts'
import { createIntegrationService, type IntegrationService } from '../admin/integration-service.ts'
import { createProviderService, type ProviderService } from '../admin/provider-service.ts'
import { createScopeService, type ScopeService } from '../admin/scope-service.ts'
import { createTokenService, type TokenService } from '../admin/token-service.ts'
import { createConnectionAdminStore } from '../connections/connection-admin.store.ts'
import { createEndingStore } from '../connections/ending.store.ts'
import { createReencryptStore } from '../connections/reencrypt.store.ts'
import {
  createWebhookSecretService,
  type WebhookSecretService,
} from '../admin/webhook-secret-service.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { Services } from '../services.ts'
import { checkConnection } from '../connections/check.ts'
import { checkDeps, createConnectionRefresher } from './connections.ts'

/** All services of admins. */
export interface AdminServices {
  accounts: AccountService
  apps: AppService
  scopes: ScopeService
  integrations: IntegrationService
  connections: ConnectionService
  deliveries: DeliveryService
  providers: ProviderService
  webhookSecrets: WebhookSecretService
  keys: KeyService
  tokens: TokenService
}

/** Creates the services. */
export function createAdminServices(
  infrastructure: Infrastructure,
  { accounts, accountLinks, apps, scopes, keyRing, grants, audit, ...known }: Services,
): AdminServices {
  const { config, clock, invalidation } = infrastructure
  const { events } = audit
  const { stores, inspectToken } = known
  return {
    accounts: createAccountService({
      accounts,
      links: accountLinks,
      importAccounts: createAccountImport({ store: stores.accounts, clock, events }),
      events,
      mailbox: known.deliveries.mailbox,
      issuer: config.server.issuer,
    }),
    deliveries: createDeliveryService({
      isSetUp: known.deliveries.mailbox.isSetUp,
      store: known.deliveries.store,
      deliver: () => known.deliveries.deliverer.deliver(),
      events,
      clock,
    }),
    apps: createAppService({ apps, events }),
    scopes: createScopeService({ scopes, events }),
    ...connectionServices(infrastructure, scopes, { audit, providers: known.providers, stores }),
    keys: createKeyService({ keyRing, events }),
    tokens: createTokenService({
      apps,
      accounts,
      grants,
      inspect: inspectToken,
      accountStore: stores.accounts,
      appStore: stores.apps,
      announce: (topic, id) => invalidation.publish(topic, id),
      clock,
      events,
    }),
  }
}

function connectionServices(
  infrastructure: Infrastructure,
  scopes: Services['scopes'],
  { audit: { events }, providers: known, stores }: Pick<Services, 'audit' | 'providers' | 'stores'>,
) {
  const shared = { audit: { events }, providers: known, stores }
  const refresher = createConnectionRefresher(infrastructure, shared)
  const checking = checkDeps(infrastructure, shared, refresher)
  return {
    integrations: createIntegrationService({
      integrations: stores.integrations,
      scopes,
      findProvider: known.find,
      providers: stores.providers,
      events,
      clock: infrastructure.clock,
    }),
    webhookSecrets: createWebhookSecretService({
      secrets: stores.webhookSecrets,
      findIntegration: (handle) => stores.integrations.findByHandle(handle),
      events,
      clock: infrastructure.clock,
    }),
    providers: createProviderService({
      providers: stores.providers,
      known,
      integrations: stores.integrations,
      events,
      clock: infrastructure.clock,
    }),
    connections: createConnectionService({
      all: createConnectionAdminStore(infrastructure.db),
      endings: createEndingStore(infrastructure.db),
      connections: stores.connections,
      integrations: stores.integrations,
      refresher,
      check: (usable) => checkConnection(checking, usable),
      reencryption: createReencryptStore(infrastructure.db, infrastructure.credentialEncryption),
      events,
      clock: infrastructure.clock,
    }),
  }
}
