// Who administers, and what they may. Invariant: nobody can hand on an admin scope that they do not
// have:
// not by giving it to an app, not by making a secret of an app that has it, and not through the
// account of
// an admin. The admin services ask here; console, API and command line only say who it is.
import type { App } from '../model/app.ts'
import { ADMIN_SCOPE_NAMES, type AdminScope, isAdminScope } from '../apps/scope.ts'
import type { EventContext } from '../audit/events.ts'
import { AppError } from '../shared/errors.ts'

/** The user, app or command line that administers. */
export interface Operator {
  /** An account id, a client id, or `cli`: the actor of the audit event. */
  readonly id: string
  readonly scopes: ReadonlySet<AdminScope>
  readonly requestId?: string | undefined
  readonly address?: string | undefined
}

/** What a user who is an admin may, and everybody who can run commands beside the database. */
export const ALL_ADMIN_SCOPES: ReadonlySet<AdminScope> = new Set(ADMIN_SCOPE_NAMES)

/** Returns whom the event log names. */
export const contextOf = ({ id, requestId, address }: Operator): EventContext => ({
  actor: id,
  requestId,
  address,
})

/** @throws {AppError} `power_missing` about the scope that the operator lacks */
export function assertMay(by: Operator, scope: AdminScope): void {
  if (!by.scopes.has(scope)) throw new AppError('power_missing', { about: scope })
}

/**
 * Asserts that the operator holds every admin scope that an app has, or is to have: deciding over
 * an app
 * is acting with its scopes.
 *
 * @throws {AppError} `power_missing`
 */
export function assertMayHandOn(by: Operator, { scopes }: Pick<App, 'scopes'>): void {
  for (const scope of scopes) if (isAdminScope(scope)) assertMay(by, scope)
}
