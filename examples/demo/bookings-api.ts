// The demo's protected API: a server of the company that admits calls with a token of the right
// scope. It asks the authorization server by introspection (RFC 7662), with its own credentials,
// and refuses as RFC 6750 says. It does not know how tokens are made.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import * as oauth from 'openid-client'
import type { Bookings } from './bookings.ts'

interface Answer {
  status: number
  body: object
  headers?: Record<string, string>
}

interface Route {
  method: 'GET' | 'POST'
  path: RegExp
  /** What the token must allow. */
  scope: string
  answer: (bookings: Bookings, id: string) => Answer
}

const ok = (body: object): Answer => ({ status: 200, body })
const notFound: Answer = { status: 404, body: { error: 'not_found' } }

const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: /^\/v1\/bookings$/,
    scope: 'bookings:read',
    answer: (bookings) => ok({ bookings: bookings.list() }),
  },
  {
    method: 'GET',
    path: /^\/v1\/customers$/,
    scope: 'customers:read',
    answer: (bookings) => ok({ customers: bookings.customers() }),
  },
  {
    method: 'POST',
    path: /^\/v1\/bookings\/(\w+)\/cancel$/,
    scope: 'bookings:write',
    answer(bookings, id) {
      const booking = bookings.cancel(id)
      return booking === undefined ? notFound : ok({ booking })
    },
  },
]

/**
 * Creates the API. @param server the authorization server, with the API's own credentials as a
 * resource server
 */
export function createBookingsApi(deps: {
  server: oauth.Configuration
  bookings: Bookings
}): RequestListener {
  return (request, response) => {
    void handle(request, deps).then(
      (answer) => send(response, answer),
      // The authorization server is away: that says nothing about the token.
      () => send(response, { status: 503, body: { error: 'temporarily_unavailable' } }),
    )
  }
}

async function handle(
  request: IncomingMessage,
  { server, bookings }: { server: oauth.Configuration; bookings: Bookings },
): Promise<Answer> {
  const { pathname } = new URL(request.url ?? '/', 'http://api')
  for (const { method, path, scope, answer } of ROUTES) {
    const found = path.exec(pathname)
    if (found === null || request.method !== method) continue
    return (
      (await refusal(request.headers.authorization, scope, server)) ??
      answer(bookings, found[1] ?? '')
    )
  }
  return pathname === '/'
    ? ok({ name: 'Bookings API (demo)', routes: ['/v1/bookings', '/v1/customers'] })
    : notFound
}

/** Says why a request may not do what needs the scope; `undefined` where it may. */
async function refusal(
  authorization: string | undefined,
  scope: string,
  server: oauth.Configuration,
): Promise<Answer | undefined> {
  // RFC 6750 §3.1: a request without any authentication gets no error code.
  if (authorization === undefined)
    return challenge(401, {}, { error: 'unauthorized', error_description: 'Send a bearer token.' })
  const token = /^bearer +([\w\-.~+/]+=*)$/i.exec(authorization)?.[1]
  if (token === undefined)
    return refused(400, 'invalid_request', 'Write: Authorization: Bearer otesse_at_…')
  const { active, scope: granted = '' } = await oauth.tokenIntrospection(server, token)
  if (!active) return refused(401, 'invalid_token', 'The token is expired or revoked.')
  if (granted.split(' ').includes(scope)) return undefined
  return refused(403, 'insufficient_scope', `The scope ${scope} is required.`, { scope })
}

const refused = (
  status: number,
  error: string,
  description: string,
  more: Record<string, string> = {},
): Answer =>
  challenge(
    status,
    { error, error_description: description, ...more },
    { error, error_description: description, ...more },
  )

const challenge = (status: number, facts: Record<string, string>, body: object): Answer => {
  const parameters = Object.entries({ realm: 'bookings', ...facts })
  const header = `Bearer ${parameters.map(([name, value]) => `${name}="${value.replace(/[^\x20-\x7E]/g, '')}"`).join(', ')}`
  return { status, body, headers: { 'WWW-Authenticate': header } }
}

function send(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Cache-Control': 'no-store',
    ...headers,
  })
  response.end(`${JSON.stringify(body, null, 2)}\n`)
}
