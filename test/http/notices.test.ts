// What people are told by mail although they did not ask: a sign-in in a new browser, an app with
// sensitive permissions, access that ended because something may have been stolen.
import { startTestApp, type TestApp } from '../support/app.ts'
import { approveInBrowser, createBrowser } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { type MailSink, startMailSink } from '../support/mail-sink.ts'
import { waitUntil } from '../support/server-process.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

let sink: MailSink
let server: TestApp
beforeAll(async () => {
  sink = await startMailSink()
  server = await startTestApp({ backend: 'redis', overrides: sink.settings })
  await createScopes(server)
  await server.services.scopes.create({
    name: 'payments:read',
    sentence: 'See your payments',
    group: 'Payments',
    sensitive: true,
  })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await sink[Symbol.asyncDispose]()
})
beforeEach(() => void (sink.mails.length = 0))

const at = (path: string): string => server.issuer + path
const deliver = () => server.services.deliveries.deliverer.deliver()
const subjects = (): string[] => sink.mails.map(({ headers }) => headers.get('subject') ?? '')

async function signIn(email: string, browser = createBrowser(server), password = PASSWORD) {
  const page = await browser.open(at('/sign-in?to=/account&mode=other'))
  await browser.submit(page, 'mode=other', { email, password })
  await deliver()
  return browser
}

it('tells of a sign-in in a browser that is new, and not of one that is known', async () => {
  const { email } = await createAccount(server, { password: PASSWORD })
  const browser = await signIn(email)
  expect(subjects()).toEqual(['New sign-in to your Otesse account'])
  expect(sink.mails[0]?.text).toContain('127.0.0.0/24')
  await signIn(email, browser)
  expect(sink.mails).toHaveLength(1)
  await signIn(email)
  expect(sink.mails).toHaveLength(2)
})

it('tells nobody of a wrong password', async () => {
  const { email } = await createAccount(server, { password: PASSWORD })
  await signIn(email, createBrowser(server), 'wrong')
  expect(sink.mails).toEqual([])
})

it('tells of an app that got a sensitive permission, once', async () => {
  const { email } = await createAccount(server, { password: PASSWORD })
  const app = await registerApp(server, { scopes: ['bookings:read', 'payments:read'] })
  const link = (scope: string): string =>
    at(
      `/oauth/authorize?client_id=${app.id}&response_type=code&redirect_uri=${app.redirectUri}&scope=${encodeURIComponent(scope)}`,
    )
  const browser = createBrowser(server)
  const person = { email, password: PASSWORD }
  await approveInBrowser(server, link('bookings:read'), person, browser)
  await deliver()
  expect(subjects()).toEqual(['New sign-in to your Otesse account'])
  await approveInBrowser(server, link('bookings:read payments:read'), person, browser)
  await approveInBrowser(server, link('bookings:read payments:read'), person, browser)
  await deliver()
  expect(subjects().slice(1)).toEqual(['Acme Sync can now use your Otesse account'])
  expect(sink.mails[1]?.text).toContain('See your payments')
})

it('tells of access that ended because a refresh token was used twice, once an hour', async () => {
  const { id, email } = await createAccount(server, { password: PASSWORD })
  const client = createOAuthClient(server, await registerApp(server, { type: 'public' }))
  for (let times = 0; times < 2; times += 1) {
    const { refresh } = await client.authorize({ accountId: id })
    const next = await client.refresh(refresh)
    await client.refresh(next.body.refresh_token)
    await client.refresh(refresh)
  }
  // Written beside the answer, not before it.
  for (let tries = 0; sink.mails.length === 0 && tries < 50; tries += 1) await deliver()
  expect(subjects()).toEqual(['Acme Sync lost its access to your Otesse account'])
  expect(sink.mails[0]?.to).toBe(email)
})

it('a mail server that is away changes nothing about signing in', async () => {
  const overrides = {
    OTESSE_SMTP_URL: 'smtp://127.0.0.1:1',
    OTESSE_MAIL_FROM: 'no-reply@example.com',
  }
  await using lonely = await startTestApp({ backend: 'embedded', overrides })
  const { email } = await createAccount(lonely, { password: PASSWORD })
  const browser = createBrowser(lonely)
  const page = await browser.open(`${lonely.issuer}/account`)
  const inside = await browser.submit(page, '/sign-in?to=%2Faccount', { email, password: PASSWORD })
  expect(inside.html).toContain('<h1>Your account</h1>')
})

it('tells of a connection that ended or ends soon, once, and not of those of the company', async () => {
  const { id: accountId, email } = await createAccount(server, { password: PASSWORD })
  const { events } = server.services.audit
  const facts = { accountId, connection: 'con_1', integration: 'weather' }
  events.connectionExpired({ ...facts, reason: 'refused_by_provider' })
  events.connectionExpired({ ...facts, reason: 'refused_by_provider' })
  events.connectionExpired({ ...facts, connection: 'con_2', reason: 'account_deactivated' })
  events.connectionExpired({ ...facts, accountId: undefined, connection: 'con_3', reason: 'x' })
  events.connectionEnding({
    ...facts,
    connection: 'con_4',
    endsAt: new Date('2030-03-14T12:00:00Z'),
  })
  await waitUntil('both to be written', async () => {
    await deliver()
    return sink.mails.length >= 2
  })
  await deliver()
  expect(sink.mails.map(({ to }) => to)).toEqual([email, email])
  expect(subjects().toSorted()).toEqual([
    'Your weather connection ends soon',
    'weather is no longer connected to your Otesse account',
  ])
  const texts = sink.mails.map(({ text }) => text).join()
  expect(texts).toContain('Mar 14, 2030')
  expect(texts).toContain(at('/connections'))
})
