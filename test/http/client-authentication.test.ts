// How an app authenticates on the back channel (RFC 6749 §2.3), and the answer if it cannot.
import { newClientSecret } from '../../src/shared/token-format.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, issueCode, registerApp, type TestClient } from '../support/builders.ts'
import {
  basicHeader,
  createOAuthClient,
  encode,
  type Params,
  send,
} from '../support/oauth-client.ts'

let server: TestApp
let client: TestClient
let spa: TestClient
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  client = await registerApp(server)
  spa = await registerApp(server, { type: 'public' })
})
afterAll(() => server[Symbol.asyncDispose]())

interface Sent {
  params?: Params
  authorization?: string
  path?: string
}

function post({ params = {}, authorization, path = '/oauth/token' }: Sent) {
  const { type, text } = encode({ grant_type: 'client_credentials', ...params }, 'form')
  return send(server.url + path, {
    method: 'POST',
    headers: { 'content-type': type, ...(authorization === undefined ? {} : { authorization }) },
    body: text,
  })
}

const secretOf = ({ secret = '' }: TestClient): string => secret
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

const FAILED = 'Client authentication failed.'

describe('RFC 6749 §2.3.1 — client password', () => {
  it('is taken from the body', async () => {
    const params = { client_id: client.id, client_secret: secretOf(client) }
    expect(await post({ params })).toMatchObject({ status: 200 })
  })

  it.each([
    ['form-encoded', () => basicHeader(client.id, secretOf(client))],
    ['as it is', () => basic(`${client.id}:${secretOf(client)}`)],
    [
      'percent-encoded to the last letter',
      () => basic(`${percent(client.id)}:${percent(secretOf(client))}`),
    ],
    [
      'with the scheme in other letters',
      () => basicHeader(client.id, secretOf(client)).replace('Basic', 'bASIC'),
    ],
    ['with more spaces', () => basicHeader(client.id, secretOf(client)).replace(' ', '   ')],
  ])('is taken from HTTP Basic, %s', async (_, authorization) => {
    expect(await post({ authorization: authorization() })).toMatchObject({ status: 200 })
  })

  it('is taken from HTTP Basic with the same client id in the body', async () => {
    const authorization = basicHeader(client.id, secretOf(client))
    expect(await post({ authorization, params: { client_id: client.id } })).toMatchObject({
      status: 200,
    })
  })

  it('MUST NOT come twice (RFC 6749 §2.3), even if both are right', async () => {
    const authorization = basicHeader(client.id, secretOf(client))
    const params = { client_id: client.id, client_secret: secretOf(client) }
    expect(await post({ authorization, params })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    })
  })

  it('may not name two clients', async () => {
    const authorization = basicHeader(client.id, secretOf(client))
    expect(await post({ authorization, params: { client_id: spa.id } })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    })
  })
})

