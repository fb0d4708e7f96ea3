// What each role may: the one table from which console, admin API and command line decide.
// Invariant: nobody gives, or acts on the account of, a role that can do more than they can.
import { ADMIN_SCOPE_NAMES, type AdminScope } from '../apps/scope.ts'
import type { Role } from '../model/account.ts'

/**
 * What an operator may: a scope of the admin API, or the part of `admin:accounts:write` that people
 * in support need: reset links, ending sessions, deactivating and reactivating members.
 */
export type Power = AdminScope | 'accounts:support'

const READS: readonly AdminScope[] = [
  'admin:apps:read',
  'admin:scopes:read',
  'admin:accounts:read',
  'admin:keys:read',
  'admin:audit:read',
]

/** What a person of that role may. */
export const ROLE_POWERS: Readonly<Record<Role, ReadonlySet<Power>>> = {
  member: new Set(),
  support: new Set<Power>(['admin:accounts:read', 'accounts:support']),
  auditor: new Set(READS),
  app_manager: new Set<Power>([
    'admin:apps:read',
    'admin:apps:write',
    'admin:scopes:read',
    'admin:scopes:write',
  ]),
  admin: new Set(ADMIN_SCOPE_NAMES),
}

/** Returns whether somebody with those powers has this one as well. */
export const hasPower = (powers: ReadonlySet<Power>, power: Power): boolean =>
  powers.has(power) || (power === 'accounts:support' && powers.has('admin:accounts:write'))

/**
 * Returns the first power that somebody lacks to give a role, or to act on the account of somebody
 * who has it: whoever can reset a password can act as its owner.
 */
export function missingFor(role: Role, powers: ReadonlySet<Power>): Power | undefined {
  if (role === 'member') return undefined
  if (!powers.has('admin:roles:write')) return 'admin:roles:write'
  return [...ROLE_POWERS[role]].find((power) => !hasPower(powers, power))
}
