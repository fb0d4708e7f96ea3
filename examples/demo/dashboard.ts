// The demo's third-party app, "Bookings Dashboard": a small web app as another company would write
// it. It knows the server by its public address only. One browser is one session; a session has at
// most one connection.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import * as oauth from 'openid-client'
import { MINUTE, type Clock } from '../../src/shared/clock.ts'
import { randomBase62 } from '../../src/shared/crypto.ts'
import type { Booking, Customer } from './bookings.ts'
import type { Connection, Connections } from './connections.ts'
import {
  type ApiAnswer,
  type Begun,
  createDashboardClient,
  type DashboardClient,
  type Step,
} from './dashboard-client.ts'
import { connectedPage, type Notice, welcomePage } from './dashboard-pages.ts'
import { readOtherSystems } from './dashboard-others.ts'
import { DASHBOARD_CSS } from './dashboard-style.ts'
import { LOGO_SVG } from './logo.ts'

const COOKIE = 'bookings_dashboard'
const COOKIE_SECONDS = 30 * 24 * 3600
const FIRST_SCOPES = ['bookings:read', 'customers:read']
const STEPS_SHOWN = 12
const SESSIONS_KEPT = 100
// A token that is about to expire is refreshed before it is used.
const EXPIRY_SLACK_MILLIS = MINUTE / 2

interface DashboardDeps {
  server: oauth.Configuration
  clientId: string
  clientSecret: string
  /** Where this app runs. */
  origin: string
  apiUrl: string
  /** The server as apps know it. */
  serverUrl: string
  connections: Connections
  clock: Clock
  /** Shown as a help beside the button, because this is a demo. */
  login: { email: string; password: string }
}

/**
 * What the app knows of a browser besides its connection. It ends with the process, without harm.
 */
interface Visit {
  id: string
  client: DashboardClient
  steps: Step[]
  /** By state: each tab may begin an authorization of its own. */
  begun: Map<string, Begun>
  /** The state with which another system is being connected. */
  connecting: string | undefined
  notice: Notice | undefined
}

/** Creates the app. */
export function createDashboard(deps: DashboardDeps): RequestListener {
  const visits = new Map<string, Visit>()

  function visitOf(request: IncomingMessage): Visit {
    const known = new RegExp(`(?:^|; )${COOKIE}=([0-9A-Za-z]{32})(?:;|$)`).exec(
      request.headers.cookie ?? '',
    )?.[1]
    const id = known ?? randomBase62(32)
    const found = visits.get(id)
    if (found !== undefined) return found
    const steps: Step[] = []
    const note = (step: Step): void => {
      steps.push(step)
      steps.splice(0, steps.length - STEPS_SHOWN)
    }
    const client = createDashboardClient({
      ...deps,
      redirectUri: `${deps.origin}/callback`,
      note,
    })
    const empty = { begun: new Map<string, Begun>(), connecting: undefined, notice: undefined }
    const visit: Visit = { id, client, steps, ...empty }
    visits.set(id, visit)
    const [oldest] = visits.keys()
    if (visits.size > SESSIONS_KEPT && oldest !== undefined) visits.delete(oldest)
    return visit
  }

  return (request, response) => {
    void route(request, response, visitOf, deps).catch((error: unknown) => {
      const words = error instanceof Error ? error.message : 'unknown'
      respond(response, 500, 'text/plain; charset=utf-8', `The demo app failed: ${words}\n`)
    })
  }
}

