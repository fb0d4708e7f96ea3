// OAuth 2.0 Form Post Response Mode §2: the app gets its answer, a code or an error, in a form that
// the browser sends to its redirect URI. That the browser does so is tested in test/browser.
import { startTestApp, type TestApp } from '../support/app.ts'
import { createBrowser, type Page } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  registerApp,
  type TestClient,
} from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const URIS = [
  'https://q.example/signin-oidc',
  'https://q.example',
  'https://q.example/cb?a=b%20c&flag',
  'https://q.example/a;b,c',
  'http://localhost:5000/cb',
]
const SOURCES = [
  'https://q.example/signin-oidc',
  'https://q.example/',
  'https://q.example/cb',
  'https://q.example/a%3Bb%2Cc',
  'http://localhost:5000/cb',
]

let server: TestApp
let web: TestClient
let phone: TestClient
let email: string
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  web = await registerApp(server, { name: 'Q & A', redirectUris: URIS })
  phone = await registerApp(server, {
    type: 'public',
    redirectUris: ['com.example.q:/cb', 'http://[::1]/cb'],
  })
  email = (await createAccount(server, { password: PASSWORD })).email
})
afterAll(() => server[Symbol.asyncDispose]())

const link = (client: TestClient, redirectUri: string, more: Record<string, string> = {}): string =>
  `${server.issuer}/oauth/authorize?${new URLSearchParams({
    client_id: client.id,
    redirect_uri: redirectUri,
    response_type: 'code',
    response_mode: 'form_post',
    scope: 'bookings:read',
    state: '"><&x y',
    ...more,
  }).toString()}`

const unescape = (text: string): string =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')

/** What the form of the page sends, and where. */
function sentBy({ html }: Page): { action: string; fields: Record<string, string> } {
  const [, action = ''] = /<form class="stack" method="post" action="([^"]*)"/.exec(html) ?? []
  const fields = [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)]
  return {
    action: unescape(action),
    fields: Object.fromEntries(fields.map(([, name = '', value = '']) => [name, unescape(value)])),
  }
}

it('brings a code, which can be redeemed', async () => {
  const browser = createBrowser(server)
  const [uri = ''] = URIS
  const signIn = await browser.open(link(web, uri))
  const page = await browser.approve(await browser.signIn(signIn, email, PASSWORD))
  expect(page.status).toBe(200)
  expect(page.headers.get('location')).toBeNull()
  expect(page.headers.get('cache-control')).toBe('no-store')
  expect(page.html).toContain('Q &amp; A')
  const { action, fields } = sentBy(page)
  expect(action).toBe(uri)
  expect(fields).toEqual({
    code: expect.stringMatching(/^otesse_ac_/),
    state: '"><&x y',
    iss: server.issuer,
  })
  const client = createOAuthClient(server, { ...web, redirectUri: uri })
  expect((await client.exchange(fields['code'] ?? '')).status).toBe(200)
})

it.each(URIS.map((uri, at) => [uri, SOURCES[at] ?? '']))(
  'the page for %s lets forms go there alone',
  async (uri, source) => {
    const page = await createBrowser(server).request(link(web, uri, { prompt: 'none' }))
    expect(sentBy(page).action).toBe(uri)
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy.split('; ')).toEqual(
      expect.arrayContaining([
        `form-action ${source}`,
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
      ]),
    )
  },
)

it.each<[string, Record<string, string>, string, string]>([
  ['of prompt=none', { prompt: 'none' }, 'login_required', 'authorize_login_required'],
  ['about a scope', { scope: 'nothing' }, 'invalid_scope', 'scope_unknown'],
  [
    'about a response type that would be answered in the fragment',
    { response_type: 'token' },
    'unsupported_response_type',
    'authorize_response_type_unsupported',
  ],
])(
  'RFC 6749 §4.1.2.1, RFC 6749 §4.2.2.1 — brings an error %s, with its page and its id',
  async (_, more, error, code) => {
    const page = await createBrowser(server).request(link(web, URIS[2] ?? '', more))
    expect(page.status).toBe(200)
    expect(sentBy(page)).toMatchObject({
      action: URIS[2],
      fields: {
        error,
        error_description: expect.stringMatching(/\.$/),
        error_uri: `${server.issuer}/errors/${code}`,
        request_id: page.headers.get('x-request-id'),
        state: '"><&x y',
        iss: server.issuer,
      },
    })
  },
)

it('brings the answer of somebody who says no', async () => {
  const browser = createBrowser(server)
  const page = await browser.deny(await browser.open(link(web, URIS[0] ?? '')))
  expect(sentBy(page).fields).toMatchObject({ error: 'access_denied', state: '"><&x y' })
})

it.each(['com.example.q:/cb', 'http://[::1]/cb'])(
  'is refused where a browser can send no form: %s',
  async (uri) => {
    const challenge = { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM' }
    const page = await createBrowser(server).request(
      link(phone, uri, { ...challenge, code_challenge_method: 'S256' }),
    )
    expect(page.status).toBe(302)
    const location = page.headers.get('location') ?? ''
    expect(location.startsWith(`${uri}?`)).toBe(true)
    expect(Object.fromEntries(new URL(location).searchParams)).toMatchObject({
      error: 'invalid_request',
      error_description: 'This response_mode is not supported (it was form_post).',
      error_uri: `${server.issuer}/errors/authorize_response_mode_unsupported`,
    })
  },
)

it('is not taken twice, and not for a redirect URI that is unknown', async () => {
  const twice = await createBrowser(server).request(
    `${link(web, URIS[0] ?? '')}&response_mode=form_post`,
  )
  expect(new URL(twice.headers.get('location') ?? '').searchParams.get('error_description')).toBe(
    'The parameter response_mode must not be sent more than once.',
  )
  const unknown = await createBrowser(server).request(link(web, 'https://evil.example/cb'))
  expect(unknown.status).toBe(400)
  expect(unknown.headers.get('content-security-policy')).toContain("form-action 'self'")
})
