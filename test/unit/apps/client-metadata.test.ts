// The rules of apps over all fields: what is refused, that all problems come at once, and what the
// type dictates.
import type { Scope } from '../../../src/model/scope.ts'
import fc from 'fast-check'
import type { App } from '../../../src/model/app.ts'
import {
  APP_RULES,
  DEFAULT_LIFETIME_BOUNDS,
  type CheckContext,
} from '../../../src/apps/app-rules.ts'
import { checkAppInput } from '../../../src/apps/client-metadata.ts'
import { BUILT_IN_SCOPES } from '../../../src/apps/scope.ts'

const scope = (name: string, deprecated = false): Scope => ({
  name,
  sentence: `May ${name}`,
  group: 'Bookings',
  sensitive: false,
  deprecated,
  audience: undefined,
  version: 1,
})
const catalogue = [...BUILT_IN_SCOPES, scope('bookings:read'), scope('bookings:old', true)]
const context: CheckContext = {
  scopes: new Map(catalogue.map((one) => [one.name, one])),
  bounds: DEFAULT_LIFETIME_BOUNDS,
}
const web = { name: 'Planner', type: 'web', redirectUris: ['https://planner.example/cb'] }
const machine = { name: 'Sync', type: 'machine' }

function rulesOf(input: object, extra: Partial<CheckContext> = {}): string[] {
  const verdict = checkAppInput(input, { ...context, ...extra })
  return verdict.kind === 'accepted'
    ? []
    : verdict.problems.map(({ field, rule }) => `${field}: ${rule}`)
}