async function route(
  request: IncomingMessage,
  response: ServerResponse,
  visitOf: (request: IncomingMessage) => Visit,
  deps: DashboardDeps,
): Promise<void> {
  const url = new URL(request.url ?? '/', deps.origin)
  const name = `${request.method ?? 'GET'} ${url.pathname}`
  if (name === 'GET /style.css') {
    respond(response, 200, 'text/css', DASHBOARD_CSS)
    return
  }
  if (name === 'GET /logo.svg') {
    respond(response, 200, 'image/svg+xml', LOGO_SVG)
    return
  }
  // One address only: the cookie and the registered redirect URI belong to it.
  if (`http://${request.headers.host ?? ''}` !== deps.origin) {
    redirect(response, `${deps.origin}${url.pathname}${url.search}`)
    return
  }
  // Forms of other pages are refused: browsers name the page that sent one.
  if (request.method === 'POST' && request.headers.origin !== deps.origin) {
    respond(response, 403, 'text/plain', 'This form did not come from this app.\n')
    return
  }
  const action = ACTIONS[name]
  if (action === undefined) {
    respond(response, 404, 'text/plain', 'Not here.\n')
    return
  }
  const visit = visitOf(request)
  response.setHeader(
    'Set-Cookie',
    `${COOKIE}=${visit.id}; HttpOnly; SameSite=Lax; Path=/; Max-Age=${COOKIE_SECONDS}`,
  )
  await action({ request, response, url, visit, deps })
}

interface Call {
  request: IncomingMessage
  response: ServerResponse
  url: URL
  visit: Visit
  deps: DashboardDeps
}

const ACTIONS: Readonly<Record<string, (call: Call) => Promise<void>>> = {
  'GET /': showHome,
  'GET /connect': connect,
  'GET /callback': comeBack,
  'POST /refresh': refresh,
  'POST /cancel': cancelBooking,
  'POST /disconnect': disconnect,
  'GET /connect-system': connectSystem,
  'GET /connected': showConnected,
  'POST /note': addNote,
  'POST /token': showToken,
}

async function showHome({ response, visit, deps }: Call): Promise<void> {
  const data = await readData(visit, deps)
  const { notice } = visit
  visit.notice = undefined
  const common = { notice, steps: visit.steps, login: deps.login }
  const html =
    data === undefined
      ? welcomePage(common)
      : connectedPage({ ...common, ...data, now: deps.clock() })
  respond(response, 200, 'text/html; charset=utf-8', html)
}

async function readData(visit: Visit, deps: DashboardDeps) {
  const bookings = await askApi('GET', '/v1/bookings', visit, deps)
  if (bookings === undefined) return undefined
  const customers = await askApi('GET', '/v1/customers', visit, deps)
  const connection = deps.connections.find(visit.id)
  if (connection === undefined) return undefined
  return {
    others: await readOtherSystems(connection, visit.client),
    connection,
    bookings: (bookings.body['bookings'] ?? []) as Booking[],
    customers: (customers?.body['customers'] ?? []) as Customer[],
  }
}

/**
 * Calls the API as an app should: if the token has expired or is refused, it is refreshed once. If
 * that fails, the connection has ended.
 */
async function askApi(
  method: 'GET' | 'POST',
  path: string,
  visit: Visit,
  deps: DashboardDeps,
): Promise<ApiAnswer | undefined> {
  const { connections, clock } = deps
  let connection = connections.find(visit.id)
  if (connection === undefined) return undefined
  if (connection.expiresAt - EXPIRY_SLACK_MILLIS < clock())
    connection = await renew(connection, visit, deps)
  if (connection === undefined) return undefined
  const answer = await visit.client.callApi(method, path, connection.accessToken)
  if (answer.status !== 401) return answer
  const renewed = await renew(connection, visit, deps)
  return renewed && visit.client.callApi(method, path, renewed.accessToken)
}

/** Refreshes a connection; forgets it, and says so, where the server refuses. */
async function renew(
  connection: Connection,
  visit: Visit,
  { connections }: DashboardDeps,
): Promise<Connection | undefined> {
  try {
    const renewed = await visit.client.refresh(connection)
    await connections.save(visit.id, renewed)
    return renewed
  } catch (error) {
    if (!(error instanceof oauth.ResponseBodyError) || error.error !== 'invalid_grant') throw error
    await connections.remove(visit.id)
    visit.notice = {
      kind: 'bad',
      title: 'The connection has ended',
      text: 'The server no longer accepts our refresh token (invalid_grant): it has expired, or access was taken away. Connect again.',
    }
    return undefined
  }
}

const MOST_BEGUN = 10

