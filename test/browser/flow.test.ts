// A user in a real browser with a real third-party app: connecting, denying, coming back, being
// asked for more, using another account, signing out. On Redis and PostgreSQL. Stale and foreign
// pages are in stale-pages.test.ts.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import * as oauth from 'openid-client'
import type { Browser } from 'playwright-core'
import { startTestApp, type TestApp } from '../support/app.ts'
import {
  openVisitor,
  type Person,
  permissionsUnder,
  photograph,
  press,
  signIn,
  untilHeading,
  type Visitor,
  wordsOn,
} from '../support/browser-page.ts'
import { launchChromium } from '../support/chromium.ts'
import { ALL_SCOPES, aPerson, createCatalogue, giveLogo, PERMISSIONS } from './studio.ts'
import { openThirdPartyApp, type ThirdPartyApp } from './third-party-app.ts'

let browser: Browser
let server: TestApp
let studio: ThirdPartyApp
let pocket: ThirdPartyApp

beforeAll(async () => {
  ;[browser, server] = await Promise.all([launchChromium(), startTestApp({ backend: 'redis' })])
  await createCatalogue(server)
  studio = await openThirdPartyApp(server, {
    name: 'Studio Planner',
    description: 'Plans your studio’s week.',
    scopes: ALL_SCOPES,
  })
  await giveLogo(server, studio.client.id)
  pocket = await openThirdPartyApp(server, {
    name: 'Pocket Planner',
    type: 'public',
    scopes: ALL_SCOPES,
  })
})

afterAll(async () => {
  await Promise.all([browser.close(), studio[Symbol.asyncDispose](), pocket[Symbol.asyncDispose]()])
  await server[Symbol.asyncDispose]()
})

const WANTS_ACCESS = 'wants access to your Otesse account'

/** Opens a window in which that person has connected the app with one scope. */
async function aConnectedVisitor(person: Person, app = studio): Promise<Visitor> {
  const visitor = await openVisitor(browser)
  const { page } = visitor
  await page.goto(app.startUrl())
  await signIn(page, person)
  await untilHeading(page, `${app.client.app.name} ${WANTS_ACCESS}`)
  await press(page, 'Allow')
  await untilBack(visitor, 'Connected', app)
  return visitor
}

async function untilBack(
  { page }: Pick<Visitor, 'page'>,
  words: string,
  app = studio,
): Promise<void> {
  await untilHeading(page, `You are back at ${app.client.app.name}`)
  expect(await wordsOn(page)).toContain(words)
}

const isActive = async (token: string): Promise<boolean> =>
  (await oauth.tokenIntrospection(studio.configuration, token)).active

