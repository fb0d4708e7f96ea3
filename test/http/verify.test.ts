// /oauth/verify as gateways use it, over HTTP and on both kinds of stores. Real gateways are in
// gateways.test.ts.
import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { BACKENDS, openTestStores, startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, createScopes, registerApp } from '../support/builders.ts'
import { basicHeader, createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'
import { waitUntil } from '../support/server-process.ts'

const API = 'https://api.otesse.com/v1'
const METADATA = 'https://api.otesse.com/.well-known/oauth-protected-resource'
const RULES = {
  api: [
    { methods: ['GET'], path: '/v1/bookings/**', scopes: ['bookings:read'] },
    { path: '/v1/bookings/**', scopes: ['bookings:write'] },
  ],
}

interface Asked {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
}

interface Ask {
  path?: string
  method?: string
  /** Several of one name are sent as several lines. */
  headers?: Record<string, string | string[]>
  body?: string
}

/** Sends it as it is: fetch would join equal headers and has opinions on others. */
function ask(server: TestApp, { path = '/oauth/verify', method = 'GET', headers, body }: Ask) {
  return new Promise<Asked>((resolve, reject) => {
    const sent = request(server.url + path, { method, headers: headers ?? {} }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      answer.once('end', () => {
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text })
      })
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

describe.each(BACKENDS)('/oauth/verify, %s', (backend) => {
  let server: TestApp
  let web: OAuthClient
  let machine: OAuthClient
  let credentials: string
  beforeAll(async () => {
    server = await startTestApp({
      backend,
      overrides: {
        OTESSE_VERIFY_RESOURCE_METADATA: METADATA,
        OTESSE_VERIFY_RULES: JSON.stringify(RULES),
      },
    })
    await createScopes(server)
    web = createOAuthClient(server, await registerApp(server))
    machine = createOAuthClient(server, await registerApp(server, { type: 'machine' }))
    const api = await registerApp(server, { type: 'resource_server', audiences: [API] })
    credentials = basicHeader(api.id, api.secret ?? '')
  })
  afterAll(() => server[Symbol.asyncDispose]())

  /** Asks as a gateway that proves itself. */
  const verify = (token: string | undefined, { headers, ...rest }: Ask = {}) =>
    ask(server, {
      headers: {
        'x-otesse-gateway-authorization': credentials,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...rest,
    })
  const machineToken = async (scope = 'bookings:read') =>
    (await machine.credentials({ scope })).body.access_token

  describe('a call with a live token', () => {
    it('passes, with the identity of the person', async () => {
      const { access, accountId, grantId } = await web.authorize()
      const answer = await verify(access, { path: '/oauth/verify?scope=bookings:read' })
      expect(answer.status).toBe(204)
      expect(answer.headers).toMatchObject({
        'x-auth-subject': accountId,
        'x-auth-client': web.client.id,
        'x-auth-scope': 'bookings:read customers:read',
        'x-auth-grant': grantId,
        'cache-control': 'no-store',
      })
      const left = Number(answer.headers['x-auth-expires']) - server.clock() / 1000
      expect(left).toBeGreaterThan(3590)
      expect(left).toBeLessThanOrEqual(3600)
      expect(answer.headers['www-authenticate']).toBeUndefined()
    })

    it('passes as the app where it acts for itself', async () => {
      const answer = await verify(await machineToken())
      expect(answer.headers['x-auth-subject']).toBe(machine.client.id)
      expect(answer.headers['x-auth-client']).toBe(machine.client.id)
    })

    it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
      'passes whatever the method of the sub-request: %s',
      async (method) => {
        expect((await verify(await machineToken(), { method })).status).toBe(204)
      },
    )

    it('passes when the gateway sends the body of the call along', async () => {
      const token = await machineToken()
      const body = 'x'.repeat(200_000)
      expect((await verify(token, { method: 'POST', body })).status).toBe(204)
    })

    it('answers every identity header, also an empty one', async () => {
      const [{ accountId }, scopes] = [await web.authorize(), ['customers:gone']]
      await createScopes(server, scopes)
      const app = await registerApp(server, { scopes })
      const client = createOAuthClient(server, app)
      const { access } = await client.authorize({ scopes, accountId })
      await server.services.scopes.remove('customers:gone')
      const answer = await verify(access)
      expect(answer.status).toBe(204)
      expect(answer.headers['x-auth-scope']).toBe('')
    })
  })

  describe('RFC 6750 §3.1 — error codes', () => {
    it('no token: 401 without an error code', async () => {
      const answer = await verify(undefined)
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toBe(
        `Bearer realm="otesse", resource_metadata="${METADATA}"`,
      )
      expect(answer.headers['cache-control']).toBe('no-store')
    })

    it('another scheme: 401 without an error code', async () => {
      const headers = { authorization: basicHeader('ada', 'secret') }
      const answer = await verify(undefined, { headers })
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).not.toContain('error=')
    })

    it.each([
      ['garbage', () => 'garbage'],
      ['a token that never was', () => `otesse_at_${'a'.repeat(43)}aaaaaa`],
      ['a refresh token', async () => (await web.authorize()).refresh],
      ['an authorization code', async () => (await web.authorize()).code],
    ])('%s: 401 invalid_token', async (_, make) => {
      const answer = await verify(await make())
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toMatch(
        /^Bearer realm="otesse", error="invalid_token", error_description="[^"]+", error_uri="[^"]+", resource_metadata=/,
      )
      const error_uri = `${server.issuer}/errors/token_invalid`
      expect(answer.headers['www-authenticate']).toContain(`error_uri="${error_uri}"`)
      expect(JSON.parse(answer.text)).toMatchObject({ error: 'invalid_token', error_uri })
      expect((await fetch(error_uri)).status).toBe(200)
      expect(answer.headers['x-auth-subject']).toBeUndefined()
    })

    it('a missing scope: 403 insufficient_scope with the scopes that are needed', async () => {
      const path = '/oauth/verify?scope=bookings:read+bookings:write'
      const answer = await verify(await machineToken(), { path })
      expect(answer.status).toBe(403)
      expect(answer.headers['www-authenticate']).toContain('error="insufficient_scope"')
      expect(answer.headers['www-authenticate']).toContain('scope="bookings:read bookings:write"')
      expect(JSON.parse(answer.text)).toMatchObject({ error: 'insufficient_scope' })
      const any = await verify(await machineToken(), { path: `${path}&match=any` })
      expect(any.status).toBe(204)
    })

    it.each([
      ['two tokens', { authorization: ['Bearer a', 'Bearer b'] }],
      ['an empty one', { authorization: 'Bearer' }],
      [
        'one more in the query',
        {
          authorization: 'Bearer a',
          'x-forwarded-method': 'GET',
          'x-forwarded-uri': '/v1?access_token=b',
        },
      ],
    ])('%s: 400 invalid_request', async (_, headers) => {
      const answer = await verify(undefined, { headers: headers })
      expect(answer.status).toBe(400)
      expect(answer.headers['www-authenticate']).toContain('error="invalid_request"')
    })

    it('lets a gateway name the metadata of its own API', async () => {
      const path = '/oauth/verify?resource_metadata=https://other.example.com/x'
      const answer = await verify(undefined, { path })
      expect(answer.headers['www-authenticate']).toBe(
        'Bearer realm="otesse", resource_metadata="https://other.example.com/x"',
      )
    })
  })

  describe('a token that ended', () => {
    it.each([
      ['the access token is revoked', (tokens: { access: string }) => web.revoke(tokens.access)],
      ['its refresh token is revoked', (tokens: { refresh: string }) => web.revoke(tokens.refresh)],
      [
        'the account is deactivated',
        ({ accountId }: { accountId: string }) =>
          server.services.accounts.deactivate(accountId, 'left'),
      ],
    ])('is refused at once: %s', async (_, end) => {
      const account = await createAccount(server)
      const tokens = await web.authorize({ accountId: account.id })
      expect((await verify(tokens.access)).status).toBe(204)
      await end(tokens)
      expect((await verify(tokens.access)).status).toBe(401)
    })

    it('is refused when its app is suspended', async () => {
      const app = await registerApp(server, { type: 'machine' })
      const { body } = await createOAuthClient(server, app).credentials()
      expect((await verify(body.access_token)).status).toBe(204)
      await server.services.apps.suspend(app.id, 'test')
      expect((await verify(body.access_token)).status).toBe(401)
    })
  })

  describe('audiences', () => {
    const audienceToken = async (audience: string) => {
      const app = await registerApp(server, { type: 'machine', audiences: [audience] })
      return (await createOAuthClient(server, app).credentials()).body.access_token
    }

    it('a token for this API passes, one for another does not', async () => {
      expect((await verify(await audienceToken(API))).status).toBe(204)
      const other = await verify(await audienceToken('https://other.example.com'))
      expect(other.status).toBe(401)
    })

    it('a gateway may insist on an audience', async () => {
      const path = `/oauth/verify?audience=${encodeURIComponent(API)}`
      expect((await verify(await audienceToken(API), { path })).status).toBe(204)
      expect((await verify(await machineToken(), { path })).status).toBe(401)
    })
  })

  describe('rules by method and path', () => {
    const call = async (method: string, uri: string) => {
      const headers = { 'x-forwarded-method': method, 'x-forwarded-uri': uri }
      return verify(await machineToken(), { path: '/oauth/verify?rules=api', headers })
    }

    it('ask for the scopes of the rule', async () => {
      expect((await call('GET', '/v1/bookings/7?x=1')).status).toBe(204)
      const denied = await call('DELETE', '/v1/bookings/7')
      expect(denied.status).toBe(403)
      expect(denied.headers['www-authenticate']).toContain('scope="bookings:write"')
    })

    it('deny what no rule allows, and what has two readings', async () => {
      const other = await call('GET', '/v1/customers')
      expect(other.status).toBe(403)
      expect(other.headers['www-authenticate']).toBeUndefined()
      expect((await call('GET', '/v1/bookings/..%2fcustomers')).status).toBe(400)
    })

    it('deny when the gateway does not say what is called', async () => {
      const answer = await verify(await machineToken(), { path: '/oauth/verify?rules=api' })
      expect(JSON.parse(answer.text)).toMatchObject({ error: 'gateway_misconfigured' })
    })
  })

  describe('a requirement that is not understood', () => {
    it.each(['scopes=bookings:read', 'scope=a&scope=b', 'rules=none', 'scope='])(
      'closes the API: %s',
      async (query) => {
        const answer = await verify(await machineToken(), { path: `/oauth/verify?${query}` })
        expect(answer.status).toBe(403)
        expect(answer.headers['www-authenticate']).toBeUndefined()
        expect(JSON.parse(answer.text)).toMatchObject({ error: 'gateway_misconfigured' })
      },
    )
  })

  describe('nginx', () => {
    const path = '/oauth/verify/nginx?scope=bookings:write'
    it('sees 401 and 403 alone, with the true status beside it', async () => {
      const malformed = await verify(undefined, { path, headers: { authorization: 'Bearer' } })
      expect(malformed.status).toBe(403)
      expect(malformed.headers['x-otesse-status']).toBe('400')
      expect(malformed.headers['x-otesse-error']).toBe('invalid_request')
      expect((await verify('x', { path })).status).toBe(401)
      const denied = await verify(await machineToken(), { path })
      expect(denied.status).toBe(403)
      expect(denied.headers['x-otesse-status']).toBe('403')
    })
  })

  describe('Envoy', () => {
    it('asks in the address itself, and takes 200 for a yes', async () => {
      const token = await machineToken()
      const prefix = '/oauth/verify/envoy/scope=bookings:read'
      const yes = await verify(token, { path: `${prefix}/v1/bookings`, method: 'DELETE' })
      expect([yes.status, yes.text]).toEqual([200, ''])
      expect(yes.headers['x-auth-client']).toBe(machine.client.id)
    })

    it('cannot be told another requirement by the client', async () => {
      const token = await machineToken()
      const prefix = '/oauth/verify/envoy/scope=bookings:write'
      const path = `${prefix}/v1/bookings?scope=bookings:read&match=any`
      expect((await verify(token, { path })).status).toBe(403)
    })

    it('has the call in the address, for rules', async () => {
      const token = await machineToken()
      const path = '/oauth/verify/envoy/rules=api/v1/bookings/7'
      const forged = { 'x-forwarded-method': 'GET', 'x-forwarded-uri': '/v1/bookings' }
      expect((await verify(token, { path })).status).toBe(200)
      const denied = await verify(token, { path, method: 'DELETE', headers: forged })
      expect(denied.status).toBe(403)
    })
  })

  describe('whoever does not prove to be a gateway', () => {
    it.each([
      ['says nothing', () => ({})],
      ['guesses', () => ({ 'x-otesse-gateway-authorization': basicHeader('app_x', 'y') })],
      ['writes nonsense', () => ({ 'x-otesse-gateway-authorization': 'Basic !' })],
      [
        'is an app',
        () => ({
          'x-otesse-gateway-authorization': basicHeader(web.client.id, web.client.secret ?? ''),
        }),
      ],
      ['claims an address', () => ({ 'x-forwarded-for': '127.0.0.1' })],
    ])('learns nothing of a token: %s', async (_, headers) => {
      const bodies = []
      for (const token of [await machineToken(), 'garbage']) {
        const answer = await ask(server, {
          headers: { authorization: `Bearer ${token}`, ...headers() },
        })
        expect(answer.status).toBe(403)
        expect(answer.headers['www-authenticate']).toBeUndefined()
        expect(answer.headers['x-auth-subject']).toBeUndefined()
        bodies.push({ ...(JSON.parse(answer.text) as object), request_id: '' })
      }
      expect(bodies[0]).toEqual(bodies[1])
      expect(bodies[0]).toMatchObject({ error: 'gateway_unproven' })
    })

    it('is named to the operator, without credentials', async () => {
      const secret = 'otesse_cs_guessed'
      await ask(server, { headers: { 'x-otesse-gateway-authorization': basicHeader('a', secret) } })
      const lines = server.log.filter((line) => line.includes('a gateway was refused'))
      expect(lines.length).toBeGreaterThan(0)
      expect(lines.join()).toMatch(/"reason":"client_unknown"/)
      expect(server.log.join()).not.toContain(Buffer.from(secret).toString('base64').slice(0, 12))
    })
  })

  it('keeps why a call was refused, for the developer of the app', async () => {
    const path = '/oauth/verify?scope=bookings:write'
    await verify(await machineToken(), { path })
    const line = server.log.find(
      (one) => one.includes('scope_insufficient') && one.includes(machine.client.id),
    )
    expect(line).toContain('request.refused')
  })
})

describe('/oauth/verify, other settings', () => {
  it('names the identity headers as the operator wants', async () => {
    await using server = await startTestApp({
      backend: 'embedded',
      overrides: {
        OTESSE_VERIFY_HEADERS: 'subject=X-User,grant=X-Family',
        OTESSE_VERIFY_TRUSTED_NETWORKS: '127.0.0.1',
      },
    })
    await createScopes(server)
    const machine = createOAuthClient(server, await registerApp(server, { type: 'machine' }))
    const { body } = await machine.credentials()
    const headers = { authorization: `Bearer ${body.access_token}` }
    // Here the gateway is known by its network.
    const answer = await ask(server, { headers })
    expect(answer.status).toBe(204)
    expect(
      Object.keys(answer.headers).filter((name) => /^x-(user|family|auth)/.test(name)),
    ).toEqual(['x-user', 'x-auth-client', 'x-auth-scope', 'x-auth-expires', 'x-family'])
    // A proxy in that network that we do not know brings somebody else.
    const proxied = await ask(server, { headers: { ...headers, 'x-forwarded-for': '192.0.2.1' } })
    expect(proxied.status).toBe(403)
  })

  it('believes a proxy of ours about where a gateway is', async () => {
    await using server = await startTestApp({
      backend: 'embedded',
      overrides: {
        OTESSE_TRUSTED_PROXIES: '127.0.0.1',
        OTESSE_VERIFY_TRUSTED_NETWORKS: '10.0.0.0/8',
      },
    })
    const from = async (address: string) =>
      (await ask(server, { headers: { 'x-forwarded-for': address } })).status
    expect(await from('10.1.2.3')).toBe(401)
    expect(await from('192.0.2.1')).toBe(403)
    expect(await from('10.1.2.3, 192.0.2.1')).toBe(403)
  })

  it('bounds each gateway by itself', async () => {
    await using server = await startTestApp({
      backend: 'embedded',
      overrides: { OTESSE_LIMIT_VERIFY_PER_GATEWAY: '3/60' },
    })
    const gateways = [
      await registerApp(server, { type: 'resource_server' }),
      await registerApp(server, { type: 'resource_server' }),
    ].map(({ id, secret }) => basicHeader(id, secret ?? ''))
    const as = (credentials: string, path?: string) =>
      ask(server, {
        headers: { 'x-otesse-gateway-authorization': credentials },
        ...(path === undefined ? {} : { path }),
      })
    const [first = '', second = ''] = gateways
    for (let at = 0; at < 3; at += 1) expect((await as(first)).status).toBe(401)
    const limited = await as(first)
    expect(limited.status).toBe(429)
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0)
    const forNginx = await as(first, '/oauth/verify/nginx')
    expect([forNginx.status, forNginx.headers['x-otesse-status']]).toEqual([403, '429'])
    expect((await as(second)).status).toBe(401)
  })

  it('believes a proxy of ours about the certificate of a gateway, and nobody else', async () => {
    await using stores = await openTestStores('redis')
    await using before = await startTestApp({ backend: 'redis', stores })
    const api = await registerApp(before, { type: 'resource_server', audiences: [API] })
    const web = await registerApp(before, { scopes: [] })
    const der = randomBytes(700)
    const print = createHash('sha256').update(der).digest('hex')
    const other = createHash('sha256').update('another').digest('hex')
    await using server = await startTestApp({
      backend: 'redis',
      stores,
      overrides: {
        OTESSE_TRUSTED_PROXIES: '127.0.0.1',
        OTESSE_VERIFY_CLIENT_CERTIFICATES: `${api.id}=${print}, ${web.id}=${other}`,
      },
    })
    const as = async (certificate: string | string[], headers = {}) =>
      (await ask(server, { headers: { 'client-cert': certificate, ...headers } })).status
    const sequence = `:${der.toString('base64')}:`
    const pem = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`
    // 401: proven, and the call has no token. 403: not proven.
    expect(await as(sequence)).toBe(401)
    expect(await as(sequence)).toBe(401)
    expect(await as(encodeURIComponent(pem))).toBe(401)
    expect(await as(print.toUpperCase())).toBe(401)
    expect(await as(other)).toBe(403)
    expect(await as(`:${randomBytes(700).toString('base64')}:`)).toBe(403)
    expect(await as('%')).toBe(403)
    expect(await as([sequence, sequence])).toBe(403)
    await before.services.apps.suspend(api.id, 'away')
    await waitUntil('the suspension to arrive', async () => (await as(sequence)) === 403)

    await using direct = await startTestApp({
      backend: 'redis',
      stores,
      overrides: {
        OTESSE_TRUSTED_PROXIES: '10.0.0.1',
        OTESSE_VERIFY_CLIENT_CERTIFICATES: `${web.id}=${other}, ${api.id}=${print}`,
      },
    })
    await before.services.apps.activate(api.id)
    const stranger = await ask(direct, { headers: { 'client-cert': sequence } })
    expect(stranger.status).toBe(403)
  })
})
