// Connecting to authorization servers that were not made for the test: a second server of ours, and
// a plain oidc-provider with rotating refresh tokens and its own pages.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Provider } from 'oidc-provider'
import { startTestApp, type TestApp } from '../support/app.ts'
import { approveInBrowser, type Browser, createBrowser } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { createForeignIntegration, WITH_CONNECTIONS } from '../support/connections.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const QUIET = { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' }
let ours: TestApp

beforeAll(async () => {
  ours = await startTestApp({ backend: 'redis', overrides: { ...WITH_CONNECTIONS, ...QUIET } })
})
afterAll(async () => {
  await ours[Symbol.asyncDispose]()
})

const callbackOf = (handle: string) => `${ours.issuer}/connections/callback/${handle}`

async function aPerson() {
  const person = await createAccount(ours, { password: PASSWORD })
  const browser = createBrowser(ours)
  const page = await browser.open(`${ours.issuer}/connections`)
  const { email } = person
  await browser.submit(page, '/sign-in?to=%2Fconnections', { email, password: PASSWORD })
  return { person, browser }
}

async function start(browser: Browser, handle: string): Promise<string> {
  const page = await browser.open(`${ours.issuer}/connections/add/${handle}`)
  return (await browser.submit(page, `/connections/add/${handle}`)).url
}

async function connectionOf({ id }: { id: string }) {
  const { connections } = ours.services.stores
  const [connection, ...more] = await connections.listOf({ kind: 'account', id })
  expect(more).toEqual([])
  return { connection: connection!, usable: (await connections.findUsable(connection!.id))! }
}

it('connects to a second server of ours, and withdraws the access there', async () => {
  await using theirs = await startTestApp({ backend: 'embedded', overrides: QUIET })
  await createScopes(theirs)
  const there = await createAccount(theirs, { password: PASSWORD })
  const client = await registerApp(theirs, {
    redirectUris: [callbackOf('theirs')],
    scopes: ['bookings:read', 'openid', 'email'],
  })
  const at = (path: string) => `${theirs.issuer}/oauth/${path}`
  await createForeignIntegration(
    ours,
    {
      key: 'theirs',
      name: 'The other server',
      kind: 'oauth2',
      auth: {
        authorize_url: at('authorize'),
        token_url: at('token'),
        revoke_url: at('revoke'),
        issuer: theirs.issuer,
        client_auth: 'basic',
      },
      identity: { url: at('userinfo'), id: 'sub', label: 'email' },
      check: { method: 'GET', url: at('userinfo') },
    },
    {
      client: { id: client.id, secret: client.secret! },
      scopes: ['bookings:read', 'openid', 'email'],
    },
  )
  const { person, browser } = await aPerson()
  const back = await approveInBrowser(theirs, await start(browser, 'theirs'), {
    email: there.email,
    password: PASSWORD,
  })
  await browser.open(back.href)
  const { connection, usable } = await connectionOf(person)
  expect(connection).toMatchObject({
    externalId: there.id,
    externalLabel: there.email,
    missingScopes: [],
  })
  const refresh = usable.credential('oauth_refresh_token')!.reveal()
  expect(refresh).toMatch(/^otesse_rt_/)

  const path = `/${connection.id}/disconnect`
  const question = await browser.open(`${ours.issuer}/connections${path}`)
  await browser.submit(question, path)
  const { status, body } = await createOAuthClient(theirs, client).refresh(refresh)
  expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_grant' })
})

it('connects to a plain oidc-provider', async () => {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const secret = 'a-secret-that-is-long-enough-for-hs256'
  const engine = new Provider(issuer, {
    clients: [
      {
        client_id: 'ours',
        client_secret: secret,
        redirect_uris: [callbackOf('engine')],
        grant_types: ['authorization_code', 'refresh_token'],
      },
    ],
    cookies: { keys: ['a-key-for-cookies'] },
    pkce: { required: () => true },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  })
  const answer = engine.callback()
  server.on('request', (request, response) => void answer(request, response))
  try {
    await createForeignIntegration(
      ours,
      {
        key: 'engine',
        name: 'Engine',
        kind: 'oauth2',
        auth: {
          authorize_url: `${issuer}/auth`,
          token_url: `${issuer}/token`,
          revoke_url: `${issuer}/token/revocation`,
          issuer,
          client_auth: 'basic',
          pkce: 'required',
        },
        identity: { url: `${issuer}/me`, id: 'sub' },
        check: { method: 'GET', url: `${issuer}/me` },
      },
      { client: { id: 'ours', secret }, scopes: ['openid', 'offline_access'] },
    )
    const { person, browser } = await aPerson()
    const there = createBrowser({ url: issuer, issuer })
    const login = await there.open(await start(browser, 'engine'))
    const consent = await there.submit(login, '', { login: 'berta', password: 'any' })
    const back = await there.submit(consent, '')
    await browser.open(back.url)
    const { connection, usable } = await connectionOf(person)
    expect(connection).toMatchObject({ externalId: 'berta', status: 'active' })
    expect(usable.credential('oauth_access_token')).toBeDefined()
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
