// The OAuth client libraries that third-party apps use, against the real server. Each runs the
// flows that it offers.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import OAuth2Strategy, { type VerifyCallback } from 'passport-oauth2'
import { AuthorizationCode, ClientCredentials } from 'simple-oauth2'
import { startTestApp, type TestApp } from '../support/app.ts'
import { approveInBrowser, createBrowser } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  REDIRECT_URI,
  registerApp,
  type TestClient,
} from '../support/builders.ts'

const SCOPE = 'openid bookings:read'
const person = { email: 'ada@example.com', password: PASSWORD }

let server: TestApp
let web: TestClient
let spa: TestClient
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  const scopes = ['openid', 'bookings:read', 'customers:read']
  web = await registerApp(server, { scopes })
  spa = await registerApp(server, { scopes, type: 'public' })
  await createAccount(server, person)
})
afterAll(() => server[Symbol.asyncDispose]())

const secretOf = ({ secret = '' }: TestClient): string => secret
/** The person's part: signs in, approves, and is sent back to the app. */
const visit = (url: URL | string): Promise<URL> => approveInBrowser(server, String(url), person)

describe('openid-client', () => {
  const discover = (client: TestClient, authentication?: openid.ClientAuth, algorithm?: 'oauth2') =>
    openid.discovery(new URL(server.issuer), client.id, undefined, authentication, {
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- named so to be noticed; tests speak to 127.0.0.1 without TLS
      execute: [openid.allowInsecureRequests],
      ...(algorithm && { algorithm }),
    })

  it.each([
    [
      'a confidential app, secret in the body',
      () => web,
      () => openid.ClientSecretPost(secretOf(web)),
    ],
    ['a confidential app, HTTP Basic', () => web, () => openid.ClientSecretBasic(secretOf(web))],
    ['a public app', () => spa, () => openid.None()],
  ])(
    'connects %s: code with PKCE, refresh, introspect where it may, userinfo, revoke',
    async (_, which, authentication) => {
      const client = which()
      const config = await discover(client, authentication())
      const pkceCodeVerifier = openid.randomPKCECodeVerifier()
      const expected = { expectedState: openid.randomState(), expectedNonce: openid.randomNonce() }
      const url = openid.buildAuthorizationUrl(config, {
        redirect_uri: REDIRECT_URI,
        scope: SCOPE,
        state: expected.expectedState,
        nonce: expected.expectedNonce,
        code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
      })
      const tokens = await openid.authorizationCodeGrant(config, await visit(url), {
        pkceCodeVerifier,
        ...expected,
      })
      expect(tokens).toMatchObject({ token_type: 'bearer', expires_in: 3600, scope: SCOPE })
      const { sub } = tokens.claims()!
      expect(await openid.fetchUserInfo(config, tokens.access_token, sub)).toEqual({ sub })

      const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token!)
      expect(refreshed.access_token).not.toBe(tokens.access_token)
      // A public app proves nothing and may not introspect (RFC 7662 §2.1): it sees at userinfo
      // what its token is worth.
      const isActive = async () =>
        client === spa
          ? openid.fetchUserInfo(config, refreshed.access_token, sub).then(
              () => true,
              () => false,
            )
          : (await openid.tokenIntrospection(config, refreshed.access_token)).active
      expect(await isActive()).toBe(true)
      await openid.tokenRevocation(config, refreshed.refresh_token!)
      expect(await isActive()).toBe(false)
    },
  )

  it('finds the server by RFC 8414 and gets a token for the app itself', async () => {
    const config = await discover(web, openid.ClientSecretPost(secretOf(web)), 'oauth2')
    const tokens = await openid.clientCredentialsGrant(config, { scope: 'bookings:read' })
    expect(tokens).toMatchObject({ scope: 'bookings:read' })
  })

  it('understands a refused code', async () => {
    const config = await discover(web, openid.ClientSecretPost(secretOf(web)))
    const back = new URL(`${REDIRECT_URI}?code=nonsense&iss=${encodeURIComponent(server.issuer)}`)
    await expect(openid.authorizationCodeGrant(config, back)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })
})

