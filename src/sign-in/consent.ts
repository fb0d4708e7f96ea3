// What the consent page asks, as pure functions: which permissions are new, which are held, and who
// will receive the access. Invariant: every scope of the request is on the page, in one of the two
// lists. Called by sign-in.routes.ts.
import type { Scope } from '../model/scope.ts'
import { permissionGroups } from '../apps/permission-groups.ts'
import type { ConsentPage } from './pages.ts'

/** The question of the page. */
export type ConsentQuestion = Pick<ConsentPage, 'newPermissions' | 'heldPermissions' | 'signsIn'>

const SIGN_IN_SCOPE = 'openid'

/**
 * Sorts the scopes of a request into what is new and what the user allowed this app before.
 *
 * @param requested the scopes of the interaction
 * @param catalogue every scope that exists; built-in ones make the first group
 * @param remembered what the user allowed this app before; may name scopes that are not asked for
 * now
 */
export function consentQuestion(
  requested: readonly string[],
  catalogue: ReadonlyMap<string, Scope>,
  remembered: readonly string[],
): ConsentQuestion {
  const isHeld = (name: string): boolean => remembered.includes(name)
  const isNew = (name: string): boolean => !isHeld(name)
  return {
    newPermissions: permissionGroups(requested.filter(isNew), catalogue),
    heldPermissions: permissionGroups(requested.filter(isHeld), catalogue),
    signsIn: requested.includes(SIGN_IN_SCOPE),
  }
}

const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])

/**
 * Names who receives the access.
 *
 * A host is shown as it stands in DNS, punycode included: letters that look like others fool nobody
 * there. RFC 8252 §7 has the two forms of apps on this device.
 */
export function recipientOf(redirectUri: string): ConsentPage['recipient'] {
  const url = new URL(redirectUri)
  const isWeb = url.protocol === 'https:' || url.protocol === 'http:'
  return isWeb
    ? { host: url.host, loopback: LOOPBACK_HOSTS.has(url.hostname), scheme: undefined }
    : { host: '', loopback: false, scheme: url.protocol }
}
