// Reads the access token of an API call (RFC 6750 §2.1): from its Authorization header and from
// nowhere else. A token in a URL ends up in logs and histories, so it is not accepted there; and
// two of them are an attempt to show one to us and the other one to the API.

export type PresentedToken =
  | { readonly kind: 'token'; readonly token: string }
  /** Nothing that we could check: no header, or one of another scheme. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'twice' }

const MISSING: PresentedToken = { kind: 'missing' }
const MALFORMED: PresentedToken = { kind: 'malformed' }
const TWICE: PresentedToken = { kind: 'twice' }

// RFC 6750 §2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i
const SCHEME = /^bearer(?: |$)/i
const IN_QUERY = /[?&]access_token=/

/**
 * Reads the token.
 *
 * @param rawHeaders names and values in turn, as they came: a second Authorization header is not in
 * the parsed ones
 * @param uri of the API call, where the gateway sent it
 */
export function readBearer(
  authorization: string | undefined,
  rawHeaders: readonly string[],
  uri: string | undefined,
): PresentedToken {
  if (authorization === undefined) return MISSING
  if (countOf('authorization', rawHeaders) > 1) return TWICE
  if (!SCHEME.test(authorization)) return MISSING
  const token = BEARER.exec(authorization)?.[1]
  if (token === undefined) return MALFORMED
  // RFC 6750 §2: clients MUST NOT use more than one method to transmit the token in each request.
  if (uri !== undefined && IN_QUERY.test(uri)) return TWICE
  return { kind: 'token', token }
}

/** Returns how often a header was sent. */
export function countOf(lowerCaseName: string, rawHeaders: readonly string[]): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === lowerCaseName.length && name.toLowerCase() === lowerCaseName) count += 1
  }
  return count
}
