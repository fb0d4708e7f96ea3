// Scopes as people read them: sentences under the heading of what they touch. Invariant: every
// scope that is named is shown; none is hidden because nobody described it. Called by sign-in/
// (what is asked) and connected-apps/ (what was allowed).
import type { Scope } from '../model/scope.ts'

/** Permissions that touch the same thing, in plain words. */
export interface PermissionGroup {
  title: string
  permissions: { sentence: string; sensitive: boolean; scope: string }[]
}

const SIGN_IN_SCOPE = 'openid'
const UNDESCRIBED_GROUP = 'Other access'

/**
 * Groups scopes by what they touch: who you are first, then by the alphabet. A scope that is named
 * twice is shown once.
 *
 * @param catalogue every scope that exists; built-in ones make the first group
 */
export function permissionGroups(
  names: readonly string[],
  catalogue: ReadonlyMap<string, Scope>,
): PermissionGroup[] {
  const firstGroup = catalogue.get(SIGN_IN_SCOPE)?.group
  const groups = new Map<string, PermissionGroup>()
  for (const name of new Set(names)) {
    const { group: title, sentence, sensitive } = catalogue.get(name) ?? undescribed(name)
    const group = groups.get(title) ?? { title, permissions: [] }
    groups.set(title, group)
    group.permissions.push({ sentence, sensitive, scope: name })
  }
  const place = ({ title }: PermissionGroup): number => (title === firstGroup ? 0 : 1)
  return [...groups.values()].sort(
    (left, right) => place(left) - place(right) || left.title.localeCompare(right.title, 'en'),
  )
}

/** A scope that left the catalogue after it was asked for. */
function undescribed(name: string): Pick<Scope, 'group' | 'sentence' | 'sensitive'> {
  return { sentence: `Use the permission ${name}`, group: UNDESCRIBED_GROUP, sensitive: false }
}
