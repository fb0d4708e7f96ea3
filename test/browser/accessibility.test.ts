// Everybody can use the pages: axe finds nothing in light and dark, wide and narrow; the whole flow
// works by keyboard alone, without JavaScript and in forced colours. Pages load nothing from other
// origins, run no script and cannot be framed.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import type { AppInput } from '../../src/model/app.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import {
  openVisitor,
  type Person,
  photograph,
  PHONE,
  press,
  signIn,
  untilHeading,
  type Visitor,
  wordsOn,
} from '../support/browser-page.ts'
import { registerApp, type TestClient } from '../support/builders.ts'
import { launchChromium } from '../support/chromium.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import { problemsOf } from './axe.ts'
import { ALL_SCOPES, aPerson, createCatalogue, giveLogo } from './studio.ts'
import { openThirdPartyApp, type ThirdPartyApp } from './third-party-app.ts'

const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
const TRIES = 3
let browser: Browser
let server: TestApp
let studio: TestClient
let working: ThirdPartyApp

beforeAll(async () => {
  ;[browser, server] = await Promise.all([
    launchChromium(),
    startTestApp({
      backend: 'embedded',
      overrides: { OTESSE_LIMIT_LOGIN_PER_ACCOUNT_ADDRESS: `${TRIES}/600` },
    }),
  ])
  await createCatalogue(server)
  studio = await registerApp(server, {
    name: 'Studio Planner',
    description: 'Plans your studio’s week, and tells your customers.',
    homepageUrl: 'https://planner.example.com',
    privacyUrl: 'https://planner.example.com/privacy',
    termsUrl: 'https://planner.example.com/terms',
    redirectUris: ['https://planner.example.com/callback'],
    scopes: ALL_SCOPES,
  })
  await giveLogo(server, studio.id)
  working = await openThirdPartyApp(server, { name: 'Working Planner', scopes: ALL_SCOPES })
})

afterAll(async () => {
  await Promise.all([browser.close(), working[Symbol.asyncDispose]()])
  await server[Symbol.asyncDispose]()
})

/** The link by which an app sends a person to us. */
function linkOf(client: TestClient, parameters: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'bookings:read bookings:write payments:read',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...parameters,
  })
  return `${server.issuer}/oauth/authorize?${query.toString()}`
}

/** Expects that nothing is wrong with the page, in any look. */
async function expectGood(page: Page, name: string): Promise<void> {
  expect(await problemsOf(page, name)).toEqual([])
}

/**
 * Expects that a visit sent requests to our server only, and that the browser reported no problem.
 */
function expectAlone({ requests, complaints }: Visitor): void {
  expect(requests.filter((url) => new URL(url).origin !== server.issuer)).toEqual([])
  expect(complaints).toEqual([])
}

/** Opens the consent page of that app for somebody who has just signed in. */
async function openConsent(page: Page, client: TestClient, person: Person): Promise<void> {
  await page.goto(linkOf(client))
  await signIn(page, person)
  await untilHeading(page, /wants access/)
}

