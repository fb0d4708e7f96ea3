// Sign-ins that were ended stay ended: what was put by before a reset, what is in flight while it
// happens, and what is older than a session may be.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser } from '../support/browser-flow.ts'
import { createAccount, createScopes, purged, registerApp } from '../support/builders.ts'
import type { TestClient } from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import { createMovableClock } from '../support/movable-clock.ts'

const OLD = 'the old password 123'
const NEW = 'a wholly new password 456'
const LIST = '/connected-apps'

describe.each(BACKENDS)('ended sessions, %s', (backend) => {
  const clock = createMovableClock()
  let server: TestApp
  let app: TestClient
  beforeAll(async () => {
    server = await startTestApp({
      backend,
      clock,
      overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    })
    await createScopes(server)
    app = await registerApp(server)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  const somebody = () => createAccount(server, { password: OLD })

  const authorizeUrl = (scope = 'bookings:read'): string => {
    const query = new URLSearchParams({
      client_id: app.id,
      redirect_uri: app.redirectUri,
      response_type: 'code',
      scope,
    })
    return `${server.issuer}/oauth/authorize?${query.toString()}`
  }

  async function signIn(browser: Browser, email: string, password = OLD) {
    const page = await browser.open(`${server.issuer}/sign-in?to=${encodeURIComponent(LIST)}`)
    return browser.submit(page, '/sign-in?to=%2Fconnected-apps', { email, password })
  }

  const isSignedIn = async (browser: Browser): Promise<boolean> =>
    (await browser.request(server.issuer + LIST)).status === 200

  /** Proves the password on the way to an app and does not go on; returns where it would. */
  async function putBy(browser: Browser, email: string): Promise<string> {
    const page = await browser.open(authorizeUrl())
    const action = /<form[^>]* method="post" action="([^"]+\/login)"/.exec(page.html)?.[1] ?? ''
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
    const answer = await browser.request(server.issuer + action, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'sec-fetch-site': 'same-origin',
      },
      body: new URLSearchParams({ csrf, email, password: OLD }).toString(),
    })
    return /url=(.*)$/.exec(answer.headers.get('refresh') ?? '')?.[1] ?? ''
  }

  it.each(['a reset', 'a deactivation'])('a sign-in that was put by dies with %s', async (act) => {
    const { id, email } = await somebody()
    const { accounts } = server.services
    const [browser, control] = [createBrowser(server), createBrowser(server)]
    const onward = await putBy(browser, email)
    const unharmed = await putBy(control, (await somebody()).email)
    if (act === 'a reset') await accounts.setPassword(id, NEW)
    else {
      await accounts.deactivate(id, 'stolen')
      await accounts.reactivate(id)
    }
    await purged(server)
    expect((await control.open(unharmed)).html).toContain('/approve"')
    expect((await browser.open(onward)).html).not.toContain('/approve"')
    expect(await isSignedIn(browser)).toBe(false)
  })

  it('a check of the old password that is under way does not sign in afterwards', async () => {
    const { id, email } = await somebody()
    const browsers = Array.from({ length: 8 }, () => createBrowser(server))
    const tries = browsers.map((browser) => signIn(browser, email))
    await server.services.accounts.setPassword(id, NEW)
    await Promise.all(tries)
    await purged(server)
    const alive = await Promise.all(browsers.map(isSignedIn))
    expect(alive.filter(Boolean)).toEqual([])
    const owner = createBrowser(server)
    await signIn(owner, email, NEW)
    expect(await isSignedIn(owner)).toBe(true)
  })

  it.each(['a reset', 'signing out'])(
    'a copied session does not come back after %s, whatever is in flight',
    async (act) => {
      const { id, email } = await somebody()
      const browser = createBrowser(server)
      await signIn(browser, email)
      const copy = createBrowser(server)
      for (const [name, cookie] of browser.jar) copy.jar.set(name, { ...cookie })
      expect(await isSignedIn(copy)).toBe(true)
      let isOver = false
      let requests = 0
      const copied = new Map(copy.jar)
      const hammer = Array.from({ length: 16 }, async () => {
        while (!isOver) {
          const thief = createBrowser(server)
          for (const [name, cookie] of copied) thief.jar.set(name, cookie)
          await thief.request(`${server.issuer}/oauth/authorize/x`)
          requests += 1
        }
      })
      try {
        if (act === 'a reset') {
          await server.services.accounts.setPassword(id, NEW)
          await purged(server)
        } else await browser.submit(await browser.open(`${server.issuer}/sign-out`), '/sign-out')
      } finally {
        isOver = true
        await Promise.all(hammer)
      }
      expect(requests).toBeGreaterThan(16)
      copy.jar.clear()
      for (const [name, cookie] of copied) copy.jar.set(name, cookie)
      expect(await isSignedIn(copy)).toBe(false)
    },
  )

  it.each(['asks for another account', 'proves another account'])(
    'who was signed in does not come back when somebody %s, whatever is in flight',
    async (manner) => {
      const [first, second] = [await somebody(), await somebody()]
      const browser = createBrowser(server)
      await signIn(browser, first.email)
      const copied = [...browser.jar].map(([name, cookie]) => [name, { ...cookie }] as const)
      const asCopied = (): Browser => {
        const copy = createBrowser(server)
        for (const [name, cookie] of copied) copy.jar.set(name, { ...cookie })
        return copy
      }
      const prompt = manner === 'asks for another account' ? '' : '&prompt=login'
      const page = await browser.open(authorizeUrl() + prompt)
      let isOver = false
      let requests = 0
      const inFlight = Array.from({ length: 16 }, async () => {
        while (!isOver) {
          await asCopied().request(`${server.issuer}/oauth/authorize/x`)
          requests += 1
        }
      })
      let consent
      try {
        const form = await browser.submit(page, '/switch')
        expect(form.html).not.toContain(first.email)
        consent = await browser.signIn(form, second.email, OLD)
      } finally {
        isOver = true
        await Promise.all(inFlight)
      }
      expect(requests).toBeGreaterThan(16)
      expect(consent.html).toContain('/approve"')
      expect(consent.html).toContain(second.email)
      expect((await browser.open(server.issuer + LIST)).html).toContain(second.email)
      expect(await isSignedIn(asCopied())).toBe(false)
    },
  )

  const EVERYWHERE = `${LIST}/sign-out-everywhere`

  it.each([
    ['stay', false],
    ['end too', true],
  ])('a person signs out everywhere; apps %s', async (_, apps) => {
    const { id, email } = await somebody()
    const allowing = createBrowser(server)
    const page = await allowing.signIn(await allowing.open(authorizeUrl()), email, OLD)
    const returned = await allowing.approve(page)
    const code = new URL(returned.url).searchParams.get('code') ?? ''
    const client = createOAuthClient(server, app)
    const { body } = await client.exchange(code)
    const [here, elsewhere] = [createBrowser(server), createBrowser(server)]
    for (const browser of [here, elsewhere]) await signIn(browser, email)
    const onward = await putBy(createBrowser(server), email)
    const list = await here.open(server.issuer + LIST)
    expect(list.html).toContain(`href="${EVERYWHERE}"`)
    const question = await here.open(server.issuer + EVERYWHERE)
    expect(question.html).toContain(email)
    const done = await here.submit(question, EVERYWHERE, apps ? { apps: 'on' } : {})
    expect(done.html).toContain('You are signed out everywhere')
    expect(done.html).toContain(apps ? 'All apps are disconnected' : 'keep working until')
    for (const browser of [here, elsewhere, allowing]) expect(await isSignedIn(browser)).toBe(false)
    expect((await createBrowser(server).open(onward)).html).not.toContain('/approve"')
    expect(await client.isActive(body.access_token)).toBe(!apps)
    expect(await server.services.consents.find(id, app.id)).toEqual(
      apps ? undefined : ['bookings:read'],
    )
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({ accountId: id, limit: 50 })
    expect(events.map(({ name, reason }) => `${name} ${reason ?? ''}`)).toContain(
      'session.ended signed_out_everywhere',
    )
    // The password is the same, and the next sign-in counts.
    await signIn(elsewhere, email)
    expect(await isSignedIn(elsewhere)).toBe(true)
    // The second click of two.
    expect((await here.submit(question, EVERYWHERE)).html).toContain('You are signed out')
    expect(await isSignedIn(elsewhere)).toBe(true)
  })

  it('signing out everywhere takes the form of the page, and of this person', async () => {
    const [first, second] = [await somebody(), await somebody()]
    const browser = createBrowser(server)
    expect((await browser.request(server.issuer + EVERYWHERE)).status).toBe(303)
    await signIn(browser, first.email)
    const stale = await browser.open(server.issuer + EVERYWHERE)
    await browser.submit(await browser.open(`${server.issuer}/sign-out`), '/sign-out')
    await signIn(browser, second.email)
    expect((await browser.submit(stale, EVERYWHERE)).status).toBe(403)
    const bare = await browser.request(server.issuer + EVERYWHERE, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'csrf=x',
    })
    expect(bare.status).toBe(403)
    expect(await isSignedIn(browser)).toBe(true)
  })

  it('what was allowed before a reset is asked for once more', async () => {
    const { id, email } = await somebody()
    const allow = async (password: string, scope?: string): Promise<void> => {
      const browser = createBrowser(server)
      const page = await browser.open(authorizeUrl(scope))
      await browser.approve(await browser.signIn(page, email, password))
    }
    const { consents, accounts } = server.services
    await allow(OLD)
    await allow(OLD, 'bookings:write')
    expect(await consents.find(id, app.id)).toEqual(['bookings:read', 'bookings:write'])
    await accounts.setPassword(id, NEW)
    expect(await consents.find(id, app.id)).toBeUndefined()
    expect(await consents.listOfAccount(id)).toEqual([])
    await purged(server)
    // An app may ask without a page: it is told that the person has to be asked.
    const owner = createBrowser(server)
    await signIn(owner, email, NEW)
    const answer = await owner.request(`${authorizeUrl()}&prompt=none`)
    expect(answer.headers.get('location')).toContain('error=consent_required')
    // What is allowed now counts, and nothing of before comes back with it.
    await allow(NEW)
    expect(await consents.find(id, app.id)).toEqual(['bookings:read'])
  })

  it('a session that is used all the time ends all the same', async () => {
    const { email } = await somebody()
    const browser = createBrowser(server)
    await signIn(browser, email)
    const { sessionMaxSeconds } = server.infrastructure.config.signIn
    const step = 5 * 24 * 3600
    for (let used = step; used < sessionMaxSeconds; used += step) {
      clock.move(step * 1000)
      await browser.open(authorizeUrl())
      expect(await isSignedIn(browser)).toBe(true)
    }
    clock.move(step * 1000)
    expect(await isSignedIn(browser)).toBe(false)
  })
})
