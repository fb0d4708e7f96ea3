// A forgotten password, from the page over the mail to the new password; and what strangers can
// learn or do by it, which is nothing.
import { sql } from 'kysely'
import { MINUTE } from '../../src/shared/clock.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createBrowser, type Page } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { type MailSink, startMailSink } from '../support/mail-sink.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const NEW_PASSWORD = 'another horse battery staple'

describe.each(BACKENDS)('A forgotten password on %s stores', (backend) => {
  let sink: MailSink
  let server: TestApp
  beforeAll(async () => {
    sink = await startMailSink()
    const overrides = { ...sink.settings, OTESSE_TRUSTED_PROXIES: '127.0.0.1' }
    server = await startTestApp({ backend, overrides })
    await createScopes(server)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await sink[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    // Notices of the test before.
    await deliver()
    sink.mails.length = 0
    address += 1
  })

  // Each test comes from an address of its own, so that nobody is limited by the one before.
  let address = 0
  const newBrowser = () =>
    createBrowser({
      url: server.url,
      issuer: server.issuer,
      headers: { 'x-forwarded-for': `192.0.2.${address}` },
    })
  const at = (path: string): string => server.issuer + path
  const deliver = () => server.services.deliveries.deliverer.deliver()
  async function ask(email: string, browser = newBrowser()): Promise<Page> {
    const page = await browser.submit(await browser.open(at('/forgot')), '/forgot', { email })
    await deliver()
    await deliver()
    return page
  }
  async function askForLink(email: string): Promise<string> {
    await ask(email)
    return sink.mails.at(-1)?.link ?? 'no link'
  }
  const words = ({ html }: Page): string => html.replaceAll(/<[^>]+>|\s+/g, ' ')

  it('leads from the sign-in page by mail to a new password, signed in', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const browser = newBrowser()
    const signIn = await browser.open(at('/sign-in?to=/connected-apps'))
    expect(signIn.html).toContain('href="/forgot"')
    await ask(email, browser)
    expect(sink.mails.map(({ to }) => to)).toEqual([email])
    const link = sink.mails[0]?.link ?? ''
    expect(link).toMatch(/\/reset\/otesse_ln_/)
    const page = await browser.open(link)
    const done = await browser.submit(page, new URL(link).pathname, {
      password: NEW_PASSWORD,
      again: NEW_PASSWORD,
    })
    expect(new URL(done.url).pathname).toBe('/connected-apps')
    const tried = (password: string) => server.services.accounts.authenticate(email, password)
    expect(await tried(NEW_PASSWORD)).toMatchObject({ kind: 'authenticated' })
    expect(await tried(PASSWORD)).toMatchObject({ kind: 'rejected' })
    // It works once.
    expect((await newBrowser().open(link)).status).toBe(400)
  })

  it('ends all sessions, and keeps apps unless their owner ticks them', async () => {
    const app = await registerApp(server)
    const client = createOAuthClient(server, app)
    for (const apps of [undefined, 'on']) {
      const { id, email } = await createAccount(server, { password: PASSWORD })
      const { access } = await client.authorize({ accountId: id })
      const { consents } = server.services
      await consents.remember(id, app.id, ['openid'])
      const elsewhere = newBrowser()
      const asked = await elsewhere.open(at('/sign-in?to=/connected-apps'))
      await elsewhere.submit(asked, 'connected-apps', { email, password: PASSWORD })
      expect((await elsewhere.open(at('/connected-apps'))).html).toContain('Sign out')

      const link = await askForLink(email)
      const browser = newBrowser()
      await browser.submit(await browser.open(link), new URL(link).pathname, {
        password: NEW_PASSWORD,
        again: NEW_PASSWORD,
        ...(apps !== undefined && { apps }),
      })
      expect((await elsewhere.open(at('/connected-apps'))).html).toContain('name="password"')
      const inspected = await server.services.inspectToken(access)
      expect(inspected.active).toBe(apps === undefined)
      // Whoever had the password before may have allowed the app: it is asked for anew.
      expect(await consents.find(id, app.id)).toBeUndefined()
    }
  })

  it('says the same of an address without an account, and sends nothing', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const known = await ask(email)
    const unknown = await ask('nobody@example.com')
    const deactivated = await createAccount(server, { password: PASSWORD })
    await server.services.accounts.deactivate(deactivated.id, 'left', {})
    const gone = await ask(deactivated.email)
    const plain = (page: Page, address: string) => words(page).replaceAll(address, '…')
    expect(known.status).toBe(200)
    expect(plain(unknown, 'nobody@example.com')).toBe(plain(known, email))
    expect(plain(gone, deactivated.email)).toBe(plain(known, email))
    expect(sink.mails.map(({ to }) => to)).toEqual([email])
    expect([known.url, unknown.url].join()).not.toMatch(/example\.com|%40/)
    // What was typed is not kept beyond the request.
    const { db } = server.infrastructure
    const kept = await sql<object>`select * from deliveries where ended_at is not null`.execute(db)
    expect(JSON.stringify(kept.rows)).toContain('reset_request')
    expect(JSON.stringify(kept.rows)).not.toContain('nobody@example.com')
  })

  it('a link ends after 30 minutes, and with the next one', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const first = await askForLink(email)
    const second = await askForLink(email)
    const browser = newBrowser()
    expect((await browser.open(first)).status).toBe(400)
    expect((await browser.open(second)).status).toBe(200)
    server.clock.move(30 * MINUTE)
    expect((await browser.open(second)).status).toBe(400)
  })

  it('who was only invited gets the invitation once more', async () => {
    const { email } = await createAccount(server)
    await ask(email)
    expect(sink.mails[0]?.headers.get('subject')).toMatch(/invited/)
  })

  it('one mailbox gets three mails an hour, and the fourth answer is like the others', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const pages: string[] = []
    for (let count = 0; count < 5; count += 1) pages.push(words(await ask(email)))
    expect(new Set(pages).size).toBe(1)
    expect(sink.mails).toHaveLength(3)
  })

  it('one address on the network causes 20 an hour, and is told when it may go on', async () => {
    for (let count = 0; count < 20; count += 1)
      expect((await ask(`stranger-${count}@example.com`)).status).toBe(200)
    const refused = await ask('stranger-21@example.com')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3000)
    expect(words(refused)).toContain('Too many requests')
  })

  it('a form of another page, or of another browser, sends nothing', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const page = await newBrowser().open(at('/forgot'))
    const answer = await newBrowser().submit(page, '/forgot', { email })
    expect(answer.status).toBe(403)
    await deliver()
    expect(sink.mails).toEqual([])
  })

  it('what is no address is said to be none', async () => {
    const page = await ask('ada at example')
    expect(page.status).toBe(422)
    expect(page.html).toContain('value="ada at example"')
  })
})

