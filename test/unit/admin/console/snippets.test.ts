// Code to start with: it has everything filled in, fits the type of the app, and no value can end
// the text that contains it.
import { describe, expect, it } from '@jest/globals'
import { snippetsFor } from '../../../../src/admin/console/snippets.ts'
import type { App, AppType } from '../../../../src/model/app.ts'

const ISSUER = 'https://auth.example.com'

const anApp = (type: AppType, overrides: Partial<App> = {}): App => ({
  id: 'app_0123456789abcdefghij',
  handle: undefined,
  name: 'Planner',
  description: undefined,
  type,
  logoId: undefined,
  homepageUrl: undefined,
  privacyUrl: undefined,
  termsUrl: undefined,
  ownerContact: undefined,
  environment: undefined,
  redirectUris: type === 'web' || type === 'public' ? ['https://planner.example.com/cb'] : [],
  scopes: ['bookings:read', 'bookings:write'],
  allowedOrigins: [],
  audiences: [],
  clientCredentials: type === 'machine',
  localhostAnyPort: false,
  schemesWithoutDomain: false,
  requirePkce: false,
  rotateRefreshTokens: false,
  slidingRefresh: false,
  accessTtlSeconds: undefined,
  refreshTtlSeconds: undefined,
  idTokenSignedResponseAlg: 'RS256',
  status: 'active',
  statusReason: undefined,
  version: 1,
  generation: 0,
  grantsFrom: 0,
  ownFrom: 0,
  createdAt: new Date(0),
  updatedAt: new Date(0),
  secrets: [],
  ...overrides,
})

describe.each(['web', 'public', 'machine', 'resource_server'] as const)('for a %s app', (type) => {
  const snippets = snippetsFor(anApp(type), ISSUER)

  it('there is code in seven languages, with issuer and client id', () => {
    expect(snippets.map(({ language }) => language)).toEqual([
      ...['curl', 'Node', 'Python', 'Go', 'PHP', 'Ruby', 'Java'],
    ])
    for (const { code } of snippets) {
      expect(code).not.toMatch(/[‹›]/)
      expect(code).toContain(ISSUER)
      expect(code).toContain('app_0123456789abcdefghij')
      expect(code).not.toMatch(/undefined\/|\[object|\$\{NODE|NaN/)
    }
  })

  it('the secret comes from the environment, where there is one', () => {
    for (const { code } of snippets)
      expect(code.includes('OTESSE_CLIENT_SECRET')).toBe(type !== 'public')
  })

  it('the flow is that of its type', () => {
    const [curl] = snippets
    const expected = {
      web: 'code_challenge',
      public: 'code_challenge',
      machine: 'client_credentials',
      resource_server: 'introspect',
    }
    expect(curl?.code).toContain(expected[type])
  })
})

it('no value can end the text that it stands in', () => {
  const app = anApp('machine', {
    scopes: [`it's`, '$(reboot)', '`reboot`', '#{1}', '{$x}', 'a\\'],
    audiences: [`https://api.example.com/'$(reboot)'`],
  })
  const codes = Object.fromEntries(snippetsFor(app, ISSUER).map(({ id, code }) => [id, code]))
  expect(codes['curl']).toContain(`scope='it'\\''s $(reboot) \`reboot\` #{1} {$x} a\\'`)
  expect(codes['curl']).toContain(`audience='https://api.example.com/'\\''$(reboot)'\\'''`)
  const doubled = `"it's $(reboot) \`reboot\` #{1} {$x} a\\\\"`
  for (const id of ['node', 'python', 'go', 'java']) expect(codes[id]).toContain(doubled)
  // Single quotes: neither language looks into them.
  const single = `'it\\'s $(reboot) \`reboot\` #{1} {$x} a\\\\'`
  for (const id of ['php', 'ruby']) expect(codes[id]).toContain(single)
})

it('lines about what an app has not are left out', () => {
  const [, , , go] = snippetsFor(anApp('public'), ISSUER)
  expect(go?.code).not.toMatch(/audience|"os"/)
  const [curl] = snippetsFor(anApp('machine'), ISSUER)
  expect(curl?.code).not.toContain('audience')
})

it('an app that may ask for nothing has no code, for it would be refused', () => {
  expect(snippetsFor(anApp('web', { scopes: [] }), ISSUER)).toEqual([])
  expect(snippetsFor(anApp('machine', { scopes: ['openid'] }), ISSUER)).toEqual([])
  expect(snippetsFor(anApp('resource_server', { scopes: [] }), ISSUER)).toHaveLength(7)
})

it('nobody is told to ask for offline_access, which has no effect', () => {
  const app = anApp('web', { scopes: ['bookings:read', 'offline_access'] })
  for (const { code } of snippetsFor(app, ISSUER)) expect(code).not.toContain('offline_access')
})
