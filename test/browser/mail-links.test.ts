// Programs that look through mail open every link in it, in a real browser and with scripts
// running. Nothing that they do uses a link up, signs anybody in or changes anything.
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import { OPERATOR } from '../../src/cli/session.ts'
import { SECOND } from '../../src/shared/clock.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { openVisitor, photograph, press, signIn, untilHeading } from '../support/browser-page.ts'
import { createAccount, PASSWORD } from '../support/builders.ts'
import { launchChromium } from '../support/chromium.ts'
import { type MailSink, startMailSink } from '../support/mail-sink.ts'
import { problemsOf } from './axe.ts'

// By the clock of the page, which does not wait.
const LOOKS_FOR = 30 * SECOND

let browser: Browser
let sink: MailSink
let server: TestApp
beforeAll(async () => {
  sink = await startMailSink()
  ;[browser, server] = await Promise.all([
    launchChromium(),
    startTestApp({ backend: 'embedded', overrides: sink.settings }),
  ])
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await sink[Symbol.asyncDispose]()
  await browser.close()
})

it('a scanner opens every link, and all of them still work', async () => {
  const deliver = () => server.services.deliveries.deliverer.deliver()
  const { email } = await createAccount(server, { password: PASSWORD })
  {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(`${server.issuer}/forgot`)
    expect(await problemsOf(page, 'forgot')).toEqual([])
    await photograph(page, 'forgot')
    await page.getByLabel('E-mail address').fill(email)
    await press(page, 'Send the link')
    await untilHeading(page, 'Check your mail')
    expect(await problemsOf(page, 'forgot-sent')).toEqual([])
    await photograph(page, 'forgot-sent')
  }
  const admin = createAdminServices(server.infrastructure, server.services)
  await admin.accounts.invite({ email: 'grace@example.com', sendMail: true }, OPERATOR)
  await deliver()
  await deliver()
  const links = sink.mails.map(({ link = '' }) => link)
  expect(links).toHaveLength(2)

  const before = await server.infrastructure.db.selectFrom('accounts').selectAll().execute()
  {
    await using scanner = await openVisitor(browser)
    await Promise.all(
      links.map(async (link) => {
        const page = await scanner.page.context().newPage()
        await page.clock.install()
        await page.goto(link)
        await page.locator('body').hover()
        await page.clock.runFor(LOOKS_FOR)
      }),
    )
    await scanner.page.goto(`${server.issuer}/connected-apps`)
    await untilHeading(scanner.page, 'Sign in')
  }
  expect(await server.infrastructure.db.selectFrom('accounts').selectAll().execute()).toEqual(
    before,
  )

  for (const link of links) {
    await using visitor = await openVisitor(browser)
    const { page } = visitor
    await page.goto(link)
    expect(await problemsOf(page, `mail-link-${links.indexOf(link)}`)).toEqual([])
    await photograph(page, `mail-link-${links.indexOf(link)}`)
    for (const label of [/password$/i, 'Repeat the password'])
      await page.getByRole('textbox', { name: label }).first().fill('a password that I chose')
    await page.getByRole('button', { name: /sign in$/ }).click()
    await untilHeading(page, 'Connected apps')
  }
})

it('nor does looking change an address: its owner presses the button', async () => {
  const person = { email: 'maria@example.com', password: PASSWORD }
  const { id } = await createAccount(server, person)
  await using visitor = await openVisitor(browser)
  const { page } = visitor
  await page.goto(`${server.issuer}/account/email`)
  await signIn(page, person)
  await page.goto(`${server.issuer}/account/email`)
  await page.getByLabel('New e-mail address').fill('maria@new.example.com')
  await press(page, 'Send the link')
  await untilHeading(page, 'Your account')
  await server.services.deliveries.deliverer.deliver()
  const link = sink.mails.findLast(({ to }) => to === 'maria@new.example.com')?.link ?? ''
  await page.clock.install()
  await page.goto(link)
  expect(await problemsOf(page, 'address-link')).toEqual([])
  await page.clock.runFor(LOOKS_FOR)
  expect((await server.services.accounts.get(id)).email).toBe(person.email)
  await press(page, 'Use this address')
  await untilHeading(page, 'Address changed')
  expect(await problemsOf(page, 'address-changed')).toEqual([])
  expect((await server.services.accounts.get(id)).email).toBe('maria@new.example.com')
  expect(visitor.complaints).toEqual([])
})
