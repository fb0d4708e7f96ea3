// The status of a token, over everything that the server knows; with a memory where the operator
// wants one.
import type { Foundation } from '../foundation.ts'
import { rememberAccess } from '../grants/remembered-access.ts'
import type { InspectToken } from '../model/token-status.ts'
import { createTokenInspector } from '../oauth/introspect/token-inspector.ts'

/** The inspector of a server; disposing ends the following of revocations. */
export interface Inspection extends Disposable {
  inspect: InspectToken
}

/** Creates the inspector. */
export function createInspection(foundation: Foundation): Inspection {
  const { config, grants, apps, accounts, scopes, revocations, clock } = foundation
  const ttlSeconds = config.gateways.introspectionCacheSeconds
  const memory =
    ttlSeconds === 0
      ? undefined
      : rememberAccess({ findAccess: grants.findAccess, log: revocations, ttlSeconds, clock })
  return {
    inspect: createTokenInspector({
      grants: {
        findAccess: memory?.findAccess ?? grants.findAccess,
        findRefresh: grants.findRefresh,
      },
      findApp: (id) => apps.find(id),
      admitsGrant: accounts.admitsGrant,
      scopeExists: scopes.exists,
    }),
    [Symbol.dispose]: () => memory?.[Symbol.dispose](),
  }
}
