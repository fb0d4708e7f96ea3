// A foreign provider with single-use refresh tokens, as a real HTTP server: a refresh token that
// comes a second time ends its whole family, as RFC 9700 §4.14.2 wants it. It does as it is told
// for the next requests, and remembers everything that came.
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Provider } from '../../src/providers/provider.ts'

/** What one request gets instead of new tokens. */
export interface Instead {
  status?: number
  body?: unknown
  headers?: Record<string, string>
  /** Waits so long before it answers. */
  slowMillis?: number
  /** Ends the connection, and does nothing. */
  isDropped?: boolean
  /** Called once the request has arrived. */
  onRequest?: () => void
  /** Called when the answer has been handed to the network. */
  onAnswered?: () => void
}

export interface RotatingProvider extends AsyncDisposable {
  origin: string
  definition: Provider
  client: { clientId: string; clientSecret: string }
  /** Starts a family, as somebody who allows us does. */
  begin(): { accessToken: string; refreshToken: string }
  /** The next requests, one each. */
  instead(...next: Instead[]): void
  /** All token requests, in order. */
  requests: Readonly<Record<string, string>>[]
  /** Refresh tokens that came a second time. */
  reuses: string[]
  /** Every secret that it ever gave out. */
  issued: string[]
  accepts(accessToken: string): boolean
  isCurrent(refreshToken: string): boolean
  setSecret(secret: string): void
  /** Tokens that were withdrawn, in order. */
  revoked: string[]
  /** What a withdrawal is answered with; only 200 withdraws. */
  revokeStatus: number
  accessSeconds: number
}

interface Family {
  access: string
  refresh: string
  used: Set<string>
  isAlive: boolean
}

/** Starts it. */
export async function startRotatingProvider(): Promise<RotatingProvider> {
  const families = new Set<Family>()
  const next: Instead[] = []
  const client = {
    clientId: 'otesse-there',
    clientSecret: `there-${randomBytes(12).toString('hex')}`,
  }
  const make = (kind: string): string => {
    const made = `${kind}-${randomBytes(16).toString('base64url')}`
    provider.issued.push(made)
    return made
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const part of request) text += String(part)
    const parameters = Object.fromEntries(new URLSearchParams(text))
    if (request.url === '/revoke') {
      response.writeHead(revoke(parameters)).end()
      return
    }
    provider.requests.push(parameters)
    const turn = next.shift() ?? {}
    turn.onRequest?.()
    if (turn.slowMillis !== undefined) await new Promise((go) => setTimeout(go, turn.slowMillis))
    if (turn.isDropped === true) {
      request.socket.destroy()
      return
    }
    const { status, body } =
      turn.status === undefined ? grant(parameters) : { status: turn.status, body: turn.body ?? {} }
    response.writeHead(status, { 'content-type': 'application/json', ...turn.headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body), () => turn.onAnswered?.())
  }

  // A token that was replaced is unknown, and withdraws nothing.
  function revoke({ token = '', client_secret: secret }: Record<string, string>): number {
    if (provider.revokeStatus !== 200) return provider.revokeStatus
    if (secret !== client.clientSecret) return 401
    provider.revoked.push(token)
    for (const family of families)
      if (family.refresh === token || family.access === token) family.isAlive = false
    return 200
  }

  function grant(parameters: Record<string, string>): { status: number; body: unknown } {
    if (parameters['client_secret'] !== client.clientSecret)
      return { status: 401, body: { error: 'invalid_client' } }
    const seconds = { expires_in: provider.accessSeconds, token_type: 'Bearer' }
    if (parameters['grant_type'] === 'client_credentials') {
      const access = make('access')
      families.add({ access, refresh: '', used: new Set(), isAlive: true })
      return { status: 200, body: { access_token: access, ...seconds } }
    }
    const refresh = parameters['refresh_token'] ?? ''
    const family = [...families].find((one) => one.refresh === refresh || one.used.has(refresh))
    if (family === undefined || !family.isAlive)
      return { status: 400, body: { error: 'invalid_grant' } }
    if (family.refresh !== refresh) {
      provider.reuses.push(refresh)
      family.isAlive = false
      return { status: 400, body: { error: 'invalid_grant' } }
    }
    family.used.add(refresh)
    family.refresh = make('refresh')
    family.access = make('access')
    const tokens = { access_token: family.access, refresh_token: family.refresh }
    return { status: 200, body: { ...tokens, ...seconds } }
  }

  const provider: RotatingProvider = {
    origin,
    definition: {
      key: 'rotating',
      name: 'Rotating',
      kind: 'oauth2',
      status: 'custom',
      auth: {
        authorize_url: `${origin}/authorize`,
        token_url: `${origin}/token`,
        revoke_url: `${origin}/revoke`,
      },
      api: { base_url: `${origin}/api` },
    },
    client,
    requests: [],
    revoked: [],
    revokeStatus: 200,
    reuses: [],
    issued: [],
    accessSeconds: 3600,
    begin() {
      const family = { access: make('access'), refresh: make('refresh'), used: new Set<string>() }
      families.add({ ...family, isAlive: true })
      return { accessToken: family.access, refreshToken: family.refresh }
    },
    instead: (...turns) => void next.push(...turns),
    accepts: (token) => [...families].some((one) => one.isAlive && one.access === token),
    isCurrent: (token) => [...families].some((one) => one.isAlive && one.refresh === token),
    setSecret: (secret) => void (client.clientSecret = secret),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
  return provider
}
