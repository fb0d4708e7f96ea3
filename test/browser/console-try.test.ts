// An admin tries an app in a real browser: from the app's page over the consent page back to what
// the app would get. These pages pass the checks of all pages: axe, narrow screens, no script
// needed.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { startTestApp, type TestApp } from '../support/app.ts'
import {
  openVisitor,
  PHONE,
  photograph,
  press,
  signIn,
  untilHeading,
  type Visitor,
  wordsOn,
} from '../support/browser-page.ts'
import { createAccount, PASSWORD, registerApp } from '../support/builders.ts'
import { launchChromium } from '../support/chromium.ts'
import { problemsOf } from './axe.ts'
import { ALL_SCOPES, createCatalogue, giveLogo } from './studio.ts'

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

/** A browser in which an admin looks at an app of theirs that has a logo. */
async function openApp(options = {}): Promise<Visitor> {
  const name = 'Grace Hopper'
  const { email } = await createAccount(server, { name, password: PASSWORD, role: 'admin' })
  const app = await registerApp(server, {
    name: 'Studio Planner',
    description: 'Plans your studio’s week.',
    scopes: [...ALL_SCOPES, 'openid'],
    redirectUris: ['https://planner.example.com/oauth/callback'],
  })
  await giveLogo(server, app.id)
  const visitor = await openVisitor(browser, options)
  await visitor.page.goto(`${server.issuer}/admin/apps/${app.id}`)
  await signIn(visitor.page, { email, password: PASSWORD })
  await untilHeading(visitor.page, 'Studio Planner')
  return visitor
}

describe('trying an app out', () => {
  it('leads over the consent page to what the app would get, and looks well on the way', async () => {
    await using visitor = await openApp()
    const { page } = visitor
    const problems: string[] = []
    const look = async (name: string) => problems.push(...(await problemsOf(page, `try-${name}`)))

    await look('overview')
    await page.getByRole('link', { name: 'Try it', exact: true }).click()
    await untilHeading(page, 'Try Studio Planner')
    const boxes = page.getByRole('checkbox')
    expect(await boxes.count()).toBe(ALL_SCOPES.length + 1)
    for (const box of await boxes.all()) expect(await box.isChecked()).toBe(true)
    await look('form')

    await page.getByLabel(/^See your payments/).uncheck()
    await press(page, 'Try it')
    await untilHeading(page, /^Studio Planner wants access/)
    const asked = await wordsOn(page)
    expect(asked).toContain('Preview. You started this in the admin console')
    expect(asked).toContain('See your bookings, with dates, guests and prices')
    expect(asked).not.toContain('See your payments')
    expect(await page.locator('img[src^="/logos/"]').isVisible()).toBe(true)
    await look('consent')

    await press(page, 'Allow')
    await untilHeading(page, 'Test result: Studio Planner')
    const got = await wordsOn(page)
    expect(got).toContain('It works. The tokens of this preview are revoked')
    expect(got).toMatch(/https:\/\/planner\.example\.com\/oauth\/callback\?code=otesse_ac_….{4}/)
    expect(got).toContain('"token_type": "Bearer"')
    await look('result')

    await page.getByRole('link', { name: 'Try again', exact: true }).click()
    await untilHeading(page, 'Try Studio Planner')
    await press(page, 'Try it')
    await untilHeading(page, /^Studio Planner wants access/)
    await press(page, 'Deny')
    await untilHeading(page, 'Test result: Studio Planner')
    expect(await wordsOn(page)).toContain('You denied access.')
    await look('denied')

    // The history leads back to a preview that is over.
    await page.reload()
    await untilHeading(page, 'This preview is over')
    await look('over')
    expect(problems).toEqual([])
    expect(visitor.complaints).toEqual([])
    expect(visitor.requests.filter((url) => !url.startsWith(server.issuer))).toEqual([])
  })

  it('needs no JavaScript, on the smallest phone', async () => {
    await using visitor = await openApp({ javaScriptEnabled: false, viewport: PHONE })
    const { page } = visitor
    await page.getByRole('link', { name: 'Try it', exact: true }).click()
    await untilHeading(page, 'Try Studio Planner')
    await press(page, 'Try it')
    await untilHeading(page, /^Studio Planner wants access/)
    await press(page, 'Allow')
    await untilHeading(page, 'Test result: Studio Planner')
    expect(await wordsOn(page)).toContain('"active": true')
    await photograph(page, 'preview-result-no-script')
  })

  it('says why a suspended app is refused', async () => {
    await using visitor = await openApp()
    const { page } = visitor
    const id = new URL(page.url()).pathname.split('/').at(-1) ?? ''
    await server.services.apps.suspend(id, 'Sent too much mail.')
    await page.goto(`${page.url()}/try`)
    await press(page, 'Try it')
    await untilHeading(page, 'Test result: Studio Planner')
    expect(await wordsOn(page)).toContain('The request was refused. The app got no tokens.')
    expect(await wordsOn(page)).toContain('The app is suspended: Sent too much mail.')
    expect(await problemsOf(page, 'try-refused')).toEqual([])
  })
})