async function connect({ response, url, visit, deps }: Call): Promise<void> {
  const more = (url.searchParams.get('more') ?? '').split(' ').filter((scope) => scope !== '')
  const before = deps.connections.find(visit.id)
  const scopes = new Set([...(before?.scopes ?? FIRST_SCOPES), ...more])
  const begun = await visit.client.begin([...scopes], before === undefined)
  visit.begun.set(begun.state, begun)
  // Those that never come back make room.
  const [oldest] = visit.begun.keys()
  if (visit.begun.size > MOST_BEGUN && oldest !== undefined) visit.begun.delete(oldest)
  redirect(response, begun.url)
}

async function comeBack({ response, url, visit, deps }: Call): Promise<void> {
  const state = url.searchParams.get('state') ?? ''
  const begun = visit.begun.get(state)
  visit.begun.delete(state)
  if (begun === undefined)
    visit.notice = {
      kind: 'bad',
      title: 'Unexpected response',
      text: 'This app has no connection in progress in this browser, or was restarted in the meantime. Start again.',
    }
  else
    try {
      const before = deps.connections.find(visit.id)
      const connection = await visit.client.finish(url, begun)
      await deps.connections.save(visit.id, connection)
      // A connection that is replaced is ended: nobody would use its tokens any more.
      if (before !== undefined) await visit.client.revoke(before)
      visit.notice = {
        kind: 'good',
        title: 'Connected',
        text: `You allowed ${connection.scopes.join(', ')}. This app never saw your password.`,
      }
    } catch (error) {
      visit.notice = noticeOfFailure(error)
    }
  redirect(response, '/')
}

function noticeOfFailure(error: unknown): Notice {
  if (error instanceof oauth.AuthorizationResponseError && error.error === 'access_denied')
    return {
      kind: 'plain',
      title: 'Not connected',
      text: 'You denied access, so this app got nothing (access_denied). You can change your mind at any time.',
    }
  const isAnswer =
    error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError
  return {
    kind: 'bad',
    title: 'Connecting failed',
    text: isAnswer
      ? `The server answered ${error.error}: ${error.error_description ?? ''}`
      : `The response cannot be trusted: ${error instanceof Error ? error.message : 'unknown'}`,
  }
}

async function refresh({ response, visit, deps }: Call): Promise<void> {
  const connection = deps.connections.find(visit.id)
  if (connection !== undefined && (await renew(connection, visit, deps)) !== undefined)
    visit.notice = {
      kind: 'good',
      title: 'New access token',
      text: 'It is valid for an hour, like the previous one. Nobody had to sign in for it.',
    }
  redirect(response, '/')
}

async function cancelBooking({ request, response, visit, deps }: Call): Promise<void> {
  const id = new URLSearchParams(await readForm(request)).get('id') ?? ''
  const answer = await askApi('POST', `/v1/bookings/${encodeURIComponent(id)}/cancel`, visit, deps)
  if (answer?.status === 200)
    visit.notice = { kind: 'good', title: 'Cancelled', text: `The booking ${id} is cancelled.` }
  else if (answer?.status === 403)
    visit.notice = {
      kind: 'bad',
      title: 'The API refused: you allowed this app to see bookings, not to change them',
      text: 'To cancel bookings, it has to ask you for one more permission.',
      detail: `403  ${answer.challenge ?? ''}`,
      action: { href: '/connect?more=bookings:write', words: 'Ask me' },
    }
  else if (answer !== undefined)
    visit.notice = {
      kind: 'bad',
      title: 'Not cancelled',
      text: `The API answered ${answer.status}.`,
    }
  redirect(response, '/')
}

/** Sends the user to the server to connect another system, and back here afterwards. */
async function connectSystem({ response, url, visit, deps }: Call): Promise<void> {
  const connection = deps.connections.find(visit.id)
  visit.connecting = randomBase62(32)
  const form = new URLSearchParams({
    integration: url.searchParams.get('name') ?? '',
    return_to: `${deps.origin}/connected`,
    state: visit.connecting,
  })
  const answer =
    connection && (await visit.client.callConnect('/sessions', connection.accessToken, form))
  const { connect_url: link } = answer?.body ?? {}
  if (answer !== undefined && answer.status !== 201) visit.notice = noticeOfRefusal(answer)
  redirect(response, typeof link === 'string' ? link : '/')
}

