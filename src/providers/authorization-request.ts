// The request with which a person is sent to a provider. Invariants: nothing of a provider's extra
// parameters can replace one of ours, and the address is on the provider's own host, whatever was
// typed for a placeholder.
import { fillAddress, type ConfigValues } from './address-template.ts'
import { authOf, type Provider } from './provider.ts'

/** What the server asks a provider for on behalf of a person. */
export interface AuthorizationRequest {
  clientId: string
  redirectUri: string
  scopes: readonly string[]
  state: string
  /** S256 of the verifier; not sent to a provider that refuses parameters it does not know. */
  challenge: string
  /** For the placeholders in the provider's addresses. */
  config: ConfigValues
  /** What the integration adds, such as `audience`. */
  extra?: Readonly<Record<string, string>>
}

/**
 * Returns the address to send the person to (RFC 6749 §4.1.1, RFC 7636 §4.3).
 *
 * @throws {ConfigValueMissing} a placeholder has no valid value
 */
export function authorizationUrl(provider: Provider, request: AuthorizationRequest): string {
  const auth = authOf(provider)
  const url = fillAddress(auth.authorize_url, provider.config ?? [], request.config)
  const separator = auth.scope_separator ?? ' '
  const own: Record<string, string> = {
    response_type: 'code',
    client_id: request.clientId,
    redirect_uri: request.redirectUri,
    state: request.state,
    ...(auth.pkce === 'no'
      ? {}
      : { code_challenge: request.challenge, code_challenge_method: 'S256' }),
  }
  const query = new Map(Object.entries({ ...auth.extra_authorize, ...request.extra, ...own }))
  const parts = [...query].map(([name, value]) => `${encode(name)}=${encode(value)}`)
  if (request.scopes.length > 0) parts.push(`scope=${scopeText(request.scopes, separator)}`)
  return `${url}${url.includes('?') ? '&' : '?'}${parts.join('&')}`
}

// A "+" stands in the address as it is; everything else is encoded.
const scopeText = (scopes: readonly string[], separator: string): string =>
  scopes.map(encode).join(separator === '+' ? '+' : encode(separator))

const encode = encodeURIComponent
