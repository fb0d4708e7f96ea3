// The grant type client_credentials (RFC 6749 §4.4): an app acts for itself.
import { type App, canActForItself, isConfidential } from '../../model/app.ts'
import { isAdminScope, needsPerson } from '../../apps/scope.ts'
import { AppError } from '../../shared/errors.ts'
import { assertScopes, parseScopeList } from '../scope-list.ts'
import type { GrantDeps, GrantType } from './grant-type.ts'
import { termsFor } from './token-terms.ts'

/** What an app asks for itself. */
export interface CredentialsRequest {
  /** All that it may have, where it names none. */
  scopes: readonly string[] | undefined
  /** Every `resource` (RFC 8707 §2), or `audience`. */
  audiences: readonly string[] | undefined
}

export const clientCredentials: GrantType<CredentialsRequest> = {
  refusalFor(app) {
    if (app.clientCredentials && app.type !== 'resource_server') return undefined
    if (!isConfidential(app)) return 'client_not_confidential'
    return canActForItself(app.type) ? 'client_credentials_off' : 'grant_not_allowed'
  },

  parse(parameters) {
    const scope = parameters.get('scope')
    const resource = parameters.get('resource') ?? parameters.get('audience')
    return {
      scopes: scope === undefined ? undefined : parseScopeList(scope),
      audiences: resource === undefined ? undefined : [...new Set(resource.split(' '))],
    }
  },

  issue({ app }, request, deps) {
    const scopes = scopesOf(app, request, deps)
    return deps.grants.issueToApp(
      app,
      scopes,
      audienceOf(app, request.audiences, scopes, deps.adminAudience),
      termsFor(app, deps.settings),
    )
  },
}

/** @throws {AppError} `scope_…` */
function scopesOf(
  app: App,
  { scopes: asked }: CredentialsRequest,
  { scopeExists }: GrantDeps,
): readonly string[] {
  // There is no user behind such a token whom openid, profile or email could describe.
  const isAllowed = (name: string): boolean => app.scopes.includes(name) && !needsPerson(name)
  const scopes = asked ?? app.scopes.filter((name) => scopeExists(name) && isAllowed(name))
  assertScopes(scopes, { exists: (name) => scopeExists(name), isAllowed })
  if (scopes.length === 0) throw new AppError('scope_missing')
  return scopes
}

/**
 * Returns the audience of the token. An app without registered audiences may ask for any, as
 * generic connectors do, and gets a token that is bound to none. A token with admin scopes always
 * names its audience: the one that it was asked for, and without that the admin API alone. So no
 * token of another API opens the admin API, and an API that is shown one for the admin API can do
 * nothing with it.
 *
 * @throws {AppError} `target_unknown`
 */
function audienceOf(
  app: App,
  asked: readonly string[] | undefined,
  scopes: readonly string[],
  adminAudience: string,
): readonly string[] | undefined {
  const isForAdmin = scopes.some(isAdminScope)
  if (isForAdmin && asked !== undefined && asked.length > 1) throw new AppError('target_unknown')
  if (app.audiences.length === 0) return isForAdmin ? (asked ?? [adminAudience]) : undefined
  if (asked === undefined)
    return isForAdmin && app.audiences.includes(adminAudience) ? [adminAudience] : app.audiences
  if (!asked.every((name) => app.audiences.includes(name))) throw new AppError('target_unknown')
  return asked
}