function showConnected({ response, url, visit }: Call): Promise<void> {
  const { searchParams: query } = url
  // Whoever sends a browser here without having been asked does not know the state.
  if (visit.connecting !== undefined && query.get('state') === visit.connecting) {
    const error = query.get('error')
    visit.notice =
      error === null
        ? {
            kind: 'good',
            title: 'The other system is connected',
            text: 'The server keeps the credential. This app was told its id, and nothing else:',
            detail: query.get('connection') ?? '',
          }
        : {
            kind: 'bad',
            title: 'Not connected',
            text: 'The server gave this reason:',
            detail: error,
          }
  }
  visit.connecting = undefined
  redirect(response, '/')
  return Promise.resolve()
}

async function addNote({ request, response, visit, deps }: Call): Promise<void> {
  const form = new URLSearchParams(await readForm(request))
  const connection = deps.connections.find(visit.id)
  const id = form.get('connection') ?? ''
  form.delete('connection')
  if (connection !== undefined) {
    const path = `/proxy/${encodeURIComponent(id)}/notes`
    const answer = await visit.client.callConnect(path, connection.accessToken, form)
    visit.notice =
      answer.status === 201
        ? {
            kind: 'good',
            title: 'Written at Noteboard',
            text: 'The server put the credential in. This app has never seen it.',
          }
        : noticeOfRefusal(answer)
  }
  redirect(response, '/')
}

async function showToken({ request, response, visit, deps }: Call): Promise<void> {
  const id = new URLSearchParams(await readForm(request)).get('connection') ?? ''
  const connection = deps.connections.find(visit.id)
  if (connection !== undefined) {
    const path = `/connections/${encodeURIComponent(id)}/token`
    const none = new URLSearchParams()
    const answer = await visit.client.callConnect(path, connection.accessToken, none)
    const { access_token: token, expires_at: end } = answer.body
    visit.notice =
      answer.status === 200
        ? {
            kind: 'good',
            title: 'A token that works now',
            text: 'The server has renewed it if that was necessary. With it this app could call Noteboard itself:',
            detail: `${String(token).slice(0, 14)}…  ${typeof end === 'string' ? `until ${end}` : ''}`,
          }
        : noticeOfRefusal(answer)
  }
  redirect(response, '/')
}

function noticeOfRefusal({ status, body }: ApiAnswer): Notice {
  const { error, error_description: words, connect_url: link } = body
  return {
    kind: 'bad',
    title: 'The server refused',
    text: typeof words === 'string' ? words : '',
    detail: `${status}  ${String(error)}`,
    ...(typeof link === 'string' && { action: { href: link, words: 'Connect again' } }),
  }
}

async function disconnect({ response, visit, deps }: Call): Promise<void> {
  const connection = deps.connections.find(visit.id)
  if (connection !== undefined) {
    await visit.client.revoke(connection)
    await deps.connections.remove(visit.id)
    // A real app would forget the token now. This one tries it once more, to show what it is worth.
    const answer = await visit.client.callApi('GET', '/v1/bookings', connection.accessToken)
    visit.notice = {
      kind: 'plain',
      title:
        answer.status === 401
          ? 'Disconnected, and the API refuses'
          : `Disconnected, but the API answered ${answer.status}`,
      text: 'We revoked the refresh token. The access token that came with it, still valid a moment ago, was refused at once:',
      detail: `${answer.status}  ${answer.challenge ?? ''}`,
    }
  }
  redirect(response, '/')
}

async function readForm(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request as AsyncIterable<Buffer>) {
    text += chunk.toString()
    if (text.length > 4096) throw new Error('the form is too long')
  }
  return text
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { Location: location, 'Cache-Control': 'no-store' })
  response.end()
}

function respond(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Cache-Control': 'no-store',
    'Content-Security-Policy':
      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'same-origin',
  })
  response.end(body)
}
