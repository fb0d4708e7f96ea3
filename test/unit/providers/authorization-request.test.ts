import fc from 'fast-check'
import { ConfigValueMissing, type ConfigValues } from '../../../src/providers/address-template.ts'
import {
  authorizationUrl,
  type AuthorizationRequest,
} from '../../../src/providers/authorization-request.ts'
import type { Provider } from '../../../src/providers/provider.ts'

const AUTH = { authorize_url: 'https://crm.test/authorize', token_url: 'https://crm.test/token' }
const crm = (auth: Partial<NonNullable<Provider['auth']>> = {}): Provider => ({
  key: 'crm',
  name: 'CRM',
  kind: 'oauth2',
  auth: { ...AUTH, ...auth },
})
const REQUEST: AuthorizationRequest = {
  clientId: 'our-client',
  redirectUri: 'https://auth.test/connections/callback/crm',
  scopes: ['contacts:read', 'deals write'],
  state: 'the-state',
  challenge: 'the-challenge',
  config: {},
}
const queryOf = (url: string) => Object.fromEntries(new URL(url).searchParams)

it('asks for a code with state and PKCE (RFC 6749 §4.1.1, RFC 7636 §4.3)', () => {
  const url = authorizationUrl(crm(), REQUEST)
  expect(url).toMatch(/^https:\/\/crm\.test\/authorize\?/)
  expect(queryOf(url)).toEqual({
    response_type: 'code',
    client_id: 'our-client',
    redirect_uri: 'https://auth.test/connections/callback/crm',
    state: 'the-state',
    code_challenge: 'the-challenge',
    code_challenge_method: 'S256',
    scope: 'contacts:read deals write',
  })
})

it.each([
  [' ', 'scope=a%3Ab%20c'],
  [',', 'scope=a%3Ab%2Cc'],
  ['+', 'scope=a%3Ab+c'],
] as const)('writes scopes with the separator %j as %s', (scope_separator, written) => {
  const url = authorizationUrl(crm({ scope_separator }), { ...REQUEST, scopes: ['a:b', 'c'] })
  expect(url.split('&')).toContain(written)
})

it('sends no scope where none is asked for, and no challenge to who refuses it', () => {
  const query = queryOf(authorizationUrl(crm({ pkce: 'no' }), { ...REQUEST, scopes: [] }))
  expect(Object.keys(query).toSorted()).toEqual([
    'client_id',
    'redirect_uri',
    'response_type',
    'state',
  ])
})

it('keeps the query of the address and adds what the provider and the integration want', () => {
  const provider = crm({
    authorize_url: 'https://crm.test/authorize?version=2',
    extra_authorize: { access_type: 'offline' },
  })
  const url = authorizationUrl(provider, { ...REQUEST, extra: { audience: 'https://api.test/' } })
  expect(queryOf(url)).toMatchObject({
    version: '2',
    access_type: 'offline',
    audience: 'https://api.test/',
  })
})

it('nothing of an integration replaces a parameter of ours', () => {
  const own = ['response_type', 'client_id', 'redirect_uri', 'state', 'code_challenge']
  fc.assert(
    fc.property(fc.constantFrom(...own), fc.string(), (name, value) => {
      const url = authorizationUrl(crm(), { ...REQUEST, extra: { [name]: value } })
      expect(new URL(url).searchParams.getAll(name)).toEqual([
        queryOf(authorizationUrl(crm(), REQUEST))[name],
      ])
    }),
  )
})

it('every value arrives as it was, whatever is in it', () => {
  const value = fc.string({ unit: 'grapheme', maxLength: 20 })
  fc.assert(
    fc.property(value, value, fc.uniqueArray(fc.string({ minLength: 1 })), (state, id, scopes) => {
      const url = authorizationUrl(crm(), { ...REQUEST, state, clientId: id, scopes })
      expect(queryOf(url)).toMatchObject({ state, client_id: id })
      expect(new URL(url).searchParams.get('scope') ?? '').toBe(scopes.join(' '))
    }),
  )
})

describe('an address with placeholders', () => {
  const shop: Provider = {
    ...crm({ authorize_url: 'https://{shop}.shops.test/{shop}/authorize' }),
    config: [{ name: 'shop', label: 'Shop', pattern: '^[a-z0-9-]{1,63}$' }],
  }

  it('is filled with what was typed', () => {
    const url = new URL(authorizationUrl(shop, { ...REQUEST, config: { shop: 'flowers' } }))
    expect([url.host, url.pathname]).toEqual(['flowers.shops.test', '/flowers/authorize'])
  })

  it('stays at the provider, whatever was typed', () => {
    const sign = fc.constantFrom(...Array.from('az0-_.:/@\\^[%#?&\n\t '), '..', '//', 'evil.test')
    const typing = fc.string({ unit: sign, maxLength: 12 })
    fc.assert(
      fc.property(typing, (typed) => {
        let url: URL
        try {
          url = new URL(authorizationUrl(shop, { ...REQUEST, config: { shop: typed } }))
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigValueMissing)
          return
        }
        expect(url.host).toBe(`${typed}.shops.test`)
        expect(url.pathname).toBe(`/${typed}/authorize`)
      }),
    )
  })

  it.each<ConfigValues>([
    {},
    { toString: 'x' },
    { other: 'flowers' },
    { shop: 'Flowers' },
    { shop: 'x\n' },
  ])('is refused without a valid value: %j', (config) => {
    expect(() => authorizationUrl(shop, { ...REQUEST, config })).toThrow(ConfigValueMissing)
  })
})
