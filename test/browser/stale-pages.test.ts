// Users in unexpected places: back on a page that was used, too late, in another browser, without
// cookies, sent here by a faulty link. Each page says what happened and how to go on, and nothing
// is lost. Embedded, where the clock moves everything.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type Browser, chromium, type Page } from 'playwright-core'
import { startTestApp, type TestApp } from '../support/app.ts'
import {
  openVisitor,
  photograph,
  press,
  signIn,
  untilHeading,
  type Visitor,
  visitorIn,
  wordsOn,
} from '../support/browser-page.ts'
import { chromiumOptions, launchChromium } from '../support/chromium.ts'
import { ALL_SCOPES, aPerson, createCatalogue } from './studio.ts'
import { openThirdPartyApp, type ThirdPartyApp } from './third-party-app.ts'

let browser: Browser
let server: TestApp
let studio: ThirdPartyApp

beforeAll(async () => {
  ;[browser, server] = await Promise.all([launchChromium(), startTestApp({ backend: 'embedded' })])
  await createCatalogue(server)
  studio = await openThirdPartyApp(server, { name: 'Studio Planner', scopes: ALL_SCOPES })
})

afterAll(async () => {
  await Promise.all([browser.close(), studio[Symbol.asyncDispose]()])
  await server[Symbol.asyncDispose]()
})

const HOUR = 3_600_000

/** Opens a window that waits on the sign-in page. */
async function atSignIn(app = studio): Promise<Visitor> {
  const visitor = await openVisitor(browser)
  await visitor.page.goto(app.startUrl())
  await untilHeading(visitor.page, 'Sign in')
  return visitor
}

/** Opens a window that waits on the consent page. */
async function atConsent(app = studio): Promise<Visitor> {
  const visitor = await atSignIn(app)
  await signIn(visitor.page, await aPerson(server))
  await untilAsked(visitor.page)
  return visitor
}

const untilAsked = (page: Page): Promise<void> =>
  untilHeading(page, /wants access to your Otesse account$/)

async function untilConnected(page: Page): Promise<void> {
  await untilHeading(page, 'You are back at Studio Planner')
  expect(await wordsOn(page)).toContain('Connected')
}

/** Waits for the page about what is over, with its way on and what support asks for. */
async function untilOver(page: Page): Promise<void> {
  await untilHeading(page, 'This page is no longer valid')
  const words = await wordsOn(page)
  expect(words).toMatch(
    /What you can do Go back to (the app you came from|\w+ Planner) and start again there/,
  )
  expect(words).toMatch(/Error interaction_\w+ \(400\) Request \S+$/)
}

describe('a page that was used', () => {
  it('is explained to whoever comes back to it after allowing, and the app works on', async () => {
    await using visitor = await atConsent()
    const { page } = visitor
    await press(page, 'Allow')
    await untilConnected(page)
    await page.goBack()
    await untilOver(page)
    await photograph(page, 'over')
    await page.goto(studio.startUrl())
    await untilConnected(page)
  })

  it('is no trap: from the used sign-in page, forward leads to the question again', async () => {
    await using visitor = await atConsent()
    const { page } = visitor
    await page.goBack()
    await untilOver(page)
    await page.goForward()
    await untilAsked(page)
    await page.reload()
    await untilAsked(page)
    await press(page, 'Allow')
    await untilConnected(page)
  })

  it('may be clicked twice', async () => {
    await using visitor = await atConsent()
    const before = studio.tokens.length
    await visitor.page.getByRole('button', { name: 'Allow' }).dblclick()
    await untilConnected(visitor.page)
    expect(studio.tokens).toHaveLength(before + 1)
  })

  it('is over in a second tab as well', async () => {
    await using visitor = await atConsent()
    const second = await visitor.openTab()
    await second.goto(visitor.page.url())
    await untilAsked(second)
    await press(visitor.page, 'Allow')
    await untilConnected(visitor.page)
    await press(second, 'Deny')
    await untilOver(second)
  })
})

describe('a form that was refused', () => {
  it('repeats nothing on Back and reload: the e-mail stays, the password does not', async () => {
    const person = await aPerson(server)
    await using visitor = await atSignIn()
    const { page } = visitor
    let forms = 0
    page.on('request', (request) => (forms += request.method() === 'POST' ? 1 : 0))
    await signIn(page, { ...person, password: 'mistyped' })
    await page.getByRole('alert').waitFor()
    expect(page.url()).not.toContain(encodeURIComponent(person.email))
    expect(await page.getByLabel('E-mail address').inputValue()).toBe(person.email)
    expect(await page.getByLabel('Password').inputValue()).toBe('')
    await page.reload()
    await page.getByRole('alert').waitFor()
    expect(forms).toBe(1)
    await page.getByLabel('Password').fill(person.password)
    await press(page, 'Sign in')
    await untilAsked(page)
    const sent = forms
    await page.goBack()
    await untilOver(page)
    expect(await wordsOn(page)).toContain('Go back to Studio Planner')
    expect(forms).toBe(sent)
  })
})

