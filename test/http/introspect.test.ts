// POST /oauth/introspect (RFC 7662): who may learn what about which token, on both kinds of stores.
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import type { AppInput } from '../../src/model/app.ts'
import { newAccessToken, newGrantId } from '../../src/shared/token-format.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, createScopes, purged, registerApp } from '../support/builders.ts'
import { basicHeader, createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'

const API = 'https://api.otesse.com/v1'
const inactive = { status: 200, text: '{"active":false}' }

describe.each(BACKENDS)('introspection, %s', (backend) => {
  let server: TestApp
  let web: OAuthClient
  let machine: OAuthClient
  let api: OAuthClient
  let otherApi: OAuthClient
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
    const register = async (overrides: Partial<AppInput> = {}) =>
      createOAuthClient(server, await registerApp(server, overrides))
    web = await register()
    machine = await register({ type: 'machine', audiences: [API] })
    api = await register({ type: 'resource_server', audiences: [API] })
    otherApi = await register({ type: 'resource_server', audiences: ['https://other.otesse.com'] })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  describe('RFC 7662 §2.2 — introspection response', () => {
    it.each([
      { encoding: 'json', auth: 'body' },
      { encoding: 'form', auth: 'basic' },
    ] as const)('describes an access token, $encoding and $auth', async (manner) => {
      const { access, accountId } = await web.authorize()
      const { status, headers, body } = await web.introspect(access, manner)
      const now = Math.floor(server.clock() / 1000)
      expect(status).toBe(200)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(body).toEqual({
        active: true,
        scope: 'bookings:read customers:read',
        client_id: web.client.id,
        sub: accountId,
        iss: server.issuer,
        exp: expect.any(Number),
        iat: expect.any(Number),
        token_type: 'Bearer',
      })
      expect(Math.abs(Number(body['iat']) - now)).toBeLessThanOrEqual(2)
      expect(Number(body['exp']) - Number(body['iat'])).toBe(3600)
    })

    it('RFC 9701 §4, RFC 9701 §5, RFC 8725 §3.11 — signs the answer where Accept asks for it', async () => {
      const { access } = await web.authorize()
      const ask = async (token: string, accept: string) => {
        const answer = await fetch(`${server.url}/oauth/introspect`, {
          method: 'POST',
          headers: {
            accept,
            authorization: basicHeader(api.client.id, api.client.secret ?? ''),
            'content-type': 'application/x-www-form-urlencoded',
          },
          body: new URLSearchParams({ token }),
        })
        return { type: answer.headers.get('content-type'), text: await answer.text() }
      }
      const { text: plain } = await ask(access, 'application/json')
      const { type, text } = await ask(access, 'application/token-introspection+jwt')
      expect(type).toBe('application/token-introspection+jwt')
      const keys = createRemoteJWKSet(new URL(`${server.url}/oauth/jwks`))
      const { payload } = await jwtVerify(text, keys, {
        issuer: server.issuer,
        audience: api.client.id,
        typ: 'token-introspection+jwt',
      })
      expect(payload).toEqual({
        iss: server.issuer,
        aud: api.client.id,
        iat: expect.any(Number),
        token_introspection: JSON.parse(plain),
      })
      const dead = await ask(newAccessToken(newGrantId()), 'application/token-introspection+jwt')
      expect(decodeJwt(dead.text)['token_introspection']).toEqual({ active: false })
    })

    it('describes a refresh token to the app that holds it', async () => {
      const { refresh } = await web.authorize()
      const { body } = await web.introspect(refresh)
      expect(body).toMatchObject({ active: true, client_id: web.client.id })
      expect(body).not.toHaveProperty('token_type')
    })

    it('says nothing but `active` about a token that is worth nothing', async () => {
      const { code } = await web.authorize()
      for (const text of ['nonsense', newAccessToken(newGrantId()), code, 'x'.repeat(10_000)])
        expect(await web.introspect(text)).toMatchObject(inactive)
    })

    it('does not take a token with something changed in it', async () => {
      const { access } = await web.authorize()
      const swapped = access.endsWith('0') ? '1' : '0'
      expect(await web.introspect(access.slice(0, -1) + swapped)).toMatchObject(inactive)
      expect(await web.introspect(` ${access}`)).toMatchObject(inactive)
      expect(await web.introspect(access.toUpperCase())).toMatchObject(inactive)
    })
  })

  describe('RFC 7662 §4 — who may ask', () => {
    it('a resource server may about access tokens of all apps', async () => {
      const { access } = await web.authorize()
      expect((await api.introspect(access)).body).toMatchObject({
        active: true,
        client_id: web.client.id,
      })
    })

    it('a resource server may not about refresh tokens', async () => {
      const { refresh } = await web.authorize()
      expect(await api.introspect(refresh)).toMatchObject(inactive)
    })

    it('another app may not, and cannot tell that the token exists', async () => {
      const { access, refresh } = await web.authorize()
      expect(await machine.introspect(access)).toMatchObject(inactive)
      expect(await machine.introspect(refresh)).toMatchObject(inactive)
    })

    it('only the resource server that a token is for may', async () => {
      const { access_token } = (await machine.credentials({ resource: API })).body
      expect((await api.introspect(access_token)).body).toMatchObject({ active: true, aud: API })
      expect(await otherApi.introspect(access_token)).toMatchObject(inactive)
      expect((await machine.introspect(access_token)).body.active).toBe(true)
    })

    it('nobody may without credentials', async () => {
      const { access } = await web.authorize()
      expect(await web.introspect(access, { auth: 'none' })).toMatchObject({
        status: 401,
        body: { error: 'invalid_client' },
      })
    })

    it('a public app may not, not even about its own tokens (RFC 7662 §2.1)', async () => {
      const spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
      const { access, refresh } = await spa.authorize()
      for (const token of [access, refresh, (await web.authorize()).access, 'otesse_at_nonsense'])
        expect(await spa.introspect(token)).toMatchObject({
          status: 401,
          body: {
            error: 'invalid_client',
            error_description:
              'Introspection is only for clients that authenticate with a secret, which public clients do not have.',
          },
        })
      expect(await spa.isActive(access)).toBe(true)
    })
  })

  describe('a token dies', () => {
    it('with its account', async () => {
      const account = await createAccount(server)
      const { access } = await web.authorize({ accountId: account.id })
      await server.services.accounts.deactivate(account.id, 'left the company')
      expect(await api.introspect(access)).toMatchObject(inactive)
      await purged(server)
      await server.services.accounts.reactivate(account.id)
      expect(await api.introspect(access)).toMatchObject(inactive)
      const next = await web.authorize({ accountId: account.id })
      expect(await web.isActive(next.access)).toBe(true)
    })

    it('with its account before anybody has revoked it', async () => {
      const account = await createAccount(server)
      const { access, refresh } = await web.authorize({ accountId: account.id })
      // As it is while the job that revokes the tokens has not come to them, or cannot.
      const { db, invalidation } = server.infrastructure
      await db
        .updateTable('accounts')
        .set({ status: 'deactivated' })
        .where('id', '=', account.id)
        .execute()
      await invalidation.publish('account', account.id)
      expect(await api.introspect(access)).toMatchObject(inactive)
      expect(await web.refresh(refresh)).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      })
    })

    it('with its app', async () => {
      const doomed = createOAuthClient(server, await registerApp(server))
      const { access } = await doomed.authorize()
      await server.services.apps.remove(doomed.client.id, 'not needed any more')
      expect(await api.introspect(access)).toMatchObject(inactive)
    })
  })

  it('needs a token', async () => {
    expect(await web.introspect('')).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    })
  })
})
