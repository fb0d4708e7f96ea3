// What admins can do: the same services for console, admin API and command line.
import { createAccountImport } from '../accounts/account-import.ts'
import { type AccountService, createAccountService } from '../admin/account-service.ts'
import { type AppService, createAppService } from '../admin/app-service.ts'
import { createKeyService, type KeyService } from '../admin/key-service.ts'
import { createIntegrationService, type IntegrationService } from '../admin/integration-service.ts'
import { createProviderService, type ProviderService } from '../admin/provider-service.ts'
import { createScopeService, type ScopeService } from '../admin/scope-service.ts'
import { createTokenService, type TokenService } from '../admin/token-service.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { Services } from '../services.ts'
import type { Clock } from '../shared/clock.ts'

/** All services of admins. */
export interface AdminServices {
  accounts: AccountService
  apps: AppService
  scopes: ScopeService
  integrations: IntegrationService
  providers: ProviderService
  keys: KeyService
  tokens: TokenService
}

/** Creates the services. */
export function createAdminServices(
  { config, clock, invalidation }: Infrastructure,
  { accounts, accountLinks, apps, scopes, keyRing, grants, audit, ...known }: Services,
): AdminServices {
  const { events } = audit
  const { stores, inspectToken } = known
  return {
    accounts: createAccountService({
      accounts,
      links: accountLinks,
      importAccounts: createAccountImport({ store: stores.accounts, clock, events }),
      events,
      issuer: config.server.issuer,
    }),
    apps: createAppService({ apps, events }),
    scopes: createScopeService({ scopes, events }),
    ...connectionServices(clock, scopes, { audit, providers: known.providers, stores }),
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

const connectionServices = (
  clock: Clock,
  scopes: Services['scopes'],
  { audit: { events }, providers: known, stores }: Pick<Services, 'audit' | 'providers' | 'stores'>,
) => ({
  integrations: createIntegrationService({
    integrations: stores.integrations,
    scopes,
    findProvider: known.find,
    events,
    clock,
  }),
  providers: createProviderService({
    providers: stores.providers,
    known,
    integrations: stores.integrations,
    events,
    clock,
  }),
})
