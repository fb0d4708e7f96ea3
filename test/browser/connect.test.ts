// People connect other systems in a real browser: there and back without JavaScript on a small
// phone, by keyboard, and every page in light and dark, with names as long as German ones.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
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
import { launchChromium } from '../support/chromium.ts'
import { registerApp } from '../support/builders.ts'
import { createIntegration, WITH_CONNECTIONS } from '../support/connections.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import { type QuirkProvider, startQuirkProvider } from '../support/quirk-provider.ts'
import { problemsOf } from './axe.ts'
import { aPerson } from './studio.ts'

const LONG = 'Rechnungszusammenführungsgesellschaft mit beschränkter Haftung'
const KEY = 'a-key-that-opens-the-api'

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
  await createIntegration(server, provider, 'plain')
  await createIntegration(server, provider, 'keys')
  await createIntegration(server, provider, 'shopify', { name: LONG })
})
afterAll(async () => {
  await Promise.all([browser.close(), provider[Symbol.asyncDispose]()])
  await server[Symbol.asyncDispose]()
})

const at = (path: string) => `${server.issuer}/connections${path}`

async function expectGood(page: Page, name: string): Promise<void> {
  expect(await problemsOf(page, name)).toEqual([])
}

async function openList(page: Page, person: Person): Promise<void> {
  await page.goto(at(''))
  await untilHeading(page, 'Sign in')
  await signIn(page, person)
  await untilHeading(page, 'Connections')
}

const held = async ({ email }: Person) => {
  const account = await server.services.accounts.findByEmail(email)
  return server.services.stores.connections.listOf({ kind: 'account', id: account!.id })
}

async function allow(page: Page, account = 'anna'): Promise<void> {
  await untilHeading(page, 'Allow access?')
  await page.getByLabel('Account').fill(account)
  await press(page, 'Allow access')
}

it('works without JavaScript on a small phone: allow, Back, reload, deny, disconnect', async () => {
  const person = await aPerson(server)
  await using visitor = await openVisitor(browser, { javaScriptEnabled: false, viewport: PHONE })
  const { page } = visitor
  await openList(page, person)
  await press(page, 'Connect Plain CRM')
  await allow(page)
  await untilHeading(page, 'Connections')
  expect(await wordsOn(page)).toContain('Plain CRM is connected as anna@crm.example.')

  await page.reload()
  await untilHeading(page, 'Connections')
  await page.goBack()
  await untilHeading(page, 'Allow access?')
  await press(page, 'Allow access')
  // The page of the provider is shown again; its answer is not accepted a second time.
  await untilHeading(page, 'This attempt is over')
  expect(await held(person)).toHaveLength(1)

  await page.getByRole('link', { name: 'Your connections' }).click()
  await press(page, 'Connect again Plain CRM, anna@crm.example')
  await untilHeading(page, 'Allow access?')
  await press(page, 'Deny access')
  await untilHeading(page, 'Plain CRM was not connected')
  expect(await held(person)).toMatchObject([{ status: 'active', generation: 1 }])

  await page.getByRole('link', { name: 'Your connections' }).click()
  await page.getByRole('link', { name: 'Disconnect Plain CRM, anna@crm.example' }).click()
  await untilHeading(page, 'Disconnect Plain CRM?')
  await press(page, 'Disconnect')
  await untilHeading(page, 'Connections')
  expect(await wordsOn(page)).toContain('Plain CRM was disconnected.')
  expect(await held(person)).toEqual([])
})

it('takes a key by keyboard alone', async () => {
  const person = await aPerson(server)
  await using visitor = await openVisitor(browser)
  const { page } = visitor
  await openList(page, person)
  await page.getByRole('link', { name: 'Connect Mail Sender' }).focus()
  await page.keyboard.press('Enter')
  await untilHeading(page, 'Connect Mail Sender')
  // The field is where one types at once.
  await page.keyboard.type('a-wrong-key')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').waitFor()
  expect(await page.getByLabel('Server token').inputValue()).toBe('')
  await page.keyboard.type(KEY)
  await page.keyboard.press('Enter')
  await untilHeading(page, 'Connections')
  expect(await wordsOn(page)).toContain('Mail Sender is connected as anna@crm.example.')
  expect(visitor.complaints).toEqual([])
})

