// Users at the door, over HTTP on real stores: signing in, allowing and denying, using another
// account, being asked again, signing out; and forms that are foreign, stale or sent twice. How the
// pages look is in test/browser.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser, type Page } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  registerApp,
  SCOPES,
  type TestClient,
} from '../support/builders.ts'

const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
const ALL = [...SCOPES, 'openid', 'email', 'profile']
let server: TestApp
let web: TestClient
let spa: TestClient

/** The link by which an app sends a person to us. */
function linkOf(client: TestClient, parameters: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'bookings:read',
    state: 'st&te',
    ...(client.secret === undefined
      ? { code_challenge: CHALLENGE, code_challenge_method: 'S256' }
      : {}),
    ...parameters,
  })
  return `${server.issuer}/oauth/authorize?${query.toString()}`
}

const aPerson = () => createAccount(server, { password: PASSWORD })

/** A browser in which that person has signed in and allowed the app one scope. */
async function aSignedInBrowser(email: string, client = web): Promise<Browser> {
  const browser = createBrowser(server)
  const consent = await browser.signIn(await browser.open(linkOf(client)), email, PASSWORD)
  backAtApp(await browser.approve(consent))
  return browser
}

/** Returns what the app is told. */
function backAtApp(page: Page): URLSearchParams {
  if (page.status !== 0) throw new Error(`not back at the app: ${page.status} ${wordsOf(page)}`)
  return new URL(page.url).searchParams
}

