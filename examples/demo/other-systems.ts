// Two systems of other companies that the demo's server connects people to: Noteboard by OAuth 2.0,
// with refresh tokens for one use, and Weather Desk by key. They keep everything in memory: after a
// restart an access token is refused and its refresh token is good.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { SECOND, type Clock } from '../../src/shared/clock.ts'
import { pkceChallenge, randomBase62 } from '../../src/shared/crypto.ts'

/** The server's client at Noteboard. */
export const NOTEBOARD_CLIENT = {
  clientId: 'otesse-demo',
  clientSecret: 'otesse-demo-at-noteboard',
}
/** The key that opens Weather Desk. */
const WEATHER_KEY = 'weather-desk-demo-key'

// Short, so that one sees the server refresh it.
const TOKEN_SECONDS = 90
const ACCOUNT = { id: 'nb_1', name: 'Dana at Noteboard' }
const MOST_BYTES = 16_384

interface Systems {
  clock: Clock
  /** Where Noteboard may send people back to. */
  callback: string
  codes: Map<string, { challenge: string; redirectUri: string }>
  /** When each access token ends, in milliseconds since the epoch. */
  access: Map<string, number>
  usedRefresh: Set<string>
  notes: string[]
}

type Answer = (request: IncomingMessage, response: ServerResponse, systems: Systems) => unknown

/** Creates both. @param callback the address that the server registered at Noteboard */
export function createOtherSystems({
  clock,
  callback,
}: {
  clock: Clock
  callback: string
}): RequestListener {
  const systems: Systems = {
    clock,
    callback,
    codes: new Map(),
    access: new Map(),
    usedRefresh: new Set(),
    notes: ['Buy coffee for the front desk', 'Call the piano tuner'],
  }
  return (request, response) => {
    void serve(request, response, systems).catch((error: unknown) => {
      const words = error instanceof Error ? error.message : 'unknown'
      json(response, 500, { error: words })
    })
  }
}

const ROUTES: Readonly<Record<string, Answer>> = {
  'GET /noteboard/authorize': showQuestion,
  'POST /noteboard/authorize': decide,
  'POST /noteboard/token': issueTokens,
  'GET /noteboard/api/me': (_request, response) => json(response, 200, ACCOUNT),
  'GET /noteboard/api/notes': (_request, response, { notes }) => json(response, 200, { notes }),
  'POST /noteboard/api/notes': addNote,
  'GET /weather': showKey,
  'GET /weather/api/now': (_request, response) =>
    json(response, 200, { place: 'Lisbon', celsius: 19, sky: 'clear' }),
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  systems: Systems,
): Promise<void> {
  const { pathname } = urlOf(request)
  const answer = ROUTES[`${request.method ?? ''} ${pathname}`]
  if (answer === undefined) json(response, 404, { error: 'not_found' })
  else if (pathname.startsWith('/noteboard/api/') && !hasToken(request, systems))
    json(response, 401, { error: 'invalid_token' })
  else if (pathname.startsWith('/weather/api/') && request.headers['x-weather-key'] !== WEATHER_KEY)
    json(response, 401, { error: 'invalid_api_key' })
  else await answer(request, response, systems)
}

const urlOf = ({ url = '/' }: IncomingMessage): URL => new URL(url, 'http://127.0.0.1')

function hasToken({ headers }: IncomingMessage, { access, clock }: Systems): boolean {
  const [, token = ''] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? []
  return (access.get(token) ?? 0) > clock()
}

function showQuestion(request: IncomingMessage, response: ServerResponse, systems: Systems): void {
  const asked = urlOf(request).searchParams
  if (
    asked.get('client_id') !== NOTEBOARD_CLIENT.clientId ||
    asked.get('redirect_uri') !== systems.callback ||
    asked.get('code_challenge_method') !== 'S256'
  ) {
    page(response, 400, 'Noteboard', '<h1>Noteboard does not know who sent you</h1>')
    return
  }
  const kept = ['state', 'code_challenge']
    .map((name) => `<input type="hidden" name="${name}" value="${escape(asked.get(name) ?? '')}">`)
    .join('')
  page(
    response,
    200,
    'Noteboard',
    `<h1>Let Otesse use your notes?</h1>
    <p>You are signed in to Noteboard as <b>${ACCOUNT.name}</b>. Otesse would like to read your notes and add new ones.</p>
    <form method="post">${kept}
      <button name="decision" value="allow">Allow</button>
      <button class="plain" name="decision" value="deny">Deny</button>
    </form>`,
  )
}

