// What the consent page asks, as pure functions: which permissions are new, which are held, and who will receive the access. Invariant: every
// scope of the request is on the page, in one of the two lists; none is hidden because nobody described it. Called by sign-in.routes.ts.
import type { Scope } from '../apps/scope.ts'
import type { ConsentPage, PermissionGroup } from '../http/views.ts'

/** The question of the page. */
export type ConsentQuestion = Pick<ConsentPage, 'newPermissions' | 'heldPermissions' | 'signsIn'>

const SIGN_IN_SCOPE = 'openid'
const UNDESCRIBED_GROUP = 'Other access'

/**
 * Sorts the scopes of a request into what is new and what the person allowed this app before.
 *
 * @param requested the scopes of the interaction
 * @param catalogue every scope that exists; built-in ones make the first group
 * @param remembered what the person allowed this app before; may name scopes that are not asked for now
 */
export function consentQuestion(
  requested: readonly string[],
  catalogue: ReadonlyMap<string, Scope>,
  remembered: readonly string[],
): ConsentQuestion {
  const scopes = [...new Set(requested)].map((name) => catalogue.get(name) ?? undescribed(name))
  const isHeld = ({ name }: Scope): boolean => remembered.includes(name)
  const first = catalogue.get(SIGN_IN_SCOPE)?.group
  return {
    newPermissions: groupsOf(
      scopes.filter((scope) => !isHeld(scope)),
      first,
    ),
    heldPermissions: groupsOf(scopes.filter(isHeld), first),
    signsIn: requested.includes(SIGN_IN_SCOPE),
  }
}

/** A scope that left the catalogue after the request began. */
function undescribed(name: string): Scope {
  const sentence = `Use the permission ${name}`
  return { name, sentence, group: UNDESCRIBED_GROUP, sensitive: false, deprecated: false }
}

/** Groups by what is touched: who you are first, then by the alphabet. */
function groupsOf(scopes: readonly Scope[], firstGroup: string | undefined): PermissionGroup[] {
  const groups = new Map<string, PermissionGroup>()
  for (const { group: title, sentence, sensitive, name } of scopes) {
    const group = groups.get(title) ?? { title, permissions: [] }
    groups.set(title, group)
    group.permissions.push({ sentence, sensitive, scope: name })
  }
  const place = ({ title }: PermissionGroup): number => (title === firstGroup ? 0 : 1)
  return [...groups.values()].sort(
    (left, right) => place(left) - place(right) || left.title.localeCompare(right.title, 'en'),
  )
}

const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])

/**
 * Names who receives the access.
 *
 * A host is shown as it stands in DNS, punycode included: letters that look like others fool nobody there. RFC 8252 §7 has the two forms of
 * apps on this device.
 */
export function recipientOf(redirectUri: string): ConsentPage['recipient'] {
  const url = new URL(redirectUri)
  const isWeb = url.protocol === 'https:' || url.protocol === 'http:'
  return isWeb
    ? { host: url.host, loopback: LOOPBACK_HOSTS.has(url.hostname), scheme: undefined }
    : { host: '', loopback: false, scheme: url.protocol }
}