describe('every page in light and dark, on a laptop and a phone', () => {
  it('what a link of an app leads to, what was tried, and what is given back later', async () => {
    const [person, stranger] = [await aPerson(server), await aPerson(server)]
    const scopes = ['connections:plain']
    const name = 'Planungsgesellschaft für Veranstaltungen'
    const app = createOAuthClient(server, await registerApp(server, { scopes, name }))
    const account = await server.services.accounts.findByEmail(person.email)
    const { access } = await app.authorize({ accountId: account!.id, scopes })
    const answer = await fetch(`${server.url}/connect/v1/sessions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${access}` },
      body: new URLSearchParams({ integration: 'plain', return_to: app.client.redirectUri }),
    })
    const { connect_url: link } = (await answer.json()) as { connect_url: string }
    await using other = await openVisitor(browser)
    await openList(other.page, stranger)
    await other.page.goto(link)
    await untilHeading(other.page, 'This link is for another account')
    await expectGood(other.page, 'connect-other-account')

    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await openList(page, person)
    await page.goto(link)
    await untilHeading(page, 'Connect Plain CRM')
    await expectGood(page, 'connect-for-app')
    await press(page, 'Go on to Plain CRM')
    await untilHeading(page, 'Allow access?')
    provider.misbehave({ kind: 'status', status: 503 })
    await press(page, 'Allow access')
    await untilHeading(page, 'Plain CRM does not answer')
    await expectGood(page, 'connect-problem-for-app')
    await page.getByRole('link', { name: 'Start again Plain CRM' }).click()
    await press(page, 'Go on to Plain CRM')
    const back = page.waitForRequest((request) => request.url().startsWith('https://yourapp.com/'))
    await allow(page)
    expect(new URL((await back).url()).searchParams.get('connection')).toMatch(/^con_/)
    // Nobody is at the app's address.
    await page.waitForURL(/^chrome-error:/)

    await page.goto(at(''))
    await page.getByText('Details of Plain CRM').click()
    await expectGood(page, 'connections-details')
    await press(page, 'Try it now Plain CRM, anna@crm.example')
    await page.getByText('We tried Plain CRM, and it works.').waitFor()
    await expectGood(page, 'connections-tried')
    provider.withdraw('anna')
    await press(page, 'Try it now Plain CRM, anna@crm.example')
    await page.getByText('Plain CRM does not accept our access. Connect it again.').waitFor()
    await expectGood(page, 'connections-refused')
    provider.revokeStatus = 503
    await page.getByRole('link', { name: 'Disconnect Plain CRM' }).click()
    await press(page, 'Disconnect')
    await page.getByText('We keep trying for three days').waitFor()
    provider.revokeStatus = 200
    await expectGood(page, 'connections-withdrawn-later')
    await page.goto(link)
    await untilHeading(page, 'This link is over')
    expect(visitor.complaints.filter((text) => !/yourapp\.com|status of 503/.test(text))).toEqual(
      [],
    )
  })

  it('the list, empty and full, and what leads from it', async () => {
    const person = await aPerson(server)
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await openList(page, person)
    await expectGood(page, 'connections-none')
    await page.getByRole('link', { name: `Connect ${LONG}` }).click()
    await untilHeading(page, `Connect ${LONG}`)
    await page.getByLabel('Shop name').fill('https://flowers')
    await press(page, `Go on to ${LONG}`)
    await page.getByRole('alert').waitFor()
    expect(await page.getByLabel('Shop name').inputValue()).toBe('https://flowers')
    await expectGood(page, 'connect-fields-problem')
    await page.getByLabel('Shop name').fill('flowers')
    await press(page, `Go on to ${LONG}`)
    await allow(page, 'maximiliane-theodora')
    await untilHeading(page, 'Connections')
    await expectGood(page, 'connections-connected')

    await press(page, 'Connect Plain CRM')
    await allow(page, 'anna')
    await untilHeading(page, 'Connections')
    await server.infrastructure.db
      .updateTable('connections')
      .set({ status: 'expired', status_reason: 'refused_by_provider' })
      .execute()
    await page.goto(at(''))
    await page.getByRole('heading', { name: 'Needs you' }).waitFor()
    await expectGood(page, 'connections-needs-you')

    await press(page, 'Connect again Plain CRM, anna@crm.example')
    await allow(page, 'maximiliane-theodora.von-hohenstaufen-lichtenberg')
    await untilHeading(page, 'Another account of Plain CRM')
    await expectGood(page, 'connect-choice')
    await press(page, 'Replace')
    await untilHeading(page, 'Connections')
    await page.getByRole('link', { name: 'Disconnect Plain CRM' }).click()
    await untilHeading(page, 'Disconnect Plain CRM?')
    await expectGood(page, 'connection-disconnect')

    await page.goto(at('/add/keys'))
    await untilHeading(page, 'Connect Mail Sender')
    await expectGood(page, 'connect-keys')
    await page.goto(at('/add/plain'))
    await untilHeading(page, 'Connect Plain CRM')
    await expectGood(page, 'connect-oauth')
    await page.goto(at('/callback/plain?state=unknown&code=x'))
    await untilHeading(page, 'This attempt is over')
    await expectGood(page, 'connect-problem')
    expect(visitor.complaints).toEqual([])
  })
})
