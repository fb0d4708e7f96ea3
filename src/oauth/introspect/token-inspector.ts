// The status of a presented token. One store round trip, none for a token that is not of our form;
// apps, accounts and scopes come from caches that changes empty within a second. Used by
// introspection and userinfo, and by gateways.
import type { App } from '../../model/app.ts'
import type { InspectToken } from '../../model/token-status.ts'
import type { Grant } from '../../grants/grant.ts'
import type { Grants } from '../../grants/grants.ts'
import { parseToken } from '../../shared/token-format.ts'
import type { ScopeExists } from '../scope-list.ts'

/** Creates the inspector. */
export function createTokenInspector(deps: {
  grants: Pick<Grants, 'findAccess' | 'findRefresh'>
  apps: { known(id: string): App | undefined; find(id: string): Promise<App | undefined> }
  /** Returns whether an account is active and its grants of that generation count. */
  admitsGrant: (accountId: string, generation: number) => boolean | Promise<boolean>
  scopeExists: ScopeExists
  /** Told of the grant of each access token that opens something. */
  onUsed?: (grant: Grant) => void
}): InspectToken {
  return async function inspect(token) {
    const presented = parseToken(token)
    if (presented === undefined || presented.kind === 'code')
      return { active: false, reason: 'malformed' }
    const { kind } = presented
    const found =
      kind === 'access'
        ? accessFacts(await deps.grants.findAccess(presented))
        : refreshFacts(await deps.grants.findRefresh(presented))
    if (found === undefined) return { active: false, reason: 'unknown' }
    const { appId } = found.grant
    const app = deps.apps.known(appId) ?? (await deps.apps.find(appId))
    if (app?.status !== 'active') return { active: false, reason: 'app_inactive' }
    const { accountId, accountGeneration = 0, appGeneration = 0 } = found.grant
    // What was ended counts no longer from then on, also where its removal is still under way.
    if (accountId === undefined) {
      if (found.ownGeneration < app.ownFrom || !app.clientCredentials)
        return { active: false, reason: 'unknown' }
    } else {
      if (appGeneration < app.grantsFrom) return { active: false, reason: 'unknown' }
      const admitted = deps.admitsGrant(accountId, accountGeneration)
      if (!(typeof admitted === 'boolean' ? admitted : await admitted))
        return { active: false, reason: 'account_inactive' }
    }
    if (kind === 'access') deps.onUsed?.(found.grant)
    return {
      active: true,
      kind,
      app,
      accountId,
      grantId: found.grant.id,
      // A scope that was taken from the app or left the catalogue leaves its live tokens at once.
      scopes: found.scopes.filter(
        (scope) => app.scopes.includes(scope) && deps.scopeExists(scope, found.holder),
      ),
      audience: found.audience,
      issuedAt: found.issuedAt,
      expiresAt: found.expiresAt,
    }
  }
}

type Found<Name extends 'findAccess' | 'findRefresh'> = Awaited<ReturnType<Grants[Name]>>

function accessFacts(live: Found<'findAccess'>) {
  if (live === undefined) return undefined
  const { grant, access } = live
  return {
    grant,
    scopes: access.scopes ?? grant.scopes,
    // An app's own grant names no scopes.
    holder: access.incarnations === undefined ? grant : access,
    ownGeneration: access.generation ?? 0,
    audience: access.audience,
    issuedAt: access.issuedAt,
    expiresAt: access.expiresAt,
  }
}

function refreshFacts(live: Found<'findRefresh'>) {
  if (live?.isCurrent !== true) return undefined
  const { grant, refresh } = live
  return {
    grant,
    scopes: grant.scopes,
    holder: grant,
    ownGeneration: 0,
    audience: undefined,
    issuedAt: undefined,
    expiresAt: refresh.expiresAt,
  }
}
