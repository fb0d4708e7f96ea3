// Asks the server what a token is worth (RFC 7662). Invariant: what is not a clear answer is an
// error and never a yes.
import type { AccessToken } from './access-token.ts'

/** Where and as whom to ask. */
export interface IntrospectionOptions {
  readonly url: string
  readonly authorization: string
  readonly timeoutMillis: number
}

/** Returns the Authorization header of a client (RFC 6749 §2.3.1: both parts are form-encoded). */
export function basicAuthorization(clientId: string, clientSecret: string): string {
  const encode = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1)
  const pair = `${encode(clientId)}:${encode(clientSecret)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

/**
 * Asks.
 *
 * @returns `undefined` where the token is worth nothing
 * @throws {Error} where the server is away, too slow, too busy, or does not know this client; never
 * with the token in it
 */
export async function introspect(
  token: string,
  options: IntrospectionOptions,
): Promise<AccessToken | undefined> {
  const signal = AbortSignal.timeout(options.timeoutMillis)
  let response: Response
  try {
    response = await post(token, options, signal)
  } catch (error) {
    // A kept connection may have been closed by its other end just now: asking twice changes
    // nothing, so it is done at once.
    if (isTooLate(signal)) throw failure('took too long', error)
    try {
      response = await post(token, options, signal)
    } catch (again) {
      throw failure(isTooLate(signal) ? 'took too long' : 'cannot be reached', again)
    }
  }
  if (response.status !== 200) {
    await response.body?.cancel().catch(() => undefined)
    throw failure(`answered ${response.status}`)
  }
  let body: unknown
  try {
    body = await response.json()
  } catch (error) {
    throw failure(isTooLate(signal) ? 'took too long' : 'did not answer JSON', error)
  }
  return read(body)
}

const isTooLate = (signal: AbortSignal): boolean => signal.aborted

const post = (token: string, options: IntrospectionOptions, signal: AbortSignal) =>
  fetch(options.url, {
    method: 'POST',
    headers: {
      authorization: options.authorization,
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    },
    body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
    redirect: 'error',
    signal,
  })

const failure = (what: string, cause?: unknown): Error =>
  new Error(`The introspection endpoint ${what}.`, cause === undefined ? {} : { cause })

function read(body: unknown): AccessToken | undefined {
  if (typeof body !== 'object' || body === null || !('active' in body))
    throw failure('did not answer as RFC 7662 §2.2 wants it')
  if (body.active !== true) return undefined
  const { client_id, sub, scope, aud, exp, iss, grant_id } = body as Record<string, unknown>
  // A token without these could not be forgotten in time.
  if (typeof client_id !== 'string' || typeof exp !== 'number')
    throw failure('did not say whose the token is and when it ends')
  return Object.freeze({
    subject: typeof sub === 'string' ? sub : client_id,
    clientId: client_id,
    scopes: new Set(typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []),
    audience: readAudience(aud),
    grantId: typeof grant_id === 'string' ? grant_id : undefined,
    issuer: typeof iss === 'string' ? iss : undefined,
    expiresAt: exp,
  })
}

function readAudience(aud: unknown): readonly string[] | undefined {
  if (aud === undefined) return undefined
  // Whatever else it is, it is not "for all".
  return (Array.isArray(aud) ? aud : [aud]).filter((name) => typeof name === 'string')
}
