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
  audiences: [],
  clientCredentials: type === 'machine',
  requirePkce: false,
  rotateRefreshTokens: false,
  slidingRefresh: false,
  accessTtlSeconds: undefined,
  refreshTtlSeconds: undefined,
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

  it('there is code in four languages, with issuer and client id', () => {
    expect(snippets.map(({ language }) => language)).toEqual(['curl', 'Node', 'Python', 'Go'])
    for (const { code } of snippets) {
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
    scopes: [`it's`, '$(reboot)', '`reboot`'],
    audiences: [`https://api.example.com/'$(reboot)'`],
  })
  const [curl, node] = snippetsFor(app, ISSUER)
  expect(curl?.code).toContain(`'scope=it'\\''s $(reboot) \`reboot\`'`)
  expect(curl?.code).toContain(`'audience=https://api.example.com/'\\''$(reboot)'\\'''`)
  expect(node?.code).toContain(`scope: "it's $(reboot) \`reboot\`"`)
})