const REFUSED: [problem: string, input: object][] = [
  ['name: field-type', { ...web, name: undefined }],
  ['name: field-type', { ...web, name: 5 }],
  ['name: name-needed', { ...web, name: '  ' }],
  ['name: name-spaces', { ...web, name: ' Planner' }],
  ['name: name-length', { ...web, name: 'é'.repeat(81) }],
  ['name: name-characters', { ...web, name: 'Planner\u202Egnp.exe' }],
  ['name: name-characters', { ...web, name: 'Pla\u200Bnner' }],
  ['name: name-characters', { ...web, name: 'Pla\nnner' }],
  ['name: name-characters', { ...web, name: 'Pla\u0000nner' }],
  ['name: name-characters', { ...web, name: 'Pla\uD800nner' }],
  ['type: field-type', { ...web, type: 'native' }],
  ['type: field-type', { ...web, type: undefined }],
  ['type: field-type', { ...web, type: '__proto__' }],
  ['description: description-length', { ...web, description: 'x'.repeat(501) }],
  ['description: description-characters', { ...web, description: 'a\u2066b' }],
  ['homepageUrl: uri-not-https', { ...web, homepageUrl: 'http://localhost/' }],
  ['privacyUrl: uri-dangerous-scheme', { ...web, privacyUrl: 'javascript:alert(1)' }],
  ['termsUrl: uri-user-info', { ...web, termsUrl: 'https://a@b.example/' }],
  ['ownerContact: ownerContact-length', { ...web, ownerContact: 'x'.repeat(201) }],
  ['ownerContact: ownerContact-characters', { ...web, ownerContact: 'a\u0007b' }],
  ['environment: environment-length', { ...web, environment: 'x'.repeat(41) }],
  ['environment: environment-characters', { ...web, environment: 'a\u2028b' }],
  ['redirectUris: redirect-uri-needed', { ...web, redirectUris: [] }],
  ['redirectUris: redirect-uri-needed', { name: 'Phone', type: 'public' }],
  ['redirectUris: redirect-uri-unexpected', { ...machine, redirectUris: ['https://a.example/'] }],
  [
    'redirectUris: redirect-uri-unexpected',
    { ...machine, type: 'resource_server', redirectUris: ['https://a.example/'] },
  ],
  ['redirectUris: uri-scheme-not-for-web', { ...web, redirectUris: ['com.planner:/cb'] }],
  ['redirectUris: field-type', { ...web, redirectUris: 'https://planner.example/cb' }],
  ['redirectUris: field-type', { ...web, redirectUris: [5] }],
  [
    'redirectUris: redirectUris-count',
    { ...web, redirectUris: Array.from({ length: 51 }, (_, at) => `https://a.example/${at}`) },
  ],
  // The same host, once in letters and once in punycode, is the same URI.
  [
    'redirectUris: redirectUris-twice',
    { ...web, redirectUris: ['https://bücher.example/', 'https://xn--bcher-kva.example/'] },
  ],
  ['allowedOrigins: allowed-origins-type', { ...web, allowedOrigins: ['capacitor://localhost'] }],
  [
    'allowedOrigins: origin-null',
    { ...web, type: 'public', allowedOrigins: ['capacitor://localhost', 'null'] },
  ],
  [
    'allowedOrigins: allowedOrigins-twice',
    { ...web, allowedOrigins: ['https://a.example', 'https://a.example'] },
  ],
  [
    'allowedOrigins: allowedOrigins-count',
    { ...web, allowedOrigins: Array.from({ length: 51 }, (_, at) => `https://a${at}.example`) },
  ],
  ['localhostAnyPort: localhost-any-port-type', { ...web, localhostAnyPort: true }],
  ['schemesWithoutDomain: schemes-without-domain-type', { ...web, schemesWithoutDomain: true }],
  [
    'redirectUris: uri-scheme-without-domain',
    { name: 'Editor', type: 'public', redirectUris: ['cursor://callback'] },
  ],
  ['scopes: scope-unknown', { ...web, scopes: ['bookings:write'] }],
  ['scopes: scope-deprecated', { ...web, scopes: ['bookings:old'] }],
  ['scopes: scope-needs-person', { ...machine, scopes: ['openid'] }],
  ['scopes: scope-for-machines', { ...web, scopes: ['admin:apps:read'] }],
  [
    'scopes: scope-for-machines',
    { ...web, type: 'resource_server', redirectUris: [], scopes: ['admin:apps:read'] },
  ],
  ['handle: handle-form', { ...web, handle: 'Planner' }],
  ['handle: handle-form', { ...web, handle: '-a' }],
  ['handle: handle-form', { ...web, handle: 'a'.repeat(64) }],
  ['handle: field-type', { ...web, handle: 5 }],
  ['scopes: scopes-twice', { ...web, scopes: ['openid', 'openid'] }],
  ['scopes: scopes-count', { ...web, scopes: Array.from({ length: 201 }, (_, at) => `s${at}`) }],
  ['audiences: audience-form', { ...web, audiences: ['has space'] }],
  ['audiences: audience-form', { ...web, audiences: [''] }],
  ['audiences: audience-fragment', { ...web, audiences: ['https://api.example/#x'] }],
  ['audiences: audiences-twice', { ...web, audiences: ['a', 'a'] }],
  ['audiences: audiences-count', { ...web, audiences: Array.from({ length: 21 }, String) }],
  ['requirePkce: field-type', { ...web, requirePkce: 'yes' }],
  ['clientCredentials: field-type', { ...machine, clientCredentials: 'on' }],
  [
    'clientCredentials: client-credentials-type',
    { ...web, type: 'public', clientCredentials: true },
  ],
  [
    'clientCredentials: client-credentials-type',
    { ...machine, type: 'resource_server', clientCredentials: true },
  ],
  ['accessTtlSeconds: accessTtlSeconds-bounds', { ...web, accessTtlSeconds: 59 }],
  ['accessTtlSeconds: accessTtlSeconds-bounds', { ...web, accessTtlSeconds: 86_401 }],
  ['accessTtlSeconds: field-type', { ...web, accessTtlSeconds: 60.5 }],
  ['accessTtlSeconds: field-type', { ...web, accessTtlSeconds: '3600' }],
  ['refreshTtlSeconds: refreshTtlSeconds-bounds', { ...web, refreshTtlSeconds: 1 }],
  [
    'refreshTtlSeconds: refresh-outlives-access',
    { ...web, accessTtlSeconds: 7200, refreshTtlSeconds: 3600 },
  ],
  [
    'idTokenSignedResponseAlg: idTokenSignedResponseAlg-choice',
    { ...web, idTokenSignedResponseAlg: 'none' },
  ],
  ['idTokenSignedResponseAlg: field-type', { ...web, idTokenSignedResponseAlg: 256 }],
  ['redirect_uris: field-unknown', { ...web, redirect_uris: [] }],
  [
    '__proto__: field-unknown',
    JSON.parse('{"name":"P","type":"machine","__proto__":{}}') as object,
  ],
  ['id: field-unknown', { ...web, id: 'app_x' }],
]

