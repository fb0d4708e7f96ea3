// How a question of a gateway is read: its preset, its requirement, the token of the call, and the
// challenge that a client gets.
import { readBearer } from '../../../src/http/bearer.ts'
import { createProver, CREDENTIALS_HEADER, type Origin } from '../../../src/gateway/caller.ts'
import { challengeFor } from '../../../src/gateway/challenge.ts'
import { presetOf } from '../../../src/gateway/presets.ts'
import { createRequirementReader } from '../../../src/gateway/requirement.ts'

describe('presets', () => {
  const ask = (url: string, headers = {}, method = 'GET') => {
    const preset = presetOf(url)
    return preset === undefined ? undefined : [preset.name, preset.read({ method, url, headers })]
  }

  it.each([
    ['/oauth/verify', 'plain', ''],
    ['/oauth/verify?scope=a', 'plain', 'scope=a'],
    ['/oauth/verify/nginx?scope=a', 'nginx', 'scope=a'],
  ])('%s is %s and requires "%s"', (url, name, requirement) => {
    expect(ask(url)).toEqual([name, { requirement, original: undefined }])
  })

  it('tell the call of X-Forwarded-Method and X-Forwarded-Uri', () => {
    const headers = { 'x-forwarded-method': 'POST', 'x-forwarded-uri': '/v1/x?y' }
    expect(ask('/oauth/verify', headers)).toEqual([
      'plain',
      { requirement: '', original: { method: 'POST', uri: '/v1/x?y' } },
    ])
  })

  it('take nothing but the prefix of Envoy for the word of the gateway', () => {
    const url = '/oauth/verify/envoy/scope=bookings:read&match=any/v1/bookings?scope=x&rules=y'
    expect(ask(url, { 'x-forwarded-uri': '/other' }, 'PATCH')).toEqual([
      'envoy',
      {
        requirement: 'scope=bookings:read&match=any',
        original: { method: 'PATCH', uri: '/v1/bookings?scope=x&rules=y' },
      },
    ])
    expect(ask('/oauth/verify/envoy/-/v1')).toEqual([
      'envoy',
      { requirement: '', original: { method: 'GET', uri: '/v1' } },
    ])
  })

  it.each(['/oauth/verify/envoy/', '/oauth/verify/envoy//v1', '/oauth/verify/envoy/scope=a'])(
    'know no requirement in %s',
    (url) => {
      expect(ask(url)).toEqual(['envoy', { requirement: undefined, original: undefined }])
    },
  )

  it.each(['/oauth/verifyx', '/oauth/verify/', '/oauth/Verify', '/oauth/verify/traefik', '/'])(
    'leave %s alone',
    (url) => {
      expect(ask(url)).toBeUndefined()
    },
  )

  it('let nginx see the two statuses that it understands', () => {
    const statuses = [400, 401, 403, 413, 429].map((status) =>
      presetOf('/oauth/verify/nginx')?.denyStatus(status),
    )
    expect(statuses).toEqual([403, 401, 403, 403, 403])
  })
})

describe('requirements', () => {
  const rule = { methods: undefined, path: '/**', scopes: [], match: 'all' as const }
  const read = createRequirementReader({ api: [rule] })
  const open = {
    scopes: [],
    match: 'all',
    audiences: undefined,
    rules: undefined,
    plainPath: false,
    resourceMetadata: undefined,
  }

  it.each([
    ['', {}],
    ['scope=a', { scopes: ['a'] }],
    ['scope=a+b%20c,d', { scopes: ['a', 'b', 'c', 'd'] }],
    ['scope=a&match=any', { scopes: ['a'], match: 'any' }],
    ['audience=https%3A%2F%2Fapi.example.com', { audiences: ['https://api.example.com'] }],
    ['rules=api', { rules: [rule] }],
    ['path=plain', { plainPath: true }],
    [
      'resource_metadata=https://api.example.com/"x',
      { resourceMetadata: 'https://api.example.com/%22x' },
    ],
  ])('%s', (text, expected) => {
    expect(read(text)).toEqual({ ...open, ...expected })
    expect(read(text)).toEqual({ ...open, ...expected })
  })

  it.each([
    'scopes=a',
    'scope=a&scope=b',
    'scope=',
    'scope',
    'scope=%22',
    'scope=a&match=some',
    'audience=',
    'rules=other',
    'path=any',
    'path=',
    'rules=__proto__',
    'resource_metadata=here',
    'access_token=x',
    '-',
  ])('are not understood: %s', (text) => {
    expect(read(text)).toBeUndefined()
  })
})

describe('RFC 6750 §2.1 — the bearer token of a call', () => {
  const read = (authorization?: string, uri?: string, more: string[] = []) => {
    const raw = authorization === undefined ? [] : ['Authorization', authorization]
    const presented = readBearer(authorization, [...raw, ...more], uri)
    return presented.kind === 'token' ? presented.token : presented.kind
  }

  it.each([
    ['Bearer abc', 'abc'],
    ['bearer  abc-._~+/==', 'abc-._~+/=='],
    [undefined, 'missing'],
    ['', 'missing'],
    ['Basic abc', 'missing'],
    ['DPoP abc', 'missing'],
    ['Bearerabc', 'missing'],
    ['Bearer', 'malformed'],
    ['Bearer ', 'malformed'],
    ['Bearer a b', 'malformed'],
    ['Bearer a, Bearer b', 'malformed'],
    ['Bearer =', 'malformed'],
  ])('%s → %s', (header, expected) => {
    expect(read(header)).toBe(expected)
  })

  it('is sent in one way only', () => {
    expect(read('Bearer a', '/v1?access_token=b')).toBe('twice')
    expect(read('Bearer a', '/v1?x=1&access_token=b')).toBe('twice')
    expect(read('Bearer a', '/v1?my_access_token=b')).toBe('a')
    expect(read('Bearer a', undefined, ['authorization', 'Bearer b'])).toBe('twice')
    expect(read('Bearer a', undefined, ['authorizatioN', 'x', 'x-other-name1', 'y'])).toBe('twice')
    expect(read(undefined, '/v1?access_token=b')).toBe('missing')
  })
})

