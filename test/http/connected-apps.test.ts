// Users manage what they have allowed: signing in without an app, the list of connected apps, and
// disconnecting, over HTTP on real stores. How the pages look is in test/browser.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Account } from '../../src/model/account.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import {
  approveInBrowser,
  type Browser,
  createBrowser,
  type Page,
} from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  issueCode,
  PASSWORD,
  registerApp,
  SCOPES,
  type TestClient,
} from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
const SESSION = 'otesse_session /'
let server: TestApp
let web: TestClient
let spa: TestClient

const aPerson = (on: Pick<TestApp, 'services'> = server) =>
  createAccount(on, { password: PASSWORD })
const listUrl = () => `${server.issuer}/connected-apps`
const signInUrl = () => `${server.issuer}/sign-in?to=%2Fconnected-apps`
const disconnectUrl = ({ id }: TestClient) => `${listUrl()}/${id}/disconnect`

function linkOf(client: TestClient, parameters: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'bookings:read',
    ...(client.secret === undefined
      ? { code_challenge: CHALLENGE, code_challenge_method: 'S256' }
      : {}),
    ...parameters,
  })
  return `${server.issuer}/oauth/authorize?${query.toString()}`
}

const signIn = async (browser: Browser, { email }: Account, password = PASSWORD): Promise<Page> =>
  browser.submit(await browser.open(signInUrl()), '/sign-in?to=%2Fconnected-apps', {
    email,
    password,
  })

/** A browser in which that person has signed in. */
async function aBrowserOf(person: Account): Promise<Browser> {
  const browser = createBrowser(server)
  expect(wordsOf(await signIn(browser, person))).toContain('Connected apps')
  return browser
}

/** The person allows the app, which gets its tokens. */
async function connect(client: TestClient, person: Account, browser: Browser) {
  const back = await approveInBrowser(
    server,
    linkOf(client),
    { email: person.email, password: PASSWORD },
    browser,
  )
  const oauth = createOAuthClient(server, client)
  const proof = client.secret === undefined ? { code_verifier: VERIFIER } : {}
  const { status, body } = await oauth.exchange(back.searchParams.get('code') ?? '', proof)
  expect(status).toBe(200)
  return { oauth, access: body.access_token, refresh: body.refresh_token }
}

const disconnect = async (browser: Browser, client: TestClient): Promise<Page> =>
  browser.submit(await browser.open(disconnectUrl(client)), '/disconnect')

const post = (
  browser: Browser,
  url: string,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Page> =>
  browser.request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  })

const csrfOf = ({ html }: Page): string => /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? ''

