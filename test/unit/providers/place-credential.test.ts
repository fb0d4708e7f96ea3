import fc from 'fast-check'
import {
  addressWith,
  type ApiCredential,
  placeCredential,
} from '../../../src/providers/place-credential.ts'
import type { Provider } from '../../../src/providers/provider.ts'

type Api = Pick<Provider, 'api' | 'fields'>
const TOKEN: ApiCredential = { kind: 'token', token: 'abc' }
const FIELDS = [
  { name: 'sid', label: 'SID', secret: false },
  { name: 'key', label: 'Key', secret: true },
]
const KEYS: ApiCredential = { kind: 'keys', values: { sid: 'AC1', key: 's3:cret' } }
const base64 = (text: string) => Buffer.from(text).toString('base64')

it.each<[string, Api, ApiCredential, object, object]>([
  ['Bearer by default (RFC 6750 §2.1)', {}, TOKEN, { authorization: 'Bearer abc' }, {}],
  [
    'a prefix of its own',
    { api: { prefix: 'Zoho-oauthtoken' } },
    TOKEN,
    { authorization: 'Zoho-oauthtoken abc' },
    {},
  ],
  [
    'a header of its own with the bare value',
    { api: { header: 'X-Shopify-Access-Token', prefix: '' } },
    TOKEN,
    { 'x-shopify-access-token': 'abc' },
    {},
  ],
  [
    'the first field that is secret',
    { api: { header: 'X-Key', prefix: '' }, fields: FIELDS },
    KEYS,
    { 'x-key': 's3:cret' },
    {},
  ],
  ['the query', { api: { query: 'api_key' }, fields: FIELDS }, KEYS, {}, { api_key: 's3:cret' }],
  [
    'Basic of two fields',
    { api: { basic: '{sid}:{key}' }, fields: FIELDS },
    KEYS,
    { authorization: `Basic ${base64('AC1:s3:cret')}` },
    {},
  ],
  [
    'Basic of a key alone',
    { api: { basic: '{key}:' }, fields: FIELDS },
    KEYS,
    { authorization: `Basic ${base64('s3:cret:')}` },
    {},
  ],
])('places a credential: %s', (_, provider, credential, headers, query) => {
  expect(placeCredential(provider, credential)).toEqual({ headers, query })
})

it('a value that no header can carry is refused, and not repeated in the error', () => {
  const broken = fc
    .tuple(fc.string(), fc.constantFrom('\r\n', '\n', '\0', 'é', '日'))
    .map(([text, sign]) => `${text}${sign}rest-of-it`)
  fc.assert(
    fc.property(broken, (token) => {
      const place = () => placeCredential({}, { kind: 'token', token })
      expect(place).toThrow('cannot be sent in a header')
      expect(place).not.toThrow('rest-of-it')
    }),
  )
})

it('a field without a value is named', () => {
  expect(() => placeCredential({ fields: FIELDS }, { kind: 'keys', values: {} })).toThrow('key')
})

it.each([
  ['https://api.test/x', 'https://api.test/x?k=a%26b'],
  ['https://api.test/x?y=1', 'https://api.test/x?y=1&k=a%26b'],
])('adds to the query of %s', (url, whole) => {
  expect(addressWith(url, { query: { k: 'a&b' } })).toBe(whole)
  expect(addressWith(url, { query: {} })).toBe(url)
})