async function decide(
  request: IncomingMessage,
  response: ServerResponse,
  { callback, codes }: Systems,
): Promise<void> {
  const form = await readForm(request)
  const back = new URL(callback)
  back.searchParams.set('state', form.get('state') ?? '')
  if (form.get('decision') === 'allow') {
    const code = `nb_code_${randomBase62(24)}`
    codes.set(code, { challenge: form.get('code_challenge') ?? '', redirectUri: callback })
    back.searchParams.set('code', code)
  } else back.searchParams.set('error', 'access_denied')
  response.writeHead(303, { Location: back.href, 'Cache-Control': 'no-store' })
  response.end()
}

async function issueTokens(
  request: IncomingMessage,
  response: ServerResponse,
  systems: Systems,
): Promise<void> {
  const form = await readForm(request)
  const { clientId, clientSecret } = NOTEBOARD_CLIENT
  const isOurs = form.get('client_id') === clientId && form.get('client_secret') === clientSecret
  if (!isOurs) json(response, 401, { error: 'invalid_client' })
  else if (!isGranted(form, systems)) json(response, 400, { error: 'invalid_grant' })
  else {
    const token = `nb_at_${randomBase62(32)}`
    systems.access.set(token, systems.clock() + TOKEN_SECONDS * SECOND)
    json(response, 200, {
      access_token: token,
      token_type: 'Bearer',
      expires_in: TOKEN_SECONDS,
      refresh_token: `nb_rt_${randomBase62(32)}`,
    })
  }
}

function isGranted(form: URLSearchParams, { codes, usedRefresh }: Systems): boolean {
  if (form.get('grant_type') === 'refresh_token') {
    const token = form.get('refresh_token') ?? ''
    if (!token.startsWith('nb_rt_') || usedRefresh.has(token)) return false
    usedRefresh.add(token)
    return true
  }
  const code = codes.get(form.get('code') ?? '')
  codes.delete(form.get('code') ?? '')
  return (
    code !== undefined &&
    code.redirectUri === form.get('redirect_uri') &&
    code.challenge === pkceChallenge(form.get('code_verifier') ?? '')
  )
}

async function addNote(
  request: IncomingMessage,
  response: ServerResponse,
  { notes }: Systems,
): Promise<void> {
  const text = (await readForm(request)).get('text') ?? ''
  notes.unshift(text.slice(0, 200))
  notes.splice(6)
  json(response, 201, { notes })
}

function showKey(_request: IncomingMessage, response: ServerResponse): void {
  page(
    response,
    200,
    'Weather Desk',
    `<h1>Your API key</h1><p>Copy it into the form of the server that asks for it:</p><p><code>${WEATHER_KEY}</code></p>`,
  )
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = ''
  for await (const part of request as AsyncIterable<Buffer>) {
    text += part.toString()
    if (text.length > MOST_BYTES) throw new Error('the form is too long')
  }
  return new URLSearchParams(text)
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
  response.end(JSON.stringify(body))
}

const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

const STYLE = `:root{color-scheme:light dark}body{font:16px/1.55 system-ui,sans-serif;max-width:30rem;margin:12vh auto;padding:0 1.25rem}
h1{font-size:1.5rem}button{font:inherit;font-weight:600;padding:.6rem 1.1rem;margin:0 .5rem .5rem 0;border-radius:.5rem;border:1px solid #0f766e;background:#0f766e;color:#fff}
button.plain{background:transparent;color:light-dark(#0f766e,#5eead4)}code{padding:.2em .4em;background:light-dark(#eef,#223);overflow-wrap:anywhere}
:focus-visible{outline:3px solid #0f766e;outline-offset:2px}p.hint{color:light-dark(#555,#aaa);font-size:.875rem}`

function page(response: ServerResponse, status: number, title: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy':
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  })
  response.end(
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>${STYLE}</style></head><body><main>${body}</main><p class="hint">${title} is another company’s system, made for this demo.</p></body></html>`,
  )
}
