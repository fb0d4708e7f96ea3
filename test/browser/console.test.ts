// An admin at the console in a real browser: registers an app, copies its secret, sees a real
// client get tokens with it, changes the secret, suspends the app and reads why it was refused.
// Every page passes the checks of all pages: axe, keyboard, no script needed.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import * as client from 'openid-client'
import type { Browser, Page } from 'playwright-core'
import { startTestApp, type TestApp } from '../support/app.ts'
import {
  openVisitor,
  PHONE,
  type Person,
  photograph,
  press,
  signIn,
  untilHeading,
  type Visitor,
  wordsOn,
} from '../support/browser-page.ts'
import { createAccount, PASSWORD, registerApp, type TestClient } from '../support/builders.ts'
import { launchChromium } from '../support/chromium.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import { problemsOf } from './axe.ts'
import { ALL_SCOPES, aPerson, createCatalogue, giveLogo } from './studio.ts'

let browser: Browser
let server: TestApp

beforeAll(async () => {
  ;[browser, server] = await Promise.all([
    launchChromium(),
    startTestApp({
      backend: 'embedded',
      overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    }),
  ])
  await createCatalogue(server)
})

afterAll(async () => {
  await browser.close()
  await server[Symbol.asyncDispose]()
})

async function anAdmin(): Promise<Person> {
  const { email } = await createAccount(server, { password: PASSWORD, role: 'admin' })
  return { email, password: PASSWORD }
}

/** A browser in which an admin is at the console. */
async function openConsole(options = {}): Promise<Visitor> {
  const visitor = await openVisitor(browser, options)
  await visitor.page.goto(`${server.issuer}/admin/apps`)
  await signIn(visitor.page, await anAdmin())
  await untilHeading(visitor.page, 'Apps')
  return visitor
}

const follow = (page: Page, name: string): Promise<void> =>
  page.getByRole('link', { name, exact: true }).click()

