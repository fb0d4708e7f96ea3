// POST /oauth/token with a refresh token: kept for confidential apps, rotated with a grace period
// for public ones, on both kinds of stores.
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, createScopes, registerApp } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'

const DAY_MILLIS = 24 * 3600 * 1000
const invalidGrant = { status: 400, body: { error: 'invalid_grant' } }

describe.each(BACKENDS)('the refresh grant, %s', (backend) => {
  let server: TestApp
  let web: OAuthClient
  let spa: OAuthClient
  beforeAll(async () => {
    server = await startTestApp({ backend, overrides: { OTESSE_TRUSTED_PROXIES: '127.0.0.1' } })
    await createScopes(server)
    web = createOAuthClient(server, await registerApp(server))
    spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
  })
  afterAll(() => server[Symbol.asyncDispose]())

  describe('RFC 6749 §6 — refreshing an access token', () => {
    it.each(['json', 'form'] as const)('answers as documented, %s', async (encoding) => {
      const { refresh } = await web.authorize()
      expect(await web.refresh(refresh, {}, { encoding })).toMatchObject({
        status: 200,
        body: {
          access_token: expect.stringMatching(/^otesse_at_/),
          refresh_token: refresh,
          token_type: 'Bearer',
          expires_in: 3600,
          scope: 'bookings:read customers:read',
        },
      })
    })

    it('keeps the first refresh token of a confidential app for all of its life', async () => {
      const { access, refresh } = await web.authorize()
      for (let use = 0; use < 3; use += 1)
        expect(await web.refresh(refresh)).toMatchObject({ body: { refresh_token: refresh } })
      expect(await web.isActive(access)).toBe(true)
    })

    it('gives fewer scopes when fewer are asked for, and all of them again the next time', async () => {
      const { refresh } = await web.authorize()
      const narrowed = await web.refresh(refresh, { scope: 'customers:read' })
      expect(narrowed.body.scope).toBe('customers:read')
      expect((await web.introspect(narrowed.body.access_token)).body.scope).toBe('customers:read')
      expect((await web.refresh(refresh)).body.scope).toBe('bookings:read customers:read')
    })

    it('understands commas and offline_access in the scope', async () => {
      const { refresh } = await web.authorize()
      const { body } = await web.refresh(refresh, {
        scope: 'customers:read,bookings:read, offline_access',
      })
      expect(body.scope).toBe('customers:read bookings:read')
    })

    it('never gives more than the user granted', async () => {
      const { refresh } = await web.authorize()
      expect(await web.refresh(refresh, { scope: 'bookings:read bookings:write' })).toMatchObject({
        status: 400,
        body: { error: 'invalid_scope' },
      })
    })

    it('is for the app that the token was issued to', async () => {
      const { refresh } = await web.authorize()
      const other = createOAuthClient(server, await registerApp(server))
      expect(await other.refresh(refresh)).toMatchObject(invalidGrant)
      expect(await web.refresh(refresh)).toMatchObject({ status: 200 })
    })

    it('refuses an access token, a code and anything else in its place', async () => {
      const { access, code } = await web.authorize()
      for (const text of [access, code, 'nonsense', `${access} `])
        expect(await web.refresh(text)).toMatchObject(invalidGrant)
    })

    it('refuses an account that was deactivated', async () => {
      const account = await createAccount(server)
      const { access, refresh } = await web.authorize({ accountId: account.id })
      await server.services.accounts.deactivate(account.id, 'left the company')
      expect(await web.isActive(access)).toBe(false)
      expect(await web.refresh(refresh)).toMatchObject(invalidGrant)
    })
  })

  describe('RFC 9700 §4.14.2 — rotation for public apps', () => {
    it('replaces the token at each use, and the successors work', async () => {
      const { refresh, access } = await spa.authorize()
      let token = refresh
      const seen = new Set([token])
      for (let use = 0; use < 3; use += 1) {
        token = (await spa.refresh(token)).body.refresh_token
        expect(seen).not.toContain(token)
        seen.add(token)
      }
      expect(await spa.isActive(access)).toBe(true)
    })

    it('answers a repeated use within the grace with the same successor', async () => {
      const { refresh } = await spa.authorize()
      const first = await spa.refresh(refresh)
      const again = await spa.refresh(refresh)
      expect(again.body.refresh_token).toBe(first.body.refresh_token)
      expect(again.body.access_token).not.toBe(first.body.access_token)
      expect(await spa.isActive(again.body.access_token)).toBe(true)
    })

    it('notices a copy that is used after each rotation, within a few of them, and says so', async () => {
      const { refresh, grantId } = await spa.authorize()
      let current = refresh
      let rotations = 0
      for (let copied = 200; copied === 200 && rotations < 24; rotations += 1) {
        server.clock.move(3_600_000)
        const own = await spa.refresh(current)
        expect(own.status).toBe(200)
        server.clock.move(20_000)
        copied = (await spa.refresh(current)).status
        current = own.body.refresh_token
      }
      expect(rotations).toBe(3)
      expect(await spa.refresh(current)).toMatchObject(invalidGrant)
      await server.services.audit.flush()
      const ends = await server.infrastructure.db
        .selectFrom('events')
        .select('reason')
        .where('grant_id', '=', grantId)
        .where('name', '=', 'grant.revoked')
        .execute()
      expect(ends).toEqual([{ reason: 'refresh_reuse' }])
      const warned = server.log.filter(
        (line) => line.includes(grantId) && line.includes('copied it'),
      )
      expect(warned).toHaveLength(1)
    })

    it('marks a repeat from another network in the event, for whoever looks for a thief', async () => {
      const { refresh, grantId } = await spa.authorize()
      await spa.refresh(refresh)
      await spa.refresh(refresh)
      await spa.refresh(refresh, {}, { headers: { 'x-forwarded-for': '198.51.100.7' } })
      await server.services.audit.flush()
      const rows = await server.infrastructure.db
        .selectFrom('events')
        .select('data')
        .where('grant_id', '=', grantId)
        .where('name', '=', 'token.refreshed')
        .orderBy('id')
        .execute()
      expect(rows.map(({ data }) => data?.['elsewhere'] === true).sort()).toEqual([
        false,
        false,
        true,
      ])
    })

    it('lets 20 parallel refreshes with one token share one successor, and the family lives', async () => {
      const { refresh } = await spa.authorize()
      const answers = await Promise.all(Array.from({ length: 20 }, () => spa.refresh(refresh)))
      expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
      const successors = new Set(answers.map(({ body }) => body.refresh_token))
      expect(successors.size).toBe(1)
      expect(await spa.refresh([...successors][0]!)).toMatchObject({ status: 200 })
    })

    it('revokes the family when the predecessor comes back after the grace', async () => {
      const { refresh } = await spa.authorize()
      const { body } = await spa.refresh(refresh)
      server.clock.move(31_000)
      expect(await spa.refresh(refresh)).toMatchObject(invalidGrant)
      expect(await spa.isActive(body.access_token)).toBe(false)
      expect(await spa.refresh(body.refresh_token)).toMatchObject(invalidGrant)
    })

    it('revokes the family when the predecessor comes back after its successor was used', async () => {
      const { refresh } = await spa.authorize()
      const second = (await spa.refresh(refresh)).body.refresh_token
      const third = (await spa.refresh(second)).body
      expect(await spa.refresh(refresh)).toMatchObject(invalidGrant)
      expect(await spa.refresh(third.refresh_token)).toMatchObject(invalidGrant)
      expect(await spa.isActive(third.access_token)).toBe(false)
    })

    it('does the same for a confidential app that asks for it', async () => {
      const client = await registerApp(server, { rotateRefreshTokens: true })
      const rotating = createOAuthClient(server, client)
      const { refresh } = await rotating.authorize()
      const { body } = await rotating.refresh(refresh)
      expect(body.refresh_token).not.toBe(refresh)
      server.clock.move(31_000)
      expect(await rotating.refresh(refresh)).toMatchObject(invalidGrant)
      expect(await rotating.refresh(body.refresh_token)).toMatchObject(invalidGrant)
    })
  })

  describe('the life of a refresh token', () => {
    it('ends 30 days after the approval, used or not', async () => {
      const { refresh } = await web.authorize()
      server.clock.move(29 * DAY_MILLIS)
      expect(await web.refresh(refresh)).toMatchObject({ status: 200 })
      server.clock.move(DAY_MILLIS + 1000)
      expect(await web.refresh(refresh)).toMatchObject(invalidGrant)
    })

    it('begins anew with each use where the app slides, up to the limit of the server', async () => {
      const sliding = createOAuthClient(server, await registerApp(server, { slidingRefresh: true }))
      const { refresh } = await sliding.authorize()
      // 365 days is the longest life.
      for (let days = 0; days < 348; days += 29) {
        server.clock.move(29 * DAY_MILLIS)
        expect(await sliding.refresh(refresh)).toMatchObject({ status: 200 })
      }
      server.clock.move(18 * DAY_MILLIS)
      expect(await sliding.refresh(refresh)).toMatchObject(invalidGrant)
    })
  })
})
