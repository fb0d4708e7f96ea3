// GET /oauth/authorize with errors: shown on a page while the redirect URI is not trusted, sent to
// the app once it is.
import { startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, REDIRECT_URI, registerApp, type TestClient } from '../support/builders.ts'
import type { Params } from '../support/oauth-client.ts'
import { waitUntil } from '../support/server-process.ts'

const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

let server: TestApp
let web: TestClient
let spa: TestClient
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  await createScopes(server, ['payments:write'])
  web = await registerApp(server)
  spa = await registerApp(server, { type: 'public' })
})
afterAll(() => server[Symbol.asyncDispose]())

async function authorize(client: Pick<TestClient, 'id'>, params: Params = {}, raw = '') {
  const all: Params = {
    client_id: client.id,
    redirect_uri: REDIRECT_URI,
    response_type: 'code',
    scope: 'bookings:read',
    state: 'xyz',
    ...params,
  }
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(all)) if (value !== undefined) query.set(name, value)
  const answer = await fetch(`${server.url}/oauth/authorize?${query.toString()}${raw}`, {
    redirect: 'manual',
    headers: { accept: 'text/html' },
  })
  return {
    status: answer.status,
    headers: answer.headers,
    location: answer.headers.get('location'),
    html: await answer.text(),
  }
}

describe('RFC 6749 §4.1.2.1 — errors before the redirect URI is trusted are shown, never redirected', () => {
  it.each<[string, () => Parameters<typeof authorize>]>([
    ['an unknown app', () => [{ id: 'app_00000000000000000000' }]],
    ['no app', () => [web, { client_id: undefined }]],
    ['a client id with a NUL', () => [{ id: '\0' }]],
    ['an unknown redirect URI', () => [web, { redirect_uri: 'https://evil.example/cb' }]],
    ['a redirect URI with a path below', () => [web, { redirect_uri: `${REDIRECT_URI}/below` }]],
    ['a redirect URI with a query', () => [web, { redirect_uri: `${REDIRECT_URI}?x=1` }]],
    [
      'a redirect URI in other letters',
      () => [web, { redirect_uri: 'https://yourapp.com/Callback' }],
    ],
    [
      'a redirect URI with a user',
      () => [web, { redirect_uri: 'https://yourapp.com@evil.example/callback' }],
    ],
    ['no redirect URI', () => [web, { redirect_uri: undefined }]],
    ['two redirect URIs', () => [web, {}, '&redirect_uri=https%3A%2F%2Fevil.example']],
    ['two client ids', () => [web, {}, `&client_id=${spa.id}`]],
  ])('%s', async (_, request) => {
    const { status, headers, location, html } = await authorize(...request())
    expect(status).toBe(400)
    expect(location).toBeNull()
    expect(headers.get('refresh')).toBeNull()
    expect(headers.get('content-type')).toMatch(/^text\/html/)
    expect(headers.get('cache-control')).toMatch(/no-store/)
    expect(headers.get('content-security-policy')).toMatch(/frame-ancestors 'none'/)
    expect(html).not.toMatch(/href="[^"]*evil/)
  })

  it('an app that was suspended', async () => {
    const app = await registerApp(server)
    await server.services.apps.suspend(app.id, 'abuse')
    expect(await authorize(app)).toMatchObject({ status: 400, location: null })
  })

  it('an app that takes no people', async () => {
    const machine = await registerApp(server, { type: 'machine' })
    expect(await authorize(machine)).toMatchObject({ status: 400, location: null })
  })
})