/** The app's own server, which only notes how it is called back. */
async function openCallback(): Promise<{ url: string; server: Server; called: Promise<URL> }> {
  let call: (url: URL) => void = () => undefined
  const called = new Promise<URL>((resolve) => {
    call = resolve
  })
  const listening = createServer((request, response) => {
    response.end('Thank you')
    if (request.url?.startsWith('/callback') === true)
      call(new URL(request.url, `http://${request.headers.host ?? ''}`))
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const { port } = listening.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/callback`,
    server: listening,
    called,
  }
}

const configure = (id: string, secret: string): Promise<client.Configuration> =>
  client.discovery(new URL(server.issuer), id, secret, undefined, {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so to stand out; the test's server speaks plain http
    execute: [client.allowInsecureRequests],
  })

async function copied(page: Page, name: RegExp): Promise<string> {
  await page.getByRole('button', { name }).click()
  await page.getByRole('button', { name: /^Copied/ }).waitFor()
  return page.evaluate(() => navigator.clipboard.readText())
}

describe('from an empty form to a client that works', () => {
  it('registers, copies, connects, changes the secret over, suspends, and reads why', async () => {
    const callback = await openCallback()
    await using visitor = await openConsole({
      permissions: ['clipboard-read', 'clipboard-write'],
    })
    const { page } = visitor

    await page
      .getByRole('link', { name: /^Register / })
      .first()
      .click()
    await untilHeading(page, 'Register an app')
    await page.getByLabel('Name', { exact: true }).fill('Studio Planner')
    await page.getByLabel(/^Description/).fill('Plans your studio’s week.')
    await page.getByLabel('Redirect URIs').fill(callback.url)
    await page.getByLabel(/^See your bookings/).check()
    await press(page, 'Register')
    await untilHeading(page, 'Studio Planner is registered')
    const id = await copied(page, /^Copy the client id/)
    // The first button says so for a while.
    await page.getByRole('button', { name: /^Copied/ }).waitFor({ state: 'detached' })
    const secret = await copied(page, /^Copy the client secret/)
    expect(id).toMatch(/^app_/)
    expect(secret).toMatch(/^otesse_cs_/)

    // A reload sends the form again: nothing is registered, nothing shown.
    page.once('dialog', (dialog) => void dialog.accept())
    await page.reload()
    await untilHeading(page, 'This app is already registered')
    expect(await page.content()).not.toContain(secret)

    // A real client library, with what was copied.
    const config = await configure(id, secret)
    const verifier = client.randomPKCECodeVerifier()
    const state = client.randomState()
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: callback.url,
      scope: 'bookings:read',
      state,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    await using customer = await openVisitor(browser)
    await customer.page.goto(url.href)
    await signIn(customer.page, await aPerson(server))
    await untilHeading(customer.page, /^Studio Planner wants access/)
    await press(customer.page, 'Allow')
    const tokens = await client.authorizationCodeGrant(config, await callback.called, {
      pkceCodeVerifier: verifier,
      expectedState: state,
    })
    const refreshToken = tokens.refresh_token ?? ''
    expect(tokens.access_token).toMatch(/^otesse_at_/)

    // The second secret works beside the first.
    await follow(page, 'Go to the app')
    await follow(page, 'Create a secret')
    await press(page, 'Create and show the secret')
    await untilHeading(page, 'New secret')
    const second = await copied(page, /^Copy the client secret/)
    const renewed = await configure(id, second)
    await client.refreshTokenGrant(config, refreshToken)
    await client.refreshTokenGrant(renewed, refreshToken)

    // Without the first one, the second still does.
    await follow(page, 'Go to the credentials')
    await page
      .getByRole('link', { name: /^Revoke/ })
      .first()
      .click()
    await press(page, 'Revoke')
    await page.getByText('Secret revoked.').waitFor()
    await expect(client.refreshTokenGrant(config, refreshToken)).rejects.toMatchObject({
      error: 'invalid_client',
    })
    await client.refreshTokenGrant(renewed, refreshToken)

    const tabs = page.getByRole('navigation', { name: 'Pages of this app' })
    await tabs.getByRole('link', { name: 'Overview' }).click()
    await follow(page, 'Suspend…')
    await page.getByLabel('Reason').fill('It sent the same request a thousand times.')
    await press(page, 'Suspend')
    await page.getByText('App suspended. Its tokens no longer work.').waitFor()
    await expect(client.refreshTokenGrant(renewed, refreshToken)).rejects.toMatchObject({
      error: 'invalid_client',
    })
    await server.services.audit.flush()

    await tabs.getByRole('link', { name: 'Usage' }).click()
    expect(await wordsOn(page)).toContain('Activate it on its Overview tab')
    await tabs.getByRole('link', { name: 'Activity' }).click()
    const words = await wordsOn(page)
    expect(words).toContain('The app is suspended.')
    expect(words).toContain('The secret does not belong to the app.')
    expect(words).toContain('Reason: It sent the same request a thousand times.')
    expect(visitor.complaints).toEqual([])
    expect(visitor.requests.filter((each) => new URL(each).origin !== server.issuer)).toEqual([])
    callback.server.close()
  })
})

describe('every page in light and dark, on a laptop and a phone', () => {
  let app: TestClient
  let member: string
  let grantId: string

  beforeAll(async () => {
    app = await registerApp(server, {
      name: 'Bookings Dashboard',
      description: 'All your bookings on one page.',
      redirectUris: ['https://dashboard.example.com/oauth/callback'],
      scopes: ALL_SCOPES,
      homepageUrl: 'https://dashboard.example.com/',
      environment: 'production',
    })
    await giveLogo(server, app.id)
    const suspended = await registerApp(server, { name: 'Paused', type: 'machine', scopes: [] })
    await server.services.apps.suspend(suspended.id, 'It fetched too much.')
    member = (await createAccount(server, { email: 'mem@example.com' })).id
    const oauth = createOAuthClient(server, app)
    await oauth.exchange('otesse_ac_nonsense')
    const { refresh, ...connected } = await oauth.authorize({
      scopes: ['bookings:read'],
      accountId: member,
    })
    grantId = connected.grantId
    await oauth.refresh(refresh)
    const ended = await oauth.authorize({ accountId: member })
    await oauth.revoke(ended.refresh)
    await server.services.audit.flush()
  })

  const pages: [string, () => string][] = [
    ['server', () => '/admin?range=24h'],
    ['apps', () => '/admin/apps'],
    ['apps-none', () => '/admin/apps?search=nothing-like-this&type=machine&status=suspended'],
    ['apps-of-scope', () => '/admin/apps?scope=bookings%3Aread'],
    ['register', () => '/admin/apps/new'],
    ['apply', () => '/admin/apply'],
    ['overview', () => `/admin/apps/${app.id}`],
    ['edit', () => `/admin/apps/${app.id}/edit`],
    ['credentials', () => `/admin/apps/${app.id}/credentials`],
    ['permissions', () => `/admin/apps/${app.id}/permissions`],
    ['app-usage', () => `/admin/apps/${app.id}/usage?range=7d`],
    ['app-activity', () => `/admin/apps/${app.id}/activity`],
    ['suspend', () => `/admin/apps/${app.id}/suspend`],
    ['delete', () => `/admin/apps/${app.id}/delete`],
    ['new-secret', () => `/admin/apps/${app.id}/secrets/new`],
    ['activity', () => '/admin/activity'],
    ['activity-filtered', () => '/admin/activity?event=request.refused&from=2026-01-01'],
    ['activity-none', () => `/admin/activity?app=${app.id}&reason=nothing-like-this`],
    ['scopes', () => '/admin/scopes'],
    ['scope-new', () => '/admin/scopes/new'],
    ['scope-edit', () => '/admin/scopes/bookings%3Aread'],
    ['scope-remove', () => '/admin/scopes/bookings%3Aread/remove'],
    ['tokens', () => '/admin/tokens'],
    ['accounts', () => '/admin/accounts'],
    ['invite', () => '/admin/accounts/new'],
    ['import', () => '/admin/accounts/import'],
    ['account', () => `/admin/accounts/${member}`],
    ['end-connection', () => `/admin/accounts/${member}/connections/${grantId}/end`],
    ['accounts-none', () => '/admin/accounts?search=nobody%40example.com&role=admin'],
    ['account-name', () => `/admin/accounts/${member}/name`],
    ['role', () => `/admin/accounts/${member}/role`],
    ['mail', () => '/admin/mail'],
    ['keys', () => '/admin/keys'],
    ['rotate', () => '/admin/keys/rotate'],
  ]

  // In parts, because each page is looked at six times.
  it.each([0, 1, 2])('has nothing that axe minds, part %i', async (part) => {
    await using visitor = await openConsole()
    const { page } = visitor
    const problems: string[] = []
    for (const [name, path] of pages.filter((_, at) => at % 3 === part)) {
      await page.goto(server.issuer + path())
      problems.push(...(await problemsOf(page, `console-${name}`)))
    }
    expect(problems).toEqual([])
    expect(visitor.complaints).toEqual([])
  })

  it('nor have the answers to forms: mistakes, a conflict, what is shown once, the turned away', async () => {
    await using visitor = await openConsole()
    const { page } = visitor
    const problems: string[] = []
    const look = async (name: string): Promise<void> => {
      problems.push(...(await problemsOf(page, `console-${name}`)))
    }
    await page.goto(`${server.issuer}/admin/apps/new`)
    await page
      .getByLabel('Redirect URIs')
      .fill('http://planner.example.com/cb\nhttps://planner.example.com/#part\n*')
    await press(page, 'Register')
    await page.getByRole('alert').waitFor()
    expect(await page.evaluate(() => document.activeElement?.getAttribute('role'))).toBe('alert')
    await look('register-problem')
    await page.getByRole('alert').getByRole('link', { name: 'Redirect URIs' }).first().click()
    const field = page.getByLabel('Redirect URIs')
    expect(await field.evaluate((each) => each === document.activeElement)).toBe(true)
    await field.fill('https://planner.example.com/cb')
    await page.getByLabel('Name', { exact: true }).fill('Looked at')
    await press(page, 'Register')
    await untilHeading(page, 'Looked at is registered')
    await look('registered')

    await page.goto(`${server.issuer}/admin/apps/${app.id}/edit`)
    await server.services.apps.update(app.id, (await server.services.apps.get(app.id)).version, {
      description: 'Changed by somebody else.',
    })
    await page.getByLabel(/^Description/).fill('Changed here.')
    await press(page, 'Save')
    await page.getByRole('alert').waitFor()
    await look('conflict')

    await page.goto(`${server.issuer}/admin/accounts/${member}/name`)
    const { version } = await server.services.accounts.get(member)
    await server.services.accounts.update(member, version, { name: 'Somebody else’s' })
    await page.getByLabel(/^Name/).fill('Mine')
    await press(page, 'Save name')
    await page.getByRole('alert').waitFor()
    await look('name-conflict')

    const choose = async (path: string, name: string, text: string): Promise<void> => {
      await page.goto(server.issuer + path)
      await page
        .getByLabel('File', { exact: true })
        .setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(text) })
      await press(page, 'Check the file')
    }
    await choose('/admin/accounts/import', 'people.csv', '')
    await page.getByRole('alert').waitFor()
    await look('import-problem')
    const people = 'email,name,role\nnew@example.com,New,auditor\nnobody,,\nx@example.com,,king'
    await choose('/admin/accounts/import', 'people.csv', people)
    await untilHeading(page, 'Check the import')
    await look('import-review')
    await press(page, 'Import 1 account')
    await untilHeading(page, 'Import finished')
    await look('import-done')
    await choose('/admin/apply', 'apps.yaml', 'apps: [')
    await page.getByRole('alert').waitFor()
    await look('apply-problem')
    const handle = 'night-train'
    const file = { apps: [{ handle, name: 'Night train', type: 'machine', scopes: [] }] }
    await choose('/admin/apply', 'apps.json', JSON.stringify(file))
    await untilHeading(page, 'Check the changes')
    await look('apply-plan')
    await press(page, 'Apply 1 change')
    await untilHeading(page, 'Changes applied')
    await look('apply-result')

    await page.goto(`${server.issuer}/admin/apps/${app.id}/secrets/new`)
    await press(page, 'Create and show the secret')
    await untilHeading(page, 'New secret')
    await look('secret')
    await page.goto(`${server.issuer}/admin/accounts/new`)
    await page.getByLabel('E-mail address').fill('guest@example.com')
    await press(page, 'Invite')
    await untilHeading(page, 'guest@example.com is invited')
    await look('link')

    await page.goto(`${server.issuer}/admin/apps/${app.id}/suspend`)
    await page.getByLabel(/^Reason/).fill('It fetched too much.')
    await page.context().clearCookies()
    await press(page, 'Suspend')
    await untilHeading(page, 'Your form has not been sent yet')
    await look('stale-form')

    await using outside = await openVisitor(browser)
    await outside.page.goto(`${server.issuer}/admin`)
    await signIn(outside.page, await aPerson(server))
    await untilHeading(outside.page, 'Admin access required')
    problems.push(...(await problemsOf(outside.page, 'console-admins-only')))
    expect(problems).toEqual([])
    expect(visitor.complaints).toEqual([])
  })
})

describe('the activity', () => {
  // 23:30 in London, the next day in Tokyo.
  const AT = Date.parse('2026-03-10T23:30:05Z')
  const insert = (id: string, app_id: string, at: number) =>
    server.services.stores.events.insert([
      {
        id,
        at,
        name: 'request.refused',
        reason: 'code_used',
        app_id,
        account_id: undefined,
        grant_id: undefined,
        actor: undefined,
        address: '192.0.2.7',
        request_id: `req_${id}`,
        data: undefined,
      },
    ])

  it('is in the reader’s time zone, a line for each event, with details on demand', async () => {
    const { id } = await registerApp(server, { name: 'Harbour' })
    await insert('evt_one', id, AT)
    await insert('evt_two', id, AT - 9 * 3_600_000)
    await using visitor = await openConsole({ timezoneId: 'Asia/Tokyo' })
    const { page } = visitor
    await page.goto(`${server.issuer}/admin/activity?app=${id}&event=request.refused`)
    const words = await wordsOn(page)
    expect(words).toContain('Times are in your time zone, Asia/Tokyo.')
    expect(words).toMatch(/Wednesday, March 11, 2026 08:30:05 .*Tuesday, March 10, 2026 23:30:05 /)
    const [first, second] = await page.getByRole('row', { name: /Request refused/ }).all()
    expect((await first!.boundingBox())!.height).toBeLessThan(45)
    expect(await second!.isVisible()).toBe(true)
    expect(words).not.toContain('192.0.2.7')
    // The whole line of a summary can be pressed by keyboard, and its details follow it.
    await page.locator('summary', { hasText: 'Details of Request refused' }).first().press('Enter')
    expect(await wordsOn(page)).toContain('IP address 192.0.2.7')
    expect(visitor.complaints).toEqual([])
  })

  it('says without JavaScript that times are in UTC', async () => {
    const { id } = await registerApp(server, { name: 'Harbour' })
    await insert('evt_three', id, AT)
    await using visitor = await openConsole({
      javaScriptEnabled: false,
      timezoneId: 'Asia/Tokyo',
      viewport: PHONE,
    })
    const { page } = visitor
    await page.goto(`${server.issuer}/admin/activity?app=${id}&event=request.refused`)
    const words = await wordsOn(page)
    expect(words).toContain('Times are in UTC.')
    expect(words).toMatch(/Tuesday, March 10, 2026 .*23:30:05/)
    await page.locator('summary', { hasText: 'Details of' }).click()
    expect(await wordsOn(page)).toContain('IP address 192.0.2.7')
  })
})

describe('without what browsers usually have', () => {
  it('works without JavaScript, and offers no button that needs it', async () => {
    await using visitor = await openConsole({ javaScriptEnabled: false, viewport: PHONE })
    const { page } = visitor
    await page.goto(`${server.issuer}/admin/apps/new`)
    await page.getByLabel('Machine').check()
    expect(await page.getByLabel('Redirect URIs').isVisible()).toBe(false)
    await page.getByLabel('Name', { exact: true }).fill('Nightly export')
    await page.getByLabel(/^See your bookings/).check()
    await press(page, 'Register')
    await untilHeading(page, 'Nightly export is registered')
    expect(await page.getByRole('button').count()).toBe(0)
    expect(await page.locator('#client-secret').innerText()).toMatch(/^otesse_cs_/)
    await photograph(page, 'console-registered-no-script')
  })

  it('is used by keyboard alone: the first stop skips to the content', async () => {
    await using visitor = await openConsole()
    const { page } = visitor
    await page.goto(`${server.issuer}/admin/apps`)
    await page.keyboard.press('Tab')
    const skip = page.getByRole('link', { name: 'Skip to the content' })
    expect(await skip.evaluate((each) => each === document.activeElement)).toBe(true)
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    const other = page.getByRole('link', { name: 'Import and export' })
    expect(await other.evaluate((each) => each === document.activeElement)).toBe(true)
    await page.keyboard.press('Tab')
    const action = page.locator('.head').getByRole('link', { name: 'Register an app', exact: true })
    expect(await action.evaluate((each) => each === document.activeElement)).toBe(true)
  })
})