describe('connecting an app', () => {
  it('goes from the app over a mistyped password and the consent page back to the app, which gets tokens that live and die', async () => {
    const person = await aPerson(server)
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(studio.startUrl({ scope: 'bookings:read bookings:write customers:read' }))

    await untilHeading(page, 'Sign in')
    expect(await wordsOn(page)).toContain('Use your Otesse account to continue to Studio Planner.')
    expect(await page.title()).toBe('Sign in · Otesse')
    await signIn(page, { ...person, password: 'mistyped' })
    const alert = page.getByRole('alert')
    await alert.waitFor()
    expect(await alert.innerText()).toContain('That e-mail address and password do not match.')
    // Screen readers speak the title of a page that has loaded before anything else.
    expect(await page.title()).toBe('Problem: Sign in · Otesse')
    expect(await page.getByLabel('E-mail address').inputValue()).toBe(person.email)
    expect(await page.getByLabel('Password').inputValue()).toBe('')
    await page.getByLabel('Password').fill(person.password)
    await press(page, 'Sign in')

    await untilHeading(page, `Studio Planner ${WANTS_ACCESS}`)
    expect(await permissionsUnder(page, 'If you allow it, Studio Planner can')).toEqual({
      Bookings: [PERMISSIONS['bookings:read'].sentence, PERMISSIONS['bookings:write'].sentence],
      Customers: [PERMISSIONS['customers:read'].sentence],
    })
    const words = await wordsOn(page)
    expect(words).toContain('Plans your studio’s week.')
    expect(words).toContain(`Signed in as Maria Lindqvist ${person.email}`)
    expect(words).toContain('The access goes to an app on this device.')
    const logo = page.locator('main img').first()
    expect(new URL((await logo.getAttribute('src')) ?? '', page.url()).origin).toBe(server.issuer)
    expect(await logo.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(64)

    await press(page, 'Allow')
    await untilBack(visitor, 'Connected')
    const answer = studio.answers.at(-1)!
    expect(answer.get('code')).toMatch(/^otesse_ac_/)
    expect(answer.get('state')).toMatch(/^[\w-]{43}$/)
    expect(answer.get('iss')).toBe(server.issuer)
    expect(visitor.complaints).toEqual([])

    const first = studio.tokens.at(-1)!
    expect(first.access_token).toMatch(/^otesse_at_/)
    expect(first.scope).toBe('bookings:read bookings:write customers:read')
    expect(await isActive(first.access_token)).toBe(true)
    const second = await oauth.refreshTokenGrant(studio.configuration, first.refresh_token!)
    expect(await isActive(second.access_token)).toBe(true)
    await oauth.tokenRevocation(studio.configuration, first.refresh_token!)
    expect(await isActive(first.access_token)).toBe(false)
    expect(await isActive(second.access_token)).toBe(false)
  })

  it('names the host that receives the access', async () => {
    await using online = await openThirdPartyApp(server, {
      name: 'Online Planner',
      redirectUris: ['https://planner.example.com/callback'],
    })
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(online.startUrl())
    await signIn(page, await aPerson(server))
    await untilHeading(page, `Online Planner ${WANTS_ACCESS}`)
    expect(await wordsOn(page)).toContain('The access goes to planner.example.com')
    await press(page, 'Deny')
    // The tests' browser knows no such host; that it was sent there is what counts.
    const request = await visitor.context.waitForEvent('requestfailed')
    expect(request.url()).toContain('https://planner.example.com/callback?error=access_denied')
  })

  it('is refused by one click, which the app is told with its state', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(studio.startUrl())
    await signIn(page, await aPerson(server))
    await untilHeading(page, `Studio Planner ${WANTS_ACCESS}`)
    await press(page, 'Deny')
    await untilBack(visitor, 'Not connected: access_denied')
    expect(studio.answers.at(-1)?.get('state')).toMatch(/^[\w-]{43}$/)
  })

  it('can be given up before signing in', async () => {
    await using visitor = await openVisitor(browser)
    await visitor.page.goto(studio.startUrl())
    await press(visitor.page, 'Cancel')
    await untilBack(visitor, 'Not connected: access_denied')
  })

  it.each([true, false])(
    'gets its answer in a form, with scripts: %s',
    async (javaScriptEnabled) => {
      const person = await aPerson(server)
      await using visitor = await openVisitor(browser, { javaScriptEnabled })
      const { page } = visitor
      const sent = page.waitForRequest((request) => request.url() === `${studio.origin}/callback`)
      await page.goto(studio.startUrl({ response_mode: 'form_post' }))
      await signIn(page, person)
      await untilHeading(page, `Studio Planner ${WANTS_ACCESS}`)
      await press(page, 'Allow')
      if (!javaScriptEnabled) await press(page, 'Continue')
      await untilBack(visitor, 'Connected')
      expect((await sent).method()).toBe('POST')
      expect(page.url()).toBe(`${studio.origin}/callback`)
      expect(studio.answers.at(-1)!.get('code')).toMatch(/^otesse_ac_/)
      expect(visitor.complaints).toEqual([])
    },
  )

  it('works in a popup, which can still talk to the page that opened it', async () => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(studio.origin)
    const [popup] = await Promise.all([
      page.waitForEvent('popup'),
      page.evaluate((url) => void window.open(url, 'popup', 'popup'), studio.startUrl()),
    ])
    await signIn(popup, await aPerson(server))
    await press(popup, 'Allow')
    await untilBack({ page: popup }, 'Connected')
    expect(await popup.evaluate(() => (window.opener as Window | null)?.location.href)).toBe(
      page.url(),
    )
  })

  it('works in two tabs at once', async () => {
    const person = await aPerson(server)
    await using visitor = await openVisitor(browser)
    const [one, two] = [visitor.page, await visitor.openTab()]
    await one.goto(studio.startUrl())
    await two.goto(studio.startUrl({ scope: 'customers:read' }))
    await signIn(one, person)
    await untilHeading(one, `Studio Planner ${WANTS_ACCESS}`)
    await signIn(two, person)
    await untilHeading(two, `Studio Planner ${WANTS_ACCESS}`)
    expect(await wordsOn(two)).toContain(PERMISSIONS['customers:read'].sentence)
    expect(await wordsOn(two)).not.toContain(PERMISSIONS['bookings:read'].sentence)
    await press(one, 'Allow')
    await untilBack({ page: one }, 'Connected')
    await press(two, 'Allow')
    await untilBack({ page: two }, 'Connected')
    expect(studio.tokens.slice(-2).map(({ scope }) => scope)).toEqual([
      'bookings:read',
      'customers:read',
    ])
  })
})