it.each<[string, Params, string]>([
  [
    'on a page',
    { redirect_uri: 'https://yourapp.com/unregistered' },
    'authorize_redirect_uri_unknown',
  ],
  ['on a page of another kind', { redirect_uri: undefined }, 'authorize_redirect_uri_missing'],
  ['to the app', { scope: 'payments:write' }, 'scope_not_allowed'],
])('an error told %s is one event, of the app that it concerns', async (_, params, reason) => {
  const app = await registerApp(server, {
    redirectUris: [REDIRECT_URI, 'https://yourapp.com/another'],
  })
  const other = await authorize({ id: app.id }, params)
  expect([302, 400]).toContain(other.status)
  const refusals = async () => {
    const { events } = await server.services.stores.events.list({ appId: app.id, limit: 10 })
    return events.flatMap(({ name, reason }) => (name === 'request.refused' ? [reason] : []))
  }
  // Events are written in the background, in their order.
  await authorize({ id: app.id }, { scope: 'bookings:destroy' })
  await waitUntil('the last refusal', async () => (await refusals()).includes('scope_unknown'))
  expect(await refusals()).toEqual(['scope_unknown', reason])
})

describe('what a public app may turn on', () => {
  const PKCE = { code_challenge: CHALLENGE, code_challenge_method: 'S256' }

  it('http://localhost with any port; the refusal without it names the switch', async () => {
    const redirectUris = ['http://localhost/cb']
    const strict = await registerApp(server, { type: 'public', redirectUris })
    const request = { ...PKCE, redirect_uri: 'http://localhost:53682/cb' }
    const refused = await authorize(strict, request)
    expect(refused).toMatchObject({ status: 400, location: null })
    expect(refused.html).toContain('authorize_redirect_uri_port')
    expect(refused.html).toContain('Any port on localhost')
    expect(refused.html).toContain('<code>http://localhost:53682/cb</code>')
    const elsewhere = await authorize(strict, { ...PKCE, redirect_uri: 'http://localhost:1/x' })
    expect(elsewhere.html).toContain('authorize_redirect_uri_unknown')
    const localhostAnyPort = true
    const loose = await registerApp(server, { type: 'public', redirectUris, localhostAnyPort })
    expect((await authorize(loose, request)).location).toMatch(/\/interaction\//)
    const denied = await authorize(loose, { ...request, prompt: 'none' })
    expect(denied.location).toMatch(/^http:\/\/localhost:53682\/cb\?error=login_required/)
  })

  it.each(['https://localhost:3000/cb', 'https://127.0.0.1:3000/cb', 'https://[::1]/cb'])(
    'needs nothing for %s, where development servers with a certificate are',
    async (uri) => {
      const app = await registerApp(server, { type: 'public', redirectUris: [uri] })
      const { location } = await authorize(app, { ...PKCE, redirect_uri: uri })
      expect(location).toMatch(/\/interaction\//)
    },
  )

  it('schemes without a domain', async () => {
    const uri = 'cursor://anysphere.cursor-mcp/oauth/callback'
    const app = await registerApp(server, {
      ...{ type: 'public', redirectUris: [uri], schemesWithoutDomain: true },
    })
    const answer = await authorize(app, { ...PKCE, redirect_uri: uri, prompt: 'none' })
    expect(answer.location?.startsWith(`${uri}?error=login_required&`)).toBe(true)
    const { version } = await server.services.apps.get(app.id)
    const change = { schemesWithoutDomain: false }
    expect(await server.services.apps.update(app.id, version, change)).toMatchObject({
      kind: 'refused',
      problems: [{ field: 'redirectUris', rule: 'uri-scheme-without-domain' }],
    })
  })
})

describe('RFC 6749 §4.1.2.1 — other errors go to the app, with state and iss (RFC 9207)', () => {
  it.each<[string, () => Parameters<typeof authorize>, string]>([
    ['a scope that does not exist', () => [web, { scope: 'bookings:destroy' }], 'invalid_scope'],
    [
      'a scope that does not exist beside one that does',
      () => [web, { scope: 'bookings:read bookings:destroy' }],
      'invalid_scope',
    ],
    [
      'a scope that the app may not have',
      () => [web, { scope: 'bookings:read payments:write' }],
      'invalid_scope',
    ],
    ['no scope', () => [web, { scope: undefined }], 'invalid_scope'],
    ['offline_access alone', () => [web, { scope: 'offline_access' }], 'invalid_scope'],
    ['a scope with forbidden letters', () => [web, { scope: 'bookings:read "' }], 'invalid_scope'],
    ['another response type', () => [web, { response_type: 'token' }], 'unsupported_response_type'],
    [
      'a hybrid response type',
      () => [web, { response_type: 'code id_token' }],
      'unsupported_response_type',
    ],
    [
      'a response type twice in one value',
      () => [web, { response_type: 'code code' }],
      'unsupported_response_type',
    ],
    ['no response type', () => [web, { response_type: undefined }], 'invalid_request'],
    ['a public app without PKCE (RFC 7636 §4.4.1)', () => [spa], 'invalid_request'],
    [
      'plain PKCE',
      () => [spa, { code_challenge: CHALLENGE, code_challenge_method: 'plain' }],
      'invalid_request',
    ],
    [
      'PKCE without a method, which means plain',
      () => [spa, { code_challenge: CHALLENGE }],
      'invalid_request',
    ],
    [
      'a method without a challenge',
      () => [web, { code_challenge_method: 'S256' }],
      'invalid_request',
    ],
    [
      'a challenge that is none',
      () => [spa, { code_challenge: 'short', code_challenge_method: 'S256' }],
      'invalid_request',
    ],
    ['nobody signed in with prompt=none', () => [web, { prompt: 'none' }], 'login_required'],
    ['an unknown prompt', () => [web, { prompt: 'dance' }], 'invalid_request'],
    ['a max_age that is no number', () => [web, { max_age: 'soon' }], 'invalid_request'],
    ['two scopes parameters', () => [web, {}, '&scope=customers%3Aread'], 'invalid_request'],
    ['a request object', () => [web, { request: 'a.b.c' }], 'request_not_supported'],
    [
      'a response mode that is not offered',
      () => [web, { response_mode: 'fragment' }],
      'invalid_request',
    ],
    [
      'a response mode that nobody knows',
      () => [web, { response_mode: 'pigeon' }],
      'unsupported_response_mode',
    ],
  ])('%s', async (_, request, error) => {
    const { status, location } = await authorize(...request())
    expect([302, 303]).toContain(status)
    const url = new URL(location ?? '')
    expect(url.origin + url.pathname).toBe(REDIRECT_URI)
    // Whoever asks for an answer in the fragment is refused in the fragment (RFC 6749 §4.2.2.1).
    const said = new URLSearchParams(url.search === '' ? url.hash.slice(1) : url.search)
    expect(Object.fromEntries(said)).toMatchObject({
      error,
      state: 'xyz',
      iss: server.issuer,
    })
    expect(said.has('code')).toBe(false)
  })

  it('RFC 6749 §3.1.1 — a response type that is repeated, in one value or in two', async () => {
    const twice = await authorize(web, { response_type: 'code code' })
    expect(new URL(twice.location ?? '').searchParams.get('error')).toBe(
      'unsupported_response_type',
    )
    const apart = await authorize(web, {}, '&response_type=code')
    expect(new URL(apart.location ?? '').searchParams.get('error')).toBe('invalid_request')
  })

  it('a confidential app that must use PKCE and does not', async () => {
    const app = await registerApp(server, { requirePkce: true })
    const { location } = await authorize(app)
    expect(new URL(location ?? '').searchParams.get('error')).toBe('invalid_request')
    const withPkce = await authorize(app, {
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
    })
    expect(withPkce.location).toMatch(/\/interaction\//)
  })
})

describe('what was wrong is said, with what came', () => {
  const PKCE = { code_challenge: CHALLENGE, code_challenge_method: 'S256' }
  it.each<[string, () => Parameters<typeof authorize>, string, string]>([
    [
      'another response type',
      () => [web, { response_type: 'token' }],
      'authorize_response_type_unsupported',
      'The response_type must be code (it was token).',
    ],
    [
      'no response type',
      () => [web, { response_type: undefined }],
      'authorize_response_type_missing',
      'The parameter response_type is missing: send response_type=code.',
    ],
    [
      'another response mode',
      () => [web, { response_mode: 'pigeon' }],
      'authorize_response_mode_unsupported',
      'This response_mode is not supported (it was pigeon).',
    ],
    [
      'another prompt',
      () => [web, { prompt: 'dance' }],
      'authorize_prompt_unsupported',
      'This prompt is not supported (it was dance); none must be sent by itself.',
    ],
    [
      'no PKCE',
      () => [spa],
      'pkce_required',
      'This app must use PKCE: send code_challenge and code_challenge_method=S256.',
    ],
    [
      'plain PKCE',
      () => [spa, { ...PKCE, code_challenge_method: 'plain' }],
      'pkce_method_unsupported',
      'The code_challenge_method must be S256 (it was plain).',
    ],
    [
      'PKCE without a method',
      () => [spa, { code_challenge: CHALLENGE }],
      'pkce_method_unsupported',
      'The code_challenge_method must be S256.',
    ],
    [
      'a method without a challenge',
      () => [web, { code_challenge_method: 'S256' }],
      'pkce_challenge_missing',
      'A code_challenge_method was sent without a code_challenge.',
    ],
    [
      'a short challenge',
      () => [spa, { ...PKCE, code_challenge: 'short' }],
      'pkce_challenge_malformed',
      'A code_challenge for S256 must have 43 characters: letters, digits, - and _.',
    ],
    [
      'a scope that does not exist',
      () => [web, { scope: 'bookings:destroy' }],
      'scope_unknown',
      'The scope bookings:destroy does not exist.',
    ],
    [
      'a parameter twice',
      () => [web, {}, '&scope=x'],
      'parameter_duplicated',
      'The parameter scope must not be sent more than once.',
    ],
    [
      'a max_age that is no number',
      () => [web, { max_age: 'soon' }],
      'parameter_invalid',
      'The parameter max_age is not valid.',
    ],
    [
      'a request object',
      () => [web, { request: 'a.b.c' }],
      'authorize_request_object_unsupported',
      'Request objects are not supported: send the parameters themselves, without request.',
    ],
    [
      'prompt=none while nobody is signed in',
      () => [web, { prompt: 'none' }],
      'authorize_login_required',
      'The user must sign in, which prompt=none does not allow.',
    ],
  ])('to the app: %s', async (_what, request, page, description) => {
    const { location, headers } = await authorize(...request())
    const { search, hash } = new URL(location ?? '')
    const searchParams = new URLSearchParams(search === '' ? hash.slice(1) : search)
    expect(Object.fromEntries(searchParams)).toMatchObject({
      error_description: description,
      error_uri: `${server.issuer}/errors/${page}`,
      request_id: headers.get('x-request-id'),
      state: 'xyz',
      iss: server.issuer,
    })
    expect(searchParams.getAll('error_description')).toHaveLength(1)
    // RFC 6749 §4.1.2.1 — the letters of error_description and of error_uri.
    expect(searchParams.get('error_description')).toMatch(/^[\x20\x21\x23-\x5B\x5D-\x7E]+$/)
    expect(searchParams.get('error_uri')).toMatch(/^[\x21\x23-\x5B\x5D-\x7E]+$/)
    expect((await fetch(searchParams.get('error_uri') ?? '')).status).toBe(200)
  })

  it.each<[string, () => Parameters<typeof authorize>, string, string]>([
    [
      'no client id',
      () => [web, { client_id: undefined }],
      'authorize_client_id_missing',
      'has no client_id',
    ],
    [
      'an unknown client id',
      () => [{ id: 'app_00000000000000000000' }],
      'authorize_app_unknown',
      '<code>app_00000000000000000000</code>',
    ],
    [
      'no redirect URI',
      () => [web, { redirect_uri: undefined }],
      'authorize_redirect_uri_missing',
      'has no redirect_uri',
    ],
    [
      'an unknown redirect URI',
      () => [web, { redirect_uri: 'https://u:secret@yourapp.com/other?x=<b>' }],
      'authorize_redirect_uri_unknown',
      '<code>https://[redacted]@yourapp.com/other?x=&lt;b&gt;</code>',
    ],
  ])('on a page: %s', async (_what, request, page, shown) => {
    const { html, headers } = await authorize(...request())
    expect(html).toContain(shown)
    expect(html).not.toContain('secret')
    expect(html).toContain(headers.get('x-request-id') ?? 'none')
    expect(html).toContain(`href="/errors/${page}"`)
  })
})

describe('RFC 6749 §3.1 — requests that are understood', () => {
  it.each<[string, Params]>([
    ['commas between scopes', { scope: 'bookings:read,customers:read' }],
    ['offline_access beside a scope', { scope: 'bookings:read offline_access' }],
    ['an audience, as connectors send it', { audience: 'https://api.otesse.com' }],
    ['no state', { state: undefined }],
    [
      'OpenID parameters without openid, which are ignored',
      { nonce: 'n', acr_values: '1', claims: '{', id_token_hint: 'x' },
    ],
    ['max_age without openid', { max_age: '600' }],
    [
      'unknown parameters, which are ignored',
      { access_type: 'offline', include_granted_scopes: 'true' },
    ],
    ['PKCE from a confidential app', { code_challenge: CHALLENGE, code_challenge_method: 'S256' }],
  ])('%s', async (_, params) => {
    const { status, location } = await authorize(web, params)
    expect([302, 303]).toContain(status)
    expect(location).toMatch(/^(http:\/\/127\.0\.0\.1:\d+)?\/interaction\//)
  })

  it('the loopback redirect of a native app on any port (RFC 8252 §7.3)', async () => {
    const native = await registerApp(server, {
      type: 'public',
      redirectUris: ['http://127.0.0.1/cb'],
    })
    const params = {
      redirect_uri: 'http://127.0.0.1:51004/cb',
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
    }
    expect((await authorize(native, params)).location).toMatch(/\/interaction\//)
    const other = { ...params, redirect_uri: 'http://127.0.0.1:51004/other' }
    expect(await authorize(native, other)).toMatchObject({ status: 400, location: null })
  })
})

describe('by a form that the app sends (OpenID Connect Core §3.1.2.1: GET and POST)', () => {
  const post = (body: string, type = 'application/x-www-form-urlencoded') =>
    fetch(`${server.url}/oauth/authorize`, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': type,
        origin: 'https://app.example',
        'sec-fetch-site': 'cross-site',
      },
      body,
    })

  it('leads to the same request by GET, every parameter as it was sent', async () => {
    const answer = await post(
      'client_id=x&state=a%2Bb+c%26%C3%A4&resource=https%3A%2F%2Fa&resource=b',
    )
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe(
      '/oauth/authorize?client_id=x&state=a%2Bb+c%26%C3%A4&resource=https%3A%2F%2Fa&resource=b',
    )
    expect(await answer.text()).toBe('')
    const next = await fetch(server.url + (answer.headers.get('location') ?? ''), {
      redirect: 'manual',
    })
    expect(next.status).toBe(400)
  })

  it.each([
    ['a state beyond its bound', `state=${'x'.repeat(2049)}`, undefined],
    ['JSON', '{}', 'application/json'],
    ['bytes that are no UTF-8', '\u00ff', undefined],
  ])('is refused with %s', async (_what, body, type) => {
    const bytes = body === '\u00ff' ? Buffer.from(body, 'latin1') : body
    const answer = await post(bytes as string, type)
    expect(answer.status).toBe(400)
    expect(answer.headers.get('location')).toBeNull()
  })

  it('takes no other method', async () => {
    const answer = await fetch(`${server.url}/oauth/authorize`, { method: 'PUT' })
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST')
  })
})