describe('every page in light and dark, on a laptop and a phone', () => {
  it('signing in: the form, a mistake, too many mistakes', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    const person = { ...(await aPerson(server)), password: 'mistyped' }
    await page.goto(linkOf(studio))
    await expectGood(page, 'sign-in')
    await signIn(page, person)
    await page.getByRole('alert').waitFor()
    await expectGood(page, 'sign-in-problem')
    for (let tries = 1; tries <= TRIES; tries += 1) {
      await page.getByLabel('Password').fill('mistyped')
      const [answer] = await Promise.all([page.waitForEvent('response'), press(page, 'Sign in')])
      await answer.finished()
    }
    await page.getByText('Too many attempts. Wait 10 minutes, then try again.').waitFor()
    await expectGood(page, 'sign-in-throttled')
    expectAlone(visitor)
  })

  it('one’s own account: overview, forms, sign-ins, history', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    const person = await aPerson(server)
    await page.goto(`${server.issuer}/account`)
    await signIn(page, { ...person, password: 'mistyped' })
    await page.getByRole('alert').waitFor()
    await signIn(page, person)
    await untilHeading(page, 'Your account')
    await server.services.audit.flush()
    for (const path of ['', '/name', '/password', '/sessions', '/history']) {
      await page.goto(`${server.issuer}/account${path}`)
      await expectGood(page, `account${path.replace('/', '-')}`)
    }
    await page.goto(`${server.issuer}/account/password`)
    await page.getByLabel('New password').fill('short')
    await page.getByLabel('Repeat the password').fill('short')
    await press(page, 'Save password')
    await page.getByRole('alert').waitFor()
    await expectGood(page, 'account-password-problem')
    expectAlone(visitor)
  })

  it('showing the password: by keyboard, said aloud, hidden again before it is sent', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    const person = await aPerson(server)
    await page.goto(linkOf(studio))
    const field = page.getByLabel('Password')
    const button = page.getByRole('button', { name: 'Show password' })
    await field.fill(person.password)
    await field.press('Tab')
    expect(await button.evaluate((each) => each === document.activeElement)).toBe(true)
    expect(await button.getAttribute('aria-pressed')).toBe('false')
    await button.press('Enter')
    expect(await field.getAttribute('type')).toBe('text')
    expect(await button.getAttribute('aria-pressed')).toBe('true')
    await expectGood(page, 'sign-in-shown')
    await page.evaluate(() =>
      document.forms[0]!.addEventListener('submit', () => {
        sessionStorage.setItem('type', document.querySelector<HTMLInputElement>('#password')!.type)
      }),
    )
    await page.getByLabel('E-mail address').fill(person.email)
    await press(page, 'Sign in')
    await untilHeading(page, /wants access/)
    expect(await page.evaluate(() => sessionStorage.getItem('type'))).toBe('password')
    expectAlone(visitor)
  })

  it('has no button to show the password where no script runs', async () => {
    await using visitor = await openVisitor(browser, { javaScriptEnabled: false })
    await visitor.page.goto(linkOf(studio))
    expect(await visitor.page.getByRole('button').allInnerTexts()).toEqual(['Sign in', 'Cancel'])
  })

  it('allowing for the first time, and going on', async () => {
    const person = await aPerson(server)
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await openConsent(page, studio, person)
    await expectGood(page, 'consent')

    // An answer without content keeps the browser on the page that is otherwise seen for a moment
    // only.
    await page.route('**/oauth/authorize/*', (route) => route.fulfill({ status: 204 }))
    await press(page, 'Allow')
    await untilHeading(page, 'One moment')
    await expectGood(page, 'onward')
    expectAlone(visitor)
  })

  it('allowing more, allowing again, confirming who it is, signing out', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await openConsent(page, studio, await aPerson(server))
    await press(page, 'Allow')
    // To a host that nobody has: where the app would be.
    await visitor.context.waitForEvent('requestfailed')
    // Chromium shows its own page for that; going on before it is there would be interrupted by it.
    await page.waitForURL(/^chrome-error:/)

    await page.goto(linkOf(studio, { scope: ALL_SCOPES.join(' ') }))
    await untilHeading(page, /wants more access/)
    await expectGood(page, 'consent-more')
    await page.goto(linkOf(studio, { prompt: 'consent' }))
    await untilHeading(page, /from here again/)
    await expectGood(page, 'consent-again')
    await page.goto(linkOf(studio, { prompt: 'login' }))
    await untilHeading(page, 'Confirm it’s you')
    await expectGood(page, 'confirm')
    await page.goto(linkOf(studio, { prompt: 'select_account' }))
    await untilHeading(page, 'Choose an account')
    await expectGood(page, 'select-account')

    await page.goto(`${server.issuer}/sign-out`)
    await expectGood(page, 'sign-out')
    await press(page, 'Sign out')
    await untilHeading(page, 'You are signed out')
    await expectGood(page, 'signed-out')
  })

  it('coming back with a form', async () => {
    await using visitor = await openVisitor(browser)
    // Stays where the script would send the form.
    await visitor.page.route(/form-answer\.js/, (route) => route.fulfill({ body: '' }))
    await visitor.page.goto(linkOf(studio, { response_mode: 'form_post', prompt: 'none' }))
    await untilHeading(visitor.page, 'One moment')
    await expectGood(visitor.page, 'form-answer')
    expectAlone(visitor)
  })

  it('allowing what is long, right to left, without a logo, and on this device', async () => {
    const person = await aPerson(
      server,
      'Maximiliane-Theodora von Hohenstaufen-Lichtenberg zu Sayn',
    )
    const apps: [string, Partial<AppInput>][] = [
      [
        'consent-long',
        {
          name: `Donaudampfschifffahrtsgesellschaftskapitänsmützenverwaltung`,
          description: 'Verwaltet_ohne_ein_einziges_Leerzeichen_'.repeat(4),
          redirectUris: [`https://${'sehr-langer-name.'.repeat(8)}example.com/callback`],
        },
      ],
      ['consent-native', { type: 'public', redirectUris: ['com.example.planner:/callback'] }],
      ['consent-arabic', { name: 'مخطط الحجوزات', description: 'ينظم أسبوع الاستوديو' }],
    ]
    for (const [name, overrides] of apps) {
      const client = await registerApp(server, { scopes: ALL_SCOPES, ...overrides })
      await using visitor = await openVisitor(browser)
      await openConsent(visitor.page, client, person)
      await expectGood(visitor.page, name)
      expectAlone(visitor)
    }
  })

  it('mistakes, and the start page', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    const pages: [string, string, string][] = [
      [linkOf(studio, { client_id: 'app_00000000000000000000' }), 'Unknown app', 'unknown-app'],
      [
        linkOf(studio, { redirect_uri: `https://evil.example.com/${'long'.repeat(30)}` }),
        'This app’s return address is not registered',
        'unknown-redirect-uri',
      ],
      [`${server.issuer}/interaction/never-was`, 'This page is no longer valid', 'over'],
      [`${server.issuer}/nothing-here`, 'Page not found', 'not-found'],
      [`${server.issuer}/errors/code_used`, 'code_used', 'error-code-used'],
      [
        `${server.issuer}/errors/client_authentication_failed`,
        'client_authentication_failed',
        'error-client-authentication-failed',
      ],
      [`${server.issuer}/`, 'Sign-in and app access', 'home'],
    ]
    for (const [url, title, name] of pages) {
      await page.goto(url)
      await untilHeading(page, title)
      await expectGood(page, name)
    }
    expectAlone(visitor)
  })

  it('connected apps: signing in to see them, none, some, disconnecting', async () => {
    const person = await aPerson(server)
    const connectedApps = `${server.issuer}/connected-apps`
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(connectedApps)
    await untilHeading(page, 'Sign in')
    await expectGood(page, 'sign-in-direct')
    await signIn(page, person)
    await untilHeading(page, 'Connected apps')
    await expectGood(page, 'connected-apps-none')

    const { id } = (await server.services.accounts.findByEmail(person.email))!
    const other = await registerApp(server, {
      name: 'Rechnungszusammenführungsgesellschaft',
      scopes: ALL_SCOPES,
    })
    const gone = await registerApp(server, { name: 'Gone Planner', scopes: ALL_SCOPES })
    for (const client of [studio, other, gone]) {
      await server.services.consents.remember(id, client.id, ALL_SCOPES)
      await createOAuthClient(server, client).authorize({ accountId: id, scopes: ALL_SCOPES })
    }
    await server.services.apps.suspend(gone.id, 'abuse')
    await page.goto(connectedApps)
    await untilHeading(page, 'Connected apps')
    await expectGood(page, 'connected-apps')
    await page.getByRole('link', { name: 'Disconnect Studio Planner' }).click()
    await untilHeading(page, 'Disconnect Studio Planner?')
    await expectGood(page, 'disconnect')
    await press(page, 'Disconnect')
    await page.getByRole('status').waitFor()
    await expectGood(page, 'disconnected')
    expectAlone(visitor)
  })

  it('one-time links: the first admin with mistakes, an invitation, a new password, a link that is spent', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    const { accountLinks, accounts } = server.services
    const setup = (await accountLinks.makeSetup(server.issuer))!
    await page.goto(setup.url.reveal())
    await untilHeading(page, 'Set up Otesse')
    await expectGood(page, 'welcome-setup')
    await page.getByLabel('Your name').fill('Grace Hopper')
    await page.getByLabel('E-mail address').fill('grace@example.com')
    await page.getByLabel('Password', { exact: true }).fill('0123456789')
    await page.getByLabel('Repeat the password').fill('0123456780')
    await press(page, 'Create the admin account')
    await page.getByRole('alert').waitFor()
    // Both are empty again.
    expect(await focused(page)).toMatchObject({ name: 'Password' })
    await expectGood(page, 'welcome-setup-problem')

    const account = await accounts.create({
      email: 'maximiliane-theodora.von-hohenstaufen-lichtenberg@example.com',
    })
    const invitation = await accountLinks.make(account, server.issuer)
    await page.goto(invitation.url.reveal())
    await untilHeading(page, 'Welcome to Otesse')
    await expectGood(page, 'welcome-invite')
    await page.getByLabel('New password').fill('a password that I chose')
    await page.getByLabel('Repeat the password').fill('a password that I chose')
    await press(page, 'Set password and sign in')
    await untilHeading(page, 'Connected apps')
    await page.goto(invitation.url.reveal())
    await untilHeading(page, 'This link no longer works')
    await expectGood(page, 'link-invalid')

    const reset = await accountLinks.make(await accounts.get(account.id), server.issuer)
    await page.goto(reset.url.reveal())
    await untilHeading(page, 'Choose a new password')
    await expectGood(page, 'welcome-reset')
    expectAlone(visitor)
  })

  it('too many requests', async () => {
    await using busy = await startTestApp({
      backend: 'redis',
      overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '1/600' },
    })
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    for (let visits = 1; visits <= 2; visits += 1) await page.goto(`${busy.issuer}/oauth/authorize`)
    await untilHeading(page, 'Too many requests')
    expect(await wordsOn(page)).toContain('Try again in 10 minutes.')
    await expectGood(page, 'rate-limited')
  })
})

