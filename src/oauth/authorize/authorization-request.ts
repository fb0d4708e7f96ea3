// What an authorization request may look like when it arrives, and what the engine gets to see.
// Generic connectors send comma-separated scopes, `offline_access`, or OpenID parameters without
// `openid`; none of that is a reason to fail. Unknown or forbidden scopes are.
import type { Context } from 'koa'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { AppError } from '../../shared/errors.ts'
import type { EngineClients } from './engine/internals.ts'
import { assertScopes, parseScopeList } from '../scope-list.ts'
import { takeFormPost } from './response-mode.ts'

/** Carries max_age past the engine, which insists on `openid` for it. */
export const LATE_MAX_AGE = 'otesse_max_age'

// Parameters that mean something only with `openid`; the engine refuses them without it, RFC 6749
// §3.1 says to ignore them.
const OPENID_ONLY = ['nonce', 'claims', 'id_token_hint']

// Bytes of each value as it is before percent-encoding. What is seen in the wild fits: encrypted
// states of frameworks have about 1 kB, the longest redirect URI that can be registered 2000
// characters.
const MOST_BYTES: ReadonlyMap<string, number> = new Map([
  ['client_id', 100],
  ['redirect_uri', 2000],
  ['response_type', 100],
  ['response_mode', 50],
  ['scope', 4096],
  ['state', 2048],
  ['nonce', 512],
  ['code_challenge', 128],
  ['code_challenge_method', 20],
  ['prompt', 100],
  ['max_age', 20],
  ['login_hint', 320],
  ['ui_locales', 200],
  ['claims_locales', 200],
  ['acr_values', 500],
  ['claims', 2000],
  ['resource', 2000],
  ['audience', 2000],
])
/** Of a parameter that we do not know. */
const MOST_BYTES_OF_OTHERS = 1024
/** Of the whole query, as it was sent. */
const MOST_BYTES_TOGETHER = 6144
const MOST_PARAMETERS = 50

// Nothing here reads them. They are left out, so that nobody keeps them in an interaction.
const UNUSED = ['ui_locales', 'claims_locales', 'display', 'acr_values']

/**
 * Refuses a request that is longer than any honest one, before anything is looked up or written:
 * what it says would be kept for as long as its sign-in page is open, whichever client sends it.
 *
 * @throws {AppError} `authorize_parameter_too_long`, which names the parameter and its bound
 */
export function assertBounded(querystring: string): void {
  // Names first, so that the error says which one it is.
  const query = new URLSearchParams(querystring.slice(0, 4 * MOST_BYTES_TOGETHER))
  for (const [name, value] of query) {
    const mostBytes = MOST_BYTES.get(name) ?? MOST_BYTES_OF_OTHERS
    if (Buffer.byteLength(value) > mostBytes) throw tooLong(name, mostBytes)
    if (Buffer.byteLength(name) > MOST_BYTES_OF_OTHERS) throw tooLong('name', MOST_BYTES_OF_OTHERS)
  }
  if (querystring.length > MOST_BYTES_TOGETHER || query.size > MOST_PARAMETERS)
    throw tooLong('query', MOST_BYTES_TOGETHER)
}

const tooLong = (about: string, mostBytes: number): AppError =>
  new AppError('authorize_parameter_too_long', { about, mostBytes })

/**
 * Rewrites the query so that the engine understands it; what is wrong with it is left for the
 * engine to say.
 */
export function normaliseAuthorizationQuery(ctx: Context): void {
  const query = new URLSearchParams(ctx.querystring)
  for (const name of UNUSED) query.delete(name)
  takeFormPost(query)
  ctx.querystring = query.toString()
  refuseRepeatedResponseType(ctx, query)
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

/**
 * RFC 6749 §3.1.1: the order of the values does not matter, their number does. The engine takes
 * `code code` for `code`.
 */
function refuseRepeatedResponseType(ctx: Context, query: URLSearchParams): void {
  const [types = '', ...more] = query.getAll('response_type')
  const words = types.split(' ')
  if (more.length > 0 || new Set(words).size === words.length) return
  // One word that no engine knows.
  query.set('response_type', words.join('+'))
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
 * Refuses scopes that do not exist or that the app may not have; the engine would silently leave
 * them out.
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
