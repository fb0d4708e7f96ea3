// The resources of the admin API. A new one is a row here.
import type { Accounts } from '../../accounts/accounts.ts'
import type { AppRegistry } from '../../apps/app-registry.ts'
import type { ScopeCatalogue } from '../../apps/scope-catalogue.ts'
import { BUILT_IN_SCOPES, isAdminScope } from '../../apps/scope.ts'
import type { EventStore } from '../../audit/event.store.ts'
import type { UsageStore } from '../../audit/usage.store.ts'
import type { KeyRing } from '../../keys/key-ring.ts'
import type { AccountService } from '../account-service.ts'
import type { AppService } from '../app-service.ts'
import type { ConnectionService } from '../connection-service.ts'
import type { DeliveryService } from '../delivery-service.ts'
import type { IntegrationService } from '../integration-service.ts'
import type { KeyService } from '../key-service.ts'
import type { ProviderService } from '../provider-service.ts'
import type { ScopeService } from '../scope-service.ts'
import type { TokenService } from '../token-service.ts'
import { accountOperations } from './accounts.operations.ts'
import { ADMIN_API_PATH, ADMIN_DOCUMENT_PATH } from './admin-api.routes.ts'
import { appOperations } from './apps.operations.ts'
import { auditOperations } from './audit.operations.ts'
import { connectionOperations } from './connections.operations.ts'
import { deliveryOperations } from './deliveries.operations.ts'
import { documentOperations } from './document.operations.ts'
import { integrationOperations } from './integrations.operations.ts'
import { keyOperations } from './keys.operations.ts'
import type { Operation } from './operation.ts'
import { ruleOperations } from './rules.operations.ts'
import { scopeOperations } from './scopes.operations.ts'
import { secretOperations } from './secrets.operations.ts'
import { providerOperations } from './providers.operations.ts'
import type { ListAccountConnections } from '../account-connections.ts'
import type { UsageReports } from '../usage-reports.ts'
import { tokenOperations } from './tokens.operations.ts'
import { usageOperations } from './usage.operations.ts'

/** What the operations are made of: services for changes, the domain for reads. */
export interface ResourceDeps {
  issuer: string
  tokenPath: string
  services: {
    accounts: AccountService
    apps: AppService
    scopes: ScopeService
    keys: KeyService
    tokens: TokenService
    integrations: IntegrationService
    connections: ConnectionService
    providers: ProviderService
    deliveries: DeliveryService
  }
  /** Whether other systems can be connected. */
  hasConnections: boolean
  apps: AppRegistry
  accounts: Accounts
  scopes: ScopeCatalogue
  keyRing: KeyRing
  usageReports: UsageReports
  accountConnections: ListAccountConnections
  stores: { events: EventStore; usage: UsageStore }
}

/** Returns all operations, that of the document which describes them included. */
export function listOperations(deps: ResourceDeps): Operation[] {
  const { issuer, services, apps, accounts, scopes, keyRing } = deps
  const resources = [
    appOperations({ apps, service: services.apps }),
    secretOperations({ service: services.apps }),
    scopeOperations({ scopes, apps, service: services.scopes }),
    accountOperations({
      accounts,
      service: services.accounts,
      connections: deps.accountConnections,
    }),
    tokenOperations({ service: services.tokens }),
    deliveryOperations({ service: services.deliveries }),
    keyOperations({ keyRing, service: services.keys }),
    auditOperations(deps.stores),
    usageOperations({ usage: deps.stores.usage, reports: deps.usageReports }),
    ruleOperations(),
    ...(deps.hasConnections
      ? [
          providerOperations({ service: services.providers }),
          integrationOperations({ issuer, service: services.integrations }),
          connectionOperations({ service: services.connections }),
        ]
      : []),
  ]
  const document = documentOperations(resources, {
    path: ADMIN_DOCUMENT_PATH.slice(ADMIN_API_PATH.length),
    baseUrl: issuer + ADMIN_API_PATH,
    tokenUrl: issuer + deps.tokenPath,
    adminScopes: Object.fromEntries(
      BUILT_IN_SCOPES.filter(({ name }) => isAdminScope(name)).map(({ name, sentence }) => [
        name,
        sentence,
      ]),
    ),
  })
  return [...resources, document].flatMap(({ operations }) => operations)
}