describe('oauth4webapi', () => {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- named so to be noticed; tests speak to 127.0.0.1 without TLS
  const insecure = { [oauth.allowInsecureRequests]: true }

  it('finds nothing to complain about: discovery, code with PKCE, refresh, introspect, revoke, client_credentials', async () => {
    const issuer = new URL(server.issuer)
    const as = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' }),
    )
    const client: oauth.Client = { client_id: web.id }
    const authentication = oauth.ClientSecretBasic(secretOf(web))
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    const url = new URL(as.authorization_endpoint!)
    url.search = new URLSearchParams({
      client_id: web.id,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope: 'bookings:read',
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString()
    // Checks state, and iss by RFC 9207.
    const parameters = oauth.validateAuthResponse(as, client, await visit(url), state)
    const exchanged = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      authentication,
      parameters,
      REDIRECT_URI,
      verifier,
      insecure,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, exchanged)
    expect(tokens.refresh_token).toMatch(/^otesse_rt_/)

    const refreshed = await oauth.processRefreshTokenResponse(
      as,
      client,
      await oauth.refreshTokenGrantRequest(
        as,
        client,
        authentication,
        tokens.refresh_token!,
        insecure,
      ),
    )
    const introspect = async () =>
      oauth.processIntrospectionResponse(
        as,
        client,
        await oauth.introspectionRequest(
          as,
          client,
          authentication,
          refreshed.access_token,
          insecure,
        ),
      )
    expect(await introspect()).toMatchObject({ active: true, client_id: web.id })
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, client, authentication, tokens.refresh_token!, insecure),
    )
    expect(await introspect()).toEqual({ active: false })

    const own = await oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(
        as,
        client,
        authentication,
        { scope: 'customers:read' },
        insecure,
      ),
    )
    expect(own).toMatchObject({ scope: 'customers:read', token_type: 'bearer' })
  })
})

describe('simple-oauth2', () => {
  it.each([
    { bodyFormat: 'form', authorizationMethod: 'header' },
    { bodyFormat: 'form', authorizationMethod: 'body' },
    { bodyFormat: 'json', authorizationMethod: 'header' },
    { bodyFormat: 'json', authorizationMethod: 'body' },
  ] as const)(
    'connects an app with $bodyFormat bodies and the secret in the $authorizationMethod',
    async (options) => {
      const settings = {
        client: { id: web.id, secret: secretOf(web) },
        auth: {
          tokenHost: server.url,
          tokenPath: '/oauth/token',
          revokePath: '/oauth/revoke',
        },
        options,
      }
      const auth = { ...settings.auth, authorizePath: '/oauth/authorize' }
      const client = new AuthorizationCode({ ...settings, auth })
      const url = client.authorizeURL({
        redirect_uri: REDIRECT_URI,
        scope: ['bookings:read', 'customers:read'],
        state: 's',
      })
      const code = (await visit(url)).searchParams.get('code')!
      const token = await client.getToken({ code, redirect_uri: REDIRECT_URI })
      expect(token.token).toMatchObject({
        token_type: 'Bearer',
        scope: 'bookings:read customers:read',
      })
      const refreshed = await token.refresh()
      expect(refreshed.token['access_token']).not.toBe(token.token['access_token'])
      await refreshed.revokeAll()
      await expect(refreshed.refresh()).rejects.toThrow(/400/)

      const machine = new ClientCredentials(settings)
      const own = await machine.getToken({ scope: 'bookings:read' })
      expect(own.token).toMatchObject({ scope: 'bookings:read' })
    },
  )
})

describe('passport-oauth2', () => {
  it('signs people in to an express app, which gets both tokens', async () => {
    const app = express()
    const site = createServer((request, response) => void app(request, response))
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    const home = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
    try {
      const callbackURL = `${home}/callback`
      const client = await registerApp(server, { redirectUris: [callbackURL] })
      const strategy = new OAuth2Strategy(
        {
          authorizationURL: `${server.url}/oauth/authorize`,
          tokenURL: `${server.url}/oauth/token`,
          clientID: client.id,
          clientSecret: secretOf(client),
          callbackURL,
          scope: ['bookings:read', 'customers:read'],
        },
        (access: string, refresh: string, _profile: unknown, done: VerifyCallback) =>
          done(null, { access, refresh }),
      )
      app.get(['/connect', '/callback'], authenticateWith(strategy))
      const start = await fetch(`${home}/connect`, { redirect: 'manual' })
      const denied = createBrowser(server)
      const page = await denied.open(start.headers.get('location')!)
      const refused = await denied.deny(await denied.signIn(page, person.email, person.password))
      expect(new URL(refused.url).searchParams.get('error')).toBe('access_denied')
      const back = await visit(start.headers.get('location')!)
      expect(await (await fetch(back)).json()).toEqual({
        access: expect.stringMatching(/^otesse_at_/),
        refresh: expect.stringMatching(/^otesse_rt_/),
      })
    } finally {
      site.closeAllConnections()
      site.close()
    }
  })
})

/** Does for one strategy what passport does: each request gets a copy that can answer it. */
function authenticateWith(strategy: OAuth2Strategy): express.RequestHandler {
  return function authenticate(request, response, next) {
    const attempt: OAuth2Strategy = Object.assign(Object.create(strategy), {
      redirect(url: string) {
        response.redirect(url)
      },
      success: (user: object) => response.json(user),
      fail: (challenge: unknown) => response.status(401).json(challenge),
      error: next,
    })
    attempt.authenticate(request, {})
  }
}