it('takes as long for an address with an account as for one without', async () => {
  await using sink = await startMailSink()
  await using server = await startTestApp({
    backend: 'redis',
    overrides: {
      ...sink.settings,
      OTESSE_LIMIT_MAIL_PER_ADDRESS: '0',
      OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0',
      OTESSE_LIMIT_AUTHORIZE_PER_NETWORK: '0',
    },
  })
  const each = 150
  const addresses: { email: string; isKnown: boolean }[] = []
  for (let count = 0; count < each; count += 1) {
    const { email } = await createAccount(server)
    addresses.push({ email, isKnown: true }, { email: `none-${email}`, isKnown: false })
  }
  // In an order that has nothing to do with either.
  addresses.sort(() => Math.random() - 0.5)
  const browser = createBrowser(server)
  const form = await browser.open(`${server.issuer}/forgot`)
  const csrf = /name="csrf" value="([^"]*)"/.exec(form.html)?.[1] ?? ''
  const times = { known: [] as number[], unknown: [] as number[] }
  for (const { email, isKnown } of addresses) {
    const body = new URLSearchParams({ csrf, email }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const before = performance.now()
    const answer = await browser.request(`${server.issuer}/forgot`, {
      method: 'POST',
      headers,
      body,
    })
    times[isKnown ? 'known' : 'unknown'].push(performance.now() - before)
    expect(answer.status).toBe(303)
  }
  // Kolmogorov and Smirnov: beyond this bound by chance once in a thousand runs.
  expect(distance(times.known, times.unknown)).toBeLessThan(1.95 * Math.sqrt(2 / each))
})

/** The largest distance between the two distributions. */
function distance(left: readonly number[], right: readonly number[]): number {
  const share = (of: readonly number[], upTo: number) =>
    of.filter((time) => time <= upTo).length / of.length
  return Math.max(
    ...[...left, ...right].map((time) => Math.abs(share(left, time) - share(right, time))),
  )
}
