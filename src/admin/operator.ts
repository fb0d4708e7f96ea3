// Who administers, and what they may. Invariant: nobody can hand on a power that they do not have, neither by giving it to an app, nor by
// making a secret of an app that has it, nor through the account of an admin. The acts ask here; console, API and command line only say who it is.
import type { App } from '../model/app.ts'
import { ADMIN_SCOPE_NAMES, type AdminScope, isAdminScope } from '../apps/scope.ts'
import type { EventContext } from '../audit/events.ts'
import { AppError } from '../shared/errors.ts'

/** Whoever does an administrative act. */
export interface Operator {
  /** An account id, a client id, or `cli`: the actor of the audit event. */
  readonly id: string
  readonly powers: ReadonlySet<AdminScope>
  readonly requestId?: string | undefined
  readonly address?: string | undefined
}

/** The powers of a person who is an admin, and of whoever can run commands beside the database. */
export const ALL_POWERS: ReadonlySet<AdminScope> = new Set(ADMIN_SCOPE_NAMES)

/** Returns whom the event log names. */
export const contextOf = ({ id, requestId, address }: Operator): EventContext => ({
  actor: id,
  requestId,
  address,
})

/** @throws {AppError} `power_missing` about the scope that the operator lacks */
export function assertMay(by: Operator, power: AdminScope): void {
  if (!by.powers.has(power)) throw new AppError('power_missing', { about: power })
}

/**
 * Asserts that the operator holds every admin scope that an app has, or is to have: whoever can decide over the app acts with its powers.
 *
 * @throws {AppError} `power_missing`
 */
export function assertMayHandOn(by: Operator, { scopes }: Pick<App, 'scopes'>): void {
  for (const scope of scopes) if (isAdminScope(scope)) assertMay(by, scope)
}
