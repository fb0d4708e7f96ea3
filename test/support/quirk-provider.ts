// A real HTTP server that is a foreign provider in each way in which they differ: it plays Slack,
// GitHub, Square, Zoho, Shopify and QuickBooks as their documentation describes them, one that
// follows the RFCs (with single-use refresh tokens), and one that is connected by key. It fails on
// demand, and remembers what it was asked.
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type Minted, QUIRKS, type Quirk, type QuirkName } from './quirks.ts'

export type { QuirkName } from './quirks.ts'

/** What somebody decides on the provider's page. */
export interface Decision {
  /** Who is signed in there. */
  account?: string
  /** What is allowed; everything that is asked for where it is left out. */
  scopes?: readonly string[]
  deny?: boolean
}

/** A request to a token endpoint, as it came. */
export interface TokenRequestSeen {
  quirk: QuirkName
  members: Readonly<Record<string, string>>
  headers: IncomingMessage['headers']
}

/** How the next token request fails. */
export type Misbehaviour =
  | { kind: 'status'; status: number; body?: string; headers?: Record<string, string> }
  | { kind: 'error'; error: string; description?: string }
  /** Answers only after so long. */
  | { kind: 'slow'; millis: number }
  /** Ends the connection before or after it has done its work. */
  | { kind: 'reset'; when: 'before' | 'after' }
  /** Answers well, with these members changed; `undefined` takes one away. */
  | { kind: 'members'; members: Readonly<Record<string, unknown>> }

export interface QuirkProvider extends AsyncDisposable {
  /** `http://127.0.0.1:…` or with https. */
  origin: string
  client: { clientId: string; clientSecret: string }
  /** The definition of a provider, as an admin would write it. */
  definition(quirk: QuirkName): Record<string, unknown>
  /** All requests to token endpoints, in order. */
  tokenRequests: TokenRequestSeen[]
  /** All tokens that were withdrawn by request. */
  revoked: string[]
  /** What a withdrawal is answered with. */
  revokeStatus: number
  /** Called when tokens were made, before they are sent. */
  onIssued: (() => void) | undefined
  /** How often a refresh token came that had been used. */
  reuses(): number
  /** The keys that open the API. */
  keys: Set<string>
  /** Decides what to do with the next token requests, one each. */
  misbehave(...next: Misbehaviour[]): void
  /** Ends everything an account has allowed, as if withdrawn on the provider's own pages. */
  withdraw(account: string): void
  /** Ends all access tokens, and leaves refresh tokens alive. */
  expireAccess(): void
  /** Decides in the person's place; returns the address to which they are sent back. */
  decide(authorizationUrl: string, decision?: Decision): Promise<string>
}

interface Code {
  quirk: QuirkName
  account: string
  scopes: readonly string[]
  redirectUri: string
  challenge: string | undefined
  isUsed: boolean
}

interface Token {
  quirk: QuirkName
  account: string
  scopes: readonly string[]
  isUsed: boolean
  isAlive: boolean
}

interface State {
  origin: string
  secret: string
  accessSeconds: number
  codes: Map<string, Code>
  access: Map<string, Token>
  refresh: Map<string, Token>
  keys: Set<string>
  next: Misbehaviour[]
  seen: TokenRequestSeen[]
  revoked: string[]
  revokeStatus: number
  onIssued: (() => void) | undefined
  reuses: number
}

const CLIENT_ID = 'otesse-at-the-provider'

