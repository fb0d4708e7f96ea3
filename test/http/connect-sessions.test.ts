// An app asks for a link by which a person connects a system: who gets one, who may use it, and how
// the person comes back.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { OPERATOR } from '../support/connected-company.ts'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import type { Account } from '../../src/model/account.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser, type Page } from '../support/browser-flow.ts'
import { createAccount, PASSWORD, registerApp } from '../support/builders.ts'
import { createIntegration, WITH_CONNECTIONS } from '../support/connections.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import { type QuirkProvider, startQuirkProvider } from '../support/quirk-provider.ts'

const MINUTE = 60_000
const HOME = 'https://yourapp.com/callback'
const CLOSED = 'https://service.example/back?from=otesse'
const SCOPES = ['connections:plain', 'connections:keys']

let server: TestApp
let provider: QuirkProvider

const wordsOf = ({ html }: Page): string =>
  html
    .replaceAll(/<(svg|head)[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/\s+/g, ' ')

const held = ({ id }: Account) => server.services.stores.connections.listOf({ kind: 'account', id })

/** A person with an app that may use their connections. */
async function personWithApp(scopes = SCOPES) {
  const person = await createAccount(server, { password: PASSWORD })
  const app = createOAuthClient(server, await registerApp(server, { scopes, name: 'Acme Sync' }))
  const { access } = await app.authorize({ accountId: person.id, scopes })
  return { person, app, access }
}

async function ask(token: string, members: Readonly<Record<string, string>>) {
  const answer = await fetch(`${server.url}/connect/v1/sessions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ integration: 'plain', return_to: HOME, ...members }),
  })
  const body = (await answer.json()) as Record<string, string>
  return { status: answer.status, headers: answer.headers, body, link: body['connect_url'] ?? '' }
}

async function signedIn({ email }: Account): Promise<Browser> {
  const browser = createBrowser(server)
  const page = await browser.open(`${server.issuer}/connections`)
  await browser.submit(page, '/sign-in?to=%2Fconnections', { email, password: PASSWORD })
  return browser
}

/** Opens the link and goes on to the provider; returns the way back from there. */
async function toProvider(browser: Browser, link: string, deny = false): Promise<string> {
  const page = await browser.open(link)
  const away = await browser.submit(page, '/connections/add/plain')
  return provider.decide(away.url, { deny })
}

const queryOf = ({ url }: { url: string }) => Object.fromEntries(new URL(url).searchParams)

describe.each(BACKENDS)('on %s', (backend) => {
  beforeAll(async () => {
    provider = await startQuirkProvider()
    server = await startTestApp({
      backend,
      overrides: { ...WITH_CONNECTIONS, OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    })
    await createIntegration(server, provider, 'plain', { returnAddresses: [CLOSED] })
    await createIntegration(server, provider, 'keys')
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await provider[Symbol.asyncDispose]()
  })

  it('leads to the provider and back to the app, with the id of the connection', async () => {
    const { person, access, app } = await personWithApp()
    const { status, headers, body, link } = await ask(access, { state: 'a b&c=1' })
    expect({ status, cache: headers.get('cache-control') }).toEqual({
      status: 201,
      cache: 'no-store',
    })
    const left = Date.parse(body['expires_at'] ?? '') - server.clock()
    expect(Math.round(left / MINUTE)).toBe(10)
    const browser = createBrowser(server)
    const signIn = await browser.open(link)
    const page = await browser.submit(
      signIn,
      `/sign-in?to=${encodeURIComponent(new URL(link).pathname)}`,
      {
        email: person.email,
        password: PASSWORD,
      },
    )
    expect(wordsOf(page)).toContain('Acme Sync asks you to do this')
    const away = await browser.submit(page, '/connections/add/plain')
    const back = await browser.open(await provider.decide(away.url))
    const [connection] = await held(person)
    expect(new URL(back.url).origin).toBe('https://yourapp.com')
    expect(queryOf(back)).toEqual({ connection: connection!.id, state: 'a b&c=1' })
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({ accountId: person.id })
    expect(events.find(({ name }) => name === 'connection.created')?.appId).toBe(app.client.id)
  })

  it('connects by key, and comes back from the form', async () => {
    const { person, access } = await personWithApp()
    const { link } = await ask(access, { integration: 'keys' })
    const browser = await signedIn(person)
    const form = await browser.open(link)
    const wrong = await browser.submit(form, '/connections/add/keys', { api_key: 'a-wrong-key' })
    expect(wordsOf(wrong)).toContain('did not accept this')
    const right = { api_key: 'a-key-that-opens-the-api' }
    const back = await browser.submit(wrong, '/connections/add/keys', right)
    const [connection] = await held(person)
    expect(queryOf(back)).toEqual({ connection: connection!.id })
    // Back, and once more: the link has made its connection.
    const again = await browser.submit(wrong, '/connections/add/keys', right)
    expect(wordsOf(again)).toContain('This link is over')
  })

  it('makes a connection again under its id, also with another account', async () => {
    const { person, access } = await personWithApp()
    const browser = await signedIn(person)
    await browser.open(await toProvider(browser, (await ask(access, {})).link))
    const [before] = await held(person)
    const { link } = await ask(access, { connection: before!.id })
    const page = await browser.open(link)
    expect(wordsOf(page)).toContain('Connect Plain CRM again')
    const away = await browser.submit(page, '/connections/add/plain')
    const question = await browser.open(await provider.decide(away.url, { account: 'berta' }))
    const path = new URL(question.url).pathname
    const back = await browser.submit(question, path, { answer: 'replace' })
    expect(queryOf(back)).toEqual({ connection: before!.id })
  })

  it('lets the person go back without connecting, and tells the app', async () => {
    const { person, access } = await personWithApp()
    const browser = await signedIn(person)
    const { link } = await ask(access, { state: 's' })
    const page = await browser.open(link)
    const cancel = /href="([^"]+)">Cancel/.exec(page.html)?.[1]?.replaceAll('&amp;', '&') ?? ''
    expect(queryOf({ url: cancel })).toEqual({ error: 'access_denied', state: 's' })
    const denied = await browser.open(await toProvider(browser, link, true))
    expect(queryOf(denied)).toEqual({ error: 'access_denied', state: 's' })
    expect(await held(person)).toEqual([])
  })

  it('says what went wrong, with a way to try again and a way back', async () => {
    const { person, access } = await personWithApp()
    const browser = await signedIn(person)
    const { link } = await ask(access, { state: 's' })
    const back = new URL(await toProvider(browser, link))
    back.searchParams.delete('code')
    back.searchParams.set('error', 'over_quota')
    const page = await browser.open(back.href)
    expect(page.html).toContain(`href="${new URL(link).pathname}"`)
    expect(page.html).toContain(`${HOME}?error=provider_refused&amp;state=s`)
    const second = await browser.open(await toProvider(browser, link))
    expect(queryOf(second)).toHaveProperty('connection')
  })

  it('is for one connection: a second tab is told so, and keeps nothing', async () => {
    const { person, access } = await personWithApp()
    const browser = await signedIn(person)
    const { link } = await ask(access, {})
    const [first, second] = [await toProvider(browser, link), await toProvider(browser, link)]
    expect(queryOf(await browser.open(first))).toHaveProperty('connection')
    const asked = provider.tokenRequests.length
    const page = await browser.open(second)
    expect({ status: page.status, words: wordsOf(page) }).toEqual({
      status: 409,
      words: expect.stringContaining('Plain CRM was connected already'),
    })
    expect(provider.tokenRequests).toHaveLength(asked)
    expect(await held(person)).toHaveLength(1)
    expect(wordsOf(await browser.open(link))).toContain('This link is over')
  })

  it('opens for ten minutes; who has begun by then has the time of an attempt', async () => {
    const { person, access } = await personWithApp()
    const browser = await signedIn(person)
    const early = await ask(access, {})
    server.clock.move(9 * MINUTE)
    const back = await toProvider(browser, early.link)
    server.clock.move(9 * MINUTE)
    expect(queryOf(await browser.open(back))).toHaveProperty('connection')
    const late = await ask((await personWithApp()).access, {})
    server.clock.move(10 * MINUTE)
    expect(wordsOf(await (await signedIn(person)).open(late.link))).toContain('This link is over')
  })

  it('is over when the app is suspended', async () => {
    const { person, app, access } = await personWithApp()
    const browser = await signedIn(person)
    const { link } = await ask(access, {})
    const page = await browser.open(link)
    await server.services.apps.suspend(app.client.id, 'abuse')
    const posted = await browser.submit(page, '/connections/add/plain')
    expect(wordsOf(posted)).toContain('This link is over')
    expect(wordsOf(await browser.open(link))).toContain('This link is over')
  })

  it('is for the account that it names, in the session that began', async () => {
    const { person, access } = await personWithApp()
    const { link } = await ask(access, { state: 'the-state-of-the-app' })
    const stranger = await createAccount(server, { password: PASSWORD })
    const theirs = await signedIn(stranger)
    const page = await theirs.open(link)
    expect({ status: page.status, words: wordsOf(page) }).toEqual({
      status: 403,
      words: expect.stringContaining('This link is for another account'),
    })
    expect(page.html).not.toMatch(/the-state-of-the-app|yourapp\.com/)
    const name = new URL(link).pathname.split('/').at(-1) ?? ''
    const form = await theirs.open(`${server.issuer}/connections/add/plain`)
    const posted = await theirs.submit(form, '/connections/add/plain', { session: name })
    expect(wordsOf(posted)).toContain('This link is for another account')
    // A stranger who looked has not used it up, but who comes back must be who went.
    const back = await toProvider(await signedIn(person), link)
    const wrong = await theirs.open(back)
    expect(wordsOf(wrong)).toContain('This was started somewhere else')
    expect(wrong.html).not.toMatch(/the-state-of-the-app|yourapp\.com/)
    expect([...(await held(person)), ...(await held(stranger))]).toEqual([])
  })

  describe('a machine app', () => {
    async function machine(isTrusted: boolean) {
      const scopes = ['connections:plain']
      const app = createOAuthClient(server, await registerApp(server, { type: 'machine', scopes }))
      const admin = createAdminServices(server.infrastructure, server.services)
      const { version } = await admin.integrations.get('plain')
      const trustedApps = isTrusted ? [app.client.id] : []
      await admin.integrations.update('plain', version, { trustedApps }, OPERATOR)
      return (await app.credentials()).body.access_token
    }

    it('names the account if it is trusted, and an address of the closed list', async () => {
      const token = await machine(true)
      const person = await createAccount(server, { password: PASSWORD })
      const { link } = await ask(token, { account: person.id, return_to: CLOSED })
      const browser = await signedIn(person)
      const back = await browser.open(await toProvider(browser, link))
      const [connection] = await held(person)
      expect(back.url).toBe(`${CLOSED}&connection=${connection!.id}`)
    })

    it('is refused without trust, without an account, and for one that is not active', async () => {
      const person = await createAccount(server)
      const token = await machine(true)
      const wanted = { return_to: CLOSED }
      expect(await ask(token, wanted)).toMatchObject({ status: 400 })
      expect(await ask(token, { ...wanted, account: 'acc_none' })).toMatchObject({ status: 400 })
      await server.services.accounts.deactivate(person.id, 'left')
      expect(await ask(token, { ...wanted, account: person.id })).toMatchObject({ status: 400 })
      const untrusted = await machine(false)
      const other = await createAccount(server)
      expect(await ask(untrusted, { ...wanted, account: other.id })).toMatchObject({
        status: 403,
        body: { error: 'access_denied' },
      })
    })
  })

  it.each([
    ['an address that is like a registered one', { return_to: `${HOME}?x=1` }, 400],
    ['an address that is no web address', { return_to: 'javascript:alert(1)' }, 400],
    ['no address', { return_to: '' }, 400],
    ['an integration that there is not', { integration: 'none' }, 403],
    ['a connection of nobody', { connection: 'con_none' }, 404],
    ['another account than that of the token', { account: 'acc_other' }, 400],
    ['a state that cannot be in an address', { state: 'x\ny' }, 400],
  ])('refuses %s', async (_name, members, status) => {
    const { access } = await personWithApp()
    const answer = await ask(access, members)
    expect(answer.status).toBe(status)
    expect(answer.body).not.toHaveProperty('connect_url')
  })

  it('RFC 9700 §4.11 — sends nobody to an address that is not registered', async () => {
    const { access } = await personWithApp()
    for (const return_to of [`${HOME}/more`, 'https://evil.example/', `${HOME}#x`, CLOSED + '&x'])
      expect(await ask(access, { return_to })).toMatchObject({
        status: 400,
        body: { error_description: expect.stringContaining('return_to') },
      })
  })

  it('refuses a token without the scope of the integration', async () => {
    const { access } = await personWithApp(['connections:keys'])
    expect(await ask(access, {})).toMatchObject({ status: 403 })
  })
})