describe('by keyboard alone', () => {
  it('signs in, reads what is folded, and allows', async () => {
    const person = await aPerson(server)
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(working.startUrl())
    await untilHeading(page, 'Sign in')
    expect(await focused(page)).toMatchObject({ name: 'E-mail address', isMarked: true })
    await page.keyboard.type(person.email)
    expect(await tab(page)).toMatchObject({ name: 'Password', isMarked: true })
    await page.keyboard.type('mistyped')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    // What is typed next is what was wrong.
    expect(await focused(page)).toMatchObject({ name: 'Password', isMarked: true })
    await page.keyboard.type(person.password)
    expect(await tab(page)).toMatchObject({ name: 'Show password', isMarked: true })
    expect(await tab(page)).toMatchObject({ name: 'Sign in', isMarked: true })
    expect(await tab(page)).toMatchObject({ name: 'Forgot your password?', isMarked: true })
    expect(await tab(page)).toMatchObject({ name: 'Cancel', isMarked: true })
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Space')

    await untilHeading(page, /wants access/)
    expect(await tab(page)).toMatchObject({ name: 'Not you? Use another account', isMarked: true })
    await tabTo(page, 'Allow')
    expect(await tab(page)).toMatchObject({ name: 'Deny', isMarked: true })
    expect(await tab(page)).toMatchObject({ name: 'Technical names', isMarked: true })
    await photograph(page, 'consent-focus')
    await page.keyboard.press('Space')
    await page.getByText('bookings:read', { exact: true }).waitFor()
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Enter')
    await untilHeading(page, 'You are back at Working Planner')
    expect(await wordsOn(page)).toContain('Connected')

    await page.goto(`${server.issuer}/sign-out`)
    await tabTo(page, 'Sign out')
    await page.keyboard.press('Enter')
    await untilHeading(page, 'You are signed out')
  })

  it('reaches the app’s own words last, and refuses', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await openConsent(page, studio, await aPerson(server))
    const stops: string[] = []
    for (let stop = await tab(page); stop.name !== ''; stop = await tab(page)) {
      expect(stop).toMatchObject({ isMarked: true })
      stops.push(stop.name)
    }
    expect(stops).toEqual([
      'Not you? Use another account',
      'Connected apps (opens in a new tab)',
      'Allow',
      'Deny',
      'Technical names',
      'Website (opens in a new tab)',
      'Privacy policy (opens in a new tab)',
      'Terms of use (opens in a new tab)',
    ])
    await page.getByRole('button', { name: 'Deny' }).focus()
    const refused = visitor.context.waitForEvent('requestfailed')
    await page.keyboard.press('Space')
    expect((await refused).url()).toContain('error=access_denied')
  })
})