describe('coming back', () => {
  it('asks nothing where everything was allowed before, and only for what is new', async () => {
    await using visitor = await aConnectedVisitor(await aPerson(server))
    const { page } = visitor
    const before = visitor.requests.length
    await page.goto(studio.startUrl())
    await untilBack(visitor, 'Connected')
    expect(visitor.requests.slice(before).filter((url) => url.includes('/interaction/'))).toEqual(
      [],
    )

    await page.goto(studio.startUrl({ scope: 'bookings:read payments:read' }))
    await untilHeading(page, 'Studio Planner wants more access to your Otesse account')
    expect(await permissionsUnder(page, 'If you allow it, Studio Planner can also')).toEqual({
      Payments: [`${PERMISSIONS['payments:read'].sentence} Sensitive`],
    })
    const held = page.getByText(PERMISSIONS['bookings:read'].sentence)
    expect(await held.isVisible()).toBe(false)
    await page.getByText('Already allowed').click()
    expect(await held.isVisible()).toBe(true)
    await press(page, 'Allow')
    await untilBack(visitor, 'Connected')
    expect(studio.tokens.at(-1)?.scope).toBe('bookings:read payments:read')
  })

  it('asks each time for an app that cannot keep a secret', async () => {
    await using visitor = await aConnectedVisitor(await aPerson(server), pocket)
    const { page } = visitor
    await page.goto(pocket.startUrl())
    await untilHeading(page, `Pocket Planner ${WANTS_ACCESS}`)
    await press(page, 'Allow')
    await untilBack(visitor, 'Connected', pocket)
  })

  it('asks for the password again where the app wants that', async () => {
    const person = await aPerson(server)
    await using visitor = await aConnectedVisitor(person)
    const { page } = visitor
    await page.goto(studio.startUrl({ prompt: 'login' }))
    await untilHeading(page, 'Confirm it’s you')
    expect(await wordsOn(page)).toContain(person.email)
    expect(await page.getByLabel('E-mail address').count()).toBe(0)
    await photograph(page, 'confirm')
    await page.getByLabel('Password').fill('mistyped')
    await press(page, 'Continue')
    await page.getByRole('alert').waitFor()
    await page.getByLabel('Password').fill(person.password)
    await press(page, 'Continue')
    await untilBack(visitor, 'Connected')
  })

  it('lets somebody else use the app from the consent page', async () => {
    const [first, second] = [await aPerson(server), await aPerson(server, 'Jonas Weber')]
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(studio.startUrl())
    await signIn(page, first)
    await untilHeading(page, `Studio Planner ${WANTS_ACCESS}`)
    await page.getByRole('button', { name: 'Not you?' }).click()
    await untilHeading(page, 'Sign in')
    expect(await page.getByLabel('E-mail address').inputValue()).toBe('')
    await signIn(page, second)
    await untilHeading(page, `Studio Planner ${WANTS_ACCESS}`)
    expect(await wordsOn(page)).toContain(`Signed in as Jonas Weber ${second.email}`)
    await press(page, 'Allow')
    await untilBack(visitor, 'Connected')
    const { sub } = await oauth.tokenIntrospection(
      studio.configuration,
      studio.tokens.at(-1)!.access_token,
    )
    expect((await server.services.accounts.findByEmail(second.email))?.id).toBe(sub)
  })

  it('asks who is there after signing out, while the app stays connected', async () => {
    const person = await aPerson(server)
    await using visitor = await aConnectedVisitor(person)
    const { access_token } = studio.tokens.at(-1)!
    const { page } = visitor
    await page.goto(`${server.issuer}/sign-out`)
    await untilHeading(page, 'Sign out of Otesse?')
    expect(await wordsOn(page)).toContain(person.email)
    await press(page, 'Sign out')
    await untilHeading(page, 'You are signed out')
    expect(await isActive(access_token)).toBe(true)
    await page.goto(studio.startUrl())
    await untilHeading(page, 'Sign in')
    await signIn(page, person)
    await untilBack(visitor, 'Connected')
  })
})

