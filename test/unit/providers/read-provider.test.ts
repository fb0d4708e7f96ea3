import fc from 'fast-check'
import { addressProblem, patternProblem } from '../../../src/providers/address-template.ts'
import { readProvider } from '../../../src/providers/read-provider.ts'

const AUTH = { authorize_url: 'https://crm.test/authorize', token_url: 'https://crm.test/token' }
const CRM = { key: 'crm', name: 'CRM', kind: 'oauth2', auth: AUTH }
const SHOP = [{ name: 'shop', label: 'Shop', pattern: '^[a-z0-9-]{1,63}$' }]

const fieldsOf = (data: unknown) => readProvider(data).problems.map(({ field }) => field)

it('reads a provider that an admin wrote, without sources', () => {
  expect(readProvider(CRM)).toEqual({ provider: CRM, problems: [] })
})

it.each([
  ['text', 'provider'],
  [{ ...CRM, key: 'Not a key' }, 'key'],
  [{ ...CRM, kind: 'password' }, 'kind'],
  [{ ...CRM, auth: undefined }, 'auth'],
  [{ key: 'crm', name: 'CRM', kind: 'oauth2' }, 'auth'],
  [{ key: 'crm', name: 'CRM', kind: 'keys' }, 'fields'],
  [{ ...CRM, colour: 'red' }, 'colour'],
  [{ ...CRM, auth: { ...AUTH, pkce: 'plain' } }, 'auth.pkce'],
  [{ ...CRM, auth: { ...AUTH, token_url: 'http://crm.test/token' } }, 'auth.token_url'],
  [{ ...CRM, auth: { ...AUTH, token_url: 'http://127.0.0.1.crm.test/' } }, 'auth.token_url'],
  [{ ...CRM, auth: { ...AUTH, token_url: 'https://a:b@crm.test/' } }, 'auth.token_url'],
  [{ ...CRM, auth: { ...AUTH, revoke: 'delete' } }, 'auth.revoke'],
  [{ ...CRM, auth: { ...AUTH, callback_signature: 'a&b' } }, 'auth.callback_signature'],
  [{ ...CRM, auth: { ...AUTH, callback_values: { shop: '{shop}.x' } } }, 'auth.callback_values'],
  [{ ...CRM, auth: { ...AUTH, answer_path: 'a..b' } }, 'auth.answer_path'],
  [{ ...CRM, api: { query: 'a&b' } }, 'api.query'],
  [{ ...CRM, api: { basic: '{sid}' } }, 'api.basic'],
  [{ ...CRM, api: { basic: '{sid}:x' } }, 'api.basic'],
  [{ ...CRM, identity: { label: 'name' } }, 'identity.id'],
  [{ ...CRM, auth: { ...AUTH, token_url: 'https://crm.test/#t' } }, 'auth.token_url'],
  [{ ...CRM, auth: { authorize_url: AUTH.authorize_url } }, 'auth.token_url'],
  [{ ...CRM, auth: { ...AUTH, extra_authorize: { state: 'x' } } }, 'auth.extra_authorize'],
  [{ ...CRM, auth: { ...AUTH, extra_token: { code_verifier: 'x' } } }, 'auth.extra_token'],
  [{ ...CRM, api: { header: 'Host' } }, 'api.header'],
  [{ ...CRM, api: { header: 'X-Key: 1\r\nX' } }, 'api.header'],
  [{ ...CRM, api: { prefix: 'Bearer\r\nX: y' } }, 'api.prefix'],
  [{ ...CRM, life: { access_seconds: 0 } }, 'life.access_seconds'],
  [{ ...CRM, config: [{ name: 'shop', label: 'Shop' }] }, 'config[0]'],
  [{ ...CRM, config: [{ ...SHOP[0], pattern: '.*' }] }, 'config[0].pattern'],
  [{ ...CRM, status: 'confirmed' }, 'auth.authorize_url'],
])('names the member that is wrong: %j', (data, field) => {
  expect(fieldsOf(data)).toContain(field)
})

it.each(['http://127.0.0.1:9000/token', 'http://localhost:9000/token', 'http://[::1]/token'])(
  'takes an address of this machine without TLS: %s',
  (token_url) => {
    expect(readProvider({ ...CRM, auth: { ...AUTH, token_url } }).problems).toEqual([])
  },
)

it('tells all problems at once', () => {
  expect(fieldsOf({ kind: 'x', auth: {}, more: 1 })).toEqual([
    'more',
    'key',
    'name',
    'kind',
    'auth.authorize_url',
    'auth.token_url',
  ])
})

it('refuses a source for a fact that is not there', () => {
  const sources = [{ page: 'https://crm.test/docs', read: '2026-11-28', facts: ['life'] }]
  expect(fieldsOf({ ...CRM, sources })).toEqual(['sources'])
})

it.each([
  'https://{shop}/x',
  'https://{shop}.test/x',
  'https://shop-{shop}.crm.test/x',
  'https://crm.test/x{shop}',
  'https://crm.test/?shop={shop}',
  'https://{other}.crm.test/',
  'https://crm.test\\@{shop}.evil.test/',
])('refuses the address %s', (address) => {
  expect(addressProblem(address, SHOP)).toEqual(expect.any(String))
})

it('whatever fits an accepted pattern leaves the request at a host of the provider', () => {
  const character = fc.constantFrom(...Array.from('azAZ09-_'))
  const pattern = fc
    .string({ unit: character, minLength: 1, maxLength: 6 })
    .map((characters) => `^[${characters}]{1,20}$`)
  const sign = fc.constantFrom(...Array.from('amzAMZ05-_.:/@\\^[%#?'))
  const typing = fc.string({ unit: sign, minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(pattern, typing, (accepts, typed) => {
      fc.pre(patternProblem(accepts) === undefined && new RegExp(accepts).test(typed))
      const address = 'https://{shop}.crm.test/{shop}/token'
      expect(addressProblem(address, SHOP)).toBeUndefined()
      // An underscore is no part of a host name; then there is no request at all.
      const url = URL.parse(address.replaceAll('{shop}', typed))
      expect(url?.host.endsWith('.crm.test') ?? true).toBe(true)
      expect(url?.pathname.split('/').length ?? 3).toBe(3)
    }),
    { numRuns: 300, maxSkipsPerRun: 1000 },
  )
})

it('never throws, whatever it is given', () => {
  fc.assert(fc.property(fc.anything(), (data) => void readProvider(data)))
  const member = fc.constantFrom('key', 'auth', 'config', 'sources', 'api', 'fields', 'life')
  fc.assert(
    fc.property(
      fc.dictionary(member, fc.anything()),
      (data) => void readProvider({ ...CRM, ...data }),
    ),
  )
})
