import {
  clientCertificates,
  DEFAULT_IDENTITY_HEADERS,
  identityHeaders,
  ruleSets,
  showIdentityHeaders,
} from '../../../src/config/gateway-parsers.ts'

describe('OTESSE_VERIFY_HEADERS', () => {
  it('keeps the default of what is left out', () => {
    expect(identityHeaders('subject=X-User, client = Remote-App')).toEqual({
      ...DEFAULT_IDENTITY_HEADERS,
      subject: 'X-User',
      client: 'Remote-App',
    })
  })

  it('reads what it shows', () => {
    const shown = showIdentityHeaders(DEFAULT_IDENTITY_HEADERS)
    expect(identityHeaders(shown)).toEqual(DEFAULT_IDENTITY_HEADERS)
  })

  it.each([
    'user=X-User',
    'subject',
    'subject=',
    'subject=X_User',
    'subject=X-A=b',
    'subject=Set-Cookie',
    'subject=Content-Length',
    'subject=X-Forwarded-For',
    '__proto__=X-A',
    'subject=x-auth-client',
  ])('refuses %s', (text) => {
    expect(() => identityHeaders(text)).toThrow(/^write /)
  })
})

describe('OTESSE_VERIFY_RULES', () => {
  it('fills in what a rule leaves out', () => {
    expect(ruleSets('{"api":[{"path":"/v1/**"}]}')).toEqual({
      api: [{ methods: undefined, path: '/v1/**', scopes: [], match: 'all' }],
    })
  })

  it.each([
    ['[]', 'named lists'],
    ['{', 'named lists'],
    ['{"api":[]}', 'named lists'],
    ['{"a b":[{"path":"/"}]}', 'named lists'],
    ['{"api":[{"path":"/","scope":["a"]}]}', 'api\\[0\\]: its keys'],
    ['{"api":[{"path":"/"},{"path":"v1"}]}', 'api\\[1\\]: path'],
    ['{"api":[{"path":"/v1*"}]}', 'path'],
    ['{"api":[{"path":"/**/x"}]}', 'path'],
    ['{"api":[{"path":"/%2e"}]}', 'path'],
    ['{"api":[{"path":"/","methods":["get"]}]}', 'methods'],
    ['{"api":[{"path":"/","methods":"GET"}]}', 'methods'],
    ['{"api":[{"path":"/","scopes":["a b"]}]}', 'scopes'],
    ['{"api":[{"path":"/","match":"some"}]}', 'match'],
    ['{"api":[null]}', 'object'],
  ])('refuses %s', (text, words) => {
    expect(() => ruleSets(text)).toThrow(new RegExp(words))
  })
})

describe('OTESSE_VERIFY_CLIENT_CERTIFICATES', () => {
  const print = 'ab'.repeat(32)
  const app = `app_${'a'.repeat(20)}`

  it('reads the forms in which fingerprints are printed', () => {
    const shouted = print.toUpperCase().match(/../g)?.join(':') ?? ''
    const other = `app_${'b'.repeat(20)}`
    expect([...clientCertificates(`${app}=${shouted}, ${other}=${'cd'.repeat(32)}`)]).toEqual([
      [print, app],
      ['cd'.repeat(32), other],
    ])
  })

  it.each([
    '',
    app,
    `${app}=`,
    `x=${print}`,
    `${app}=${print.slice(1)}`,
    `${app}=${print},${app}=${print}`,
  ])('refuses %j', (text) => {
    expect(() => clientCertificates(text)).toThrow(/^write/)
  })
})
