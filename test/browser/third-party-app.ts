// A third-party app as another company would run it: a web server with a page, a link to us, and a
// callback that redeems the code by openid-client, which checks state, issuer and PKCE. It is at
// localhost and our server at 127.0.0.1: two sites for a browser.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as oauth from 'openid-client'
import type { AppInput } from '../../src/model/app.ts'
import type { TestApp } from '../support/app.ts'
import { registerApp, type TestClient } from '../support/builders.ts'

export interface ThirdPartyApp extends AsyncDisposable {
  client: TestClient
  origin: string
  /** For what the app does without a browser. */
  configuration: oauth.Configuration
  /** Where a person starts; parameters are those of the authorization request. */
  startUrl(parameters?: Readonly<Record<string, string>>): string
  /** The parameters with which people came back, oldest first. */
  answers: URLSearchParams[]
  /** What the codes were exchanged for, oldest first. */
  tokens: oauth.TokenEndpointResponse[]
}

/** Starts an app and registers it; `await using` stops it. */
export async function openThirdPartyApp(
  server: TestApp,
  overrides: Partial<AppInput> = {},
): Promise<ThirdPartyApp> {
  const listener = await listen()
  const origin = `http://localhost:${(listener.address() as AddressInfo).port}`
  const client = await registerApp(server, {
    redirectUris: [`${origin}/callback`],
    ...overrides,
  })
  const { id, secret } = client
  const configuration = await oauth.discovery(
    new URL(server.issuer),
    id,
    undefined,
    secret === undefined ? oauth.None() : oauth.ClientSecretPost(secret),
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so by its authors as a warning; on loopback there is no TLS
    { execute: [oauth.allowInsecureRequests] },
  )
  const begun = new Map<string, { verifier: string }>()
  const answers: URLSearchParams[] = []
  const tokens: oauth.TokenEndpointResponse[] = []

  async function start(url: URL, response: ServerResponse): Promise<void> {
    const verifier = oauth.randomPKCECodeVerifier()
    const state = oauth.randomState()
    begun.set(state, { verifier })
    const there = oauth.buildAuthorizationUrl(configuration, {
      redirect_uri: client.redirectUri,
      scope: 'bookings:read',
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...Object.fromEntries(url.searchParams),
    })
    response.writeHead(302, { location: there.href }).end()
  }

  async function comeBack(url: URL, response: ServerResponse): Promise<void> {
    answers.push(url.searchParams)
    const state = url.searchParams.get('state') ?? ''
    const { verifier } = begun.get(state) ?? { verifier: '' }
    try {
      const checks = { expectedState: state, pkceCodeVerifier: verifier }
      tokens.push(await oauth.authorizationCodeGrant(configuration, url, checks))
      show(response, `You are back at ${client.app.name}`, 'Connected')
    } catch (error) {
      if (!(error instanceof oauth.AuthorizationResponseError)) throw error
      show(response, `You are back at ${client.app.name}`, `Not connected: ${error.error}`)
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', origin)
    if (url.pathname === '/start') await start(url, response)
    else if (url.pathname === '/callback') await comeBack(await answeredAt(request, url), response)
    else if (url.pathname === '/frame')
      show(response, 'A page with a frame', `<iframe src="${url.searchParams.get('of') ?? ''}">`)
    else show(response, client.app.name, 'The page of the app')
  }

  listener.on('request', (request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.writeHead(500).end(`The app failed: ${String(error)}`)
    })
  })
  return {
    client,
    origin,
    configuration,
    startUrl: (parameters = {}) =>
      `${origin}/start?${new URLSearchParams({ ...parameters }).toString()}`,
    answers,
    tokens,
    [Symbol.asyncDispose]: () => close(listener),
  }
}

/** Returns the address as it would be if the answer of a form post had come in its query. */
async function answeredAt(request: IncomingMessage, url: URL): Promise<URL> {
  if (request.method !== 'POST') return url
  let form = ''
  for await (const part of request) form += String(part)
  return new URL(`?${form}`, url)
}

function show(response: ServerResponse, title: string, body: string): void {
  response
    .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    .end(
      `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>${title}</title><main><h1>${title}</h1><p>${body}</p></main></html>`,
    )
}

function listen(): Promise<Server> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, 'localhost', () => resolve(server))
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
