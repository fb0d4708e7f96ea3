// What the console needs of its neighbours; compose/console.ts plugs it in. Reads go to the domain,
// changes through the admin services alone.
import type { Scope } from '../../model/scope.ts'
import type { Accounts } from '../../accounts/accounts.ts'
import type { App } from '../../model/app.ts'
import type { AppRegistry } from '../../apps/app-registry.ts'
import type { ScopeCatalogue } from '../../apps/scope-catalogue.ts'
import type { EventStore } from '../../audit/event.store.ts'
import type { ConnectionStore } from '../../connections/connection.store.ts'
import type { Integration } from '../../connections/integration.ts'
import type { KnownProviders } from '../../connections/known-providers.ts'
import type { KeyRing } from '../../keys/key-ring.ts'
import type { Clock } from '../../shared/clock.ts'
import type { AccountImports } from '../account-imports.ts'
import type { AccountService } from '../account-service.ts'
import type { AppService } from '../app-service.ts'
import type { AppPreviews } from '../app-preview.ts'
import type { Declarations } from '../apply/declarations.ts'
import type { DeliveryService } from '../delivery-service.ts'
import type { ConnectionService } from '../connection-service.ts'
import type { IntegrationService } from '../integration-service.ts'
import type { KeyService } from '../key-service.ts'
import type { ProviderService } from '../provider-service.ts'
import type { ScopeService } from '../scope-service.ts'
import type { ListAccountConnections } from '../account-connections.ts'
import type { TokenService } from '../token-service.ts'
import type { UsageFinding } from '../attention.ts'
import type { UsageReports } from '../usage-reports.ts'

/** What the pages of connections to other systems need. */
export interface ConsoleConnections {
  providers: Pick<KnownProviders, 'find' | 'list' | 'isInCatalogue'>
  find: ConnectionStore['find']
  /**
   * Begins to connect for an admin who tries an integration.
   *
   * @param address where they come back to
   * @returns where it goes on
   */
  startTrial(integration: Integration, accountId: string, address: string): Promise<string>
}

export interface ConsoleDeps {
  issuer: string
  apps: Pick<
    AppRegistry,
    'list' | 'count' | 'get' | 'find' | 'check' | 'countByScope' | 'countOfScope'
  >
  /** @throws {AppError} `not_found`, for deleted apps too */
  getChangeable: (appId: string) => Promise<App>
  scopes: Pick<ScopeCatalogue, 'get'>
  /** Every scope that exists now. */
  catalogue: () => ReadonlyMap<string, Scope>
  accounts: Pick<Accounts, 'list' | 'count' | 'find'>
  keyRing: Pick<KeyRing, 'list' | 'rotatableFrom'>
  eventStore: Pick<EventStore, 'list'>
  reports: UsageReports
  findAttention: () => Promise<UsageFinding[]>
  accountConnections: ListAccountConnections
  services: {
    apps: AppService
    scopes: ScopeService
    keys: KeyService
    accounts: AccountService
    tokens: TokenService
    deliveries: DeliveryService
    integrations: IntegrationService
    connections: ConnectionService
    providers: ProviderService
  }
  /** Absent where connections are switched off. */
  connections: ConsoleConnections | undefined
  previews: AppPreviews
  imports: AccountImports
  declarations: Declarations
  /** The server's lifetimes, for apps that have none of their own. */
  lifetimes: { accessTtlSeconds: number; refreshTtlSeconds: number }
  clock: Clock
}