describe('RFC 6749 §5.2 — invalid_client', () => {
  it.each([
    ['nothing at all', () => ({}), /send client_id and client_secret/],
    [
      'a client that nobody knows',
      () => ({ client_id: 'app_00000000000000000000', client_secret: secretOf(client) }),
      FAILED,
    ],
    [
      'a client id of another form',
      () => ({ client_id: "' or 1=1 --", client_secret: 'x' }),
      FAILED,
    ],
    ['a client id with a NUL', () => ({ client_id: '\0', client_secret: 'x' }), FAILED],
    ['no secret', () => ({ client_id: client.id }), /must send its client_secret/],
    [
      'an empty secret',
      () => ({ client_id: client.id, client_secret: '' }),
      /must send its client_secret/,
    ],
    ['a wrong secret', () => ({ client_id: client.id, client_secret: newClientSecret() }), FAILED],
    [
      'a secret that is not of our form',
      () => ({ client_id: client.id, client_secret: 'guess' }),
      FAILED,
    ],
    [
      'a very long secret',
      () => ({ client_id: client.id, client_secret: 'x'.repeat(50_000) }),
      FAILED,
    ],
    [
      'a public app with a secret',
      () => ({ client_id: spa.id, client_secret: newClientSecret() }),
      FAILED,
    ],
  ])('%s', async (_, params, sentence) => {
    const { status, headers, body } = await post({ params: params() })
    expect({ status, error: body.error }).toEqual({ status: 401, error: 'invalid_client' })
    expect(body.error_description).toMatch(sentence)
    // Only a client that tried the Authorization header is told of the scheme.
    expect(headers.get('www-authenticate')).toBeNull()
  })

  it.each([
    ['a wrong secret', () => basicHeader(client.id, newClientSecret())],
    ['an empty secret', () => basicHeader(client.id, '')],
    ['no colon', () => basic(client.id)],
    ['no client id', () => basic(`:${secretOf(client)}`)],
    ['a broken percent-encoding', () => basic(`${client.id}:%zz`)],
    ['something that is not base64', () => 'Basic !!!'],
    ['nothing after the scheme', () => 'Basic'],
    ['another scheme', () => `Bearer ${secretOf(client)}`],
  ])('HTTP Basic with %s is answered with the matching scheme', async (_, authorization) => {
    const { status, headers, body } = await post({ authorization: authorization() })
    expect({ status, error: body.error }).toEqual({ status: 401, error: 'invalid_client' })
    expect(headers.get('www-authenticate')).toMatch(/^Basic realm="[^"]+"/)
  })

  it.each(['/oauth/revoke', '/oauth/introspect'])('is the answer of %s as well', async (path) => {
    const params = { token: 'x', client_id: client.id, client_secret: newClientSecret() }
    expect(await post({ path, params })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
  })
})

describe('two secrets during a rotation', () => {
  it('both work, until one expires or is revoked', async () => {
    const rotating = await registerApp(server)
    const { clock, services } = server
    const created = await services.apps.createSecret(rotating.id, {
      expiresAt: new Date(clock() + 60_000),
    })
    if (created.kind !== 'created') throw new Error('no second secret')
    const second = created.secret.reveal()
    const tryWith = async (client_secret: string) =>
      (await post({ params: { client_id: rotating.id, client_secret } })).status
    expect(await tryWith(secretOf(rotating))).toBe(200)
    expect(await tryWith(second)).toBe(200)
    clock.move(60_001)
    expect(await tryWith(second)).toBe(401)
    expect(await tryWith(secretOf(rotating))).toBe(200)
    await services.apps.revokeSecret(rotating.id, rotating.app.secrets[0]!.id)
    expect(await tryWith(secretOf(rotating))).toBe(401)
  })
})

describe('apps that were shut down', () => {
  const credentials = (one: TestClient) => ({ client_id: one.id, client_secret: one.secret })

  it('a suspended app is refused at once, and works again when it is active again', async () => {
    const app = await registerApp(server)
    await server.services.apps.suspend(app.id, 'abuse')
    const refused = await post({ params: credentials(app) })
    expect(refused).toMatchObject({ status: 401, body: { error_description: FAILED } })
    await server.services.apps.activate(app.id)
    expect(await post({ params: credentials(app) })).toMatchObject({ status: 200 })
  })

  it('a deleted app is refused for good', async () => {
    const app = await registerApp(server)
    await server.services.apps.remove(app.id, 'not needed any more')
    expect(await post({ params: credentials(app) })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
  })

  it('a suspended public app is refused as well', async () => {
    const app = await registerApp(server, { type: 'public' })
    const { code } = await issueCode(server, app)
    await server.services.apps.suspend(app.id, 'abuse')
    const params = {
      grant_type: 'authorization_code',
      client_id: app.id,
      code,
      redirect_uri: app.redirectUri,
    }
    expect(await post({ params })).toMatchObject({ status: 401 })
  })
})

describe('web pages of public apps (CORS)', () => {
  const origin = 'https://yourapp.com'
  const ask = (app: TestClient, from: string, path = '/oauth/token') => {
    const { type, text } = encode(
      { grant_type: 'refresh_token', refresh_token: 'x', token: 'x', client_id: app.id },
      'json',
    )
    const headers = { 'content-type': type, origin: from }
    return send(server.url + path, { method: 'POST', headers, body: text })
  }

  it.each(['/oauth/token', '/oauth/revoke'])(
    'a preflight of %s says what may be sent',
    async (path) => {
      const { status, headers } = await send(server.url + path, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type',
        },
      })
      expect(status).toBe(204)
      expect(headers.get('access-control-allow-origin')).toBe('*')
      expect(headers.get('access-control-allow-methods')).toBe('POST')
      expect(headers.get('access-control-allow-headers')).toMatch(/content-type/)
      expect(headers.get('access-control-allow-credentials')).toBeNull()
    },
  )

  it.each([
    ['/oauth/token', 'POST'],
    ['/oauth/revoke', 'POST'],
    ['/.well-known/openid-configuration', 'GET'],
    ['/.well-known/oauth-authorization-server', 'GET'],
    ['/oauth/jwks', 'GET'],
  ])('a preflight of %s allows the headers that tracing adds', async (path, method) => {
    const asked = 'authorization,baggage,sentry-trace,traceparent'
    const preflight = (list: string) =>
      send(server.url + path, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': method,
          'access-control-request-headers': list,
        },
      })
    const { status, headers } = await preflight(asked)
    expect(status).toBe(204)
    expect(headers.get('access-control-allow-origin')).toBe('*')
    expect(headers.get('access-control-allow-methods')).toBe(method)
    expect(headers.get('access-control-allow-headers')).toBe(asked)
    for (const odd of ['a b', 'x'.repeat(1001), 'a;b', ',']) {
      const refused = await preflight(odd)
      expect(refused.headers.get('access-control-allow-headers')).toBe(
        'authorization, content-type',
      )
    }
    if (method === 'POST') return
    const document = await send(server.url + path, { headers: { origin } })
    expect(document.headers.get('access-control-allow-origin')).toMatch(/^\*$|^https:/)
  })

  it.each(['/oauth/token', '/oauth/revoke'])(
    'the app’s own page may read the answer of %s, errors too',
    async (path) => {
      const { headers } = await ask(spa, origin, path)
      expect(headers.get('access-control-allow-origin')).toBe(origin)
      expect(headers.get('vary')).toMatch(/Origin/)
      expect(headers.get('access-control-allow-credentials')).toBeNull()
    },
  )

  it.each([
    'https://evil.example',
    'https://yourapp.com.evil.example',
    'http://yourapp.com',
    'null',
  ])('a page of %s may not', async (from) => {
    const { headers } = await ask(spa, from)
    expect(headers.get('access-control-allow-origin')).toBeNull()
  })

  it('a private-use redirect URI gives no page of origin "null" a right', async () => {
    const native = await registerApp(server, { type: 'public', redirectUris: ['com.yourapp:/cb'] })
    const { headers } = await ask(native, 'null')
    expect(headers.get('access-control-allow-origin')).toBeNull()
  })

  it.each([
    'capacitor://localhost',
    'https://localhost',
    'chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb',
    'moz-extension://0b2d4b3a-8f3f-4a0b-9d77-0c6f6a2f1e55',
  ])('a page of %s may where an admin named its origin', async (from) => {
    const redirectUris = ['com.yourapp:/cb']
    const native = await registerApp(server, {
      ...{ type: 'public', redirectUris, scopes: ['openid'], allowedOrigins: [from] },
    })
    for (const path of ['/oauth/token', '/oauth/revoke']) {
      const { headers } = await ask(native, from, path)
      expect(headers.get('access-control-allow-origin')).toBe(from)
    }
    const { code } = await issueCode(server, native, { scopes: ['openid'] })
    const { access_token } = (await createOAuthClient(server, native).exchange(code)).body
    const userinfo = (origin: string) =>
      send(`${server.url}/oauth/userinfo`, {
        headers: { origin, authorization: `Bearer ${access_token}` },
      })
    expect((await userinfo(from)).headers.get('access-control-allow-origin')).toBe(from)
    expect((await userinfo('https://evil.example')).status).toBe(400)
    const unnamed = await registerApp(server, { type: 'public', redirectUris })
    const { headers } = await ask(unnamed, from)
    expect(headers.get('access-control-allow-origin')).toBeNull()
  })

  it('no page may read for a confidential app', async () => {
    const { headers } = await ask(client, origin)
    expect(headers.get('access-control-allow-origin')).toBeNull()
  })
})

function percent(text: string): string {
  return text.replace(/./g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)
}
