import fc from 'fast-check'
import type { Provider, ProviderAuth } from '../../../src/providers/provider.ts'
import {
  revocationRequest,
  tokenRequest,
  type TokenGrant,
} from '../../../src/providers/token-request.ts'

const AUTH = { authorize_url: 'https://crm.test/authorize', token_url: 'https://crm.test/token' }
const crm = (auth: Partial<ProviderAuth> = {}): Provider => ({
  key: 'crm',
  name: 'CRM',
  kind: 'oauth2',
  auth: { ...AUTH, ...auth },
})
const CLIENT = { clientId: 'our client', clientSecret: 's&cret:+/=' }
const CODE: TokenGrant = {
  kind: 'code',
  code: 'the-code',
  redirectUri: 'https://auth.test/connections/callback/crm',
  verifier: 'the-verifier',
}
const REFRESH: TokenGrant = { kind: 'refresh', refreshToken: 'the-refresh-token' }

const formOf = (body: string | undefined) => Object.fromEntries(new URLSearchParams(body))

it('exchanges a code with its verifier (RFC 6749 §4.1.3, RFC 7636 §4.5)', () => {
  const { method, url, headers, body } = tokenRequest(crm(), CLIENT, {}, CODE)
  expect({ method, url, headers }).toEqual({
    method: 'POST',
    url: 'https://crm.test/token',
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
    },
  })
  expect(formOf(body)).toEqual({
    grant_type: 'authorization_code',
    code: 'the-code',
    redirect_uri: 'https://auth.test/connections/callback/crm',
    code_verifier: 'the-verifier',
    client_id: 'our client',
    client_secret: 's&cret:+/=',
  })
})

it('uses a refresh token, at the address that the provider has for it (RFC 6749 §6)', () => {
  const refresh_url = 'https://crm.test/refresh'
  const { url, body } = tokenRequest(crm({ refresh_url }), CLIENT, {}, REFRESH)
  expect(url).toBe(refresh_url)
  expect(formOf(body)).toMatchObject({
    grant_type: 'refresh_token',
    refresh_token: 'the-refresh-token',
  })
  expect(tokenRequest(crm({ refresh_url }), CLIENT, {}, CODE).url).toBe(AUTH.token_url)
})

it('asks as itself, with audience and scopes (RFC 6749 §4.4.2)', () => {
  const grant: TokenGrant = {
    kind: 'client_credentials',
    scopes: ['a', 'b'],
    extra: { audience: 'https://api.test/', grant_type: 'password' },
  }
  expect(formOf(tokenRequest(crm(), CLIENT, {}, grant).body)).toMatchObject({
    grant_type: 'client_credentials',
    scope: 'a b',
    audience: 'https://api.test/',
  })
  const commas = tokenRequest(crm({ scope_separator: ',' }), CLIENT, {}, grant)
  expect(formOf(commas.body)).toMatchObject({ scope: 'a,b' })
  const none = tokenRequest(crm(), CLIENT, {}, { kind: 'client_credentials', scopes: [] })
  expect(formOf(none.body)).not.toHaveProperty('scope')
})

it('sends the secret form-encoded in Basic and nowhere else (RFC 6749 §2.3.1)', () => {
  const { headers, body } = tokenRequest(crm({ client_auth: 'basic' }), CLIENT, {}, REFRESH)
  const [scheme, value = ''] = (headers['authorization'] ?? '').split(' ')
  expect(scheme).toBe('Basic')
  expect(Buffer.from(value, 'base64').toString()).toBe('our+client:s%26cret%3A%2B%2F%3D')
  expect(formOf(body)).toEqual({
    grant_type: 'refresh_token',
    refresh_token: 'the-refresh-token',
  })
})

it('a public client has no secret to send, also where the provider wants Basic', () => {
  const { headers, body } = tokenRequest(
    crm({ client_auth: 'basic' }),
    { clientId: 'public' },
    {},
    REFRESH,
  )
  expect(headers).not.toHaveProperty('authorization')
  expect(formOf(body)).toMatchObject({ client_id: 'public' })
})

it('writes JSON to those who want it', () => {
  const { headers, body } = tokenRequest(crm({ body: 'json' }), CLIENT, {}, REFRESH)
  expect(headers['content-type']).toBe('application/json')
  expect(JSON.parse(body ?? '')).toMatchObject({
    refresh_token: 'the-refresh-token',
    client_secret: 's&cret:+/=',
  })
})

it('sends no verifier to who refuses PKCE, and the parameters that the provider adds', () => {
  const auth = { pkce: 'no', extra_token: { expiring: '1' } } as const
  const form = formOf(tokenRequest(crm(auth), CLIENT, {}, CODE).body)
  expect(form).not.toHaveProperty('code_verifier')
  expect(form).toMatchObject({ expiring: '1' })
})

it('a secret is in exactly one place, and arrives whole', () => {
  const text = fc.string({ minLength: 8, maxLength: 40 }).map((value) => `»${value}«`)
  const auth = fc.record({
    client_auth: fc.constantFrom('basic', 'post', 'both'),
    body: fc.constantFrom('form', 'json'),
  })
  fc.assert(
    fc.property(auth, text, (how, clientSecret) => {
      const client = { clientId: 'c', clientSecret }
      const { url, headers, body = '' } = tokenRequest(crm(how), client, {}, REFRESH)
      const members =
        how.body === 'json' ? (JSON.parse(body) as Record<string, string>) : formOf(body)
      const basic = Buffer.from(headers['authorization']?.slice(6) ?? '', 'base64').toString()
      const [, presented = ''] = basic.split(':')
      const inHeader = new URLSearchParams(`s=${presented}`).get('s')
      const places = [members['client_secret'], inHeader].filter((value) => value !== '')
      expect(places.filter((value) => value !== undefined)).toEqual([clientSecret])
      expect(url).toBe(AUTH.token_url)
    }),
  )
})

describe('withdrawing a token', () => {
  const token = { value: 'the-token', kind: 'refresh_token' } as const

  it('is not possible where the provider has no address for it', () => {
    expect(revocationRequest(crm(), CLIENT, {}, token)).toBeUndefined()
  })

  it('is a form with the token and its kind (RFC 7009 §2.1)', () => {
    const revoke_url = 'https://crm.test/revoke'
    const request = revocationRequest(crm({ revoke_url, body: 'json' }), CLIENT, {}, token)
    expect(request?.url).toBe(revoke_url)
    expect(formOf(request?.body)).toEqual({
      token: 'the-token',
      token_type_hint: 'refresh_token',
      client_id: 'our client',
      client_secret: 's&cret:+/=',
    })
  })

  it('is a call with the token itself at some', () => {
    const auth = { revoke_url: 'https://crm.test/auth.revoke', revoke: 'bearer' } as const
    expect(revocationRequest(crm(auth), CLIENT, {}, token)).toEqual({
      method: 'POST',
      url: 'https://crm.test/auth.revoke',
      headers: { accept: 'application/json', authorization: 'Bearer the-token' },
    })
  })
})