const wordsOf = ({ html }: Page): string =>
  html
    .replaceAll(/<(svg|head)[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/\s+/g, ' ')

const csrfOf = ({ html }: Page): string => /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? ''

/** Sends a form as no page of ours would. */
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

async function eventsOf(accountId: string): Promise<string[]> {
  await server.services.audit.flush()
  const { events } = await server.services.stores.events.list({ accountId })
  return events.map(({ name, reason }) => (reason === undefined ? name : `${name} ${reason}`))
}

describe.each(BACKENDS)('on %s', (backend) => {
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
    web = await registerApp(server, { name: 'Studio Planner', scopes: ALL })
    spa = await registerApp(server, { name: 'Pocket Planner', type: 'public', scopes: ALL })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  describe('signing in', () => {
    it('leads over the consent page back to the app with a code', async () => {
      const { email, id } = await aPerson()
      const browser = createBrowser(server)
      const signIn = await browser.open(linkOf(web))
      expect(signIn.status).toBe(200)
      expect(wordsOf(signIn)).toContain('continue to Studio Planner')
      const consent = await browser.signIn(signIn, email, PASSWORD)
      expect(wordsOf(consent)).toContain('Studio Planner wants access to your Otesse account')
      expect(wordsOf(consent)).toContain(email)
      expect(wordsOf(consent)).toContain('Use bookings:read')
      expect(wordsOf(consent)).toContain('The access goes to yourapp.com')
      const answer = backAtApp(await browser.approve(consent))
      expect(answer.get('code')).toMatch(/^otesse_ac_/)
      expect(answer.get('state')).toBe('st&te')
      expect(answer.get('iss')).toBe(server.issuer)
      expect(await eventsOf(id)).toEqual(
        expect.arrayContaining(['login.succeeded', 'consent.granted', 'code.issued']),
      )
    })

    it('sends every page with its security headers, and is kept by no cache', async () => {
      const browser = createBrowser(server)
      const page = await browser.open(linkOf(web))
      expect(page.headers.get('content-security-policy')).toContain("form-action 'self';")
      expect(page.headers.get('cache-control')).toBe('no-store')
      expect(page.headers.get('x-frame-options')).toBe('DENY')
      expect(page.headers.get('cross-origin-opener-policy')).toBe('unsafe-none')
    })

    it('takes the e-mail of login_hint, and nothing else, into the field', async () => {
      const browser = createBrowser(server)
      const page = await browser.open(linkOf(web, { login_hint: 'maria@example.com' }))
      expect(page.html).toContain('value="maria@example.com"')
      const other = await browser.open(linkOf(web, { login_hint: 'call 555-1234 now' }))
      expect(other.html).not.toContain('555-1234')
    })

    it.each([
      ['a wrong password', {}],
      ['an unknown address', { email: 'nobody@example.com' }],
      ['what is no address', { email: 'maria"><b>' }],
      ['a NUL in the password', { password: `${PASSWORD}\0` }],
      ['a space too many', { password: `${PASSWORD} ` }],
      ['an empty password', { password: '' }],
    ])('says one thing of %s, and keeps the e-mail but not the password', async (_name, typed) => {
      const fields = { email: (await aPerson()).email, password: 'wrong-horse', ...typed }
      const browser = createBrowser(server)
      const again = await browser.submit(await browser.open(linkOf(web)), '/login', fields)
      expect(again.status).toBe(422)
      expect(wordsOf(again)).toContain('That e-mail address and password do not match.')
      expect(again.html).not.toContain('wrong-horse')
      expect(again.html).not.toContain('<b>')
      expect(again.html).toContain(
        `value="${fields.email.replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}"`,
      )
    })

    it('says so too where more was typed than can be kept', async () => {
      const browser = createBrowser(server)
      const again = await browser.signIn(
        await browser.open(linkOf(web)),
        `${'ö'.repeat(1500)}@example.com`,
        'wrong-horse',
      )
      expect(again.status).toBe(422)
      expect(wordsOf(again)).toContain('That e-mail address and password do not match.')
    })

    it('goes on after a mistake', async () => {
      const { email, id } = await aPerson()
      const browser = createBrowser(server)
      const again = await browser.signIn(await browser.open(linkOf(web)), email, 'wrong')
      const consent = await browser.signIn(again, ` ${email.toUpperCase()} `, PASSWORD)
      expect(wordsOf(consent)).toContain('wants access')
      expect(await eventsOf(id)).toEqual(
        expect.arrayContaining(['login.failed password_wrong', 'login.succeeded']),
      )
    })

    it('can be cancelled, which the app is told', async () => {
      const browser = createBrowser(server)
      const answer = backAtApp(await browser.deny(await browser.open(linkOf(web))))
      expect(answer.get('error')).toBe('access_denied')
      expect(answer.get('state')).toBe('st&te')
    })

    it('is refused to a deactivated account with the same words', async () => {
      const { email, id } = await aPerson()
      await server.services.accounts.deactivate(id, 'left')
      const browser = createBrowser(server)
      const again = await browser.signIn(await browser.open(linkOf(web)), email, PASSWORD)
      expect(wordsOf(again)).toContain('do not match')
      expect(await eventsOf(id)).toContain('login.failed account_deactivated')
    })
  })

  describe('guessing', () => {
    it('is slowed down on the sign-in page itself, for that account at that address', async () => {
      await using small = await startTestApp({
        backend,
        overrides: {
          OTESSE_LIMIT_LOGIN_PER_ACCOUNT_ADDRESS: '2/120',
          OTESSE_TRUSTED_PROXIES: '127.0.0.1',
        },
      })
      await createScopes(small)
      const client = await registerApp(small)
      const { email } = await createAccount(small, { password: PASSWORD })
      const link = linkOf(client).replace(server.issuer, small.issuer)
      const browser = createBrowser(small)
      const elsewhere = { 'x-forwarded-for': '203.0.113.7' }
      let page = await browser.open(link)
      for (let round = 0; round < 2; round += 1) page = await browser.signIn(page, email, 'wrong')
      page = await browser.signIn(page, email, PASSWORD)
      expect(page.status).toBe(429)
      expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(100)
      expect(wordsOf(page)).toContain('Too many attempts. Wait 2 minutes, then try again.')
      expect(page.html).toContain(`value="${email}"`)
      // Not for the person at another address.
      const fields = { csrf: csrfOf(page), email, password: PASSWORD }
      const action = `${new URL(page.url).origin}${new URL(page.url).pathname}/login`
      const onward = await post(browser, action, fields, elsewhere)
      expect(onward.status).toBe(200)
      expect(onward.headers.get('refresh')).toMatch(/^0;url=/)
    })
  })

  describe('consent', () => {
    it('can be denied', async () => {
      const { email, id } = await aPerson()
      const browser = createBrowser(server)
      const consent = await browser.signIn(await browser.open(linkOf(web)), email, PASSWORD)
      const answer = backAtApp(await browser.deny(consent))
      expect(answer.get('error')).toBe('access_denied')
      expect(answer.get('state')).toBe('st&te')
      expect(await eventsOf(id)).toContain('consent.denied')
      expect(await server.services.consents.find(id, web.id)).toBeUndefined()
    })

    it('is remembered for an app that can prove who it is', async () => {
      const { email } = await aPerson()
      const browser = await aSignedInBrowser(email)
      expect(backAtApp(await browser.open(linkOf(web))).get('code')).toMatch(/^otesse_ac_/)
    })

    it('RFC 8252 §8.6: is asked each time for an app that cannot', async () => {
      const { email, id } = await aPerson()
      const browser = await aSignedInBrowser(email, spa)
      const again = await browser.open(linkOf(spa))
      expect(wordsOf(again)).toContain('Pocket Planner wants access')
      expect(await server.services.consents.find(id, spa.id)).toBeUndefined()
    })

    it('is asked only for what is new', async () => {
      const { email, id } = await aPerson()
      const browser = await aSignedInBrowser(email)
      const more = await browser.open(linkOf(web, { scope: 'bookings:read customers:read' }))
      expect(wordsOf(more)).toContain('wants more access')
      const [asked = '', held = ''] = wordsOf(more).split('Already allowed')
      expect(asked).toContain('Use customers:read')
      expect(asked).not.toContain('Use bookings:read')
      expect(held).toContain('Use bookings:read')
      backAtApp(await browser.approve(more))
      expect(await server.services.consents.find(id, web.id)).toEqual(
        expect.arrayContaining(['bookings:read', 'customers:read']),
      )
      backAtApp(await browser.open(linkOf(web, { scope: 'customers:read' })))
    })

    it('allows what was asked, whatever the form says', async () => {
      const { email, id } = await aPerson()
      const browser = createBrowser(server)
      const consent = await browser.signIn(await browser.open(linkOf(web)), email, PASSWORD)
      backAtApp(
        await browser.submit(consent, '/approve', {
          scope: 'bookings:write',
          scopes: 'customers:read',
        }),
      )
      expect(await server.services.consents.find(id, web.id)).toEqual(['bookings:read'])
    })

    it('names identity first, and says when an app only wants to sign somebody in', async () => {
      const { email } = await aPerson()
      const browser = createBrowser(server)
      const link = linkOf(web, { scope: 'openid email' })
      const consent = await browser.signIn(await browser.open(link), email, PASSWORD)
      expect(wordsOf(consent)).toContain('Studio Planner wants to sign you in with Otesse')
      expect(wordsOf(consent)).toContain('Your identity')
      expect(wordsOf(consent)).toContain('See your e-mail address')
      backAtApp(await browser.approve(consent))
    })

    it('is not given by an account that was shut down while the page was open', async () => {
      const { email, id } = await aPerson()
      const browser = createBrowser(server)
      const consent = await browser.signIn(await browser.open(linkOf(web)), email, PASSWORD)
      await server.services.accounts.deactivate(id, 'left')
      const next = await browser.approve(consent)
      // The job that ends the account's sessions may have been faster or slower than the click.
      expect(wordsOf(next)).toMatch(/Sign in|This page is no longer valid/)
      expect(next.html).not.toContain(email)
      expect(await server.services.consents.find(id, web.id)).toBeUndefined()
    })
  })

  describe('being asked again', () => {
    it('prompt=login asks the same person for the password', async () => {
      const { email } = await aPerson()
      const browser = await aSignedInBrowser(email)
      const page = await browser.open(linkOf(web, { prompt: 'login' }))
      expect(wordsOf(page)).toContain('Confirm it’s you')
      expect(wordsOf(page)).toContain(email)
      const wrong = await browser.submit(page, '/login', { password: 'wrong' })
      expect(wrong.status).toBe(422)
      backAtApp(await browser.submit(wrong, '/login', { password: PASSWORD }))
    })

    it('prompt=login takes the password of that person only', async () => {
      const [first, second] = [
        await aPerson(),
        await createAccount(server, { password: 'another password' }),
      ]
      const browser = await aSignedInBrowser(first.email)
      const page = await browser.open(linkOf(web, { prompt: 'login' }))
      const fields = { email: second.email, password: 'another password' }
      expect((await browser.submit(page, '/login', fields)).status).toBe(422)
    })

    it('prompt=consent asks again for what is remembered', async () => {
      const { email } = await aPerson()
      const browser = await aSignedInBrowser(email)
      const page = await browser.open(linkOf(web, { prompt: 'consent' }))
      expect(wordsOf(page)).toContain('from here again')
      backAtApp(await browser.approve(page))
    })

    it('prompt=none asks nothing', async () => {
      const { email } = await aPerson()
      const link = linkOf(web, { prompt: 'none', scope: 'bookings:read openid' })
      const stranger = createBrowser(server)
      expect(backAtApp(await stranger.open(link)).get('error')).toBe('login_required')
      const browser = await aSignedInBrowser(email)
      expect(backAtApp(await browser.open(link)).get('error')).toBe('consent_required')
      backAtApp(
        await browser.approve(await browser.open(linkOf(web, { scope: 'bookings:read openid' }))),
      )
      expect(backAtApp(await browser.open(link)).get('code')).toMatch(/^otesse_ac_/)
    })

    it.each(['bookings:read', 'bookings:read openid'])(
      'max_age asks again after that time, with the scope %s',
      async (scope) => {
        const { email } = await aPerson()
        const browser = createBrowser(server)
        const first = await browser.open(linkOf(web, { scope }))
        backAtApp(await browser.approve(await browser.signIn(first, email, PASSWORD)))
        backAtApp(await browser.open(linkOf(web, { scope, max_age: '60' })))
        const zero = await browser.open(linkOf(web, { scope, max_age: '0' }))
        expect(wordsOf(zero)).toContain('Confirm it’s you')
        backAtApp(await browser.submit(zero, '/login', { password: PASSWORD }))
        await sleep(2100)
        const page = await browser.open(linkOf(web, { scope, max_age: '1' }))
        expect(wordsOf(page)).toContain('Confirm it’s you')
        backAtApp(await browser.submit(page, '/login', { password: PASSWORD }))
      },
    )
  })

  describe('using another account', () => {
    it('works from the consent page', async () => {
      const [first, second] = [await aPerson(), await aPerson()]
      const browser = createBrowser(server)
      const consent = await browser.signIn(await browser.open(linkOf(web)), first.email, PASSWORD)
      const signIn = await browser.submit(consent, '/switch')
      expect(wordsOf(signIn)).toContain('Sign in')
      expect(signIn.html).not.toContain(first.email)
      const other = await browser.signIn(signIn, second.email, PASSWORD)
      expect(wordsOf(other)).toContain(second.email)
      backAtApp(await browser.approve(other))
      expect(await eventsOf(first.id)).toContain('session.ended account_switched')
      expect(await eventsOf(second.id)).toContain('consent.granted')
    })

    it('works where a person is asked again', async () => {
      const [first, second] = [await aPerson(), await aPerson()]
      const browser = await aSignedInBrowser(first.email)
      const again = await browser.open(linkOf(web, { prompt: 'login' }))
      const signIn = await browser.submit(again, '/switch')
      expect(signIn.html).not.toContain(first.email)
      const consent = await browser.signIn(signIn, second.email, PASSWORD)
      backAtApp(await browser.approve(consent))
      expect(await eventsOf(second.id)).toContain('code.issued')
    })

    it('is what happens to the live session of a deactivated account', async () => {
      const [first, second] = [await aPerson(), await aPerson()]
      const browser = await aSignedInBrowser(first.email)
      await server.services.accounts.deactivate(first.id, 'left')
      const signIn = await browser.open(linkOf(web))
      expect(wordsOf(signIn)).toContain('Sign in')
      expect(signIn.html).not.toContain(first.email)
      const consent = await browser.signIn(signIn, second.email, PASSWORD)
      expect(wordsOf(consent)).toContain(second.email)
      backAtApp(await browser.approve(consent))
    })
  })

  describe('forms', () => {
    const FORMS = ['login', 'select', 'approve', 'deny', 'switch']

    it.each(FORMS)('need their token: %s', async (form) => {
      const browser = createBrowser(server)
      const page = await browser.open(linkOf(web))
      const bad = await post(browser, `${page.url}/${form}`, { csrf: 'made-up' })
      expect(bad.status).toBe(403)
      expect(wordsOf(bad)).toContain('nothing was changed')
      expect(bad.html).toContain('csrf_mismatch')
      expect((await browser.open(page.url)).status).toBe(200)
    })

    it.each(FORMS)('of another site are refused although the token is right: %s', async (form) => {
      const browser = createBrowser(server)
      const page = await browser.open(linkOf(web))
      const fields = { csrf: csrfOf(page) }
      const bad = await post(browser, `${page.url}/${form}`, fields, {
        'sec-fetch-site': 'cross-site',
      })
      expect(bad.status).toBe(403)
    })

    it.each(['', '/login', '/select', '/approve', '/deny', '/switch'])(
      'and pages are nothing in another browser: %s',
      async (form) => {
        const page = await createBrowser(server).open(linkOf(web))
        const thief = createBrowser(server)
        const url = `${page.url}${form}`
        const bad =
          form === '' ? await thief.request(url) : await post(thief, url, { csrf: csrfOf(page) })
        expect(bad.status).toBe(400)
        expect(bad.html).toContain('interaction_expired')
        expect(wordsOf(bad)).toContain('start again')
      },
    )

    it('of one interaction do not fit another of the same browser', async () => {
      const browser = createBrowser(server)
      const [one, two] = [await browser.open(linkOf(web)), await browser.open(linkOf(web))]
      expect(one.url).not.toBe(two.url)
      expect((await post(browser, `${two.url}/deny`, { csrf: csrfOf(one) })).status).toBe(403)
    })

    it('may be sent twice: the second click of two goes on as well', async () => {
      const { email, id } = await aPerson()
      const browser = createBrowser(server)
      const consent = await browser.signIn(await browser.open(linkOf(web)), email, PASSWORD)
      const click = () => post(browser, `${consent.url}/approve`, { csrf: csrfOf(consent) })
      const [first, second] = await Promise.all([click(), click()])
      expect([first.status, second.status]).toEqual([200, 200])
      expect(second.headers.get('refresh')).toBe(first.headers.get('refresh'))
      const onward = first.headers.get('refresh')?.slice('0;url='.length) ?? ''
      backAtApp(await browser.open(onward))
      expect((await eventsOf(id)).filter((name) => name === 'code.issued')).toHaveLength(1)
    })

    it('that are stale get a page that says so and a way on', async () => {
      const { email } = await aPerson()
      const browser = createBrowser(server)
      const signIn = await browser.open(linkOf(web))
      const consent = await browser.signIn(signIn, email, PASSWORD)
      // Back to the sign-in page, and again.
      const back = await browser.signIn(signIn, email, PASSWORD)
      expect(back.status).toBe(400)
      expect(wordsOf(back)).toContain('This page is no longer valid')
      backAtApp(await browser.approve(consent))
      const late = await browser.approve(consent)
      expect(late.status).toBe(400)
      expect(wordsOf(late)).toContain('Go back to Studio Planner and start again there.')
    })

    it('for signing in do not fit an interaction that waits for consent, nor the other way round', async () => {
      const { email } = await aPerson()
      const browser = createBrowser(server)
      const signIn = await browser.open(linkOf(web))
      const early = await post(browser, `${signIn.url}/approve`, { csrf: csrfOf(signIn) })
      expect(early.html).toContain('interaction_expired')
      const consent = await browser.signIn(signIn, email, PASSWORD)
      const late = await post(browser, `${consent.url}/login`, {
        csrf: csrfOf(consent),
        email,
        password: PASSWORD,
      })
      expect(late.html).toContain('interaction_expired')
      backAtApp(await browser.approve(consent))
    })

    it('are forms: JSON is not', async () => {
      const browser = createBrowser(server)
      const page = await browser.open(linkOf(web))
      const bad = await browser.request(`${page.url}/deny`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ csrf: csrfOf(page) }),
      })
      expect(bad.status).toBe(400)
      expect(bad.html).toContain('body_type_unsupported')
    })
  })

  describe('signing out', () => {
    it('asks first, ends the session and leaves connected apps alone', async () => {
      const { email, id } = await aPerson()
      const browser = await aSignedInBrowser(email)
      const page = await browser.open(`${server.issuer}/sign-out`)
      expect(wordsOf(page)).toContain(email)
      const out = await browser.submit(page, '/sign-out')
      expect(wordsOf(out)).toContain('You are signed out')
      expect(await eventsOf(id)).toContain('session.ended signed_out')
      expect(wordsOf(await browser.open(linkOf(web)))).toContain('Sign in')
      expect(await server.services.consents.find(id, web.id)).toEqual(['bookings:read'])
    })

    it('needs its token, which is of that person', async () => {
      const [first, second] = [await aPerson(), await aPerson()]
      const [browser, other] = [
        await aSignedInBrowser(first.email),
        await aSignedInBrowser(second.email),
      ]
      const url = `${server.issuer}/sign-out`
      const fields = { csrf: csrfOf(await other.open(url)) }
      expect((await post(browser, url, fields)).status).toBe(403)
      expect((await post(browser, url, {})).status).toBe(403)
      expect(wordsOf(await browser.open(url))).toContain(first.email)
    })

    it('is no error for somebody who is not signed in', async () => {
      const browser = createBrowser(server)
      const url = `${server.issuer}/sign-out`
      expect(wordsOf(await browser.open(url))).toContain('You are signed out')
      const sent = await post(browser, url, {})
      expect(sent.status).toBe(303)
      expect(sent.headers.get('location')).toBe('/sign-out')
    })
  })

  describe('pages about mistakes', () => {
    it.each([
      ['an unknown app', { client_id: 'app_00000000000000000000' }, 'Unknown app'],
      [
        'a foreign redirect URI',
        { redirect_uri: 'https://evil.example/' },
        'This app’s return address is not registered',
      ],
    ])('speak of %s and lead nowhere', async (_name, parameters, title) => {
      const page = await createBrowser(server).open(linkOf(web, parameters))
      expect(page.status).toBe(400)
      expect(wordsOf(page)).toContain(title)
      // What came is shown as text, which nothing leads to.
      expect(page.html).not.toMatch(/(?:href|src|action|url)\s*=\s*["']?[^"'>]*evil\.example/)
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(page.html).toContain(page.headers.get('x-request-id'))
    })

    it('speak of an address with nothing at it', async () => {
      const page = await createBrowser(server).open(`${server.issuer}/nothing<b>`)
      expect(page.status).toBe(404)
      expect(wordsOf(page)).toContain('Page not found')
    })

    it('are not what programs get', async () => {
      const page = await createBrowser(server).open(`${server.issuer}/oauth/nothing`)
      expect(JSON.parse(page.html)).toMatchObject({ error: 'not_found' })
    })
  })

  it('greets whoever opens the issuer', async () => {
    const page = await createBrowser(server).open(`${server.issuer}/`)
    expect(page.status).toBe(200)
    expect(page.html).toContain(`${server.issuer}/.well-known/oauth-authorization-server`)
  })
})