describe('two tabs', () => {
  it('go on together once somebody has signed in in one of them', async () => {
    const person = await aPerson(server)
    await using visitor = await atSignIn()
    const second = await visitor.openTab()
    await second.goto(studio.startUrl())
    await untilHeading(second, 'Sign in')
    await signIn(visitor.page, person)
    await untilAsked(visitor.page)
    await second.reload()
    await untilAsked(second)
    await press(second, 'Allow')
    await untilConnected(second)
  })
})

describe('consent for five permissions', () => {
  it.each([
    { width: 1280, height: 800 },
    { width: 390, height: 844 },
  ])('has its buttons in view at %j', async (size) => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.setViewportSize(size)
    await page.goto(studio.startUrl({ scope: ALL_SCOPES.slice(0, 5).join(' ') }))
    await signIn(page, await aPerson(server))
    await untilAsked(page)
    for (const name of ['Allow', 'Deny']) {
      const box = (await page.getByRole('button', { name, exact: true }).boundingBox())!
      expect(box.y + box.height).toBeLessThanOrEqual(size.height)
    }
  })
})

describe('a page that is too old', () => {
  it.each(['Sign in', 'Cancel'])('says so: %s', async (button) => {
    await using visitor = await atSignIn()
    const { page } = visitor
    server.clock.move(HOUR + 1000)
    await page.getByLabel('E-mail address').fill('maria@example.com')
    await page.getByLabel('Password').fill('whatever')
    await press(page, button)
    await untilOver(page)
  })

  it('asks who is there when the session ended while it was open', async () => {
    const person = await aPerson(server)
    await using visitor = await atSignIn()
    const { page } = visitor
    await signIn(page, person)
    await untilAsked(page)
    const account = await server.services.accounts.findByEmail(person.email)
    await server.services.accounts.deactivate(account!.id, 'left')
    await press(page, 'Allow')
    await untilHeading(page, /^(Sign in|This page is no longer valid)$/)
    expect(await wordsOn(page)).not.toContain(person.email)
  })

  it('says so when the app was taken away while it was open', async () => {
    await using gone = await openThirdPartyApp(server, { name: 'Gone Planner' })
    await using visitor = await atConsent(gone)
    await server.services.apps.suspend(gone.client.id, 'abuse')
    await press(visitor.page, 'Allow')
    await untilHeading(visitor.page, 'Unknown app')
    expect(gone.answers).toEqual([])
  })
})

describe('a page of somebody else', () => {
  it('is nothing in another browser, and goes on in its own', async () => {
    await using visitor = await atConsent()
    await using other = await openVisitor(browser)
    await other.page.goto(visitor.page.url())
    await untilOver(other.page)
    expect(await wordsOn(other.page)).not.toContain('Studio Planner')
    await press(visitor.page, 'Allow')
    await untilConnected(visitor.page)
  })
})

describe('a browser without cookies', () => {
  it('is told what is missing', async () => {
    await using visitor = await openVisitorWithoutCookies()
    const { page } = visitor
    await page.goto(studio.startUrl())
    await untilOver(page)
    expect(await wordsOn(page)).toContain('cookies')
    await photograph(page, 'without-cookies')
  })
})

describe('a link with a mistake', () => {
  it.each([
    ['an unknown app', { client_id: 'app_00000000000000000000' }, 'Unknown app'],
    [
      'an address that the app has not registered',
      { redirect_uri: 'https://evil.example.com/callback' },
      'This app’s return address is not registered',
    ],
  ])('leads nowhere: %s', async (_name, parameters, title) => {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    const before = studio.answers.length
    await page.goto(studio.startUrl(parameters))
    await untilHeading(page, title)
    expect(await wordsOn(page)).toContain('tell the app’s developers')
    expect(visitor.requests.filter((url) => url.startsWith('https:'))).toEqual([])
    expect(studio.answers).toHaveLength(before)
  })

  it('goes back to the app where the app can be trusted with it', async () => {
    await using visitor = await openVisitor(browser)
    await visitor.page.goto(studio.startUrl({ scope: 'bookings:everything' }))
    await untilHeading(visitor.page, 'You are back at Studio Planner')
    expect(await wordsOn(visitor.page)).toContain('Not connected: invalid_scope')
  })
})

/** Opens a Chromium whose owner has switched cookies off in its settings. */
async function openVisitorWithoutCookies(): Promise<Visitor> {
  const profile = await mkdtemp(join(tmpdir(), 'otesse-test-profile-'))
  await mkdir(join(profile, 'Default'))
  const BLOCKED = 2
  const settings = { profile: { default_content_setting_values: { cookies: BLOCKED } } }
  await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify(settings))
  const context = await chromium.launchPersistentContext(profile, chromiumOptions())
  const visitor = await visitorIn(context)
  return {
    ...visitor,
    async [Symbol.asyncDispose]() {
      await context.close()
      await rm(profile, { recursive: true, force: true })
    },
  }
}