describe('looking after what is connected', () => {
  it('shows each app with what it may do, and disconnecting ends its access at once', async () => {
    const person = await aPerson(server)
    await using visitor = await aConnectedVisitor(person)
    const { access_token, refresh_token } = studio.tokens.at(-1)!
    const { page } = visitor
    await page.goto(`${server.issuer}/connected-apps`)
    await untilHeading(page, 'Connected apps')
    const entry = page.getByRole('listitem', { name: 'Studio Planner' })
    expect(await entry.innerText()).toContain(PERMISSIONS['bookings:read'].sentence)
    await entry.getByRole('link', { name: 'Disconnect Studio Planner' }).click()
    await untilHeading(page, 'Disconnect Studio Planner?')
    await page.getByRole('link', { name: 'Keep it' }).click()
    await untilHeading(page, 'Connected apps')
    expect(await isActive(access_token)).toBe(true)
    await page.getByRole('link', { name: 'Disconnect Studio Planner' }).click()
    await press(page, 'Disconnect')
    await page.getByText('Studio Planner was disconnected.').waitFor()
    expect(await wordsOn(page)).toContain('No connected apps')
    expect(await isActive(access_token)).toBe(false)
    await expect(
      oauth.refreshTokenGrant(studio.configuration, refresh_token!),
    ).rejects.toMatchObject({ error: 'invalid_grant' })
    // What was allowed is forgotten: the app has to ask again.
    await page.goto(studio.startUrl())
    await untilHeading(page, `Studio Planner ${WANTS_ACCESS}`)
  })

  it('is for whoever signs in, and works without JavaScript', async () => {
    const person = await aPerson(server)
    await using elsewhere = await aConnectedVisitor(person)
    expect(await wordsOn(elsewhere.page)).toContain('Connected')
    await using visitor = await openVisitor(browser, { javaScriptEnabled: false })
    const { page } = visitor
    await page.goto(`${server.issuer}/connected-apps`)
    await untilHeading(page, 'Sign in')
    await signIn(page, person)
    await untilHeading(page, 'Connected apps')
    await page.getByRole('link', { name: 'Disconnect Studio Planner' }).click()
    await press(page, 'Disconnect')
    await page.getByText('Studio Planner was disconnected.').waitFor()
  })
})
