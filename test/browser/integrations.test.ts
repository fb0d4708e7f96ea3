// An admin sets up a system that nobody knows by form, tries it, and mends what is wrong with it,
// in a real browser: by keyboard and without JavaScript, and every page in light and dark, with
// names as long as German ones.
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { startTestApp, type TestApp } from '../support/app.ts'
import {
  openVisitor,
  type Person,
  PHONE,
  press,
  signIn,
  untilHeading,
  wordsOn,
} from '../support/browser-page.ts'
import { createAccount, PASSWORD } from '../support/builders.ts'
import { launchChromium } from '../support/chromium.ts'
import { WITH_CONNECTIONS } from '../support/connections.ts'
import { type QuirkProvider, startQuirkProvider } from '../support/quirk-provider.ts'
import { problemsOf } from './axe.ts'

const LONG = 'Rechnungszusammenführungsgesellschaft mit beschränkter Haftung'

let browser: Browser
let server: TestApp
let provider: QuirkProvider

beforeAll(async () => {
  ;[browser, server, provider] = await Promise.all([
    launchChromium(),
    startTestApp({
      backend: 'embedded',
      overrides: { ...WITH_CONNECTIONS, OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    }),
    startQuirkProvider(),
  ])
})
afterAll(async () => {
  await Promise.all([browser.close(), provider[Symbol.asyncDispose]()])
  await server[Symbol.asyncDispose]()
})

async function openConsole(page: Page): Promise<Person> {
  const { email } = await createAccount(server, { password: PASSWORD, role: 'admin' })
  await page.goto(`${server.issuer}/admin/integrations`)
  await untilHeading(page, 'Sign in')
  await signIn(page, { email, password: PASSWORD })
  await untilHeading(page, 'Integrations')
  return { email, password: PASSWORD }
}

interface Facts {
  auth: { authorize_url: string; token_url: string }
  api: { base_url: string }
  check: { url: string }
  identity: { id: string; label?: string }
}

/** Fills in the form of a system of one's own. */
async function describeSystem(page: Page, handle: string, name: string): Promise<void> {
  const { auth, api, check, identity } = provider.definition('plain') as unknown as Facts
  const values: [string, string][] = [
    ['Name', name],
    ['Handle', handle],
    ['Authorization URL', auth.authorize_url],
    ['Token URL', auth.token_url],
    ['Client ID', provider.client.clientId],
    ['Client secret', provider.client.clientSecret],
    ['API address', api.base_url],
    ['Test call', check.url],
    ['Member with the account’s ID', identity.id],
    ['Member with the account’s name', identity.label ?? ''],
  ]
  for (const [label, value] of values)
    await page.getByLabel(new RegExp(`^${label}( \\(optional\\))?$`)).fill(value)
  await page.getByLabel(/^Scopes/).fill('read write')
}

async function allow(page: Page): Promise<void> {
  await untilHeading(page, 'Allow access?')
  await page.getByLabel('Account').fill('anna')
  await press(page, 'Allow access')
}

async function expectGood(page: Page, name: string): Promise<void> {
  expect(await problemsOf(page, name)).toEqual([])
}

it('sets up a system by form without JavaScript on a phone, and tries it', async () => {
  await using visitor = await openVisitor(browser, { javaScriptEnabled: false, viewport: PHONE })
  const { page } = visitor
  await openConsole(page)
  await page.getByRole('main').getByRole('link', { name: 'Add an integration' }).first().click()
  await untilHeading(page, 'Add an integration')
  await page.getByRole('link', { name: 'Another system' }).click()
  await untilHeading(page, 'Another system')
  await describeSystem(page, 'crm', 'Our CRM')
  await page.getByLabel(/^Token URL/).fill('not-an-address')
  await press(page, 'Create')
  await page.getByRole('alert').waitFor()
  expect(await page.getByLabel(/^Token URL/).getAttribute('aria-invalid')).toBe('true')
  expect(await page.getByLabel(/^Authorization URL/).inputValue()).toContain('http')
  // The one thing that is not kept in a page.
  expect(await page.getByLabel(/^Client secret( \(optional\))?$/).inputValue()).toBe('')
  expect(await page.content()).not.toContain(provider.client.clientSecret)
  await describeSystem(page, 'crm', 'Our CRM')
  await press(page, 'Create')
  await untilHeading(page, 'Our CRM')
  expect(await wordsOn(page)).toContain(`${server.issuer}/connections/callback/crm`)

  await page.getByRole('link', { name: 'Try it' }).click()
  await untilHeading(page, 'Connect Our CRM')
  await press(page, 'Go on to Our CRM')
  await allow(page)
  await untilHeading(page, 'Our CRM')
  expect(await wordsOn(page)).toContain('It works: Our CRM is connected as anna@crm.example.')
  await page.getByRole('link', { name: '1 active' }).click()
  await untilHeading(page, 'Connections')
  await page.getByRole('link', { name: 'anna@crm.example' }).click()
  await untilHeading(page, 'anna@crm.example')
  await page.getByRole('link', { name: 'Disable…' }).click()
  await press(page, 'Disable')
  await untilHeading(page, 'anna@crm.example')
  expect(await wordsOn(page)).toContain('Disabled by an admin.')
})

it('tells a wrong client secret as one fault, and takes the right one', async () => {
  await using visitor = await openVisitor(browser)
  const { page } = visitor
  await openConsole(page)
  await page.goto(`${server.issuer}/admin/add-integration/own`)
  await describeSystem(page, 'wrong', LONG)
  await page.getByLabel(/^Client secret( \(optional\))?$/).fill('not-the-secret')
  await expectGood(page, 'integration-form')
  await press(page, 'Create')
  await untilHeading(page, LONG)
  await expectGood(page, 'integration-created')
  await page.getByRole('link', { name: 'Try it' }).click()
  await press(page, `Go on to ${LONG}`)
  await allow(page)
  await page.goto(`${server.issuer}/admin/integrations/wrong`)
  await untilHeading(page, LONG)
  expect(await wordsOn(page)).toContain('Enter the client ID and the client secret again.')
  await expectGood(page, 'integration-misconfigured')
  await page.goto(`${server.issuer}/admin/integrations`)
  await expectGood(page, 'integrations')

  await page.goto(`${server.issuer}/admin/integrations/wrong/edit`)
  await page.getByLabel(/^Client secret( \(optional\))?$/).fill(provider.client.clientSecret)
  await expectGood(page, 'integration-edit')
  await press(page, 'Save')
  await untilHeading(page, LONG)
  await page.getByRole('link', { name: 'Try it' }).focus()
  await page.keyboard.press('Enter')
  await press(page, `Go on to ${LONG}`)
  await allow(page)
  await untilHeading(page, LONG)
  expect(await wordsOn(page)).toContain('It works:')
  await page.goto(`${server.issuer}/admin/connections`)
  await expectGood(page, 'admin-connections')
  await page.getByRole('link', { name: 'anna@crm.example' }).first().click()
  await untilHeading(page, 'anna@crm.example')
  await expectGood(page, 'admin-connection')
  await page.goto(`${server.issuer}/admin/add-integration`)
  await expectGood(page, 'integration-add')
  // The answer to the wrong secret.
  expect(visitor.complaints).toEqual([expect.stringContaining('502')])
})
