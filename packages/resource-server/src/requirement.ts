// May this call pass? What an API requires, held against the token of one call, and the answers of
// RFC 6750 §3 for those that may not. Invariant: a call passes only with a token that is known to
// be live, for this API, and to hold the scopes.
import type { AccessToken } from './access-token.ts'
import type { Verifier } from './verifier.ts'

export interface Requirement {
  readonly verifier: Pick<Verifier, 'verify'>
  /** Scopes that the call needs. Default: none, a live token is enough. */
  readonly scopes?: readonly string[]
  /** Whether it needs all of them or any. Default: all. */
  readonly match?: 'all' | 'any'
  /** The name of this API in tokens: the token must name it. Without it, whatever the server lets this resource server see is good. */
  readonly audience?: string
  /** Where clients learn how to get a token (RFC 9728 §5.1). */
  readonly resourceMetadata?: string
  /** The realm of the challenge. Default: `api`. */
  readonly realm?: string
}

/** An answer to a call that may not pass. */
export interface Refusal {
  readonly kind: 'refused'
  readonly status: 400 | 401 | 403 | 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<{ error: string; error_description: string }>
}

export type Outcome = { readonly kind: 'allowed'; readonly auth: AccessToken } | Refusal

/** Judges the Authorization header of a call. */
export type Judge = (authorization: string | undefined) => Promise<Outcome>

// RFC 6750 §2.1: b64token
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i
const SCHEME = /^bearer(?: |$)/i
// RFC 6749 §3.3, and what needs no quoting inside quotes.
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+$/
const QUOTABLE = /^[\x20\x21\x23-\x5B\x5D-\x7E]*$/

/** Creates the judge. @throws {Error} where a scope or a name cannot stand in a header */
export function createJudge(requirement: Requirement): Judge {
  const { verifier, scopes = [], match = 'all', audience } = requirement
  const refusals = createRefusals(requirement)

  const holds = (token: AccessToken): boolean =>
    scopes.length === 0 ||
    (match === 'all'
      ? scopes.every((scope) => token.scopes.has(scope))
      : scopes.some((scope) => token.scopes.has(scope)))

  return async function judge(authorization) {
    if (authorization === undefined || !SCHEME.test(authorization)) return refusals.missing
    const token = BEARER.exec(authorization)?.[1]
    if (token === undefined) return refusals.malformed
    const verification = await verifier.verify(token)
    if (verification.kind === 'unavailable') return refusals.unavailable
    if (verification.kind === 'inactive') return refusals.invalid
    const auth = verification.token
    if (audience !== undefined && auth.audience?.includes(audience) !== true)
      return refusals.invalid
    return holds(auth) ? { kind: 'allowed', auth } : refusals.insufficient
  }
}

function createRefusals({ scopes = [], resourceMetadata, realm = 'api' }: Requirement) {
  if (!scopes.every((scope) => SCOPE.test(scope))) throw new Error('A scope is malformed.')
  if (!QUOTABLE.test(realm) || !QUOTABLE.test(resourceMetadata ?? ''))
    throw new Error('The realm and resourceMetadata must not have quotes in them.')
  const metadata = resourceMetadata === undefined ? '' : `, resource_metadata="${resourceMetadata}"`
  const scope = scopes.length === 0 ? '' : `, scope="${scopes.join(' ')}"`

  function refusal(
    status: Refusal['status'],
    error: string,
    sentence: string,
    headers: Record<string, string>,
  ): Refusal {
    return {
      kind: 'refused',
      status,
      headers: { 'Cache-Control': 'no-store', ...headers },
      body: { error, error_description: sentence },
    }
  }
  function challenged(
    status: Refusal['status'],
    error: string,
    sentence: string,
    more = '',
  ): Refusal {
    const told = `error="${error}", error_description="${sentence}"`
    const challenge = `Bearer realm="${realm}", ${told}${more}${metadata}`
    return refusal(status, error, sentence, { 'WWW-Authenticate': challenge })
  }

  return {
    // RFC 6750 §3.1: a request that lacks any authentication information SHOULD NOT be told an
    // error code.
    missing: refusal(401, 'unauthorized', 'Send an access token: Authorization: Bearer (token).', {
      'WWW-Authenticate': `Bearer realm="${realm}"${scope}${metadata}`,
    }),
    malformed: challenged(
      400,
      'invalid_request',
      'The Authorization header is not a well-formed Bearer header.',
    ),
    invalid: challenged(401, 'invalid_token', 'The access token is expired, revoked or not valid.'),
    insufficient: challenged(
      403,
      'insufficient_scope',
      'The access token lacks a needed scope.',
      scope,
    ),
    unavailable: refusal(
      503,
      'temporarily_unavailable',
      'The access token cannot be checked right now: try again in a moment.',
      { 'Retry-After': '1' },
    ),
  }
}