const wordsOf = ({ html }: Page): string =>
  html
    .replaceAll(/<(svg|head)[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/\s+/g, ' ')

/** The part of the list that is about one app. */
function entryOf(page: Page, name: string): string {
  const entries = page.html.match(/<li class="connection"[\s\S]*?<\/a>\s*<\/li>/g) ?? []
  return entries.find((html) => html.includes(`<bdi>${name}</bdi></h2>`)) ?? ''
}

async function eventsOf(accountId: string): Promise<string[]> {
  await server.services.audit.flush()
  const { events } = await server.services.stores.events.list({ accountId })
  return events.map(({ name, reason }) => (reason === undefined ? name : `${name} ${reason}`))
}

describe.each(BACKENDS)('on %s', (backend) => {
  beforeAll(async () => {
    server = await startTestApp({
      backend,
      // All of these tests come from one address.
      overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    })
    await createScopes(server)
    web = await registerApp(server, { name: 'Studio Planner', scopes: [...SCOPES, 'email'] })
    spa = await registerApp(server, { name: 'Pocket Planner', type: 'public' })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  describe('signing in without an app', () => {
    it('is asked of whoever is not signed in, and leads to the page that was wanted', async () => {
      const person = await aPerson()
      const browser = createBrowser(server)
      const page = await browser.open(listUrl())
      expect(page.url).toBe(signInUrl())
      expect(wordsOf(page)).toContain('Use your Otesse account to see your connected apps.')
      expect(page.headers.get('cross-origin-opener-policy')).toBe('same-origin')
      const list = await signIn(browser, person)
      expect(list.url).toBe(listUrl())
      expect(wordsOf(list)).toContain(person.email)
      expect(await eventsOf(person.id)).toContain('login.succeeded')
    })

    it('leads there without a question where the person is signed in', async () => {
      const browser = await aBrowserOf(await aPerson())
      expect((await browser.open(signInUrl())).url).toBe(listUrl())
      expect((await browser.open(`${server.issuer}/sign-in`)).url).toBe(listUrl())
    })

    it('serves apps too, and signing in on an app’s way serves these pages', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      const consent = await browser.open(linkOf(web))
      expect(wordsOf(consent)).toContain('Studio Planner wants access')
      const other = createBrowser(server)
      await connect(web, person, other)
      expect(wordsOf(await other.open(listUrl()))).toContain(person.email)
    })

    it('in another tab leaves an app’s sign-in page as it is', async () => {
      const person = await aPerson()
      const browser = createBrowser(server)
      const waiting = await browser.open(linkOf(web))
      await signIn(browser, person)
      const consent = await browser.signIn(waiting, person.email, PASSWORD)
      expect(wordsOf(consent)).toContain('Studio Planner wants access')
      const answer = await browser.approve(consent)
      expect(new URL(answer.url).searchParams.get('code')).toMatch(/^otesse_ac_/)
    })

    it.each([
      ['a wrong password', { password: 'wrong-horse' }],
      ['an unknown address', { email: 'nobody@example.com' }],
      ['an empty form', { email: '', password: '' }],
    ])('says one thing of %s, and keeps the e-mail but not the password', async (_name, typed) => {
      const fields = { email: (await aPerson()).email, password: PASSWORD, ...typed }
      const browser = createBrowser(server)
      const again = await browser.submit(
        await browser.open(signInUrl()),
        '/sign-in?to=%2Fconnected-apps',
        fields,
      )
      expect(again.status).toBe(422)
      expect(wordsOf(again)).toContain('That e-mail address and password do not match.')
      expect(again.html).not.toContain('wrong-horse')
      expect(again.html).toContain(`value="${fields.email}"`)
      expect(browser.jar.has(SESSION)).toBe(false)
    })

    it('is refused to a deactivated account with the same words', async () => {
      const person = await aPerson()
      await server.services.accounts.deactivate(person.id, 'left')
      const again = await signIn(createBrowser(server), person)
      expect(wordsOf(again)).toContain('do not match')
      expect(await eventsOf(person.id)).toContain('login.failed account_deactivated')
    })

    it('counts failures together with those on an app’s way', async () => {
      await using small = await startTestApp({
        backend,
        overrides: { OTESSE_LIMIT_LOGIN_PER_ACCOUNT_ADDRESS: '2/120' },
      })
      await createScopes(small)
      const client = await registerApp(small)
      const person = await aPerson(small)
      const browser = createBrowser(small)
      const page = await browser.open(linkOf(client).replace(server.issuer, small.issuer))
      await browser.signIn(page, person.email, 'wrong')
      const own = await browser.open(signInUrl().replace(server.issuer, small.issuer))
      const fields = { email: person.email, password: 'wrong' }
      const again = await browser.submit(own, 'connected-apps', fields)
      expect(again.status).toBe(422)
      const last = await browser.submit(again, 'connected-apps', { ...fields, password: PASSWORD })
      expect(last.status).toBe(429)
      expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(100)
      expect(wordsOf(last)).toContain('Too many attempts. Wait 2 minutes, then try again.')
    })

    it.each([
      'https://evil.example/',
      '//evil.example/',
      '/\\evil.example',
      '/\t/evil.example',
      '/connected-apps/../../evil',
      '/connected-apps@evil.example',
      '/connected-apps?x=1',
      '/CONNECTED-APPS',
      'connected-apps',
      'javascript:alert(1)',
      '/',
      '',
    ])('does not lead to %j', async (to) => {
      const person = await aPerson()
      const browser = createBrowser(server)
      const url = `${server.issuer}/sign-in?to=${encodeURIComponent(to)}`
      const page = await browser.request(url)
      expect(page.status).toBe(400)
      expect(page.html).not.toContain('evil')
      const own = await browser.open(signInUrl())
      const fields = { csrf: csrfOf(own), email: person.email, password: PASSWORD }
      const sent = await post(browser, url, fields)
      expect(sent.status).toBe(400)
      expect(sent.headers.get('location')).toBeNull()
      expect(browser.jar.has(SESSION)).toBe(false)
    })

    it('takes no second target, in the address or the form', async () => {
      const person = await aPerson()
      const browser = createBrowser(server)
      const twice = `${signInUrl()}&to=https://evil.example/`
      expect((await browser.request(twice)).status).toBe(400)
      const list = await browser.submit(await browser.open(signInUrl()), 'connected-apps', {
        email: person.email,
        password: PASSWORD,
        to: 'https://evil.example/',
      })
      expect(list.url).toBe(listUrl())
    })

    it('needs the token of its form, in the browser that got it, from our own page', async () => {
      const person = await aPerson()
      const fields = { email: person.email, password: PASSWORD }
      const [browser, other] = [createBrowser(server), createBrowser(server)]
      const [page, foreign] = [await browser.open(signInUrl()), await other.open(signInUrl())]
      for (const [csrf, headers] of [
        ['', {}],
        ['made-up', {}],
        [csrfOf(foreign), {}],
        [csrfOf(page), { 'sec-fetch-site': 'cross-site' }],
      ] as const) {
        const bad = await post(browser, page.url, { ...fields, csrf }, headers)
        expect(bad.status).toBe(403)
        expect(bad.html).toContain('csrf_mismatch')
      }
      // Without the cookie the token is worth nothing, and a cookie that we did not sign is none.
      const held = [...browser.jar.keys()].filter((key) => key.startsWith('otesse_form'))
      expect(held).toHaveLength(2)
      for (const key of held) browser.jar.delete(key)
      expect((await post(browser, page.url, { ...fields, csrf: csrfOf(page) })).status).toBe(403)
      browser.jar.set('otesse_form /', { value: 'planted', path: '/' })
      expect((await post(browser, page.url, { ...fields, csrf: csrfOf(page) })).status).toBe(403)
      expect(browser.jar.has(SESSION)).toBe(false)
    })

    it('works from two tabs, and for the second click of two', async () => {
      const person = await aPerson()
      const browser = createBrowser(server)
      const [one, two] = [await browser.open(signInUrl()), await browser.open(signInUrl())]
      const fields = { email: person.email, password: PASSWORD }
      expect((await browser.submit(one, 'connected-apps', fields)).url).toBe(listUrl())
      expect((await browser.submit(two, 'connected-apps', fields)).url).toBe(listUrl())
    })

    it('gives the session a new identifier, and the one before opens nothing', async () => {
      const [first, second] = [await aPerson(), await aPerson()]
      const browser = createBrowser(server)
      const consent = await browser.signIn(await browser.open(linkOf(web)), first.email, PASSWORD)
      const planted = new Map(browser.jar)
      // Nothing is left behind on the way to another account.
      await browser.submit(consent, '/switch')
      expect(browser.jar.has(SESSION)).toBe(false)
      const before = planted.get(SESSION)?.value
      expect(before).toBeDefined()
      await signIn(browser, second)
      expect(browser.jar.get(SESSION)?.value).not.toBe(before)
      const thief = createBrowser(server)
      for (const [key, cookie] of planted) thief.jar.set(key, cookie)
      expect((await thief.open(listUrl())).url).toBe(signInUrl())
    })

    it('does so for the same person too, and ends the session of another one', async () => {
      const [first, second] = [await aPerson(), await aPerson()]
      const browser = createBrowser(server)
      const page = await browser.open(signInUrl())
      const sendAs = ({ email }: Account) =>
        browser.submit(page, 'connected-apps', { email, password: PASSWORD })
      const before: Browser['jar'][] = []
      for (const person of [first, first, second]) {
        expect(wordsOf(await sendAs(person))).toContain(person.email)
        for (const jar of before) {
          const old = createBrowser(server)
          for (const [key, cookie] of jar) old.jar.set(key, cookie)
          expect((await old.open(listUrl())).url).toBe(signInUrl())
        }
        before.push(new Map(browser.jar))
      }
      expect(new Set(before.map((jar) => jar.get(SESSION)?.value)).size).toBe(3)
      expect(await eventsOf(first.id)).toContain('session.ended account_switched')
    })

    it('sets the engine’s own cookie: for this host, for as long as the session lives', async () => {
      const person = await aPerson()
      const browser = createBrowser(server)
      const page = await browser.open(signInUrl())
      const fields = { csrf: csrfOf(page), email: person.email, password: PASSWORD }
      const own = await post(browser, page.url, fields)
      const waiting = await browser.open(linkOf(spa))
      const engine = await browser.request(
        (await browser.approve(waiting)).status === 0 ? linkOf(web) : '',
      )
      const sessionCookie = (headers: Headers): [string | undefined, number] => {
        const line = headers.getSetCookie().find((text) => text.startsWith('otesse_session='))
        const expires = /expires=([^;]+)/.exec(line ?? '')?.[1] ?? ''
        return [line?.replace(/=[^;]+/, '').replace(/expires=[^;]+/, ''), Date.parse(expires)]
      }
      const [attributes, until] = sessionCookie(own.headers)
      expect(attributes?.toLowerCase()).toMatch(/^otesse_session; path=\/;.*samesite=lax; httponly/)
      const [engineAttributes, engineUntil] = sessionCookie(engine.headers)
      const sorted = (text: string | undefined) => text?.toLowerCase().split(/; */).sort()
      expect(sorted(attributes)).toEqual(sorted(engineAttributes))
      expect(Math.abs(engineUntil - until)).toBeLessThan(60_000)
    })
  })

  describe('the list', () => {
    it('says when an app used the account last', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      const app = await registerApp(server, { scopes: ['bookings:read'] })
      const { oauth, access } = await connect(app, person, browser)
      expect(wordsOf(await browser.open(listUrl()))).toContain('Not used yet')
      expect(await oauth.isActive(access)).toBe(true)
      await server.services.grantUses.flush()
      expect(wordsOf(await browser.open(listUrl()))).toMatch(
        /Last used \w+ \d+, \d{4}, \d\d:\d\d UTC/,
      )
    })

    it('is empty at first', async () => {
      const browser = await aBrowserOf(await aPerson())
      const page = await browser.open(listUrl())
      expect(wordsOf(page)).toContain('No apps can use your Otesse account.')
      expect(wordsOf(page)).toContain('No connected apps')
      expect(page.html).toContain('href="/sign-out"')
      expect(page.headers.get('cache-control')).toBe('no-store')
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    })

    it('shows what may act for the person: whose consent is remembered, and public apps', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      await connect(web, person, browser)
      await connect(spa, person, browser)
      await connect(spa, person, browser)
      const page = await browser.open(listUrl())
      const [planner, pocket] = [entryOf(page, 'Studio Planner'), entryOf(page, 'Pocket Planner')]
      expect(planner).toContain('Use bookings:read')
      expect(planner).toContain(`href="/connected-apps/${web.id}/disconnect"`)
      expect(planner).toContain(new Date().getFullYear().toString())
      expect(planner).not.toContain('active connections')
      expect(pocket).toContain('Use bookings:read')
      expect(pocket).toContain('2 active connections')
      // By name.
      expect(page.html.indexOf('Pocket Planner')).toBeLessThan(page.html.indexOf('Studio Planner'))
    })

    it('shows nothing of anybody else', async () => {
      const [first, second] = [await aPerson(), await aPerson()]
      await connect(web, first, createBrowser(server))
      const page = await (await aBrowserOf(second)).open(listUrl())
      expect(page.html).not.toContain('Studio Planner')
    })

    it('tells of an app that is allowed and holds nothing now, and leaves out codes that nobody redeemed', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      const { oauth, refresh } = await connect(web, person, browser)
      await oauth.revoke(refresh)
      const page = await browser.open(listUrl())
      expect(entryOf(page, 'Studio Planner')).toContain('It can connect again without asking you')
    })

    it('shows neither app nor connection for codes that nobody redeemed, and what they would hide', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      await connect(spa, person, browser)
      const [noisy, silent] = [await registerApp(server), await registerApp(server)]
      const before = (await browser.open(listUrl())).html
      for (let count = 0; count < 300; count += 30)
        await Promise.all(
          Array.from({ length: 30 }, () =>
            issueCode(server, noisy, { accountId: person.id, scopes: ['bookings:read'] }),
          ),
        )
      const page = await browser.open(listUrl())
      expect(page.html).toBe(before)
      expect(entryOf(page, 'Pocket Planner')).toContain('Use bookings:read')
      expect((await browser.open(disconnectUrl(spa))).status).toBe(200)
      expect((await browser.open(disconnectUrl(noisy))).url).toBe(listUrl())
      expect((await browser.open(disconnectUrl(silent))).url).toBe(listUrl())
      expect(await server.services.grants.listOfApp(noisy.id, 0, 10)).toEqual([])
      // What would connect is ended with the rest all the same.
      const { grantId } = await issueCode(server, spa, { accountId: person.id })
      await disconnect(browser, spa)
      expect(await server.services.grants.find(grantId)).toBeUndefined()
    }, 60_000)

    it('unites what was remembered with what live grants hold', async () => {
      const person = await aPerson()
      await server.services.consents.remember(person.id, web.id, ['customers:read'])
      await createOAuthClient(server, web).authorize({
        accountId: person.id,
        scopes: ['bookings:write', 'email'],
      })
      const page = await (await aBrowserOf(person)).open(listUrl())
      const words = entryOf(page, 'Studio Planner')
      for (const sentence of [
        'Use customers:read',
        'Use bookings:write',
        'See your e-mail address',
      ])
        expect(words).toContain(sentence)
      expect(words.indexOf('Your identity')).toBeLessThan(words.indexOf('bookings'))
    })

    it('remarks that an app was switched off or is gone, and lets go of it all the same', async () => {
      const person = await aPerson()
      const [off, gone] = [
        await registerApp(server, { name: 'Switched Off' }),
        await registerApp(server, { name: 'Long Gone' }),
      ]
      for (const { id } of [off, gone])
        await server.services.consents.remember(person.id, id, ['bookings:read'])
      await server.services.apps.suspend(off.id, 'abuse')
      await server.services.apps.remove(gone.id, 'closed')
      const browser = await aBrowserOf(person)
      const page = await browser.open(listUrl())
      expect(entryOf(page, 'Switched Off')).toContain('has suspended this app')
      expect(entryOf(page, 'Long Gone')).toContain('no longer exists')
      expect(page.html).not.toContain('abuse')
      for (const client of [off, gone]) await disconnect(browser, client)
      expect(wordsOf(await browser.open(listUrl()))).toContain('No connected apps')
    })

    it('is lost with the account', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      await server.services.accounts.deactivate(person.id, 'left')
      const page = await browser.open(listUrl())
      expect(page.url).toBe(signInUrl())
      expect(page.html).not.toContain(person.email)
    })

    it('is lost with the account before its sessions are ended, and disconnects nothing', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      const planner = await connect(web, person, browser)
      const asking = await browser.open(disconnectUrl(web))
      const { accounts } = server.services
      const find = accounts.find.bind(accounts)
      accounts.find = async (id) => {
        const account = await find(id)
        return account && { ...account, status: 'deactivated' }
      }
      try {
        expect((await browser.open(listUrl())).url).toBe(signInUrl())
        expect((await browser.open(disconnectUrl(web))).url).toBe(signInUrl())
        expect((await browser.submit(asking, '/disconnect')).url).toBe(signInUrl())
      } finally {
        accounts.find = find
      }
      expect(await planner.oauth.isActive(planner.access)).toBe(true)
    })

    it('is lost with signing out', async () => {
      const browser = await aBrowserOf(await aPerson())
      await browser.submit(await browser.open(`${server.issuer}/sign-out`), '/sign-out')
      expect((await browser.open(listUrl())).url).toBe(signInUrl())
    })
  })

  describe('disconnecting', () => {
    it('ends every token of that connection at once, and of no other', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      const planner = await connect(web, person, browser)
      const again = await connect(web, person, browser)
      const pocket = await connect(spa, person, browser)
      const neighbour = await aPerson()
      const theirs = await connect(web, neighbour, createBrowser(server))
      const asking = await browser.open(disconnectUrl(web))
      expect(wordsOf(asking)).toContain('Disconnect Studio Planner?')
      expect(wordsOf(asking)).toContain('in all 2 places')
      expect(await planner.oauth.isActive(planner.access)).toBe(true)

      const list = await browser.submit(asking, '/disconnect')
      for (const token of [planner.access, planner.refresh, again.access, again.refresh])
        expect(await planner.oauth.isActive(token)).toBe(false)
      expect((await planner.oauth.refresh(planner.refresh)).body.error).toBe('invalid_grant')
      expect(list.html).toMatch(/role="status"[\s\S]*Studio Planner[\s\S]*was disconnected/)
      expect(entryOf(list, 'Studio Planner')).toBe('')
      expect(entryOf(list, 'Pocket Planner')).not.toBe('')
      expect((await pocket.oauth.refresh(pocket.refresh)).status).toBe(200)
      expect(await theirs.oauth.isActive(theirs.access)).toBe(true)

      const events = await eventsOf(person.id)
      expect(events.filter((name) => name === 'grant.revoked user')).toHaveLength(2)
      expect(events).toContain('consent.withdrawn')
      // Nothing is left to be done later that could end what is connected anew.
      const jobs = await server.infrastructure.db.selectFrom('purge_jobs').selectAll().execute()
      expect(jobs.filter((job) => job.account_id === person.id)).toEqual([])
    })

    it('makes the app ask again, after which it is connected again', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      await connect(web, person, browser)
      await disconnect(browser, web)
      const consent = await browser.open(linkOf(web))
      expect(wordsOf(consent)).toContain('Studio Planner wants access to your Otesse account')
      const anew = await connect(web, person, browser)
      expect(await anew.oauth.isActive(anew.access)).toBe(true)
      expect(entryOf(await browser.open(listUrl()), 'Studio Planner')).not.toBe('')
    })

    it('works for a public app', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      const pocket = await connect(spa, person, browser)
      const list = await disconnect(browser, spa)
      expect(wordsOf(list)).toContain('Pocket Planner was disconnected')
      expect((await pocket.oauth.refresh(pocket.refresh)).body.error).toBe('invalid_grant')
    })

    it('ends an authorization that is being given at that moment', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      await connect(web, person, browser)
      // Read before the consent is forgotten, begun after everything was revoked.
      const { consents } = server.services
      const find = consents.find.bind(consents)
      let isFirst = true
      consents.find = async (accountId, appId) => {
        const scopes = await find(accountId, appId)
        if (isFirst) {
          isFirst = false
          await disconnect(browser, web)
        }
        return scopes
      }
      const other = new URL((await browser.open(linkOf(web))).url)
      consents.find = find
      const oauth = createOAuthClient(server, web)
      const code = other.searchParams.get('code') ?? ''
      expect(code).toMatch(/^otesse_ac_/)
      expect((await oauth.exchange(code)).body.error).toBe('invalid_grant')
    })

    it('ends one of a public app, of which nothing is remembered, that is being given at that moment', async () => {
      const person = await aPerson()
      const [browser, other] = [await aBrowserOf(person), await aBrowserOf(person)]
      await connect(spa, person, browser)
      const { grants } = server.services
      const begin = grants.begin.bind(grants)
      // What it stands on was looked at; its grant is not written yet.
      grants.begin = async (...beginning) => {
        grants.begin = begin
        await disconnect(other, spa)
        await begin(...beginning)
      }
      const proof = { email: person.email, password: PASSWORD }
      const back = await approveInBrowser(server, linkOf(spa), proof, browser)
      const oauth = createOAuthClient(server, spa)
      const code = back.searchParams.get('code') ?? ''
      expect(code).toMatch(/^otesse_ac_/)
      const { body } = await oauth.exchange(code, { code_verifier: VERIFIER })
      expect(body.error).toBe('invalid_grant')
      const again = await approveInBrowser(server, linkOf(spa), proof, browser)
      const next = await oauth.exchange(again.searchParams.get('code') ?? '', {
        code_verifier: VERIFIER,
      })
      expect(next.status).toBe(200)
    })

    it('may be asked for twice', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      await connect(web, person, browser)
      const asking = await browser.open(disconnectUrl(web))
      await browser.submit(asking, '/disconnect')
      expect(wordsOf(await browser.submit(asking, '/disconnect'))).toContain('was disconnected')
      const events = await eventsOf(person.id)
      expect(events.filter((name) => name === 'consent.withdrawn')).toHaveLength(1)
    })

    it('needs its token: of this person, for this app, from our own page', async () => {
      const [person, other] = [await aPerson(), await aPerson()]
      const [browser, foreign] = [await aBrowserOf(person), await aBrowserOf(other)]
      const planner = await connect(web, person, browser)
      await connect(spa, person, browser)
      await connect(web, other, foreign)
      const url = disconnectUrl(web)
      const [own, theirs, another] = [
        csrfOf(await browser.open(url)),
        csrfOf(await foreign.open(url)),
        csrfOf(await browser.open(disconnectUrl(spa))),
      ]
      for (const csrf of ['', 'made-up', theirs, another])
        expect((await post(browser, url, { csrf })).status).toBe(403)
      const crossSite = { 'sec-fetch-site': 'cross-site' }
      expect((await post(browser, url, { csrf: own }, crossSite)).status).toBe(403)
      // And this person's form does nothing in another one's browser.
      expect((await post(foreign, url, { csrf: own })).status).toBe(403)
      const stranger = createBrowser(server)
      const sent = await post(stranger, url, { csrf: own })
      expect(sent.headers.get('location')).toBe('/sign-in?to=%2Fconnected-apps')
      expect(await planner.oauth.isActive(planner.access)).toBe(true)
      expect(await server.services.consents.find(person.id, web.id)).toBeDefined()
    })

    it.each(['app_00000000000000000000', 'app_<b>', '..%2f..', '%00'])(
      'knows nothing of %s',
      async (id) => {
        const browser = await aBrowserOf(await aPerson())
        const page = await browser.open(`${listUrl()}/${encodeURIComponent(id)}/disconnect`)
        expect(page.url).toBe(listUrl())
        expect(page.html).not.toContain('<b>')
      },
    )

    it('does not offer an app that the person has not connected', async () => {
      const browser = await aBrowserOf(await aPerson())
      expect((await browser.open(disconnectUrl(web))).url).toBe(listUrl())
    })

    it('says that an app was disconnected only where it is not connected', async () => {
      const person = await aPerson()
      const browser = await aBrowserOf(person)
      await connect(web, person, browser)
      const page = await browser.open(`${listUrl()}?disconnected=${web.id}`)
      expect(page.html).not.toContain('was disconnected')
      const made = await browser.open(`${listUrl()}?disconnected=%3Cb%3E`)
      expect(made.html).not.toContain('was disconnected')
    })
  })

  it('bounds what one address may ask for', async () => {
    await using small = await startTestApp({
      backend,
      overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '3/60' },
    })
    const browser = createBrowser(small)
    const paths = ['/sign-in', '/connected-apps', '/connected-apps/app_1/disconnect']
    const ask = (path: string) => browser.request(small.issuer + path)
    for (const path of paths) expect((await ask(path)).status).toBeLessThan(400)
    for (const path of paths) expect((await ask(path)).status).toBe(429)
    for (const path of ['/sign-in', '/connected-apps/app_1/disconnect'])
      expect((await post(browser, small.issuer + path, {})).status).toBe(429)
  })

  it('is linked where people learn of it', async () => {
    const person = await aPerson()
    const browser = await aBrowserOf(person)
    for (const url of [`${server.issuer}/`, linkOf(web), `${server.issuer}/sign-out`])
      expect((await browser.open(url)).html).toContain('href="/connected-apps"')
    const out = await browser.submit(await browser.open(`${server.issuer}/sign-out`), '/sign-out')
    expect(out.html).toContain('href="/connected-apps"')
  })
})
