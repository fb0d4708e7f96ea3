// The demo app's side of OAuth: a common library (openid-client) against the server's public
// endpoints. Every request is recorded, so that the page can show what went over the wire.
import * as oauth from 'openid-client'
import type { Clock } from '../../src/shared/clock.ts'
import type { Connection } from './connections.ts'

/** One request as the page shows it. */
export interface Step {
  request: string
  status: number | undefined
  remark: string
}

/** The beginning of an authorization, to be kept until the browser comes back. */
export interface Begun {
  url: string
  state: string
  verifier: string
}

/** What the API answered. */
export interface ApiAnswer {
  status: number
  body: Record<string, unknown>
  /** The WWW-Authenticate header of a refusal. */
  challenge: string | undefined
}

/** The app's connection to the server and the API; `note` hears of every request. */
export interface DashboardClient {
  /**
   * @param isFirst whether nothing is connected yet: then the user is asked, even if the server
   * remembers an earlier consent
   */
  begin(scopes: readonly string[], isFirst: boolean): Promise<Begun>
  /** Exchanges the code that the browser came back with. */
  finish(callback: URL, begun: Begun): Promise<Connection>
  refresh(connection: Connection): Promise<Connection>
  revoke(connection: Connection): Promise<void>
  callApi(method: 'GET' | 'POST', path: string, accessToken: string): Promise<ApiAnswer>
  /** Asks the server for what it keeps of other systems, below /connect/v1. */
  callConnect(path: string, accessToken: string, form?: URLSearchParams): Promise<ApiAnswer>
}

/** Creates the client of one browser's session. */
export function createDashboardClient(deps: {
  server: oauth.Configuration
  clientId: string
  clientSecret: string
  redirectUri: string
  apiUrl: string
  serverUrl: string
  clock: Clock
  note: (step: Step) => void
}): DashboardClient {
  const { clientId, clientSecret, redirectUri, apiUrl, serverUrl, clock, note } = deps
  // A configuration of its own for each session: requests are then noted where they belong.
  const server = new oauth.Configuration(
    deps.server.serverMetadata(),
    clientId,
    undefined,
    oauth.ClientSecretBasic(clientSecret),
  )
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so by its authors as a warning; on loopback there is no TLS
  oauth.allowInsecureRequests(server)
  server[oauth.customFetch] = async (url, options) => {
    const grantType =
      options.body instanceof URLSearchParams ? options.body.get('grant_type') : null
    const answer = await fetch(url, options as RequestInit)
    const { pathname } = new URL(url)
    const request = `${options.method} ${pathname}`
    note({ request, status: answer.status, remark: grantType ?? '' })
    return answer
  }

  const connectionOf = (
    tokens: oauth.TokenEndpointResponse & oauth.TokenEndpointResponseHelpers,
    before?: Connection,
  ): Connection => ({
    accessToken: tokens.access_token,
    // The server does not replace the refresh token of an app that keeps a secret. If it sends one,
    // that is the new one.
    refreshToken: tokens.refresh_token ?? before?.refreshToken ?? '',
    scopes: tokens.scope?.split(' ') ?? before?.scopes ?? [],
    expiresAt: clock() + (tokens.expiresIn() ?? 0) * 1000,
  })

  return {
    async begin(scopes, isFirst) {
      const verifier = oauth.randomPKCECodeVerifier()
      const state = oauth.randomState()
      const url = oauth.buildAuthorizationUrl(server, {
        redirect_uri: redirectUri,
        scope: scopes.join(' '),
        state,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(isFirst ? { prompt: 'consent' } : {}),
      })
      note({
        request: `GET ${url.pathname}`,
        status: undefined,
        remark: 'in your browser: sign in, allow',
      })
      return { url: url.href, state, verifier }
    },

    async finish(callback, { state, verifier }) {
      const tokens = await oauth.authorizationCodeGrant(server, callback, {
        pkceCodeVerifier: verifier,
        expectedState: state,
      })
      return connectionOf(tokens)
    },

    async refresh(connection) {
      return connectionOf(
        await oauth.refreshTokenGrant(server, connection.refreshToken),
        connection,
      )
    },

    revoke: (connection) =>
      oauth.tokenRevocation(server, connection.refreshToken, {
        token_type_hint: 'refresh_token',
      }),

    async callApi(method, path, accessToken) {
      const answer = await fetch(`${apiUrl}${path}`, {
        method,
        headers: { Authorization: `Bearer ${accessToken}` },
      })
      const body = (await answer.json()) as Record<string, unknown>
      const error = typeof body['error'] === 'string' ? body['error'] : ''
      note({ request: `${method} API ${path}`, status: answer.status, remark: error })
      const challenge = answer.headers.get('WWW-Authenticate') ?? undefined
      return { status: answer.status, body, challenge }
    },

    async callConnect(path, accessToken, form) {
      const answer = await fetch(`${serverUrl}/connect/v1${path}`, {
        method: form === undefined ? 'GET' : 'POST',
        headers: { Authorization: `Bearer ${accessToken}` },
        ...(form !== undefined && { body: form }),
      })
      const body = (await answer.json()) as Record<string, unknown>
      const error = typeof body['error'] === 'string' ? body['error'] : ''
      const isTheirs = answer.headers.has('X-Otesse-Upstream')
      note({
        request: `${form === undefined ? 'GET' : 'POST'} /connect/v1${path.replace(/con_\w+/, 'con_…')}`,
        status: answer.status,
        remark: isTheirs ? 'answered by the other system' : error,
      })
      return { status: answer.status, body, challenge: undefined }
    },
  }
}
