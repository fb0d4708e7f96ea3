// Tokens for other systems: what the server keeps alive for an account or for the company, for a
// service that calls those systems itself. Invariants: no credential is in an error; a token that
// an API refused is reported once, however many calls met the refusal.
import { createHash } from 'node:crypto'
import { wallMillis } from './clock.ts'
import { basicAuthorization } from './introspection.ts'

export interface ConnectionsOptions {
  /** The server's issuer URL. */
  readonly issuer: string
  /** The credentials of this service, registered at the server as a machine app. */
  readonly clientId?: string
  readonly clientSecret?: string
  /** Instead of credentials: the access token of whom this service acts for. */
  readonly accessToken?: () => string | Promise<string>
  /** How long a question may take. Default: 30 000, as a provider may have to be asked. */
  readonly timeoutMillis?: number
}

/** A token of another system that works now. */
export interface ConnectionToken {
  readonly accessToken: string
  readonly tokenType: string
  /** `undefined` where the provider does not say. */
  readonly expiresAt: Date | undefined
  readonly scopes: readonly string[]
  /** What was asked for and not allowed. */
  readonly missingScopes: readonly string[]
  /** How calls carry it, ready to be spread into the headers of `fetch`. */
  readonly headers: Readonly<Record<string, string>>
  /** Where the provider's API is, if the server knows. */
  readonly baseUrl: string | undefined
}

export interface Connections {
  /**
   * Returns a token that works now.
   *
   * @param options.minValiditySeconds how long it must live; it is refreshed where it would not
   * @throws {ConnectionError}
   */
  getToken(connection: string, options?: GetTokenOptions): Promise<ConnectionToken>
  /**
   * Reports a token that the other system refused, and returns a fresh one.
   *
   * @throws {ConnectionError}
   */
  reject(connection: string, accessToken: string): Promise<ConnectionToken>
  /**
   * Calls the other system like `fetch`, with the token. On 401 the token is reported and the call
   * is made once more, unless its body is a stream.
   *
   * @param url absolute, or below the base address of the provider's API
   * @throws {ConnectionError}
   */
  fetch(connection: string, url: string, init?: RequestInit): Promise<Response>
  /**
   * Returns a link by which a person connects a system; it opens for ten minutes, and makes one
   * connection. The person comes back to `returnTo` with `connection` or `error` in the query.
   *
   * @param integration the handle of the integration
   * @throws {ConnectionError}
   */
  connectLink(integration: string, options: ConnectLinkOptions): Promise<ConnectLink>
}

export interface ConnectLinkOptions {
  /** A redirect URI of the app, or a return address of the integration. */
  readonly returnTo: string
  /** Comes back in the query, as in OAuth. */
  readonly state?: string
  /** The connection that is made again. */
  readonly connection?: string
  /** The account that is to connect; for services that act for themselves. */
  readonly account?: string
}

export interface ConnectLink {
  readonly url: string
  readonly expiresAt: Date
}

export interface GetTokenOptions {
  readonly minValiditySeconds?: number
}

/**
 * Why there is no token. `code` is the server's: `not_connected` and `reconnect_needed` are for the
 * owner, at `connectUrl`; `unavailable` is what `retryAfterSeconds` is for.
 */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  readonly code: string
  readonly status: number | undefined
  readonly connectUrl: string | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: string,
    message: string,
    facts: {
      status?: number | undefined
      connectUrl?: string | undefined
      retryAfterSeconds?: number | undefined
      cause?: unknown
    } = {},
  ) {
    super(message, facts.cause === undefined ? {} : { cause: facts.cause })
    this.code = code
    this.status = facts.status
    this.connectUrl = facts.connectUrl
    this.retryAfterSeconds = facts.retryAfterSeconds
  }
}

/**
 * Creates the client; one for the whole process.
 *
 * @throws {Error} where neither credentials nor an access token are given, or the issuer is no URL
 */
export function createConnections(options: ConnectionsOptions): Connections {
  const base = new URL('/connect/v1/', options.issuer).href
  const authorize = authorizer(options)
  const { timeoutMillis = 30_000 } = options
  // One report for all calls that met the refusal of the same token.
  const rejecting = new Map<string, Promise<ConnectionToken>>()

  async function askAt(path: string, members: object): Promise<Response> {
    const url = base + path
    const send = async (isRetry: boolean): Promise<Response> =>
      post(url, await authorize(isRetry), JSON.stringify(members), timeoutMillis)
    let response = await send(false)
    // Our own token has ended, or was revoked: once more with a new one.
    if (response.status === 401) {
      await response.body?.cancel()
      response = await send(true)
    }
    return response
  }

  const ask = async (connection: string, members: object): Promise<ConnectionToken> =>
    readToken(await askAt(`connections/${encodeURIComponent(connection)}/token`, members))

  const getToken = (connection: string, { minValiditySeconds }: GetTokenOptions = {}) =>
    ask(
      connection,
      minValiditySeconds === undefined ? {} : { min_validity: String(minValiditySeconds) },
    )

  function reject(connection: string, accessToken: string): Promise<ConnectionToken> {
    const hash = createHash('sha256').update(accessToken).digest('base64url')
    const key = `${connection} ${hash}`
    let asked = rejecting.get(key)
    if (asked === undefined) {
      asked = ask(connection, { reject: hash }).finally(() => rejecting.delete(key))
      rejecting.set(key, asked)
    }
    return asked
  }

  return {
    getToken,
    reject,
    async fetch(connection, url, init = {}) {
      const token = await getToken(connection)
      const response = await call(token, url, init)
      if (response.status !== 401 || isStream(init.body)) return response
      const fresh = await reject(connection, token.accessToken)
      // An API key that was refused has no successor.
      if (fresh.accessToken === token.accessToken) return response
      await response.body?.cancel()
      return call(fresh, url, init)
    },
    async connectLink(integration, { returnTo: return_to, ...members }) {
      const response = await askAt('sessions', { integration, return_to, ...members })
      const answer = await readJson(response)
      const { connect_url: url, expires_at: end } = answer
      if (!response.ok || typeof url !== 'string' || typeof end !== 'string')
        throw errorOf(response, answer)
      return { url, expiresAt: new Date(end) }
    },
  }
}

