// The recipes of examples/gateways/, run for real: nginx, Caddy, HAProxy and Apache from Debian's packages in front of a sample API, asking our
// server. Envoy has no package there; its way of asking is tested in verify.test.ts.
import { request } from 'node:http'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, registerApp } from '../support/builders.ts'
import {
  type Gateway,
  GATEWAYS,
  type GatewayFacts,
  needsTls,
  startGateway,
  startSampleApi,
  startTlsFront,
  type SampleApi,
  type TlsFront,
} from '../support/gateways.ts'
import { createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'

interface Called {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
}

type Headers = Record<string, string | string[]>

const FORGED: Headers = {
  'x-auth-subject': 'admin',
  'x-auth-client': 'admin',
  'X-Auth-Scope': 'everything',
  'x-auth-expires': '9999999999',
  'x-auth-grant': 'forged',
}

let server: TestApp
let api: SampleApi
let web: OAuthClient
let tls: TlsFront
let facts: GatewayFacts
beforeAll(async () => {
  server = await startTestApp({ backend: 'redis' })
  await createScopes(server)
  web = createOAuthClient(server, await registerApp(server))
  api = await startSampleApi()
  tls = await startTlsFront(new URL(server.url).host)
  const gateway = await registerApp(server, { type: 'resource_server', name: 'Bookings API' })
  const [id, secret] = [gateway.id, gateway.secret ?? '']
  facts = {
    AUTH_ADDRESS: new URL(server.url).host,
    API_ADDRESS: api.address,
    GATEWAY_ID: id,
    GATEWAY_SECRET: secret,
    GATEWAY_CREDENTIALS: Buffer.from(`${id}:${secret}`).toString('base64'),
  }
})
afterAll(async () => {
  await tls[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await api[Symbol.asyncDispose]()
})

function call(gateway: Gateway, path: string, headers: Headers = {}, method = 'GET', body = '') {
  return new Promise<Called>((resolve, reject) => {
    const { hostname, port } = new URL(gateway.url)
    // The path goes as it is: a URL would tidy it up.
    const sent = request({ hostname, port, path, method, headers, agent: false }, (answer) => {
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

const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })

describe.each(GATEWAYS)('%s', (name) => {
  const isApache = name.startsWith('apache')
  let gateway: Gateway
  const start = (other: Partial<GatewayFacts> = {}) =>
    startGateway(
      name,
      { ...facts, ...(needsTls(name) ? { AUTH_ADDRESS: tls.address } : {}), ...other },
      tls,
    )
  beforeAll(async () => {
    gateway = await start()
  })
  afterAll(() => gateway.stop())
  beforeEach(() => {
    api.calls.length = 0
  })

  it('lets a live token through and tells the API who calls', async () => {
    const { access, accountId, grantId } = await web.authorize()
    const answer = await call(gateway, '/v1/bookings?from=today', bearer(access))
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('{"bookings":[]}')
    expect(api.calls).toHaveLength(1)
    expect(api.calls[0]).toMatchObject({ method: 'GET', url: '/v1/bookings?from=today' })
    expect(api.calls[0]?.headers).toMatchObject({
      'x-auth-subject': accountId,
      'x-auth-client': web.client.id,
      'x-auth-scope': 'bookings:read customers:read',
      ...(isApache ? {} : { 'x-auth-grant': grantId }),
    })
    expect(Number(api.calls[0]?.headers['x-auth-expires'])).toBeGreaterThan(server.clock() / 1000)
  })

  it('passes the body of the call to the API', async () => {
    const { access } = await web.authorize()
    const answer = await call(gateway, '/v1/bookings', bearer(access), 'POST', '{"room":7}')
    expect(answer.status).toBe(200)
    expect(api.calls[0]).toMatchObject({ method: 'POST', body: '{"room":7}' })
  })

  it('overwrites what the client says of itself', async () => {
    const { access, accountId, grantId } = await web.authorize()
    await call(gateway, '/v1/bookings', { ...bearer(access), ...FORGED })
    const { headers } = api.calls[0]!
    expect(headers['x-auth-subject']).toBe(accountId)
    expect(headers['x-auth-client']).toBe(web.client.id)
    expect(headers['x-auth-scope']).toBe('bookings:read customers:read')
    expect(headers['x-auth-expires']).not.toContain('9999999999')
    expect(headers['x-auth-grant']).toBe(isApache ? undefined : grantId)
    expect(JSON.stringify(headers)).not.toMatch(/admin|everything|forged/)
  })

  it('does not hand its own credentials to the API', async () => {
    const { access } = await web.authorize()
    await call(gateway, '/v1/bookings', bearer(access))
    const told = JSON.stringify(api.calls)
    expect(told).not.toContain(facts.GATEWAY_SECRET)
    expect(told).not.toContain(facts.GATEWAY_CREDENTIALS)
  })

  it('asks for no scope that the client chose itself', async () => {
    const { access } = await web.authorize()
    const path = '/v1/reports?scope=bookings:read&match=any'
    const forged = {
      ...bearer(access),
      'x-forwarded-uri': '/v1/bookings',
      'x-otesse-gateway-authorization': `Basic ${facts.GATEWAY_CREDENTIALS}`,
    }
    expect((await call(gateway, path, forged)).status).toBe(403)
    expect(api.calls).toEqual([])
  })

  it.each([
    '/v1/bookings/../reports',
    '/v1/bookings/..%2freports',
    '/v1/bookings/%2e%2e/reports',
    '/v1/bookings/..%5creports',
    '/v1/bookings//../../reports',
    '/v1/reports/../bookings',
    '/v1/reports/..%2fbookings',
    '/v1/%72eports',
  ])('lets nobody walk around its routes: %s', async (path) => {
    const { access } = await web.authorize()
    await call(gateway, path, bearer(access))
    expect(api.calls.filter(({ url }) => /reports|%72/.test(url))).toEqual([])
  })

  it('refuses a token without the scope: 403 insufficient_scope', async () => {
    const { access } = await web.authorize()
    const answer = await call(gateway, '/v1/reports', bearer(access))
    expect(answer.status).toBe(403)
    const challenge = String(answer.headers['www-authenticate'])
    expect(challenge).toMatch(/^Bearer /)
    expect(challenge).toContain('error="insufficient_scope"')
    if (!isApache) expect(challenge).toContain('scope="bookings:write"')
    expect(api.calls).toEqual([])
  })

  it('refuses a call without a token: 401 without an error code', async () => {
    const answer = await call(gateway, '/v1/bookings')
    expect(answer.status).toBe(401)
    const challenge = answer.headers['www-authenticate']
    expect(challenge).toMatch(/^Bearer/)
    if (!isApache) expect(challenge).toBe('Bearer realm="otesse"')
    expect(api.calls).toEqual([])
  })

  it('refuses garbage: 401 invalid_token', async () => {
    const answer = await call(gateway, '/v1/bookings', bearer('garbage'))
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
    expect(api.calls).toEqual([])
  })

  it.each(['access', 'refresh'] as const)(
    'refuses a token at once when its %s token is revoked',
    async (which) => {
      const tokens = await web.authorize()
      for (let at = 0; at < 3; at += 1)
        expect((await call(gateway, '/v1/bookings', bearer(tokens.access))).status).toBe(200)
      await web.revoke(tokens[which])
      api.calls.length = 0
      const answer = await call(gateway, '/v1/bookings', bearer(tokens.access))
      expect(answer.status).toBe(401)
      expect(api.calls).toEqual([])
    },
  )

  it('does not know what its configuration does not name', async () => {
    const { access } = await web.authorize()
    const answer = await call(gateway, '/v1/customers', bearer(access))
    expect([403, 404]).toContain(answer.status)
    expect(api.calls).toEqual([])
  })

  if (!isApache)
    it('refuses two tokens in one call, with the status of the server', async () => {
      const { access } = await web.authorize()
      const answer = await call(gateway, `/v1/bookings?access_token=x`, bearer(access))
      expect(answer.status).toBe(400)
      expect(answer.headers['www-authenticate']).toContain('error="invalid_request"')
      expect(api.calls).toEqual([])
    })

  it('lets nobody in while its own credentials are wrong', async () => {
    const { access } = await web.authorize()
    const wrong = {
      GATEWAY_SECRET: 'wrong',
      GATEWAY_CREDENTIALS: btoa(`${facts.GATEWAY_ID}:wrong`),
    }
    const other = await start(wrong)
    try {
      const answer = await call(other, '/v1/bookings', bearer(access))
      expect([401, 403, 500, 502, 503]).toContain(answer.status)
      expect(api.calls).toEqual([])
    } finally {
      await other.stop()
    }
  })

  it('lets nobody in while the authorization server is away', async () => {
    const { access } = await web.authorize()
    const other = await start({ AUTH_ADDRESS: '127.0.0.1:9' })
    try {
      const answer = await call(other, '/v1/bookings', bearer(access))
      expect([401, 403, 500, 502, 503]).toContain(answer.status)
      expect(api.calls).toEqual([])
    } finally {
      await other.stop()
    }
  })
})
