// What an authorization request may look like when it arrives, and what the engine gets to see. Generic connectors send comma-separated scopes,
// `offline_access`, or OpenID parameters without `openid`; none of that is a reason to fail. Unknown or forbidden scopes are.
import type { Context } from 'koa'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { AppError } from '../shared/errors.ts'
import type { EngineClients } from './engine-internals.ts'
import { assertScopes, parseScopeList } from './scope-list.ts'

/** Carries max_age past the engine, which insists on `openid` for it. */
export const LATE_MAX_AGE = 'otesse_max_age'

// Parameters that mean something only with `openid`; the engine refuses them without it, RFC 6749 §3.1 says to ignore them.
const OPENID_ONLY = ['nonce', 'acr_values', 'claims', 'claims_locales', 'id_token_hint']

/** Rewrites the query so that the engine understands it; what is wrong with it is left for the engine to say. */
export function normaliseAuthorizationQuery(ctx: Context): void {
  const query = new URLSearchParams(ctx.querystring)
  const [scope, ...more] = query.getAll('scope')
  if (scope === undefined || more.length > 0) return
  let names: string[]
  try {
    names = parseScopeList(scope)
  } catch {
    return
  }
  query.set('scope', names.join(' '))
  if (!names.includes('openid')) {
    for (const name of OPENID_ONLY) query.delete(name)
    const maxAges = query.getAll('max_age')
    if (maxAges.length === 1) {
      query.delete('max_age')
      query.set(LATE_MAX_AGE, maxAges[0] ?? '')
    }
  }
  ctx.querystring = query.toString()
}

/** Puts max_age where the engine's login prompt looks for it. */
export function lateMaxAge(ctx: KoaContextWithOIDC, value: string | undefined): void {
  if (value === undefined) return
  const seconds = Number(value)
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(seconds))
    throw new errors.InvalidRequest('invalid max_age parameter value')
  const { params } = ctx.oidc
  if (params === undefined) return
  // 0 means "sign in again", which is what prompt=login says.
  if (seconds > 0) params['max_age'] = value
  else if (!ctx.oidc.prompts.has('login')) {
    // `prompts` is read from the parameter anew each time.
    params['prompt'] = [...ctx.oidc.prompts, 'login'].join(' ')
  }
}

/**
 * Refuses scopes that do not exist or that the app may not have; the engine would silently leave them out.
 *
 * @throws {errors.InvalidScope} sent to the app by redirect (RFC 6749 §4.1.2.1)
 */
export async function authorizationScopeCheck(
  ctx: KoaContextWithOIDC,
  clients: EngineClients,
  scopes: readonly string[],
): Promise<void> {
  const app = await clients.find(ctx.oidc.client?.clientId ?? '')
  try {
    // As it was sent: the engine's own parameter lacks by now what it does not know.
    const { scope } = ctx.query
    const asked = parseScopeList(typeof scope === 'string' ? scope : '')
    if (asked.length === 0) throw new AppError('scope_missing')
    assertScopes(asked, {
      exists: (scope) => scopes.includes(scope),
      isAllowed: (scope) => app?.scopes.includes(scope) === true,
    })
  } catch (error) {
    if (!(error instanceof AppError)) throw error

    throw new errors.InvalidScope(error.sentence, error.about ?? '', error.code)
  }
}