/** Starts it; `await using` stops it. */
export async function startQuirkProvider({
  tls,
  accessSeconds = 3600,
}: {
  tls?: { cert: string; key: string }
  accessSeconds?: number
} = {}): Promise<QuirkProvider> {
  const state: State = {
    origin: '',
    secret: `provider-secret-${randomBytes(12).toString('hex')}`,
    accessSeconds,
    codes: new Map(),
    access: new Map(),
    refresh: new Map(),
    keys: new Set(['a-key-that-opens-the-api']),
    next: [],
    seen: [],
    revoked: [],
    revokeStatus: 200,
    onIssued: undefined,
    reuses: 0,
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void answer(state, request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  state.origin = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  const end = (tokens: Iterable<Token>, account?: string): void => {
    for (const token of tokens)
      if (account === undefined || token.account === account) token.isAlive = false
  }
  return {
    origin: state.origin,
    client: { clientId: CLIENT_ID, clientSecret: state.secret },
    definition: (quirk) => QUIRKS[quirk].definition(`${state.origin}/${quirk}`),
    tokenRequests: state.seen,
    revoked: state.revoked,
    get revokeStatus() {
      return state.revokeStatus
    },
    set revokeStatus(status) {
      state.revokeStatus = status
    },
    get onIssued() {
      return state.onIssued
    },
    set onIssued(call) {
      state.onIssued = call
    },
    reuses: () => state.reuses,
    keys: state.keys,
    misbehave: (...next) => void state.next.push(...next),
    withdraw(account) {
      end(state.access.values(), account)
      end(state.refresh.values(), account)
    },
    expireAccess: () => end(state.access.values()),
    // Without a request, so that the certificate needs no trust in the test.
    decide: (url, decision = {}) => Promise.resolve(decide(state, new URL(url), decision)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

async function answer(
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', state.origin)
  const [, name = '', ...rest] = url.pathname.split('/')
  const action = rest.at(-1)
  if (!Object.hasOwn(QUIRKS, name)) return void response.writeHead(404).end('<html>404</html>')
  const quirk = name as QuirkName
  if (action === 'authorize') return showConsent(state, request, url, response)
  if (action === 'token') return answerTokens(state, quirk, request, response)
  if (action === 'revoke') return revoke(state, quirk, request, response)
  if (action === 'me') {
    answerApi(state, quirk, request, url, response)
    return
  }
  response.writeHead(404).end('<html>404</html>')
}

// —— The page on which people allow ——

async function showConsent(
  state: State,
  request: IncomingMessage,
  url: URL,
  response: ServerResponse,
): Promise<void> {
  if (request.method === 'POST') {
    const form = new URLSearchParams(await bodyOf(request))
    const decision = {
      account: form.get('account') ?? 'anna',
      deny: form.get('decision') === 'deny',
    }
    response.writeHead(303, { location: decide(state, url, decision) }).end()
    return
  }
  const scopes = url.searchParams.get('scope') ?? ''
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(
    `<!doctype html><html lang="en"><title>Provider</title><h1>Allow access?</h1>
<p>${scopes.replaceAll(/[<&]/g, '')}</p>
<form method="post"><label>Account <input name="account" value="anna"></label>
<button name="decision" value="allow">Allow access</button>
<button name="decision" value="deny">Deny access</button></form></html>`,
  )
}

function decide(state: State, url: URL, { account = 'anna', scopes, deny }: Decision): string {
  const quirk = url.pathname.split('/')[1] as QuirkName
  const query = url.searchParams
  const redirectUri = query.get('redirect_uri') ?? ''
  const back = new URL(redirectUri)
  back.searchParams.set('state', query.get('state') ?? '')
  if (deny === true) {
    back.searchParams.set('error', 'access_denied')
    return back.href
  }
  if (query.get('client_id') !== CLIENT_ID || query.get('response_type') !== 'code') {
    back.searchParams.set('error', 'invalid_request')
    return back.href
  }
  const asked = (query.get('scope') ?? '').split(QUIRKS[quirk].separator).filter(Boolean)
  const code = `code-${randomBytes(12).toString('hex')}`
  state.codes.set(code, {
    quirk,
    account,
    scopes: scopes ?? asked,
    redirectUri,
    challenge: query.get('code_challenge') ?? undefined,
    isUsed: false,
  })
  back.searchParams.set('code', code)
  const more = QUIRKS[quirk].callback?.(account) ?? {}
  for (const [name, value] of Object.entries(more)) back.searchParams.set(name, value)
  const { signature } = QUIRKS[quirk]
  if (signature !== undefined) {
    const names = [...back.searchParams.keys()].sort()
    const signed = names.map((name) => `${name}=${back.searchParams.get(name) ?? ''}`).join('&')
    const mac = createHmac('sha256', state.secret).update(signed).digest('hex')
    back.searchParams.set(signature, mac)
  }
  return back.href
}

// —— Tokens ——

async function answerTokens(
  state: State,
  name: QuirkName,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const quirk = QUIRKS[name]
  const text = await bodyOf(request)
  const isJson = request.headers['content-type'] === 'application/json'
  const members = isJson
    ? (JSON.parse(text) as Record<string, string>)
    : Object.fromEntries(new URLSearchParams(text))
  state.seen.push({ quirk: name, members, headers: request.headers })
  const next = state.next.shift()
  if (next?.kind === 'reset' && next.when === 'before') return void request.socket.destroy()
  if (next?.kind === 'slow') await new Promise((done) => setTimeout(done, next.millis))
  if (next?.kind === 'status') {
    response.writeHead(next.status, next.headers).end(next.body ?? '')
    return
  }
  const description = next?.kind === 'error' ? next.description : undefined
  const outcome =
    next?.kind === 'error'
      ? { error: next.error }
      : quirk.wantsJson === true && !isJson
        ? { error: 'invalid_request' }
        : issue(state, name, request, members)
  if (next?.kind === 'reset') return void request.socket.destroy()
  if (outcome.error !== undefined) {
    const { status, body } = quirk.refuse(outcome.error, description)
    send(quirk, request, response, status, body)
    return
  }
  state.onIssued?.()
  const changes = next?.kind === 'members' ? next.members : {}
  send(quirk, request, response, 200, { ...quirk.tokens(outcome), ...changes })
}

function issue(
  state: State,
  name: QuirkName,
  request: IncomingMessage,
  members: Readonly<Record<string, string>>,
): ({ error?: undefined } & Minted) | { error: string } {
  const quirk = QUIRKS[name]
  const [id, secret] = clientOf(request, members, quirk)
  if (id !== CLIENT_ID || secret !== state.secret) return { error: quirk.wrongClient }
  if (members['grant_type'] === 'client_credentials') {
    const scopes = (members['scope'] ?? '').split(quirk.separator).filter(Boolean)
    return { ...mint(state, name, 'the company', scopes), refreshToken: undefined }
  }
  if (members['grant_type'] === 'authorization_code') {
    const code = state.codes.get(members['code'] ?? '')
    const verifier = createHash('sha256').update(members['code_verifier'] ?? '')
    const isProven =
      code?.challenge === undefined || code.challenge === verifier.digest('base64url')
    const isRight =
      code?.quirk === name && !code.isUsed && code.redirectUri === members['redirect_uri']
    if (code === undefined || !isProven || !isRight) return { error: quirk.wrongCode }
    code.isUsed = true
    return mint(state, name, code.account, code.scopes)
  }
  const held = state.refresh.get(members['refresh_token'] ?? '')
  if (held?.isUsed === true) state.reuses += 1
  if (held?.quirk !== name || held.isUsed || !held.isAlive) return { error: quirk.wrongRefresh }
  if (!quirk.rotates)
    return { ...mint(state, name, held.account, held.scopes), refreshToken: undefined }
  held.isUsed = true
  return mint(state, name, held.account, held.scopes)
}

function mint(state: State, quirk: QuirkName, account: string, scopes: readonly string[]): Minted {
  const { separator } = QUIRKS[quirk]
  const token = { quirk, account, scopes, isUsed: false, isAlive: true }
  const accessToken = `at-${quirk}-${randomBytes(16).toString('hex')}`
  const refreshToken = `rt-${quirk}-${randomBytes(16).toString('hex')}`
  state.access.set(accessToken, { ...token })
  state.refresh.set(refreshToken, { ...token })
  const { accessSeconds } = state
  const shown = scopes.join(separator)
  return { account, accessToken, refreshToken, scope: shown, accessSeconds }
}

function clientOf(
  { headers }: IncomingMessage,
  members: Readonly<Record<string, string>>,
  { basicOnly }: Quirk,
): (string | undefined)[] {
  const [scheme, value = ''] = (headers.authorization ?? '').split(' ')
  if (scheme === 'Basic')
    return Buffer.from(value, 'base64').toString().split(':').map(decodeURIComponent)
  return basicOnly === true ? [] : [members['client_id'], members['client_secret']]
}

function send(
  quirk: Quirk,
  { headers }: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: Readonly<Record<string, unknown>>,
): void {
  const isForm = quirk.writesForms === true && headers.accept !== 'application/json'
  response.writeHead(status, {
    'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
  })
  const texts = Object.entries(body).map(([name, value]) => [name, String(value)] as const)
  response.end(
    isForm ? new URLSearchParams(Object.fromEntries(texts)).toString() : JSON.stringify(body),
  )
}

async function revoke(
  state: State,
  name: QuirkName,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const form = new URLSearchParams(await bodyOf(request))
  const bearer = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1]
  const token = form.get('token') ?? bearer ?? ''
  state.revoked.push(token)
  const held = state.refresh.get(token) ?? state.access.get(token)
  for (const each of [...state.refresh.values(), ...state.access.values()])
    if (held !== undefined && each.account === held.account) each.isAlive = false
  send(QUIRKS[name], request, response, state.revokeStatus, { ok: true })
}

// —— The API ——

function answerApi(
  state: State,
  name: QuirkName,
  request: IncomingMessage,
  url: URL,
  response: ServerResponse,
): void {
  const quirk = QUIRKS[name]
  const credential = quirk.credentialOf(request, url)
  const token = state.access.get(credential ?? '')
  const isGood =
    name === 'keys' ? state.keys.has(credential ?? '') : token?.quirk === name && token.isAlive
  if (isGood) {
    send(quirk, request, response, 200, quirk.me(token?.account ?? 'anna'))
    return
  }
  const { status, body } = quirk.wrongToken ?? { status: 401, body: { error: 'invalid_token' } }
  send(quirk, request, response, status, body)
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts).toString()
}
