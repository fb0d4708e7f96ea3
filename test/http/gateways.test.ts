// The recipes of examples/gateways/, run for real in front of a sample API, asking our server:
// nginx, Caddy, HAProxy and Apache from Debian's packages, Envoy and Traefik as
// test/install-packages.sh fetches them.
import { request } from 'node:http'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, registerApp } from '../support/builders.ts'
import {
  type Gateway,
  GATEWAYS,
  type GatewayFacts,
  needsTls,
  LARGE_BODY_BYTES,
  LARGE_HEADER_BYTES,
  startFront,
  startGateway,
  startSampleApi,
  startTlsFront,
  type Front,
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

const IDENTITY = ['subject', 'client', 'scope', 'expires', 'grant']
/** What stands between the words of a header's name to look like a hyphen to some API. */
const LIKE_A_HYPHEN = ['_', '.', '!', '#', '$', '%', '&', "'", '*', '+', '^', '`', '|', '~']
const spellings = (odd: string): string[] =>
  IDENTITY.flatMap((word) => [
    `x${odd}auth${odd}${word}`,
    `X-AUTH${odd}${word.toUpperCase()}`,
    `X${odd}Auth-${word}`,
  ])

let server: TestApp
let api: SampleApi
let web: OAuthClient
let plain: Front
let tls: TlsFront
let facts: GatewayFacts
beforeAll(async () => {
  server = await startTestApp({
    backend: 'redis',
    overrides: {
      // The set that Envoy's recipe names.
      OTESSE_VERIFY_RULES: JSON.stringify({
        api: [
          { path: '/v1/bookings/**', scopes: ['bookings:read'] },
          { path: '/v1/reports/**', scopes: ['bookings:write'] },
        ],
      }),
    },
  })
  await createScopes(server)
  web = createOAuthClient(server, await registerApp(server))
  api = await startSampleApi()
  plain = await startFront(new URL(server.url).host)
  tls = await startTlsFront(new URL(server.url).host)
  const gateway = await registerApp(server, { type: 'resource_server', name: 'Bookings API' })
  const [id, secret] = [gateway.id, gateway.secret ?? '']
  facts = {
    AUTH_ADDRESS: plain.address,
    API_ADDRESS: api.address,
    GATEWAY_ID: id,
    GATEWAY_SECRET: secret,
    GATEWAY_CREDENTIALS: Buffer.from(`${id}:${secret}`).toString('base64'),
  }
})
afterAll(async () => {
  await plain[Symbol.asyncDispose]()
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

/** Envoy repeats the origin, the others say `*`: for calls without cookies that is the same. */
const ownOrigin = (name: string): string => (name === 'envoy' ? 'https://spa.example' : '*')

const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })

describe.each(GATEWAYS)('%s', (name) => {
  const isApache = name.startsWith('apache')
  const front = () => (needsTls(name) ? tls : plain)
  let gateway: Gateway
  const start = (other: Partial<GatewayFacts> = {}) =>
    startGateway(name, { ...facts, AUTH_ADDRESS: front().address, ...other }, tls)
  beforeAll(async () => {
    gateway = await start()
  })
  afterAll(() => gateway.stop())
  beforeEach(() => {
    api.calls.length = 0
    front().asked.length = 0
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

  it.each(LIKE_A_HYPHEN)(
    'lets no other spelling of an identity header through: X%sAuth',
    async (odd) => {
      const { access, accountId } = await web.authorize()
      for (const spelling of spellings(odd)) {
        api.calls.length = 0
        const answer = await call(gateway, '/v1/bookings', {
          ...bearer(access),
          [spelling]: 'forged',
        })
        // Apache cannot remove by pattern: what is no underscore it refuses.
        if (isApache && odd !== '_') expect([spelling, answer.status]).toEqual([spelling, 400])
        else expect([spelling, answer.status, api.calls.length]).toEqual([spelling, 200, 1])
        for (const { variables } of api.calls) {
          expect(variables['HTTP_X_AUTH_SUBJECT']).toEqual([accountId])
          expect(JSON.stringify(variables)).not.toContain('forged')
        }
      }
    },
  )

  it.each([
    'X-Auth-Subject',
    'keep-alive, x-auth-scope',
    'X-Auth-Subject, X-Auth-Scope, X-Auth-Grant',
  ])(
    'does not let a client take the identity away as a header of one hop: Connection: %s',
    async (connection) => {
      const { access, accountId } = await web.authorize()
      const answer = await call(gateway, '/v1/bookings', { ...bearer(access), connection })
      // Refusing such a call is as good.
      if (answer.status !== 200) expect(api.calls).toEqual([])
      for (const { variables } of api.calls) {
        expect(variables['HTTP_X_AUTH_SUBJECT']).toEqual([accountId])
        expect(variables['HTTP_X_AUTH_SCOPE']).toEqual(['bookings:read customers:read'])
      }
    },
  )

  it('asks with what the authorization server needs, and not with cookies and headers of any size', async () => {
    const { access } = await web.authorize()
    const [cookie, query, referer] = ['c', 'q', 'r'].map((letter) => letter.repeat(7000))
    const large = {
      ...bearer(access),
      cookie: `session=${cookie}`,
      referer: referer?.slice(0, 3000) ?? '',
    }
    const answer = await call(gateway, `/v1/bookings?q=${query}`, large)
    expect(answer.status).toBe(200)
    expect(api.calls[0]?.headers['cookie']).toContain(cookie)
    expect(front().asked.length).toBeGreaterThan(0)
    for (const { headers } of front().asked) {
      expect(headers).not.toHaveProperty('cookie')
      expect(headers).not.toHaveProperty('referer')
    }
  })

  it('takes an Authorization header of any size for a bad token', async () => {
    const answer = await call(
      gateway,
      `/v1/bookings?q=${'q'.repeat(7000)}`,
      bearer('t'.repeat(7500)),
    )
    expect(answer.status).toBe(401)
    expect(api.calls).toEqual([])
  })

  it('takes large calls and large answers', async () => {
    const { access } = await web.authorize()
    const body = 'x'.repeat(LARGE_BODY_BYTES)
    const answer = await call(gateway, '/v1/bookings/large', bearer(access), 'POST', body)
    expect(answer.status).toBe(200)
    expect(api.calls[0]?.body).toHaveLength(LARGE_BODY_BYTES)
    expect(answer.headers['x-large']).toHaveLength(LARGE_HEADER_BYTES)
    expect(answer.text).toHaveLength(LARGE_BODY_BYTES)
  })

  it('answers the preflight of a browser itself', async () => {
    const preflight = {
      origin: 'https://spa.example',
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'authorization,baggage',
    }
    for (const path of ['/v1/bookings', '/v1/bookings/7', '/v1/reports']) {
      const answer = await call(gateway, path, preflight, 'OPTIONS')
      expect([200, 204]).toContain(answer.status)
      expect(answer.headers['access-control-allow-origin']).toBe(ownOrigin(name))
      expect(answer.headers['access-control-allow-methods']).toContain('PATCH')
      expect(answer.headers['access-control-allow-headers']).toMatch(/authorization/i)
      expect(answer.headers['access-control-allow-headers']).toContain('*')
    }
    expect(api.calls).toEqual([])
    expect(front().asked).toEqual([])
  })

  it('lets a page of another origin read why it was refused', async () => {
    const answer = await call(gateway, '/v1/bookings', { origin: 'https://spa.example' })
    expect(answer.status).toBe(401)
    expect(answer.headers['access-control-allow-origin']).toBe(ownOrigin(name))
    expect(answer.headers['access-control-expose-headers']).toMatch(/www-authenticate/i)
  })

  it('lets no OPTIONS through that is not a preflight', async () => {
    const answer = await call(gateway, '/v1/bookings', {}, 'OPTIONS')
    expect([401, 405]).toContain(answer.status)
    expect(api.calls).toEqual([])
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
