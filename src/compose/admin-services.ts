// What admins can do, over the foundation: the same services for console, admin API and command line.
import { createAccountImport } from '../accounts/account-import.ts'
import { createAccountStore } from '../accounts/account.store.ts'
import { type AccountService, createAccountService } from '../admin/account-service.ts'
import { type AppService, createAppService } from '../admin/app-service.ts'
import { createKeyService, type KeyService } from '../admin/key-service.ts'
import { createScopeService, type ScopeService } from '../admin/scope-service.ts'
import { createTokenService, type TokenService } from '../admin/token-service.ts'
import { createAppStore } from '../apps/app.store.ts'
import type { Foundation } from '../foundation.ts'
import { createTokenInspector } from '../oauth/introspect/token-inspector.ts'

/** All services of admins. */
export interface AdminServices {
  accounts: AccountService
  apps: AppService
  scopes: ScopeService
  keys: KeyService
  tokens: TokenService
}

/** Creates the services. */
export function createAdminServices(foundation: Foundation): AdminServices {
  const { accounts, apps, scopes, keyRing, grants, clock, invalidation } = foundation
  const { events } = foundation.audit
  const accountStore = createAccountStore(foundation.db)
  return {
    accounts: createAccountService({
      accounts,
      links: foundation.accountLinks,
      importAccounts: createAccountImport({
        store: accountStore,
        clock,
        events,
      }),
      issuer: foundation.config.server.issuer,
    }),
    apps: createAppService({ apps, events }),
    scopes: createScopeService({ scopes, events }),
    keys: createKeyService({ keyRing, events }),
    tokens: createTokenService({
      apps,
      accounts,
      grants,
      inspect: createTokenInspector({
        grants,
        findApp: (id) => apps.find(id),
        admitsGrant: accounts.admitsGrant,
        scopeExists: scopes.exists,
      }),
      accountStore,
      appStore: createAppStore(foundation.db),
      announce: (topic, id) => invalidation.publish(topic, id),
      clock,
      events,
    }),
  }
}
