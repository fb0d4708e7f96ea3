// What admins do with tokens, on both kinds of stores: a leak is recognised, ended and reported
// once; nothing that was handed in is stored.
import { createAdminServices, type AdminServices } from '../../src/compose/admin-services.ts'
import { ALL_ADMIN_SCOPES, type Operator } from '../../src/admin/operator.ts'
import { createServerKeys } from '../../src/shared/crypto.ts'
import { Secret } from '../../src/shared/secret.ts'
import {
  createRefreshTokenForm,
  newAccessToken,
  newClientSecret,
  newCode,
  newGrantId,
} from '../../src/shared/token-format.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import {
  createScopes,
  issueCode,
  purged,
  registerApp,
  type TestClient,
} from '../support/builders.ts'
import { createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'

const by: Operator = { id: 'acc_admin', scopes: ALL_ADMIN_SCOPES }
const scanner: Operator = { id: 'app_scanner', scopes: new Set(['admin:tokens:write']) }
const nobody: Operator = { id: 'app_nobody', scopes: new Set(['admin:apps:write']) }

describe.each(BACKENDS)('the token service, %s', (backend) => {
  let server: TestApp
  let services: AdminServices
  let webApp: TestClient
  let web: OAuthClient
  let spa: OAuthClient
  beforeAll(async () => {
    server = await startTestApp({ backend })
    services = createAdminServices(server.infrastructure, server.services)
    await createScopes(server)
    webApp = await registerApp(server)
    web = createOAuthClient(server, webApp)
    spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
  })
  afterAll(() => server[Symbol.asyncDispose]())

  /** The events since the last call, without those of ordinary traffic. */
  const told = async (): Promise<{ name: string; reason: string | undefined; text: string }[]> => {
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({ limit: 200 })
    await server.infrastructure.db.deleteFrom('events').execute()
    return events
      .filter(({ name }) => /^(leak|grants?|secret|token\.revoked)/.test(name))
      .map((event) => ({ name: event.name, reason: event.reason, text: JSON.stringify(event) }))
  }
  beforeEach(() => told())

  describe('a reported token', () => {
    it('ends its whole family, and of 20 reports at once one writes the event of it', async () => {
      const { access, refresh, grantId, accountId } = await web.authorize()
      const reports = await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          services.tokens.report(at % 2 === 0 ? access : refresh, { revoke: true }, scanner),
        ),
      )
      expect(reports[0]).toEqual({
        kind: 'token',
        what: 'access token',
        grantId,
        appId: webApp.id,
        accountId,
        wasLive: true,
        revoked: true,
      })
      expect(await web.isActive(access)).toBe(false)
      expect(await web.refresh(refresh)).toMatchObject({ body: { error: 'invalid_grant' } })
      const events = await told()
      const ends = events.filter(({ name }) => name === 'grant.revoked')
      expect(ends).toMatchObject([{ reason: 'leaked' }])
      expect(ends[0]!.text).toContain('app_scanner')
      expect(events.filter(({ name }) => name === 'leak.reported')).toHaveLength(20)
      const kept = JSON.stringify(events) + server.log.join('')
      for (const token of [access, refresh]) expect(kept).not.toContain(token)
    })

    it('ends the family also where that token was replaced long ago or is dead', async () => {
      const first = await spa.authorize()
      const second = (await spa.refresh(first.refresh)).body
      const third = (await spa.refresh(second.refresh_token)).body
      expect(await spa.isActive(third.access_token)).toBe(true)
      const report = await services.tokens.report(first.refresh, { revoke: true }, by)
      expect(report).toMatchObject({ kind: 'token', wasLive: false, revoked: true })
      expect(await spa.isActive(third.access_token)).toBe(false)

      const other = await web.authorize()
      await web.revoke(other.access)
      expect(await services.tokens.report(other.access, { revoke: true }, by)).toMatchObject({
        wasLive: false,
        revoked: true,
      })
      expect(await web.refresh(other.refresh)).toMatchObject({ status: 400 })
    })

    it('is only told of without revoke', async () => {
      const { refresh } = await web.authorize()
      const report = await services.tokens.report(refresh, { revoke: false }, by)
      expect(report).toMatchObject({ wasLive: true, revoked: false })
      expect(await web.refresh(refresh)).toMatchObject({ status: 200 })
      expect((await told()).map(({ name }) => name)).toEqual(['leak.reported'])
    })

    it('that is a code ends what it would have begun, and nothing once it was used', async () => {
      const fresh = await issueCode(server, webApp)
      expect(await services.tokens.report(fresh.code, { revoke: true }, by)).toMatchObject({
        what: 'authorization code',
        wasLive: true,
        revoked: true,
      })
      expect(await server.services.grants.find(fresh.grantId)).toBeUndefined()
      const used = await web.authorize()
      expect(await services.tokens.report(used.code, { revoke: true }, by)).toMatchObject({
        wasLive: false,
        revoked: false,
      })
      expect(await web.isActive(used.access)).toBe(true)
    })

    it('that an app got for itself says nothing of later ones once it is dead', async () => {
      const machine = createOAuthClient(server, await registerApp(server, { type: 'machine' }))
      const get = async () =>
        (await machine.token({ grant_type: 'client_credentials' })).body.access_token
      const first = await get()
      await machine.revoke(first)
      const second = await get()
      expect(await services.tokens.report(first, { revoke: true }, by)).toMatchObject({
        wasLive: false,
        revoked: false,
      })
      expect(await machine.isActive(second)).toBe(true)
      await services.tokens.report(second, { revoke: true }, by)
      expect(await machine.isActive(second)).toBe(false)
      expect(await machine.isActive(await get())).toBe(true)
    })

    it.each([
      ['of nobody', () => 'ghp_0123456789'],
      ['with a checksum that is wrong', () => `${newClientSecret()}x`],
      ['that is empty', () => ''],
    ])('%s is foreign, which nobody needs to be told', async (_, text) => {
      expect(await services.tokens.report(text(), { revoke: true }, by)).toEqual({
        kind: 'foreign',
      })
      expect(await told()).toEqual([])
    })

    it('that was invented ends nothing, but is told of', async () => {
      const { grantId, access } = await web.authorize()
      const invented = [newAccessToken(newGrantId()), newClientSecret(), newCode(newGrantId())]
      for (const text of invented)
        expect(await services.tokens.report(text, { revoke: true }, by)).toMatchObject({
          kind: 'unknown',
        })
      expect((await told()).map(({ name }) => name)).toEqual(invented.map(() => 'leak.reported'))
      // A refresh token with the right family and an authenticity code that no key of ours made.
      const foreign = createRefreshTokenForm(
        createServerKeys([new Secret('another-server-0123456789-abcdefgh')]),
      )
      const forged = await services.tokens.report(foreign.first(grantId), { revoke: true }, by)
      expect(forged).toEqual({ kind: 'unknown', what: 'refresh token' })
      expect(await web.isActive(access)).toBe(true)
    })
  })

  describe('a reported client secret', () => {
    it('is revoked at once, told by its id, and of 20 reports one writes the event', async () => {
      const client = await registerApp(server)
      const { id, app } = client
      const second = await server.services.apps.createSecret(id)
      if (second.kind !== 'created') throw new Error('no second secret')
      const report = () => services.tokens.report(client.secret!, { revoke: true }, scanner)
      const reports = await Promise.all(Array.from({ length: 20 }, report))
      const secretId = app.secrets[0]!.id
      expect(reports).toContainEqual({
        kind: 'secret',
        what: 'client secret',
        appId: id,
        secretId,
        wasLive: true,
        revoked: true,
      })
      const asked = { grant_type: 'refresh_token', refresh_token: 'x' }
      const withSecret = (secret: string) => createOAuthClient(server, { ...client, secret })
      expect(await withSecret(client.secret!).token(asked)).toMatchObject({ status: 401 })
      expect(await withSecret(second.secret.reveal()).token(asked)).toMatchObject({ status: 400 })
      const events = await told()
      const revoked = events.filter(({ name }) => name === 'secret.revoked')
      expect(revoked).toHaveLength(1)
      expect(revoked[0]!.text).toContain(secretId)
      expect(JSON.stringify(events)).not.toContain(client.secret)
      expect(await report()).toEqual({ kind: 'unknown', what: 'client secret' })
    })

    it('of an app with admin scopes is ended by whoever reports it: holding it is enough', async () => {
      const { secret = '', id } = await registerApp(server, {
        type: 'machine',
        scopes: ['admin:apps:read'],
      })
      expect(await services.tokens.report(secret, { revoke: true }, scanner)).toMatchObject({
        revoked: true,
      })
      expect((await server.services.apps.get(id)).secrets).toHaveLength(0)
    })

    it('takes the tokens along that anybody could get with it', async () => {
      const client = await registerApp(server, { type: 'machine' })
      const second = await server.services.apps.createSecret(client.id)
      if (second.kind !== 'created') throw new Error('no second secret')
      const machine = createOAuthClient(server, { ...client, secret: second.secret.reveal() })
      const get = async () =>
        (await machine.token({ grant_type: 'client_credentials' })).body.access_token
      const before = await get()
      await services.tokens.report(client.secret!, { revoke: true }, by)
      expect(await machine.isActive(before)).toBe(false)
      expect(await machine.isActive(await get())).toBe(true)
    })

    it('of a deleted app works no more', async () => {
      const { secret = '', id } = await registerApp(server)
      await server.services.apps.remove(id, 'gone')
      expect(await services.tokens.report(secret, { revoke: true }, by)).toMatchObject({
        kind: 'secret',
        wasLive: false,
        revoked: false,
      })
    })
  })

  describe('revoking', () => {
    it('an access token ends it alone, a refresh token of any age its family', async () => {
      const { access, refresh, grantId } = await spa.authorize()
      const next = (await spa.refresh(refresh)).body
      expect(await services.tokens.revoke(access, by)).toMatchObject({
        kind: 'revoked',
        whole: false,
      })
      expect(await spa.isActive(access)).toBe(false)
      expect(await spa.isActive(next.access_token)).toBe(true)
      expect(await services.tokens.revoke(access, by)).toEqual({ kind: 'nothing_alive' })
      expect(await services.tokens.revoke(refresh, by)).toMatchObject({ grantId, whole: true })
      expect(await spa.isActive(next.access_token)).toBe(false)
      const events = await told()
      expect(events.map(({ name, reason }) => [name, reason])).toEqual([
        ['grant.revoked', 'admin'],
        ['token.revoked', 'admin'],
      ])
    })

    it('a grant by its id ends it once', async () => {
      const { access, grantId } = await web.authorize()
      expect(await services.tokens.revokeGrant(grantId, by)).toMatchObject({ appId: webApp.id })
      expect(await web.isActive(access)).toBe(false)
      expect(await services.tokens.revokeGrant(grantId, by)).toEqual({ kind: 'nothing_alive' })
      expect(await services.tokens.revokeGrant('}:g *', by)).toEqual({ kind: 'foreign' })
    })

    it('everything of an account, or of an app, walks through its grants', async () => {
      const first = await web.authorize()
      const second = await spa.authorize({ accountId: first.accountId })
      const other = await web.authorize()
      await services.tokens.revokeAllOfAccount(first.accountId, by)
      await purged(server)
      expect(await web.isActive(first.access)).toBe(false)
      expect(await spa.isActive(second.access)).toBe(false)
      expect(await web.isActive(other.access)).toBe(true)
      const events = await told()
      expect(events.filter(({ name }) => name === 'grant.revoked')).toHaveLength(2)
      expect(events.find(({ name }) => name === 'grants.revoked')).toMatchObject({
        reason: 'admin',
        text: expect.stringContaining('acc_admin'),
      })
      await services.tokens.revokeAllOfApp(webApp.id, by)
      await purged(server)
      expect(await web.isActive(other.access)).toBe(false)
      const wrong = { code: 'not_found' }
      await expect(services.tokens.revokeAllOfAccount('acc_x', by)).rejects.toMatchObject(wrong)
      await expect(services.tokens.revokeAllOfApp('app_x', by)).rejects.toMatchObject(wrong)
    })

    it('a client secret is not done by its text', async () => {
      expect(await services.tokens.revoke(webApp.secret!, by)).toEqual({ kind: 'client_secret' })
      expect(await services.tokens.revoke('ghp_x', by)).toEqual({ kind: 'foreign' })
    })
  })

  describe('looking into', () => {
    it('a live token tells whom it is for, a dead one whose it was', async () => {
      const { access, refresh, grantId, accountId } = await spa.authorize()
      expect(await services.tokens.inspect(access, by)).toMatchObject({
        form: 'ours',
        what: 'access token',
        grantId,
        isAlive: true,
        accountId,
        scopes: ['bookings:read', 'customers:read'],
        expiresAt: expect.any(Date),
      })
      await spa.refresh(refresh)
      expect(await services.tokens.inspect(refresh, by)).toMatchObject({
        isAlive: false,
        reason: 'unknown',
        accountId,
        app: { name: 'Acme Sync' },
      })
    })

    it('a code and a secret tells whether they work', async () => {
      const { code } = await issueCode(server, webApp)
      expect(await services.tokens.inspect(code, by)).toMatchObject({ isAlive: true })
      expect(await services.tokens.inspect(webApp.secret!, by)).toMatchObject({
        what: 'client secret',
        isAlive: true,
        app: { id: webApp.id },
        secretId: webApp.app.secrets[0]!.id,
      })
      expect(await services.tokens.inspect(newClientSecret(), by)).toMatchObject({ isAlive: false })
      expect(await services.tokens.inspect(`${code}0`, by)).toMatchObject({
        form: 'damaged',
        isAlive: undefined,
      })
    })
  })

  it('nobody does any of it without the scope', async () => {
    const missing = { code: 'power_missing', about: 'admin:tokens:write' }
    const { tokens } = services
    const secret = webApp.secret!
    const tries = [
      tokens.inspect(secret, nobody),
      tokens.revoke(secret, nobody),
      tokens.revokeGrant(newGrantId(), nobody),
      tokens.revokeAllOfAccount('acc_x', nobody),
      tokens.revokeAllOfApp(webApp.id, nobody),
      tokens.report(secret, { revoke: true }, nobody),
    ]
    for (const attempt of tries) await expect(attempt).rejects.toMatchObject(missing)
    expect(await told()).toEqual([])
  })
})

test('A reported secret is found by every server key that is configured', async () => {
  await using server = await startTestApp({ backend: 'redis' })
  await createScopes(server)
  const { secret = '', id } = await registerApp(server)
  const keys = 'a-newer-key-0123456789-abcdefghijk,tests-sign-with-this-key-0123456789'
  await using newer = await startTestApp({
    backend: 'redis',
    stores: server.stores,
    overrides: { OTESSE_SECRET_KEY: keys },
  })
  const { tokens } = createAdminServices(newer.infrastructure, newer.services)
  expect(await tokens.report(secret, { revoke: true }, by)).toMatchObject({
    kind: 'secret',
    appId: id,
    wasLive: true,
    revoked: true,
  })
})
