// What admins can do, over the foundation: the same acts for console, admin API and command line.
import { type AppActs, createAppActs } from '../admin/app-acts.ts'
import { createKeyActs, type KeyActs } from '../admin/key-acts.ts'
import { createScopeActs, type ScopeActs } from '../admin/scope-acts.ts'
import type { Foundation } from '../foundation.ts'

/** All acts of admins. */
export interface Acts {
  apps: AppActs
  scopes: ScopeActs
  keys: KeyActs
}

/** Creates the acts. */
export function createActs({ apps, scopes, keyRing, audit: { events } }: Foundation): Acts {
  return {
    apps: createAppActs({ apps, events }),
    scopes: createScopeActs({ scopes, events }),
    keys: createKeyActs({ keyRing, events }),
  }
}