describe('without JavaScript', () => {
  it('the whole way works', async () => {
    const person = await aPerson(server)
    await using visitor = await openVisitor(browser, { javaScriptEnabled: false, viewport: PHONE })
    const { page } = visitor
    await page.goto(working.startUrl())
    await signIn(page, { ...person, password: 'mistyped' })
    await page.getByRole('alert').waitFor()
    await page.getByLabel('Password').fill(person.password)
    await press(page, 'Sign in')
    await untilHeading(page, /wants access/)
    await page.getByRole('button', { name: 'Not you?' }).click()
    await untilHeading(page, 'Sign in')
    await signIn(page, person)
    await untilHeading(page, /wants access/)
    await page.getByText('Technical names').click()
    await page.getByText('bookings:read', { exact: true }).waitFor()
    await press(page, 'Allow')
    await untilHeading(page, 'You are back at Working Planner')
    expect(await wordsOn(page)).toContain('Connected')
  })

  it('no page has a script, a handler or a style of its own', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(linkOf(studio))
    await expectInert(page)
    await signIn(page, await aPerson(server))
    await untilHeading(page, /wants access/)
    await expectInert(page)
  })
})

async function expectInert(page: Page): Promise<void> {
  const found = await page.evaluate(() =>
    [...document.querySelectorAll('*')].flatMap((element) =>
      element.matches('script:not([src]), style, iframe, object, embed')
        ? [element.tagName]
        : element
            .getAttributeNames()
            .filter((name) => name === 'style' || name.startsWith('on'))
            .map((name) => `${element.tagName} ${name}`),
    ),
  )
  expect(found).toEqual([])
}

