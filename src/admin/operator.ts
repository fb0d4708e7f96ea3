// Who administers, and what they may. Invariant: nobody can hand on an admin scope that they do not
// have: not by giving it to an app, not by making a secret of an app that has it, and not through
// an account with a role. The admin services ask here; console, API and command line only say who
// it is.
import type { App } from '../model/app.ts'
import { ADMIN_SCOPE_NAMES, isAdminScope } from '../apps/scope.ts'
import type { EventContext } from '../audit/events.ts'
import { AppError } from '../shared/errors.ts'
import { hasPermission, type Permission } from './roles.ts'

/** The user, app or command line that administers. */
export interface Operator {
  /** An account id, a client id, or `cli`: the actor of the audit event. */
  readonly id: string
  readonly scopes: ReadonlySet<Permission>
  readonly requestId?: string | undefined
  readonly address?: string | undefined
}

/** What everybody may who can run commands beside the database. */
export const ALL_ADMIN_SCOPES: ReadonlySet<Permission> = new Set(ADMIN_SCOPE_NAMES)

/** Returns whom the event log names. */
export const contextOf = ({ id, requestId, address }: Operator): EventContext => ({
  actor: id,
  requestId,
  address,
})

/** Returns whether the operator may. */
export const may = (by: Operator, permission: Permission): boolean =>
  hasPermission(by.scopes, permission)

/** @throws {AppError} `power_missing` about the scope that the operator lacks */
export function assertMay(by: Operator, scope: Permission): void {
  if (may(by, scope)) return
  // Only roles have the part; a client is told of the scope that it can have.
  const about = scope === 'accounts:support' ? 'admin:accounts:write' : scope
  throw new AppError('power_missing', { about })
}

/** Returns the scopes without the admin scopes that the operator lacks, and so cannot give. */
export const mayGiveScopes = <T>(
  by: Operator,
  catalogue: ReadonlyMap<string, T>,
): ReadonlyMap<string, T> =>
  new Map([...catalogue].filter(([name]) => !isAdminScope(name) || may(by, name)))

/**
 * Asserts that the operator holds every admin scope that an app has, or is to have: deciding over
 * an app is acting with its scopes.
 *
 * @throws {AppError} `power_missing`
 */
export function assertMayHandOn(by: Operator, { scopes }: Pick<App, 'scopes'>): void {
  for (const scope of scopes) if (isAdminScope(scope)) assertMay(by, scope)
}
