// One-time links as users meet them: opened any number of times, used once, gone afterwards.
// Imported accounts sign in with the passwords that they had.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { hash as bcrypt } from '@node-rs/bcrypt'
import { ALL_ADMIN_SCOPES, type Operator } from '../../src/admin/operator.ts'
import { type AdminServices, createAdminServices } from '../../src/compose/admin-services.ts'
import { DAY } from '../../src/shared/clock.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createBrowser, type Page } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  issueCode,
  PASSWORD,
  purged,
  registerApp,
} from '../support/builders.ts'

const CHOSEN = 'a password that I chose'
const BY: Operator = { id: 'cli', scopes: ALL_ADMIN_SCOPES }

describe.each(BACKENDS)('One-time links on %s stores', (backend) => {
  let server: TestApp
  let services: AdminServices
  beforeAll(async () => {
    server = await startTestApp({ backend })
    services = createAdminServices(server.infrastructure, server.services)
    await createScopes(server)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  const tokenOf = (url: string): string => url.slice(url.lastIndexOf('/') + 1)
  const setupLink = async (): Promise<string> =>
    (await server.services.accountLinks.makeSetup(server.issuer))!.url.reveal()
  const invite = async (email: string) => {
    const outcome = await services.accounts.invite({ email, name: 'Ada' }, BY)
    if (outcome.kind !== 'invited') throw new Error(JSON.stringify(outcome))
    return { account: outcome.account, url: outcome.link.url.reveal() }
  }
  const fill = (password: string, again = password) => ({ password, again })
  /** Sends the form and stops at the answer. */
  async function send(
    browser: ReturnType<typeof createBrowser>,
    page: Page,
    fields: Record<string, string>,
  ) {
    const csrf = /name="csrf" value="([^"]*)"/.exec(page.html)?.[1] ?? ''
    return browser.request(page.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ csrf, ...fields }).toString(),
    })
  }

  test('the first admin: mistakes are told beside their fields, looking spends nothing, then it is done once', async () => {
    const [url, other] = [await setupLink(), await setupLink()]
    const browser = createBrowser(server)
    await browser.request(url, { method: 'HEAD' })
    await browser.request(url)
    const page = await browser.open(url)
    expect(page.status).toBe(200)
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    expect(page.html).toContain('At least 10 characters.')

    const person = { name: 'Grace', email: 'grace@example.com' }
    const again = await browser.submit(page, tokenOf(url), {
      ...person,
      ...fill(CHOSEN, 'another'),
    })
    expect(again.status).toBe(422)
    expect(again.html).toMatch(
      /id="again"[^>]* aria-describedby="again-problem" aria-invalid="true"/,
    )
    expect(again.html).toContain('value="grace@example.com"')
    expect(again.html).not.toContain(CHOSEN)
    const short = await browser.submit(again, tokenOf(url), { ...person, ...fill('short') })
    expect(short.html).toMatch(/aria-describedby="password-hint password-problem"/)
    const bad = await browser.submit(short, tokenOf(url), {
      ...person,
      email: 'grace',
      ...fill(CHOSEN),
    })
    expect(bad.html).toContain('Enter an e-mail address such as')
    const all = await browser.submit(bad, tokenOf(url), {
      name: 'x'.repeat(4000),
      email: 'grace',
      ...fill('short', 'shorter'),
    })
    for (const field of ['name', 'email', 'password', 'again'])
      expect(all.html).toContain(`id="${field}-problem"`)
    await createAccount(server, { email: 'taken@example.com' })
    const taken = await browser.submit(bad, tokenOf(url), {
      ...person,
      email: 'taken@example.com',
      ...fill(CHOSEN),
    })
    expect(taken.html).toContain('An account with this address already exists.')

    const done = await send(browser, taken, { ...person, ...fill(CHOSEN) })
    expect([done.status, done.headers.get('location')]).toEqual([303, '/admin'])
    expect((await browser.request(`${server.issuer}/connected-apps`)).html).toContain(
      'grace@example.com',
    )
    expect((await browser.open(`${server.issuer}/admin`)).status).toBe(200)
    const admin = await server.services.accounts.findByEmail('grace@example.com')
    expect(admin).toMatchObject({ role: 'admin', name: 'Grace', status: 'active' })
    for (const spent of [url, other]) {
      const gone = await createBrowser(server).open(spent)
      expect(gone.status).toBe(400)
      expect(gone.html).toContain('This link no longer works')
    }
    expect(await server.services.accountLinks.makeSetup(server.issuer)).toBeUndefined()
  })

  test('an invitation: its owner chooses a password, is signed in, and the link is spent', async () => {
    const { account, url } = await invite('ada@example.com')
    expect(account.hasPassword).toBe(false)
    const browser = createBrowser(server)
    const page = await browser.open(url)
    expect(page.html).toContain('You were invited as')
    const done = await send(browser, page, fill(CHOSEN))
    expect([done.status, done.headers.get('location')]).toEqual([303, '/connected-apps'])
    expect((await browser.request(`${server.issuer}/connected-apps`)).html).toContain(
      'ada@example.com',
    )
    expect((await send(browser, page, fill('another password'))).status).toBe(400)
    expect(await server.services.accounts.authenticate('ada@example.com', CHOSEN)).toMatchObject({
      kind: 'authenticated',
      account: { id: account.id, hasPassword: true, version: 2 },
    })
  })

  test('a new password: signs out everywhere, ends all tokens, and signs in here', async () => {
    const { id, email } = await createAccount(server, { password: PASSWORD })
    const client = await registerApp(server)
    const { grantId } = await issueCode(server, client, { accountId: id })
    const old = createBrowser(server)
    const signIn = await old.open(`${server.issuer}/sign-in?to=/connected-apps`)
    await old.submit(signIn, '/sign-in?to=%2Fconnected-apps', { email, password: PASSWORD })
    const pageOf = async (browser: ReturnType<typeof createBrowser>) =>
      (await browser.request(`${server.issuer}/connected-apps`)).html
    expect(await pageOf(old)).toContain(email)

    const link = await services.accounts.reset(id, BY)
    const browser = createBrowser(server)
    const page = await browser.open(link.url.reveal())
    expect(page.html).toContain('signed out on all devices')
    const done = await send(browser, page, fill(CHOSEN))
    expect([done.status, done.headers.get('location')]).toEqual([303, '/connected-apps'])
    await purged(server)
    expect(await server.services.grants.find(grantId)).toBeUndefined()
    expect(await pageOf(old)).not.toContain(email)
    expect(await pageOf(browser)).toContain(email)
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({ limit: 200 })
    const ofPerson = events
      .filter(({ accountId }) => accountId === id)
      .map(({ name, reason, actor }) => [name, reason, actor])
    expect(ofPerson).toEqual(
      expect.arrayContaining([
        ['link.made', undefined, 'cli'],
        ['link.used', undefined, id],
        ['account.changed', undefined, id],
        ['grant.revoked', 'password_changed', undefined],
      ]),
    )
  })

  test('a newer link ends the older one, and so does the end of the account', async () => {
    const { id } = await createAccount(server, { password: PASSWORD })
    const first = (await services.accounts.reset(id, BY)).url.reveal()
    const second = (await services.accounts.reset(id, BY)).url.reveal()
    expect((await createBrowser(server).open(first)).status).toBe(400)
    expect((await createBrowser(server).open(second)).status).toBe(200)
    await services.accounts.deactivate(id, 'left', BY)
    expect((await createBrowser(server).open(second)).status).toBe(400)
    await services.accounts.reactivate(id, BY)
    expect((await createBrowser(server).open(second)).status).toBe(400)
  })

  test('a form of another page, or of another browser, spends nothing', async () => {
    const { url } = await invite('eve@example.com')
    const browser = createBrowser(server)
    const page = await browser.open(url)
    const foreign = await send(createBrowser(server), page, fill(CHOSEN))
    expect(foreign.status).toBe(403)
    const other = await invite('mallory@example.com')
    const otherPage = await browser.open(other.url)
    expect((await send(browser, { ...page, html: otherPage.html }, fill(CHOSEN))).status).toBe(403)
    expect((await browser.open(url)).status).toBe(200)
  })

  test('no link is in the log, in an event or in the database; what is no link of ours is turned away', async () => {
    const { url } = await invite('quiet@example.com')
    const token = tokenOf(url)
    const browser = createBrowser(server)
    await browser.open(url)
    await send(browser, await browser.open(url), fill('short'))
    for (const nonsense of [token.slice(0, -1), `${token}x`, 'otesse_ln_', '%00', `${token}/x`]) {
      const page = await browser.request(`${server.issuer}/welcome/${nonsense}`)
      expect([400, 404]).toContain(page.status)
      expect(page.html).not.toContain(token)
    }
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({ limit: 200 })
    const links = await server.infrastructure.db.selectFrom('account_links').selectAll().execute()
    expect(server.log.length).toBeGreaterThan(0)
    expect(JSON.stringify([events, links, server.log])).not.toContain(token.slice(10))
  })

  test('imported people sign in with the passwords that they had, which are then hashed as ours', async () => {
    const password = 'päss word 12345'
    const pbkdf2 =
      'pbkdf2_sha256$1000$saltsaltsaltsalt$jDFs3aKTJtpJgc43RxqxjjkcuSsjEkrW03PdVqP9Pp8='
    const csv = [
      'email,name,password_hash',
      `bc@example.com,"B, C",${await bcrypt(password, 4)}`,
      `pb@example.com,,${pbkdf2}`,
      'no@example.com,No,{SSHA}nonsense',
    ].join('\n')
    async function* rows(): AsyncGenerator<string> {
      yield await Promise.resolve(csv)
    }
    const options = { format: 'csv', dryRun: false } as const
    expect(await services.accounts.import(rows(), { ...options, dryRun: true }, BY)).toMatchObject({
      created: 2,
    })
    expect(await services.accounts.import(rows(), options, BY)).toMatchObject({
      created: 2,
      existing: 0,
      refused: 1,
      problems: [
        { line: 4, outcome: { problems: [{ field: 'password_hash', rule: 'hash-unusable' }] } },
      ],
    })
    expect(await services.accounts.import(rows(), options, BY)).toMatchObject({
      created: 0,
      existing: 2,
    })
    for (const email of ['bc@example.com', 'pb@example.com']) {
      const hashOf = async () =>
        (
          await server.infrastructure.db
            .selectFrom('accounts')
            .select('password_hash')
            .where('email', '=', email)
            .executeTakeFirstOrThrow()
        ).password_hash
      const before = await hashOf()
      const browser = createBrowser(server)
      const attempt = async (typed: string): Promise<Page> =>
        browser.submit(
          await browser.open(`${server.issuer}/sign-in?to=/connected-apps`),
          '/sign-in?to=%2Fconnected-apps',
          { email, password: typed },
        )
      expect((await attempt('not that one')).status).toBe(422)
      expect(await hashOf()).toBe(before)
      expect((await attempt(password)).html).toContain(email)
      expect(await hashOf()).toMatch(/^\$argon2id\$/)
      expect((await createBrowser(server).open(server.issuer)).status).toBe(200)
      expect(await server.services.accounts.authenticate(email, password)).toMatchObject({
        kind: 'authenticated',
      })
    }
  })

  test('a link ends by itself, and expired ones are removed', async () => {
    const { url } = await invite('late@example.com')
    server.clock.move(7 * DAY)
    expect((await createBrowser(server).open(url)).status).toBe(400)
    expect(await server.services.accountLinks.removeExpired()).toBeGreaterThan(0)
    const left = await server.infrastructure.db.selectFrom('account_links').selectAll().execute()
    expect(left).toEqual([])
  })
})