describe('in forced colours', () => {
  it.each(['light', 'dark'] as const)('buttons and fields keep their edges: %s', async (scheme) => {
    await using visitor = await openVisitor(browser, {
      forcedColors: 'active',
      colorScheme: scheme,
    })
    const { page } = visitor
    await page.goto(linkOf(studio))
    await photograph(page, `sign-in-forced-${scheme}`)
    expect(await edgeless(page)).toEqual([])
    expect(await focused(page)).toMatchObject({ name: 'E-mail address', isMarked: true })
    await signIn(page, await aPerson(server))
    await untilHeading(page, /wants access/)
    await photograph(page, `consent-forced-${scheme}`)
    expect(await edgeless(page)).toEqual([])
    for (let stop = await tab(page); stop.name !== ''; stop = await tab(page))
      expect(stop).toMatchObject({ isMarked: true })
  })
})

/** Returns the buttons and fields whose edge or text cannot be told from the background. */
const edgeless = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const solid = (element: Element | null): string => {
      if (element === null) return 'rgb(255, 255, 255)'
      const { backgroundColor } = getComputedStyle(element)
      return /^rgba\(.*, 0\)$/.test(backgroundColor)
        ? solid(element.parentElement)
        : backgroundColor
    }
    return [...document.querySelectorAll<HTMLElement>('button, input:not([type=hidden])')]
      .filter((element) => {
        const { borderTopColor, borderTopWidth, color } = getComputedStyle(element)
        const hasEdge = borderTopWidth !== '0px' && borderTopColor !== solid(element.parentElement)
        return !hasEdge || color === solid(element)
      })
      .map((element) => element.textContent.trim() || element.id)
  })