function call(token: ConnectionToken, url: string, init: RequestInit): Promise<Response> {
  const target = URL.parse(url)?.href ?? below(token.baseUrl, url)
  const headers = new Headers(init.headers)
  for (const [name, value] of Object.entries(token.headers)) headers.set(name, value)
  // A redirect must not carry the token to another host.
  return fetch(target, { redirect: 'manual', ...init, headers })
}

function below(baseUrl: string | undefined, path: string): string {
  if (baseUrl === undefined)
    throw new ConnectionError('no_base_url', 'The provider has no base address: write a whole URL.')
  return `${baseUrl.replace(/\/$/, '')}/${path.replace(/^\//, '')}`
}

const isStream = (body: RequestInit['body']): boolean => body instanceof ReadableStream

/** Returns what gives the Authorization header of this service; `true` asks for a new one. */
function authorizer(options: ConnectionsOptions): (isRetry: boolean) => Promise<string> {
  const { accessToken, clientId, clientSecret } = options
  if (accessToken !== undefined) return async () => `Bearer ${await accessToken()}`
  if (clientId === undefined || clientSecret === undefined)
    throw new Error('Give clientId and clientSecret, or accessToken.')
  const url = new URL('/oauth/token', options.issuer).href
  const authorization = basicAuthorization(clientId, clientSecret)
  let kept: Promise<OwnToken> | undefined
  return async function authorize(isRetry) {
    const before = await kept?.catch(() => undefined)
    if (before === undefined || isRetry || before.endsAtMillis <= wallMillis())
      kept = fetchOwnToken(url, authorization, options.timeoutMillis ?? 30_000)
    return `Bearer ${(await (kept as Promise<OwnToken>)).token}`
  }
}

interface OwnToken {
  readonly token: string
  readonly endsAtMillis: number
}

async function fetchOwnToken(
  url: string,
  authorization: string,
  timeoutMillis: number,
): Promise<OwnToken> {
  const body = 'grant_type=client_credentials'
  const response = await post(url, authorization, body, timeoutMillis, FORM)
  const answer = await readJson(response)
  if (!response.ok || typeof answer['access_token'] !== 'string') throw errorOf(response, answer)
  const seconds = Number(answer['expires_in'] ?? 0)
  return { token: answer['access_token'], endsAtMillis: wallMillis() + (seconds - 60) * 1000 }
}

const FORM = 'application/x-www-form-urlencoded'

async function post(
  url: string,
  authorization: string,
  body: string,
  timeoutMillis: number,
  type = 'application/json',
): Promise<Response> {
  try {
    return await fetch(url, {
      method: 'POST',
      headers: { authorization, 'content-type': type, accept: 'application/json' },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMillis),
    })
  } catch (cause) {
    throw new ConnectionError('unavailable', 'The authorization server cannot be reached.', {
      cause,
    })
  }
}

async function readToken(response: Response): Promise<ConnectionToken> {
  const answer = await readJson(response)
  if (!response.ok) throw errorOf(response, answer)
  const { access_token, token_type, expires_at, scopes, missing_scopes, header, base_url } = answer
  if (typeof access_token !== 'string')
    throw new ConnectionError(
      'unavailable',
      'The authorization server did not answer with a token.',
    )
  const { name, prefix } = { name: 'Authorization', prefix: 'Bearer', ...(header as object) }
  return Object.freeze({
    accessToken: access_token,
    tokenType: typeof token_type === 'string' ? token_type : 'Bearer',
    expiresAt: readDate(expires_at),
    scopes: textsOf(scopes),
    missingScopes: textsOf(missing_scopes),
    headers: { [name]: prefix === '' ? access_token : `${prefix} ${access_token}` },
    baseUrl: typeof base_url === 'string' ? base_url : undefined,
  })
}

const readDate = (value: unknown): Date | undefined =>
  typeof value === 'string' || typeof value === 'number'
    ? new Date(typeof value === 'number' ? value * 1000 : value)
    : undefined

const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []

async function readJson(response: Response): Promise<Readonly<Record<string, unknown>>> {
  try {
    const body: unknown = await response.json()
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function errorOf(response: Response, answer: Readonly<Record<string, unknown>>): ConnectionError {
  const { error, error_description, connect_url } = answer
  const code = typeof error === 'string' ? error : 'unavailable'
  const text = typeof error_description === 'string' ? error_description : ''
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new ConnectionError(
    code,
    text || `The authorization server answered ${response.status}.`,
    {
      status: response.status,
      connectUrl: typeof connect_url === 'string' ? connect_url : undefined,
      retryAfterSeconds: Number.isNaN(retryAfter) ? undefined : retryAfter,
    },
  )
}
