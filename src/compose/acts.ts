// What admins can do, over the foundation: the same acts for console, admin API and command line.
import { createAccountImport } from '../accounts/account-import.ts'
import { createAccountStore } from '../accounts/account.store.ts'
import { type AccountActs, createAccountActs } from '../admin/account-acts.ts'
import { type AppActs, createAppActs } from '../admin/app-acts.ts'
import { createKeyActs, type KeyActs } from '../admin/key-acts.ts'
import { createScopeActs, type ScopeActs } from '../admin/scope-acts.ts'
import { createTokenActs, type TokenActs } from '../admin/token-acts.ts'
import { createAppStore } from '../apps/app.store.ts'
import type { Foundation } from '../foundation.ts'
import { createTokenInspector } from '../oauth/token-inspector.ts'

/** All acts of admins. */
export interface Acts {
  accounts: AccountActs
  apps: AppActs
  scopes: ScopeActs
  keys: KeyActs
  tokens: TokenActs
}

/** Creates the acts. */
export function createActs(foundation: Foundation): Acts {
  const { accounts, apps, scopes, keyRing, grants, clock, invalidation } = foundation
  const { events } = foundation.audit
  const accountStore = createAccountStore(foundation.db)
  return {
    accounts: createAccountActs({
      accounts,
      links: foundation.accountLinks,
      importAccounts: createAccountImport({
        store: accountStore,
        clock,
        events,
      }),
      issuer: foundation.config.server.issuer,
    }),
    apps: createAppActs({ apps, events }),
    scopes: createScopeActs({ scopes, events }),
    keys: createKeyActs({ keyRing, events }),
    tokens: createTokenActs({
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
