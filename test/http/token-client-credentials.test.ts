// POST /oauth/token for the app itself (RFC 6749 §4.4).
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, registerApp } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient, send } from '../support/oauth-client.ts'

const API = 'https://api.otesse.com/v1'

describe.each(BACKENDS)('the client_credentials grant, %s', (backend) => {
  let server: TestApp
  let machine: OAuthClient
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
    machine = createOAuthClient(
      server,
      await registerApp(server, { type: 'machine', scopes: ['bookings:read', 'bookings:write'] }),
    )
  })
  afterAll(() => server[Symbol.asyncDispose]())

  describe('RFC 6749 §4.4.3 — access token response', () => {
    it.each([
      { encoding: 'json', auth: 'body' },
      { encoding: 'form', auth: 'basic' },
    ] as const)('has no refresh token, $encoding and $auth', async (manner) => {
      const { status, body } = await machine.credentials({}, manner)
      expect(status).toBe(200)
      expect(body).toEqual({
        access_token: expect.stringMatching(/^otesse_at_/),
        token_type: 'Bearer',
        expires_in: 3600,
        scope: 'bookings:read bookings:write',
      })
    })

    it('is for the app itself', async () => {
      const { body } = await machine.credentials()
      expect((await machine.introspect(body.access_token)).body).toMatchObject({
        active: true,
        client_id: machine.client.id,
        sub: machine.client.id,
      })
    })

    it('lets the tokens of one app live and die apart', async () => {
      const [first, second] = await Promise.all([machine.credentials(), machine.credentials()])
      await machine.revoke(first.body.access_token)
      expect(await machine.isActive(first.body.access_token)).toBe(false)
      expect(await machine.isActive(second.body.access_token)).toBe(true)
    })

    it('answers 20 parallel first requests of an app', async () => {
      const fresh = createOAuthClient(server, await registerApp(server, { type: 'machine' }))
      const answers = await Promise.all(Array.from({ length: 20 }, () => fresh.credentials()))
      expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
      const active = await Promise.all(answers.map(({ body }) => fresh.isActive(body.access_token)))
      expect(active).toEqual(Array(20).fill(true))
    })
  })

  describe('RFC 6749 §3.3 — access token scope', () => {
    it.each([
      ['bookings:write', 'bookings:write'],
      ['bookings:write bookings:read', 'bookings:write bookings:read'],
      ['bookings:read,bookings:write', 'bookings:read bookings:write'],
      [' bookings:read ,, bookings:read ', 'bookings:read'],
      ['bookings:read offline_access', 'bookings:read'],
    ])('takes "%s"', async (scope, granted) => {
      const { body } = await machine.credentials({ scope })
      expect(body.scope).toBe(granted)
      expect((await machine.introspect(body.access_token)).body.scope).toBe(granted)
    })

    it.each([
      ['a scope that the app may not have', 'customers:read'],
      ['a scope that does not exist', 'bookings:destroy'],
      ['a scope about a person', 'openid'],
      ['no scope at all', ' , '],
      ['letters that scopes never have', 'bookings:read "x"'],
      ['letters outside ASCII', 'bookings:réad'],
    ])('refuses %s with invalid_scope', async (_, scope) => {
      expect(await machine.credentials({ scope })).toMatchObject({
        status: 400,
        body: { error: 'invalid_scope' },
      })
    })

    it('forgets a scope that has left the catalogue', async () => {
      await createScopes(server, ['gone:soon'])
      const client = await registerApp(server, {
        type: 'machine',
        scopes: ['gone:soon', 'bookings:read'],
      })
      const app = createOAuthClient(server, client)
      const { body } = await app.credentials()
      await server.services.scopes.remove('gone:soon')
      expect((await app.introspect(body.access_token)).body.scope).toBe('bookings:read')
      expect((await app.credentials()).body.scope).toBe('bookings:read')
      expect((await app.credentials({ scope: 'gone:soon' })).body.error).toBe('invalid_scope')
    })
  })

  describe('RFC 8707 §2 — resource', () => {
    let bound: OAuthClient
    beforeAll(async () => {
      const audiences = [API, 'https://reports.otesse.com']
      bound = createOAuthClient(server, await registerApp(server, { type: 'machine', audiences }))
    })

    it.each(['resource', 'audience'])('binds the token to what %s names', async (parameter) => {
      const { body } = await bound.credentials({ [parameter]: API })
      expect((await bound.introspect(body.access_token)).body['aud']).toBe(API)
    })

    it('binds it to all audiences of the app when none is named', async () => {
      const { body } = await bound.credentials()
      expect((await bound.introspect(body.access_token)).body['aud']).toEqual([
        API,
        'https://reports.otesse.com',
      ])
    })

    it('takes resource more than once, and binds the token to each that it names', async () => {
      const { id, secret } = bound.client
      const ask = (...resources: string[]) =>
        send(`${server.url}/oauth/token`, {
          method: 'POST',
          body: new URLSearchParams([
            ['grant_type', 'client_credentials'],
            ['client_id', id],
            ['client_secret', secret ?? ''],
            ...resources.map((resource) => ['resource', resource]),
          ] as [string, string][]),
        })
      const reports = 'https://reports.otesse.com'
      const both = await ask(reports, API, reports)
      expect(both.status).toBe(200)
      const { body } = await bound.introspect(both.body['access_token'])
      expect(body['aud']).toEqual([reports, API])
      expect(await ask(API, 'https://evil.example')).toMatchObject({
        status: 400,
        body: { error: 'invalid_target' },
      })
    })

    it('refuses an audience that is not the app’s with invalid_target', async () => {
      expect(await bound.credentials({ resource: 'https://evil.example' })).toMatchObject({
        status: 400,
        body: { error: 'invalid_target' },
      })
    })

    it('binds a token with admin scopes to what was asked for, also where the app has no audiences', async () => {
      const scopes = ['admin:apps:read']
      const admin = createOAuthClient(
        server,
        await registerApp(server, { type: 'machine', scopes }),
      )
      const status = async (resource: string) => {
        const { body } = await admin.credentials({ scope: 'admin:apps:read', resource })
        const answer = await fetch(`${server.url}/admin/api/v1/apps`, {
          headers: { authorization: `Bearer ${body.access_token}` },
        })
        return answer.status
      }
      expect(await status('https://api.example.com')).toBe(401)
      expect(await status(`${server.issuer}/admin/api/v1`)).toBe(200)
      // An API that is shown such a token could use it at the admin API.
      const two = `https://api.example.com ${server.issuer}/admin/api/v1`
      expect(await admin.credentials({ scope: 'admin:apps:read', resource: two })).toMatchObject({
        body: { error: 'invalid_target' },
      })
    })

    it('binds a token with admin scopes to the admin API where nothing was asked for', async () => {
      const here = `${server.issuer}/admin/api/v1`
      const scopes = ['admin:apps:read', 'bookings:read']
      for (const audiences of [[], [here, API]]) {
        const admin = createOAuthClient(
          server,
          await registerApp(server, { type: 'machine', scopes, audiences }),
        )
        const { body } = await admin.credentials()
        expect((await admin.introspect(body.access_token)).body['aud']).toBe(here)
        const answer = await fetch(`${server.url}/admin/api/v1/apps`, {
          headers: { authorization: `Bearer ${body.access_token}` },
        })
        expect(answer.status).toBe(200)
        // Without admin scopes nothing changes.
        const plain = await admin.credentials({ scope: 'bookings:read' })
        const { aud } = (await admin.introspect(plain.body.access_token)).body as { aud?: unknown }
        expect(aud).toEqual(audiences.length === 0 ? undefined : audiences)
      }
    })

    it('gives no scope that needs a person, whether it is asked for or not', async () => {
      const web = createOAuthClient(
        server,
        await registerApp(server, { scopes: ['openid', 'profile', 'email', 'bookings:read'] }),
      )
      const all = await web.credentials()
      expect([all.status, all.body.scope]).toEqual([200, 'bookings:read'])
      for (const scope of ['openid', 'profile', 'email', 'bookings:read profile']) {
        const { status, body } = await web.credentials({ scope })
        expect([scope, status, body.error]).toEqual([scope, 400, 'invalid_scope'])
      }
    })

    it('ignores the parameter for an app without audiences, as connectors send it by habit', async () => {
      const { status, body } = await machine.credentials({ audience: 'whatever' })
      expect(status).toBe(200)
      expect((await machine.introspect(body.access_token)).body).not.toHaveProperty('aud')
    })
  })

  describe('who may use it', () => {
    it('refuses a public app with unauthorized_client (RFC 6749 §4.4: confidential clients only)', async () => {
      const spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
      expect(await spa.credentials()).toMatchObject({
        status: 400,
        body: { error: 'unauthorized_client' },
      })
    })

    it('takes an app by its switch, and what it got ends when that is turned off', async () => {
      const { services } = server
      const outcome = await services.apps.register({
        name: 'Acme Sync',
        type: 'web',
        scopes: ['bookings:read', 'openid'],
        redirectUris: ['https://yourapp.com/callback'],
      })
      if (outcome.kind !== 'registered') throw new Error(outcome.kind)
      const { id } = outcome.app
      const secret = outcome.secret!.reveal()
      const redirectUri = 'https://yourapp.com/callback'
      const web = createOAuthClient(server, { app: outcome.app, id, secret, redirectUri })
      expect(await web.credentials()).toMatchObject({
        status: 400,
        body: {
          error: 'unauthorized_client',
          error_description: expect.stringContaining('The app may not use client_credentials'),
        },
      })
      const turn = async (clientCredentials: boolean) => {
        const { version } = await services.apps.get(id)
        const updated = await services.apps.update(id, version, { clientCredentials })
        expect(updated).toMatchObject({ kind: 'updated', app: { clientCredentials } })
      }
      await turn(true)
      const { status, body } = await web.credentials()
      expect([status, body.scope]).toEqual([200, 'bookings:read'])
      expect(await web.isActive(body.access_token)).toBe(true)
      await turn(false)
      expect(await web.isActive(body.access_token)).toBe(false)
      expect(await web.credentials()).toMatchObject({ status: 400 })
    })

    it('refuses a machine whose switch is off', async () => {
      const app = await registerApp(server, { type: 'machine', clientCredentials: false })
      expect(await createOAuthClient(server, app).credentials()).toMatchObject({
        status: 400,
        body: { error: 'unauthorized_client' },
      })
    })

    it.each([
      ['a resource server', 'client_credentials', 'resource_server'],
      ['a machine', 'authorization_code', 'machine'],
      ['a machine', 'refresh_token', 'machine'],
    ] as const)('refuses %s that wants %s', async (_, grant_type, type) => {
      const client = createOAuthClient(server, await registerApp(server, { type }))
      const params = { grant_type, code: 'x', refresh_token: 'x', redirect_uri: 'x' }
      expect(await client.token(params)).toMatchObject({
        status: 400,
        body: { error: 'unauthorized_client' },
      })
    })

    it('kills an app’s tokens when it is suspended, and they stay dead when it works again', async () => {
      const client = await registerApp(server, { type: 'machine' })
      const app = createOAuthClient(server, client)
      const { body } = await app.credentials()
      await server.services.apps.suspend(client.id, 'abuse')
      expect(await app.credentials()).toMatchObject({
        status: 401,
        body: { error: 'invalid_client' },
      })
      await server.services.apps.activate(client.id)
      expect(await app.credentials()).toMatchObject({ status: 200 })
      expect(await app.isActive(body.access_token)).toBe(false)
    })
  })
})
