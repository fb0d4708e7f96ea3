// POST /oauth/revoke (RFC 7009), on both kinds of stores.
import { newAccessToken, newGrantId } from '../../src/shared/token-format.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createScopes, registerApp } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'
import { waitUntil } from '../support/server-process.ts'

describe.each(BACKENDS)('revocation, %s', (backend) => {
  let server: TestApp
  let web: OAuthClient
  let spa: OAuthClient
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
    web = createOAuthClient(server, await registerApp(server))
    spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
  })
  afterAll(() => server[Symbol.asyncDispose]())

  describe('RFC 7009 §2.1 — a revoked refresh token takes its access tokens along', () => {
    it.each([
      { encoding: 'json', auth: 'body' },
      { encoding: 'form', auth: 'basic' },
    ] as const)('at once, $encoding and $auth', async (manner) => {
      const { access, refresh } = await web.authorize()
      const second = (await web.refresh(refresh)).body.access_token
      const answer = await web.revoke(refresh, { token_type_hint: 'refresh_token' }, manner)
      expect(answer).toMatchObject({ status: 200, text: '{}' })
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
      expect(await web.isActive(access)).toBe(false)
      expect(await web.isActive(second)).toBe(false)
      expect(await web.refresh(refresh)).toMatchObject({ body: { error: 'invalid_grant' } })
    })

    it('and a public app may do it without a secret', async () => {
      const { access, refresh } = await spa.authorize()
      expect(await spa.revoke(refresh)).toMatchObject({ status: 200 })
      expect(await spa.isActive(access)).toBe(false)
    })

    it('and so does the predecessor of a rotated one', async () => {
      const { refresh } = await spa.authorize()
      const { body } = await spa.refresh(refresh)
      expect(await spa.revoke(refresh)).toMatchObject({ status: 200 })
      expect(await spa.isActive(body.access_token)).toBe(false)
    })
  })

  it('kills an access token alone', async () => {
    const { access, refresh } = await web.authorize()
    const second = (await web.refresh(refresh)).body.access_token
    expect(await web.revoke(access)).toMatchObject({ status: 200, text: '{}' })
    expect(await web.isActive(access)).toBe(false)
    expect(await web.isActive(second)).toBe(true)
    expect(await web.refresh(refresh)).toMatchObject({ status: 200 })
  })

  it('leaves other connections of the same account and app alone', async () => {
    const first = await web.authorize()
    const second = await web.authorize({ accountId: first.accountId })
    await web.revoke(first.refresh)
    expect(await web.isActive(second.access)).toBe(true)
  })

  it.each(['access_token', 'refresh_token', 'nonsense'])(
    'does not depend on a right hint: %s (RFC 7009 §2.1)',
    async (token_type_hint) => {
      const { access, refresh } = await web.authorize()
      await web.revoke(access, { token_type_hint })
      expect(await web.isActive(access)).toBe(false)
      await web.revoke(refresh, { token_type_hint })
      expect(await web.refresh(refresh)).toMatchObject({ status: 400 })
    },
  )

  it.each([
    ['nonsense', () => 'nonsense'],
    ['a token that never was', () => newAccessToken(newGrantId())],
  ])('answers 200 to %s (RFC 7009 §2.2)', async (_, text) => {
    expect(await web.revoke(text())).toMatchObject({ status: 200, text: '{}' })
  })

  it('answers 200 the second time', async () => {
    const { refresh } = await web.authorize()
    await web.revoke(refresh)
    expect(await web.revoke(refresh)).toMatchObject({ status: 200, text: '{}' })
  })

  it('refuses a token of another client and leaves it alone (RFC 7009 §2.1)', async () => {
    const { access, refresh } = await web.authorize()
    const other = createOAuthClient(server, await registerApp(server))
    for (const text of [access, refresh])
      expect(await other.revoke(text)).toMatchObject({
        status: 400,
        body: { error: 'invalid_request' },
      })
    expect(await web.isActive(access)).toBe(true)
  })

  it('tells a public app nothing about a token of another client', async () => {
    const { access } = await web.authorize()
    expect(await spa.revoke(access)).toMatchObject({ status: 200, text: '{}' })
    expect(await web.isActive(access)).toBe(true)
  })

  it.each(['a public app', 'an app that proves itself'])(
    'keeps and tells nothing of tokens that %s invents',
    async (who) => {
      const app = who === 'a public app' ? spa : web
      const real = await app.authorize()
      const { db, revocations } = server.infrastructure
      const count = async () => (await db.selectFrom('ended_grants').select('seq').execute()).length
      const told: string[] = []
      await revocations.ready()
      const stop = revocations.follow({
        onRevoked: ({ key }) => void told.push(key),
        onGap: () => undefined,
        onContact: () => undefined,
      })
      const before = await count()
      for (let at = 0; at < 20; at += 1)
        for (const family of [newGrantId(), real.grantId])
          expect(await app.revoke(newAccessToken(family))).toMatchObject({ status: 200 })
      expect(await app.isActive(real.access)).toBe(true)
      const { refresh, grantId } = await app.authorize()
      await app.revoke(refresh)
      await waitUntil('the real revocation to be told', () =>
        Promise.resolve(told.includes(grantId)),
      )
      stop()
      expect(told).toEqual([grantId])
      expect((await count()) - before).toBe(1)
    },
  )

  it('needs a token', async () => {
    expect(await web.revoke('')).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', error_description: 'The parameter token is missing.' },
    })
  })
})
