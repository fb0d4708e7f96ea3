// Callbacks that a provider signs. The vector is the one of Shopify's documentation.
import { isOfProvider } from '../../../src/connections/connect/signed-callback.ts'
import type { Provider } from '../../../src/providers/provider.ts'
import { Secret } from '../../../src/shared/secret.ts'

const SHOP: Provider = {
  key: 'shop',
  name: 'Shop',
  kind: 'oauth2',
  auth: {
    authorize_url: 'https://{shop}.myshopify.com/authorize',
    token_url: 'https://{shop}.myshopify.com/token',
    callback_signature: 'hmac',
    callback_values: { shop: '{shop}.myshopify.com' },
  },
  config: [{ name: 'shop', label: 'Shop', pattern: '^[a-z0-9-]{1,63}$' }],
}
const SIGNATURE = '700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf'
const QUERY = `code=0907a61c0c8d55e99db179b68161bc00&hmac=${SIGNATURE}&shop=some-shop.myshopify.com&state=0.6784241404160823&timestamp=1337178173`

const judge = (query: string, shop = 'some-shop', secret: string | undefined = 'hush') =>
  isOfProvider(
    SHOP,
    new URLSearchParams(query),
    { shop },
    secret === '' ? undefined : new Secret(secret),
  )

it('believes what the provider signed, in any order', () => {
  expect(judge(QUERY)).toBe(true)
  expect(judge(QUERY.split('&').reverse().join('&'))).toBe(true)
  expect(judge(QUERY.replace(SIGNATURE, SIGNATURE.toUpperCase()))).toBe(true)
})

it.each([
  ['of another shop', QUERY, 'other-shop'],
  ['under another secret', QUERY, 'some-shop', 'hushhush'],
  ['where we have no secret', QUERY, 'some-shop', ''],
  ['with a value changed', QUERY.replace('1337178173', '1337178174')],
  ['with a parameter added', `${QUERY}&more=1`],
  ['with a parameter twice', `${QUERY}&timestamp=1337178173`],
  ['without a signature', QUERY.replace(`hmac=${SIGNATURE}&`, '')],
  ['with two', `${QUERY}&hmac=${SIGNATURE}`],
  ['with two parameters made one', QUERY.replace('&state=', '%26state=')],
])('does not believe one %s', (...[, query, shop, secret]: string[]) => {
  expect(judge(query ?? '', shop, secret)).toBe(false)
})

it('has nothing to check where the provider signs nothing', () => {
  const { key, name, kind, config } = SHOP
  const auth = { authorize_url: 'https://x.test/a', token_url: 'https://x.test/t' }
  const plain = { key, name, kind, config: config ?? [], auth }
  expect(isOfProvider(plain, new URLSearchParams('code=1'), {}, undefined)).toBe(true)
})