interface Stop {
  /** What a screen reader would call it; empty where nothing has the focus. */
  name: string
  /** Whether it looks otherwise than without the focus, in a way that can be seen. */
  isMarked: boolean
}

async function tab(page: Page): Promise<Stop> {
  await page.keyboard.press('Tab')
  return focused(page)
}

/** Goes on to what has that name; where nothing has, the test ends at the end of the page. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let stop = await tab(page); stop.name !== name; stop = await tab(page))
    expect(stop).toEqual({ name: expect.stringMatching(/./), isMarked: true })
}

/**
 * Returns what has the focus, and whether that is visible: an outline of at least two pixels with a
 * contrast of 3 : 1 (WCAG 2.2 §2.4.13).
 */
const focused = (page: Page): Promise<Stop> =>
  page.evaluate(() => {
    const element = document.activeElement
    if (!(element instanceof HTMLElement) || element === document.body)
      return { name: '', isMarked: false }
    const luminance = (color: string): number => {
      const [red = 0, green = 0, blue = 0] = (color.match(/[\d.]+/g) ?? []).map((text) => {
        const part = Number(text) / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
    const behind = (at: Element | null): string => {
      if (at === null) return 'rgb(255, 255, 255)'
      const { backgroundColor } = getComputedStyle(at)
      return /^rgba\(.*, 0\)$/.test(backgroundColor) ? behind(at.parentElement) : backgroundColor
    }
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element)
    const [one, two] = [luminance(outlineColor), luminance(behind(element.parentElement))]
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05)
    const label = element instanceof HTMLInputElement ? element.labels?.[0] : undefined
    return {
      name: (label ?? element).textContent.replaceAll(/\s+/g, ' ').trim(),
      isMarked: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && contrast >= 3,
    }
  })

describe('nobody else', () => {
  it('can loosen what a page may do', async () => {
    await using visitor = await openVisitor(browser)
    const answer = await visitor.page.goto(linkOf(studio))
    const policy = answer?.headers()['content-security-policy'] ?? ''
    expect(policy.split('; ')).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'none'",
      ]),
    )
    // Of scripts, only the file that shows the password.
    expect(policy.replace("; script-src 'self'", '')).not.toMatch(
      /unsafe|\*|https?:|data:|script-src/,
    )
  })

  it('can run a script in a page', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(linkOf(studio))
    await page.evaluate(() => {
      const script = document.createElement('script')
      script.textContent = 'document.title = "taken over"'
      document.body.append(script)
    })
    expect(await page.title()).toBe('Sign in · Otesse')
    expect(visitor.complaints.join()).toContain('Content Security Policy')
  })

  it('can put a frame around a page, not even a page of the same site', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await openConsent(page, studio, await aPerson(server))
    const consentUrl = page.url()
    // 127.0.0.1 on another port: the same site, so that the cookies come along.
    const trap = 'http://127.0.0.1:9/trap'
    await page.route(trap, (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<iframe name="ours" src="${consentUrl}"></iframe>`,
      }),
    )
    /** Frames the page without some of its headers and tells whether it shows. */
    const isShownWithout = async (...names: string[]): Promise<boolean> => {
      await page.route(consentUrl, async (route) => {
        const answer = await route.fetch()
        const headers = Object.entries(answer.headers()).filter(([name]) => !names.includes(name))
        await route.fulfill({ response: answer, headers: Object.fromEntries(headers) })
      })
      await page.goto(trap)
      await page.unroute(consentUrl)
      const frame = page.frame('ours')!
      const isRefused = frame.url().startsWith('chrome-error:')
      expect(await frame.getByRole('button', { name: 'Allow' }).count()).toBe(isRefused ? 0 : 1)
      return !isRefused
    }
    expect(await isShownWithout()).toBe(false)
    expect(await isShownWithout('x-frame-options')).toBe(false)
    expect(await isShownWithout('content-security-policy')).toBe(false)
    // It is the headers that refuse, and nothing in this test.
    expect(await isShownWithout('x-frame-options', 'content-security-policy')).toBe(true)
  })
})