describe('the challenge', () => {
  it('RFC 9728 §5.1 — names error, needed scopes and metadata', () => {
    expect(challengeFor('scope_insufficient', ['a', 'b'], 'https://api/x', 'https://as/e')).toBe(
      'Bearer realm="otesse", error="insufficient_scope", error_description="The access token lacks a required scope.", error_uri="https://as/e", scope="a b", resource_metadata="https://api/x"',
    )
  })

  it('has no error where no token was sent (RFC 6750 §3.1)', () => {
    expect(challengeFor('token_missing', undefined, undefined, 'https://as/e')).toBe(
      'Bearer realm="otesse"',
    )
  })

  it('does not ask for another token where that would change nothing', () => {
    expect(challengeFor('rule_missing', undefined, 'https://api/x', 'https://as/e')).toBeUndefined()
  })
})

describe('the gateway that asks', () => {
  const api = { id: 'app_api', type: 'resource_server', audiences: ['x'], status: 'active' }
  const web = { ...api, type: 'web' }
  const clients: Record<string, typeof api> = { api, web }
  const prove = createProver({
    authenticate: (header) => {
      const app = clients[header]
      const error = { code: 'client_secret_wrong' }
      return Promise.resolve(
        app === undefined
          ? { kind: 'refused', app, error }
          : ({ kind: 'authenticated', app } as const),
      )
    },
    findClient: (id) => Promise.resolve({ app_api: api, app_web: web }[id]),
    readCertificate: ({ headers }) => headers['client-cert'] as string | undefined,
    isTrusted: (address) => address.startsWith('10.'),
    isProxy: (address) => address === '10.0.0.1' || address === '192.0.2.50',
  })
  const by = (credentials: string | string[]) => ({
    headers: { [CREDENTIALS_HEADER]: credentials },
  })
  const ask = async (origin: Partial<Origin>) => {
    const address = origin.address ?? '192.0.2.1'
    const proof = await prove({
      address,
      remoteAddress: address,
      headers: {},
      rawHeaders: [],
      ...origin,
    })
    return proof.kind === 'proven' ? proof.caller : proof.reason
  }
  const FORWARDED = ['X-Forwarded-For', '192.0.2.9']

  it('is a resource server by its credentials', async () => {
    expect(await ask(by('api'))).toEqual({ key: 'app_api', audiences: ['x'] })
    expect(await ask(by('web'))).toBe('not_a_resource_server')
    expect(await ask(by('x'))).toBe('client_secret_wrong')
    expect(await ask(by(['api', 'api']))).toBe('credentials_sent_twice')
  })

  it('is a machine of a trusted network', async () => {
    expect(await ask({ address: '10.0.0.7', remoteAddress: '::ffff:10.0.0.7' })).toEqual({
      key: '10.0.0.7',
      audiences: undefined,
    })
    expect(await ask({})).toBe('no_credentials_and_network_not_trusted')
  })

  it('is a resource server by its certificate, unless it also shows credentials', async () => {
    const certified = (id: string) => ({ headers: { 'client-cert': id } })
    expect(await ask(certified('app_api'))).toEqual({ key: 'app_api', audiences: ['x'] })
    expect(await ask(certified('app_web'))).toBe('not_a_resource_server')
    expect(await ask(certified('app_gone'))).toBe('client_unknown')
    const both = { headers: { ...by('x').headers, ...certified('app_api').headers } }
    expect(await ask(both)).toBe('client_secret_wrong')
  })

  it('is not saved by its network when its credentials are wrong', async () => {
    expect(await ask({ address: '10.0.0.7', ...by('x') })).toBe('client_secret_wrong')
  })

  it('is not a proxy that brings somebody of whom we know nothing', async () => {
    const proxied = { address: '10.0.0.7', rawHeaders: FORWARDED }
    const refusal = 'forwarded_by_a_proxy_that_is_not_trusted'
    expect(await ask(proxied)).toBe(refusal)
    expect(await ask({ ...proxied, remoteAddress: '::ffff:10.0.0.7' })).toBe(refusal)
    // Another address that merely ends like the one of the connection.
    expect(await ask({ ...proxied, remoteAddress: '110.0.0.7' })).toMatchObject({ key: '10.0.0.7' })
    // A proxy of ours said where the request came from, and that is a gateway.
    expect(await ask({ ...proxied, remoteAddress: '192.0.2.50' })).toMatchObject({
      key: '10.0.0.7',
    })
  })

  it('is told what is wrong where it is one of our own proxies', async () => {
    const own = { remoteAddress: '10.0.0.1', rawHeaders: FORWARDED }
    expect(await ask({ ...own, address: '10.0.0.1' })).toBe(
      'x_forwarded_for_names_nobody_but_the_proxy_itself',
    )
    expect(await ask({ ...own, address: '192.0.2.9' })).toBe(
      'x_forwarded_for_names_an_address_that_is_not_trusted',
    )
    expect(await ask({ ...own, address: '192.0.2.9', remoteAddress: '192.0.2.50' })).toBe(
      'no_credentials_and_network_not_trusted',
    )
  })
})
