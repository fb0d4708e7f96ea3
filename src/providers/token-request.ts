// Requests to a provider's token and revocation endpoints, in the way that it wants them: where the
// client secret goes, form or JSON, what it calls its own. Invariant: nothing of a provider's extra
// parameters replaces one of ours, and the secret is in one place only.
import { fillAddress, type ConfigValues } from './address-template.ts'
import { authOf, type Provider, type ProviderAuth } from './provider.ts'

/** Our client at a provider. */
export interface ProviderClient {
  clientId: string
  /** Absent for a public client. */
  clientSecret?: string | undefined
}

/** What tokens are asked for with. */
export type TokenGrant =
  | { kind: 'code'; code: string; redirectUri: string; verifier: string }
  | { kind: 'refresh'; refreshToken: string }
  | {
      kind: 'client_credentials'
      scopes: readonly string[]
      /** What the integration adds, such as `audience` or `resource`. */
      extra?: Readonly<Record<string, string>>
    }

/** A request that is ready to be sent; how long it may take is up to the caller. */
export interface ProviderRequest {
  method: 'GET' | 'POST' | 'DELETE'
  url: string
  headers: Readonly<Record<string, string>>
  body?: string
}

/**
 * Writes a token request (RFC 6749 §4.1.3, §4.4.2 and §6, RFC 7636 §4.5).
 *
 * @throws {ConfigValueMissing} a placeholder has no valid value
 */
export function tokenRequest(
  provider: Provider,
  client: ProviderClient,
  config: ConfigValues,
  grant: TokenGrant,
): ProviderRequest {
  const auth = authOf(provider)
  const isRefresh = grant.kind === 'refresh'
  const address = isRefresh ? (auth.refresh_url ?? auth.token_url) : auth.token_url
  return clientRequest(auth, client, fillAddress(address, provider.config ?? [], config), {
    ...auth.extra_token,
    ...parametersOf(auth, grant),
  })
}

/**
 * Writes the request that withdraws a token at the provider (RFC 7009 §2.1).
 *
 * @returns `undefined` where the provider offers no way
 * @throws {ConfigValueMissing} a placeholder has no valid value
 */
export function revocationRequest(
  provider: Provider,
  client: ProviderClient,
  config: ConfigValues,
  token: { value: string; kind: 'access_token' | 'refresh_token' },
): ProviderRequest | undefined {
  const auth = authOf(provider)
  if (auth.revoke_url === undefined) return undefined
  const url = fillAddress(auth.revoke_url, provider.config ?? [], config)
  if (auth.revoke === 'bearer')
    return {
      method: 'POST',
      url,
      headers: { ...JSON_WANTED, authorization: `Bearer ${token.value}` },
    }
  return clientRequest({ ...auth, body: 'form' }, client, url, {
    token: token.value,
    token_type_hint: token.kind,
  })
}

function parametersOf(auth: ProviderAuth, grant: TokenGrant): Record<string, string> {
  switch (grant.kind) {
    case 'code':
      return {
        grant_type: 'authorization_code',
        code: grant.code,
        redirect_uri: grant.redirectUri,
        ...(auth.pkce === 'no' ? {} : { code_verifier: grant.verifier }),
      }
    case 'refresh':
      return { grant_type: 'refresh_token', refresh_token: grant.refreshToken }
    case 'client_credentials':
      return {
        ...grant.extra,
        grant_type: 'client_credentials',
        ...(grant.scopes.length === 0
          ? {}
          : { scope: grant.scopes.join(auth.scope_separator === ',' ? ',' : ' ') }),
      }
  }
}

// Providers that answer in forms answer in JSON when they are asked to.
const JSON_WANTED = { accept: 'application/json' }

function clientRequest(
  auth: ProviderAuth,
  { clientId, clientSecret }: ProviderClient,
  url: string,
  parameters: Readonly<Record<string, string>>,
): ProviderRequest {
  const isBasic = clientSecret !== undefined && (auth.client_auth ?? 'post') !== 'post'
  const members = isBasic
    ? parameters
    : {
        ...parameters,
        client_id: clientId,
        ...(clientSecret === undefined ? {} : { client_secret: clientSecret }),
      }
  const isJson = auth.body === 'json'
  return {
    method: 'POST',
    url,
    headers: {
      ...JSON_WANTED,
      'content-type': isJson ? 'application/json' : 'application/x-www-form-urlencoded',
      ...(isBasic ? { authorization: basic(formEncode(clientId), formEncode(clientSecret)) } : {}),
    },
    body: isJson ? JSON.stringify(members) : new URLSearchParams(members).toString(),
  }
}

/** Writes the header value of HTTP Basic. */
export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

// RFC 6749 §2.3.1: client id and secret are form-encoded before they go into Basic.
const formEncode = (text: string): string =>
  new URLSearchParams({ x: text }).toString().slice('x='.length)