describe('what is refused', () => {
  test.each(REFUSED)('%s — %j', (problem, input) => {
    expect(rulesOf(input)).toContain(problem)
  })

  test('every rule of the table refuses something here or in the tests of changes below', () => {
    const seen = new Set(REFUSED.map(([problem]) => problem.split(': ')[1]))
    // These speak with the sentences of the rules of addresses.
    const speaksForAddresses = [
      'homepageUrl-link',
      'privacyUrl-link',
      'termsUrl-link',
      'redirect-uri',
      'allowed-origin',
    ]
    const unseen = APP_RULES.map(({ name }) => name).filter((name) => !seen.has(name))
    expect(unseen.filter((name) => !speaksForAddresses.includes(name))).toEqual(['type-fixed'])
  })

  test('all problems come at once, each refused URI with its own reason', () => {
    const input = {
      name: '',
      type: 'web',
      redirectUris: ['http://a.example/', 'https://ok.example/', 'https://b.example/#x'],
      privacyUrl: 'nonsense',
      accessTtlSeconds: 1,
      colour: 'red',
    }
    const verdict = checkAppInput(input, context)
    expect(verdict).toMatchObject({
      kind: 'refused',
      problems: [
        { field: 'colour', rule: 'field-unknown' },
        { field: 'name', rule: 'name-needed' },
        { field: 'privacyUrl', value: 'nonsense', rule: 'uri-not-absolute' },
        { field: 'redirectUris', value: 'http://a.example/', rule: 'uri-http-not-loopback' },
        { field: 'redirectUris', value: 'https://b.example/#x', rule: 'uri-fragment' },
        { field: 'accessTtlSeconds', value: '1', rule: 'accessTtlSeconds-bounds' },
      ],
    })
  })

  test('a refused value comes back shortened', () => {
    const verdict = checkAppInput(
      { ...web, redirectUris: [`https://a.example/${'x'.repeat(5000)}`] },
      context,
    )
    expect(verdict.kind === 'refused' && verdict.problems[0]?.value?.length).toBe(121)
  })
})

