// What each role may: the one table from which console, admin API and command line decide.
// Invariant: nobody gives, or acts on the account of, a role that can do more than they can.
import { ADMIN_SCOPE_NAMES, type AdminScope } from '../apps/scope.ts'
import type { Role } from '../model/account.ts'

/**
 * What an operator may: a scope of the admin API, or the part of `admin:accounts:write` that people
 * in support need: reset links, ending sessions, deactivating and reactivating members.
 */
export type Permission = AdminScope | 'accounts:support'

const READS: readonly AdminScope[] = [
  'admin:apps:read',
  'admin:scopes:read',
  'admin:accounts:read',
  'admin:connections:read',
  'admin:keys:read',
  'admin:audit:read',
]

/** What a person of that role may. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  member: new Set(),
  support: new Set<Permission>(['admin:accounts:read', 'accounts:support']),
  auditor: new Set(READS),
  app_manager: new Set<Permission>([
    'admin:apps:read',
    'admin:apps:write',
    'admin:scopes:read',
    'admin:scopes:write',
    'admin:connections:read',
    'admin:connections:write',
  ]),
  admin: new Set(ADMIN_SCOPE_NAMES),
}

/** Returns whether somebody with those permissions has this one as well. */
export const hasPermission = (
  permissions: ReadonlySet<Permission>,
  permission: Permission,
): boolean =>
  permissions.has(permission) ||
  (permission === 'accounts:support' && permissions.has('admin:accounts:write'))

/**
 * Returns the first permission that somebody lacks to give a role, or to act on the account of
 * somebody who has it: whoever can reset a password can act as its owner.
 */
export function missingFor(
  role: Role,
  permissions: ReadonlySet<Permission>,
): Permission | undefined {
  if (role === 'member') return undefined
  if (!permissions.has('admin:roles:write')) return 'admin:roles:write'
  return [...ROLE_PERMISSIONS[role]].find((permission) => !hasPermission(permissions, permission))
}
