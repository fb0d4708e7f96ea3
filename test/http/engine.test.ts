// Pins what src/oauth/authorize/engine/internals.ts depends on and the engine does not promise, so
// that an upgrade which changes it fails here.
import { createRequire } from 'node:module'
import type { Context } from 'koa'
import type { App } from '../../src/model/app.ts'
import { runProvider, unsavedGrant } from '../../src/oauth/authorize/engine/internals.ts'
import { createProvider } from '../../src/oauth/authorize/engine/configuration.ts'
import { createSigningKey } from '../../src/shared/crypto.ts'
import { newGrantId, parseTokenOf } from '../../src/shared/token-format.ts'

const app = {
  id: 'app_00000000000000000001',
  name: 'Acme Sync',
  type: 'web',
  status: 'active',
  redirectUris: ['https://yourapp.com/callback'],
  scopes: ['bookings:read'],
  requirePkce: false,
} as unknown as App

const engineKey = async (alg: 'ES256' | 'RS256') => ({
  ...(await createSigningKey(alg)).privateJwk,
  ...{ kid: `key_${alg}`, alg, use: 'sig' },
})

/** Our engine over one app that the test can exchange, as a cache does after a change. */
async function engineOver(initial: App) {
  let current: App | undefined = initial
  const asked: string[] = []
  const notHere = () => Promise.reject(new Error('nothing is stored in this test'))
  const records = {
    findRecord: notHere,
    putRecord: notHere,
    removeRecord: notHere,
    addToIndex: notHere,
    removeFromIndex: notHere,
    listIndex: notHere,
    raiseInIndex: notHere,
    countIndex: notHere,
    endsInIndex: notHere,
    walkIndex: notHere,
  }
  const provider = createProvider(
    {
      admitStranger: () => undefined,
      issuer: 'https://auth.example.com',
      records,
      clock: () => 0,
      begin: notHere,
      sessionMaxSeconds: 60,
      findGrant: notHere,
      inspect: notHere,
      findApp: (id) => {
        asked.push(id)
        return Promise.resolve(current)
      },
      previews: { isPreview: (uri) => uri === 'https://yourapp.com/callback-by-our-rule' },
      consents: { find: notHere },
      findAccount: notHere,
      cookieKeys: ['a key for the cookies of this test'],
      ttl: { sessionSeconds: 1, interactionSeconds: 1, codeSeconds: 1, accessTokenSeconds: 1 },
    },
    ['bookings:read'],
    [await engineKey('ES256'), await engineKey('RS256')],
  )
  return { provider, asked, change: (next: App | undefined) => (current = next) }
}

it('runs the version that these pins were written for', () => {
  const require = createRequire(import.meta.url)
  const path = require.resolve('oidc-provider').replace(/lib\/.*$/, 'package.json')
  const { version } = require(path) as { version: string }
  const own = require('../../package.json') as { dependencies: Record<string, string> }
  expect(own.dependencies['oidc-provider']).toBe(version)
  expect(version).toBe('9.13.3')
})

it('makes codes that carry the id of their grant', async () => {
  const { provider } = await engineOver(app)
  const grantId = newGrantId()
  const Code = provider.AuthorizationCode as unknown as new (payload: object) => {
    generateTokenId(): string
  }
  const code = new Code({ grantId }).generateTokenId()
  expect(parseTokenOf('code', code)).toMatchObject({ grantId })
})

it('asks for an app each time, and makes its client once as long as the app does not change', async () => {
  const { provider, asked, change } = await engineOver(app)
  const first = await provider.Client.find(app.id)
  expect(first).toMatchObject({ clientId: app.id, requirePkce: false })
  expect(await provider.Client.find(app.id)).toBe(first)
  expect(asked).toEqual([app.id, app.id])
  change({ ...app, requirePkce: true })
  expect(await provider.Client.find(app.id)).toMatchObject({ requirePkce: true })
})

it('knows no app that is suspended, has no redirect URI or does not exist', async () => {
  const { provider, change } = await engineOver(app)
  for (const next of [
    { ...app, status: 'suspended' as const },
    { ...app, redirectUris: [] },
    undefined,
  ]) {
    change(next)
    expect(await provider.Client.find(app.id)).toBeUndefined()
  }
})

it('lets our rule decide about redirect URIs', async () => {
  const { provider } = await engineOver(app)
  const client = await provider.Client.find(app.id)
  expect(client?.redirectUriAllowed('https://yourapp.com/callback-by-our-rule')).toBe(true)
  expect(client?.redirectUriAllowed('https://evil.example/')).toBe(false)
})

it('answers in the query alone', async () => {
  const { provider } = await engineOver(app)
  const client = (await provider.Client.find(app.id)) as unknown as {
    responseModeAllowed(mode: string | undefined, type: string): boolean
  }
  expect(client.responseModeAllowed('query', 'code')).toBe(true)
  expect(client.responseModeAllowed('fragment', 'code')).toBe(false)
  expect(client.responseModeAllowed('form_post', 'code')).toBe(false)
})

it('makes a grant that covers its scopes without saving it', async () => {
  const { provider } = await engineOver(app)
  const id = newGrantId()
  const grant = unsavedGrant(provider, {
    id,
    accountId: 'acc_1',
    clientId: app.id,
    scopes: ['openid', 'bookings:read'],
  })
  expect(grant).toMatchObject({ jti: id, accountId: 'acc_1', clientId: app.id })
  expect(grant.getOIDCScope()).toBe('openid bookings:read')
})

it('is one middleware, and a version that has more is noticed', async () => {
  const { provider } = await engineOver(app)
  expect(provider.middleware).toHaveLength(1)
  provider.use((_, next) => next())
  await expect(runProvider(provider, {} as Context)).rejects.toThrow(/one middleware/)
})
