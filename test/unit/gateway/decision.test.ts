import type { ActiveToken } from '../../../src/model/token-status.ts'
import type { App } from '../../../src/model/app.ts'
import { decide, type Caller, type Requirement } from '../../../src/gateway/decision.ts'

const TOKEN: ActiveToken = {
  active: true,
  kind: 'access',
  // The decision looks at its id alone.
  app: { id: 'app_1' } as App,
  issuedAt: undefined,
  accountId: 'acc_1',
  grantId: 'grant1',
  scopes: ['bookings:read', 'customers:read'],
  audience: undefined,
  expiresAt: 2_000_000_000,
}
const OPEN: Requirement = {
  scopes: [],
  match: 'all',
  audiences: undefined,
  rules: undefined,
  plainPath: false,
  resourceMetadata: undefined,
}
const API = 'https://api.otesse.com/v1'
const KNOWN: Caller = { key: 'app_api', audiences: [API] }
const BY_NETWORK: Caller = { key: '10.0.0.7', audiences: undefined }

const outcome = (
  token: Partial<ActiveToken> | { active: false },
  requirement: Partial<Requirement> = {},
  caller = KNOWN,
  request?: { method: string; uri: string },
) => {
  const status =
    token.active === false
      ? { active: false as const, reason: 'unknown' as const }
      : { ...TOKEN, ...token }
  const decision = decide(status, { ...OPEN, ...requirement }, caller, request)
  return decision.kind === 'allow' ? 'allow' : decision.reason
}

describe('the decision', () => {
  it.each([
    ['a live access token, where nothing more is required', {}, {}, 'allow'],
    ['a dead token', { active: false }, {}, 'token_invalid'],
    ['a refresh token, which opens no API', { kind: 'refresh' }, {}, 'token_invalid'],
    ['all scopes', {}, { scopes: ['bookings:read', 'customers:read'] }, 'allow'],
    [
      'one scope too few',
      {},
      { scopes: ['bookings:read', 'bookings:write'] },
      'scope_insufficient',
    ],
    [
      'any of two scopes',
      {},
      { scopes: ['bookings:write', 'bookings:read'], match: 'any' },
      'allow',
    ],
    ['none of two scopes', {}, { scopes: ['a', 'b'], match: 'any' }, 'scope_insufficient'],
    ['a scope that only begins alike', {}, { scopes: ['bookings'] }, 'scope_insufficient'],
  ] as const)('judges %s', (_, token, requirement, expected) => {
    expect(outcome(token, requirement)).toBe(expected)
  })

  it('names all scopes that the call needs, and the app that lacks one', () => {
    const scopes = ['bookings:read', 'bookings:write']
    expect(decide(TOKEN, { ...OPEN, scopes }, KNOWN, undefined)).toEqual({
      kind: 'deny',
      reason: 'scope_insufficient',
      appId: 'app_1',
      scopes,
    })
  })

  const OTHER = 'https://other.example.com'
  it.each([
    ['no audience, nothing required', undefined, undefined, KNOWN, 'allow'],
    ['no audience, one required', undefined, [API], KNOWN, 'token_invalid'],
    ['the audience of the API', [API], undefined, KNOWN, 'allow'],
    ['the audience of the API, required', [API, OTHER], [API], KNOWN, 'allow'],
    ['another audience', [OTHER], undefined, KNOWN, 'token_invalid'],
    [
      'another audience, required by a gateway of this API',
      [OTHER],
      [OTHER],
      KNOWN,
      'token_invalid',
    ],
    ['an audience, for a gateway without a name', [API], undefined, BY_NETWORK, 'token_invalid'],
    ['an audience, named by a gateway of the network', [API], [API], BY_NETWORK, 'allow'],
    [
      'another one than the gateway of the network names',
      [API],
      [OTHER],
      BY_NETWORK,
      'token_invalid',
    ],
  ])('judges a token with %s', (_, audience, audiences, caller, expected) => {
    expect(outcome({ audience }, { audiences }, caller)).toBe(expected)
  })

  it('refuses a path with two readings where the gateway asks for that', () => {
    const call = (uri: string) => outcome({}, { plainPath: true }, KNOWN, { method: 'GET', uri })
    expect(call('/v1/bookings')).toBe('allow')
    expect(call('/v1/bookings/../reports')).toBe('path_ambiguous')
    expect(outcome({}, { plainPath: true })).toBe('gateway_misconfigured')
    expect(outcome({}, {}, KNOWN, { method: 'GET', uri: '/v1/../x' })).toBe('allow')
  })

  describe('with rules', () => {
    const rules = [
      {
        methods: ['GET'],
        path: '/v1/bookings/**',
        scopes: ['bookings:read'],
        match: 'all' as const,
      },
      {
        methods: undefined,
        path: '/v1/bookings/**',
        scopes: ['bookings:write'],
        match: 'all' as const,
      },
    ]
    it.each([
      ['GET', '/v1/bookings/7?x=/admin', 'allow'],
      ['POST', '/v1/bookings', 'scope_insufficient'],
      ['GET', '/v1/customers', 'rule_missing'],
      ['GET', '/v1/bookings/../admin', 'path_ambiguous'],
    ])('judges %s %s', (method, uri, expected) => {
      expect(outcome({}, { rules }, KNOWN, { method, uri })).toBe(expected)
    })

    it('denies a call of which the gateway did not say what it is', () => {
      expect(outcome({}, { rules })).toBe('gateway_misconfigured')
    })

    it('asks for what the address of the sub-request requires as well', () => {
      const request = { method: 'GET', uri: '/v1/bookings' }
      expect(outcome({}, { rules, scopes: ['admin'] }, KNOWN, request)).toBe('scope_insufficient')
    })

    it('does not look at rules before the token', () => {
      expect(outcome({ active: false }, { rules }, KNOWN, { method: 'GET', uri: '/x' })).toBe(
        'token_invalid',
      )
    })
  })
})