describe('what is accepted', () => {
  test('defaults are filled in and hosts are stored in punycode', () => {
    const input = {
      ...web,
      redirectUris: ['https://bücher.example/cb'],
      homepageUrl: 'https://bücher.example',
      description: '',
      privacyUrl: null,
      scopes: ['openid', 'bookings:read'],
    }
    expect(checkAppInput(input, context)).toEqual({
      kind: 'accepted',
      settings: {
        name: 'Planner',
        description: undefined,
        type: 'web',
        homepageUrl: 'https://xn--bcher-kva.example',
        privacyUrl: undefined,
        termsUrl: undefined,
        ownerContact: undefined,
        environment: undefined,
        redirectUris: ['https://xn--bcher-kva.example/cb'],
        scopes: ['openid', 'bookings:read'],
        allowedOrigins: [],
        audiences: [],
        clientCredentials: false,
        localhostAnyPort: false,
        schemesWithoutDomain: false,
        requirePkce: false,
        rotateRefreshTokens: false,
        slidingRefresh: false,
        accessTtlSeconds: undefined,
        refreshTtlSeconds: undefined,
        idTokenSignedResponseAlg: 'RS256',
      },
    })
  })

  test.each([
    'Café Müller',
    '予約アプリ',
    'משרד',
    'برنامه\u200Cها',
    '👩‍👩‍👧 Family',
    "O'Brien & <Sons>",
    'é'.repeat(80),
  ])('the name %s', (name) => {
    expect(rulesOf({ ...web, name })).toEqual([])
  })

  test('RFC 9700 §2.1.1 — public apps use PKCE and rotate, whatever is asked', () => {
    const input = {
      name: 'Phone',
      type: 'public',
      redirectUris: ['com.planner:/cb'],
      requirePkce: false,
      rotateRefreshTokens: false,
      slidingRefresh: true,
    }
    const verdict = checkAppInput(input, context)
    expect(verdict).toMatchObject({
      settings: { requirePkce: true, rotateRefreshTokens: true, slidingRefresh: true },
    })
  })

  test.each([
    ['web', undefined, false],
    ['web', true, true],
    ['web', null, false],
    ['machine', undefined, true],
    ['machine', false, false],
    ['machine', '', true],
    ['resource_server', undefined, false],
    ['resource_server', false, false],
    ['public', undefined, false],
  ])('RFC 6749 §4.4 — client_credentials of a %s app, given as %j: %j', (type, given, stored) => {
    const people = type === 'web' || type === 'public'
    const input = {
      ...{ name: 'App', type, redirectUris: people ? ['https://a.example/cb'] : [] },
      clientCredentials: given,
    }
    expect(checkAppInput(input, context)).toMatchObject({ settings: { clientCredentials: stored } })
  })

  test('apps without people have none of the switches that are about people', () => {
    const flags = { requirePkce: true, rotateRefreshTokens: true, slidingRefresh: true }
    expect(checkAppInput({ ...machine, ...flags }, context)).toMatchObject({
      settings: { requirePkce: false, rotateRefreshTokens: false, slidingRefresh: false },
    })
  })
})

test('a list with holes is no list of texts', () => {
  expect(rulesOf({ ...web, scopes: new Array(1) })).toEqual(['scopes: field-type'])
})

describe('changes', () => {
  const previous = { type: 'web', scopes: ['gone:read', 'bookings:old'] } as unknown as App

  test('scopes that the app already has stay, even those that the catalogue no longer offers', () => {
    expect(rulesOf({ ...web, scopes: ['gone:read', 'bookings:old'] }, { previous })).toEqual([])
    expect(rulesOf({ ...web, scopes: ['gone:write'] }, { previous })).toEqual([
      'scopes: scope-unknown',
    ])
  })

  test('the type never changes', () => {
    expect(rulesOf({ ...web, type: 'public' }, { previous })).toEqual(['type: type-fixed'])
  })
})

test('nothing is thrown, whatever comes in, and what is accepted is accepted again as it is', () => {
  const field = fc.constantFrom(...Object.keys(accepted()), '__proto__', 'constructor', 'x')
  const value = fc.oneof(
    fc.anything(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('web', 'public', 'https://a.example/'),
  )
  const base = fc.constantFrom<object>(web, machine, {})
  const input = fc
    .tuple(base, fc.array(fc.tuple(field, value), { maxLength: 4 }))
    .map(([start, entries]) => ({ ...start, ...Object.fromEntries(entries) }))
  fc.assert(
    fc.property(input, (candidate) => {
      const verdict = checkAppInput(candidate, context)
      if (verdict.kind === 'refused') expect(verdict.problems.length).toBeGreaterThan(0)
      else expect(checkAppInput(verdict.settings, context)).toEqual(verdict)
    }),
    { numRuns: 600 },
  )
})

function accepted(): object {
  const verdict = checkAppInput(web, context)
  if (verdict.kind === 'refused') throw new Error('the plainest input is refused')
  return verdict.settings
}
