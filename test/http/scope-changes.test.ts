// What a change of scopes does to tokens that are out: a scope that was taken from an app leaves
// them at once, and a scope that was removed and created again is another scope, of which nothing
// that was given before has anything.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { approveInBrowser } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import type { TestClient } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'

describe.each(BACKENDS)('changes of scopes, %s', (backend) => {
  let server: TestApp
  let api: OAuthClient
  let apiApp: TestClient
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
    apiApp = await registerApp(server, { type: 'resource_server', name: 'API' })
    api = createOAuthClient(server, apiApp)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  const scopesOf = async (token: string): Promise<string[]> =>
    (await api.introspect(token)).body.scope.split(' ').filter((name) => name !== '')

  const setScopes = async (id: string, scopes: string[]): Promise<void> => {
    const { version } = await server.services.apps.get(id)
    await server.services.apps.update(id, version, { scopes })
  }

  /** Removes the scope and creates one of the same name that means something else. */
  async function remake(name: string): Promise<void> {
    await server.services.scopes.remove(name)
    await server.services.scopes.create({ name, sentence: 'Delete everything', group: 'Other' })
  }

  it('a scope that was taken from the app is gone from its live tokens at once', async () => {
    const web = await registerApp(server)
    const machine = await registerApp(server, { type: 'machine' })
    const { access } = await createOAuthClient(server, web).authorize({
      scopes: ['bookings:read', 'bookings:write'],
    })
    const own = (await createOAuthClient(server, machine).credentials()).body.access_token
    expect(await scopesOf(access)).toEqual(['bookings:read', 'bookings:write'])
    await setScopes(web.id, ['bookings:read'])
    await setScopes(machine.id, ['bookings:read'])
    expect(await scopesOf(access)).toEqual(['bookings:read'])
    expect(await scopesOf(own)).toEqual(['bookings:read'])
  })

  describe('a scope that was removed and created again', () => {
    const name = 'reports:all'
    beforeAll(async () => {
      await createScopes(server, [name])
    })

    it('is in no token, refresh or app of before, and comes back by a new grant alone', async () => {
      const web = await registerApp(server, { scopes: [name, 'bookings:read'] })
      const machine = await registerApp(server, { type: 'machine', scopes: [name] })
      const client = createOAuthClient(server, web)
      const worker = createOAuthClient(server, machine)
      const before = await client.authorize({ scopes: [name, 'bookings:read'] })
      const own = (await worker.credentials()).body.access_token
      const versionBefore = (await server.services.apps.get(web.id)).version
      await remake(name)

      // No app has it before an admin says so, and the change of the app has its version.
      const now = await server.services.apps.get(web.id)
      expect(now.scopes).toEqual(['bookings:read'])
      expect(now.version).toBe(versionBefore + 1)
      expect((await worker.credentials({ scope: name })).body.error).toBe('invalid_scope')

      // Not even an app that was given the new one brings it into what was granted before.
      await setScopes(web.id, [name, 'bookings:read'])
      await setScopes(machine.id, [name])
      expect(await scopesOf(before.access)).toEqual(['bookings:read'])
      expect(await scopesOf(own)).toEqual([])
      const refreshed = await client.refresh(before.refresh)
      expect(refreshed.body.scope).toBe('bookings:read')
      expect(await scopesOf(refreshed.body.access_token)).toEqual(['bookings:read'])

      const after = await client.authorize({ scopes: [name] })
      expect(await scopesOf(after.access)).toEqual([name])
      expect((await client.refresh(after.refresh)).body.scope).toBe(name)
      const ownAfter = (await worker.credentials()).body.access_token
      expect(await scopesOf(ownAfter)).toEqual([name])

      // And the third scope of that name is none of the first two.
      await remake(name)
      await setScopes(web.id, [name])
      expect(await scopesOf(after.access)).toEqual([])
      expect((await client.refresh(after.refresh)).body.error).toBe('invalid_grant')
    })

    it('is asked for again, although the scope of before was allowed', async () => {
      const scope = 'letters:all'
      await createScopes(server, [scope])
      const web = await registerApp(server, { scopes: [scope] })
      const { email } = await createAccount(server, { password: PASSWORD })
      const link = (prompt?: string): string => {
        const query = new URLSearchParams({
          client_id: web.id,
          redirect_uri: web.redirectUri,
          response_type: 'code',
          scope,
          ...(prompt === undefined ? {} : { prompt }),
        })
        return `${server.issuer}/oauth/authorize?${query.toString()}`
      }
      const { id } = (await server.services.accounts.findByEmail(email)) ?? { id: '' }
      await approveInBrowser(server, link(), { email, password: PASSWORD })
      expect(await server.services.consents.find(id, web.id)).toEqual([scope])
      await remake(scope)
      await setScopes(web.id, [scope])
      expect(await server.services.consents.find(id, web.id)).toEqual([])
      await approveInBrowser(server, link(), { email, password: PASSWORD })
      expect(await server.services.consents.find(id, web.id)).toEqual([scope])
    })
  })
})
