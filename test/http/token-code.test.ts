// POST /oauth/token with an authorization code, on both kinds of stores.
import { pkceChallenge } from '../../src/shared/crypto.ts'
import { newCode, newGrantId } from '../../src/shared/token-format.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createAccount, createScopes, issueCode, registerApp } from '../support/builders.ts'
import { createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'

const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'

describe.each(BACKENDS)('the code grant, %s', (backend) => {
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

  describe('RFC 6749 §4.1.4 — access token response', () => {
    it.each([
      { encoding: 'json', auth: 'body' },
      { encoding: 'json', auth: 'basic' },
      { encoding: 'form', auth: 'body' },
      { encoding: 'form', auth: 'basic' },
    ] as const)('RFC 6749 §5.1 — is the documented one for $encoding and $auth', async (manner) => {
      const { code } = await issueCode(server, web.client)
      const { status, headers, body } = await web.exchange(code, {}, manner)
      expect(status).toBe(200)
      expect(body).toEqual({
        access_token: expect.stringMatching(/^otesse_at_[0-9A-Za-z]{49}$/),
        refresh_token: expect.stringMatching(/^otesse_rt_[0-9A-Za-z]{56}$/),
        token_type: 'Bearer',
        expires_in: 3600,
        scope: 'bookings:read customers:read',
      })
      expect(headers.get('content-type')).toMatch(/^application\/json/)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('pragma')).toBe('no-cache')
    })

    it('gives tokens that are worth something', async () => {
      const { access, refresh } = await web.authorize()
      expect(await web.isActive(access)).toBe(true)
      expect(await web.isActive(refresh)).toBe(true)
    })

    it('leaves a scope out that was taken from the app between approval and exchange', async () => {
      const client = await registerApp(server)
      const { code } = await issueCode(server, client)
      await server.services.apps.update(client.id, 1, { scopes: ['customers:read'] })
      const { body } = await createOAuthClient(server, client).exchange(code)
      expect(body).toMatchObject({ scope: 'customers:read' })
    })
  })

  describe('RFC 6749 §4.1.2 — the code is single-use and its reuse revokes what it gave', () => {
    it('refuses it the second time and kills the tokens', async () => {
      const { code, access, refresh } = await web.authorize()
      expect(await web.exchange(code)).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      })
      expect(await web.isActive(access)).toBe(false)
      expect(await web.isActive(refresh)).toBe(false)
      expect(await web.refresh(refresh)).toMatchObject({ body: { error: 'invalid_grant' } })
    })

    it('lets one of 20 parallel exchanges through, and its tokens die with the others', async () => {
      const { code } = await issueCode(server, web.client)
      const answers = await Promise.all(Array.from({ length: 20 }, () => web.exchange(code)))
      const won = answers.filter(({ status }) => status === 200)
      expect(won).toHaveLength(1)
      for (const { status, body } of answers)
        if (status !== 200)
          expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_grant' })
      expect(await web.isActive(won[0]!.body.access_token)).toBe(false)
      expect(await web.refresh(won[0]!.body.refresh_token)).toMatchObject({ status: 400 })
    })

    it('is not used up by another app that tries it', async () => {
      const { code } = await issueCode(server, web.client)
      const other = createOAuthClient(server, await registerApp(server))
      expect(await other.exchange(code)).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      })
      expect(await web.exchange(code)).toMatchObject({ status: 200 })
    })
  })

  describe('RFC 6749 §4.1.3 — the redirect URI is the one of the request', () => {
    it.each([
      ['another one', 'https://yourapp.com/other', 'invalid_grant'],
      ['a longer one', 'https://yourapp.com/callback/', 'invalid_grant'],
      ['none', undefined, 'invalid_request'],
    ])('refuses %s and leaves the code usable', async (_, redirect_uri, error) => {
      const { code } = await issueCode(server, web.client)
      expect(await web.exchange(code, { redirect_uri })).toMatchObject({
        status: 400,
        body: { error },
      })
      expect(await web.exchange(code)).toMatchObject({ status: 200 })
    })
  })

  describe('RFC 7636 §4.6 — server verifies code_verifier', () => {
    const challenged = () =>
      issueCode(server, spa.client, { code: { codeChallenge: pkceChallenge(VERIFIER) } })

    it('takes the verifier of the challenge from a public app without a secret', async () => {
      const { code } = await challenged()
      expect(await spa.exchange(code, { code_verifier: VERIFIER })).toMatchObject({ status: 200 })
    })

    it.each([
      ['none', undefined, 'is missing'],
      ['an empty one', '', 'is missing'],
      ['another one', `x${VERIFIER.slice(1)}`, 'does not match'],
      ['the challenge itself', pkceChallenge(VERIFIER), 'does not match'],
    ])('refuses %s', async (_, code_verifier, why) => {
      const { code } = await challenged()
      expect(await spa.exchange(code, { code_verifier })).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant', error_description: expect.stringContaining(why) },
      })
    })

    it.each([42, 129])(
      'RFC 7636 §4.1 — refuses a verifier of %d characters, which fits its challenge',
      async (length) => {
        const verifier = 'v'.repeat(length)
        const { code } = await issueCode(server, spa.client, {
          code: { codeChallenge: pkceChallenge(verifier) },
        })
        expect(await spa.exchange(code, { code_verifier: verifier })).toMatchObject({
          status: 400,
          body: {
            error: 'invalid_grant',
            error_description: 'A code_verifier must have 43 to 128 characters.',
          },
        })
      },
    )

    it.each(['v'.repeat(43), `${'v'.repeat(127)}=`])(
      'RFC 7636 §4.1 — takes %s, whatever its letters',
      async (verifier) => {
        const { code } = await issueCode(server, spa.client, {
          code: { codeChallenge: pkceChallenge(verifier) },
        })
        expect(await spa.exchange(code, { code_verifier: verifier })).toMatchObject({ status: 200 })
      },
    )

    it('refuses a verifier where the request had no challenge (RFC 9700 §2.1.1, downgrade)', async () => {
      const { code } = await issueCode(server, web.client)
      expect(await web.exchange(code, { code_verifier: VERIFIER })).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      })
    })
  })

  describe('RFC 6749 §5.2 — invalid_grant', () => {
    it.each([
      ['something else', 'nonsense'],
      ['a code that never was', newCode(newGrantId())],
      ['a code with a wrong checksum', `${newCode(newGrantId()).slice(0, -1)}-`],
    ])('is the answer to %s', async (_, code) => {
      expect(await web.exchange(code)).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      })
    })

    it('is the answer to a code after its 60 seconds', async () => {
      const { code } = await issueCode(server, web.client)
      server.clock.move(61_000)
      expect(await web.exchange(code)).toMatchObject({ body: { error: 'invalid_grant' } })
    })

    it('is the answer when the account was deactivated between approval and exchange', async () => {
      const account = await createAccount(server)
      const { code } = await issueCode(server, web.client, { accountId: account.id })
      await server.services.accounts.deactivate(account.id, 'left the company')
      expect(await web.exchange(code)).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      })
    })
  })

  it('gives tokens that live one hour and thirty days', async () => {
    const { access, refresh } = await web.authorize()
    server.clock.move(3_599_000)
    expect(await web.isActive(access)).toBe(true)
    server.clock.move(2_000)
    expect(await web.isActive(access)).toBe(false)
    server.clock.move((30 * 24 * 3600 - 3700) * 1000)
    expect(await web.refresh(refresh)).toMatchObject({ status: 200 })
    server.clock.move(200_000)
    expect(await web.refresh(refresh)).toMatchObject({ body: { error: 'invalid_grant' } })
  })
})
