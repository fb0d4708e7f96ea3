// RFC 6749 §3.1.2: an answer goes to the redirect URI byte for byte as the app has registered it,
// with the parameters of the answer behind.
import { startTestApp, type TestApp } from '../support/app.ts'
import { approveInBrowser, createBrowser } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  registerApp,
  type TestClient,
} from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const QUERIES = ['?a=b%20c', '?flag', '?path=%2f&x=', '?a=1&a=2', '?', '?a=1&', '?a=~!()', '']
const redirectUris = [
  'https://q.example',
  ...QUERIES.map((query) => `https://q.example/cb${query}`),
]

let server: TestApp
let web: TestClient
let email: string
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  web = await registerApp(server, { redirectUris })
  email = (await createAccount(server, { password: PASSWORD })).email
})
afterAll(() => server[Symbol.asyncDispose]())

const link = (redirectUri: string, more: Record<string, string>): string =>
  `${server.issuer}/oauth/authorize?${new URLSearchParams({
    client_id: web.id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'bookings:read',
    state: 'x y',
    ...more,
  }).toString()}`

const joint = (uri: string): string => (!uri.includes('?') ? '?' : /[?&]$/.test(uri) ? '' : '&')

describe('RFC 6749 §3.1.2 — the query of a redirect URI is retained', () => {
  it.each(redirectUris)('an error at %s', async (uri) => {
    const url = link(uri, { prompt: 'none' }).replace(server.issuer, server.url)
    const answer = await fetch(url, { redirect: 'manual' })
    const location = answer.headers.get('location') ?? ''
    expect(location.startsWith(`${uri}${joint(uri)}error=login_required&`)).toBe(true)
    const back = new URL(location).searchParams
    expect(back.getAll('state')).toEqual(['x y'])
    expect(back.getAll('iss')).toEqual([server.issuer])
    expect(back.getAll('request_id')).toHaveLength(1)
  })

  it('a code, which can be redeemed', async () => {
    const uri = 'https://q.example/cb?a=b%20c'
    const person = { email, password: PASSWORD }
    const back = await approveInBrowser(server, link(uri, {}), person, createBrowser(server))
    expect(back.href.startsWith(`${uri}&code=otesse_ac_`)).toBe(true)
    expect(back.searchParams.get('state')).toBe('x y')
    const client = createOAuthClient(server, { ...web, redirectUri: uri })
    expect((await client.exchange(back.searchParams.get('code') ?? '')).status).toBe(200)
  })
})
