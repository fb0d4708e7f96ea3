// Mails by real SMTP: what is written in the outbox reaches its address, once, whatever happens to
// mail servers and to processes; and nobody who reads the database or the log can use its links.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { OPERATOR } from '../../src/cli/session.ts'
import { HOUR, MINUTE } from '../../src/shared/clock.ts'
import { openTestStores, startTestApp, type TestApp } from '../support/app.ts'
import { type MailSink, readMail, startMailSink } from '../support/mail-sink.ts'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import { findFreePort } from '../support/ports.ts'

const EMAIL = 'ada@example.com'

const adminOf = (server: TestApp) => createAdminServices(server.infrastructure, server.services)

async function invite(server: TestApp, email = EMAIL): Promise<string> {
  const outcome = await adminOf(server).accounts.invite({ email, sendMail: true }, OPERATOR)
  if (outcome.kind === 'refused') throw new Error('the invitation was refused')
  return outcome.link.url.reveal()
}

const deliver = (server: TestApp) => server.services.deliveries.deliverer.deliver()
const log = async (server: TestApp) =>
  (await adminOf(server).deliveries.list({}, OPERATOR)).deliveries

async function startWithSink(sink: MailSink, more: Record<string, string> = {}): Promise<TestApp> {
  return startTestApp({ backend: 'redis', overrides: { ...sink.settings, ...more } })
}

it('sends an invitation by STARTTLS, as text and HTML, marked as automatic (RFC 3834 §5)', async () => {
  await using sink = await startMailSink()
  await using server = await startWithSink(sink)
  const link = await invite(server)
  await deliver(server)

  expect(sink.mails).toHaveLength(1)
  const [mail] = sink.mails
  expect(mail).toMatchObject({ to: EMAIL, isSecure: true, link })
  expect(mail?.headers.get('from')).toBe('Otesse <no-reply@example.com>')
  expect(mail?.headers.get('auto-submitted')).toBe('auto-generated')
  expect(mail?.headers.get('message-id')).toMatch(/^<msg_\w+@example\.com>$/)
  expect(mail?.text).toContain('text/plain')
  expect(mail?.text).toContain('text/html')
  expect(await log(server)).toMatchObject([
    { state: 'sent', recipient: EMAIL, purpose: 'invitation', attempts: 1 },
  ])
})

it('leaves no link in the database or the log that somebody could use', async () => {
  await using sink = await startMailSink()
  await using server = await startWithSink(sink)
  const token = (await invite(server)).split('/').at(-1) ?? ''
  await deliver(server)
  const { rows } = await sql`select d::text as row from deliveries d`.execute(
    server.infrastructure.db,
  )
  expect(token.length).toBeGreaterThan(40)
  expect(JSON.stringify(rows)).not.toContain(token)
  expect(server.log.join('')).not.toContain(token)
  expect(server.log.join('')).not.toContain('mail-password')
})

it('sends nothing without TLS, unless an unsafe setting says so', async () => {
  await using sink = await startMailSink({ tls: false })
  const { OTESSE_SMTP_CA: _, ...settings } = sink.settings
  await using careful = await startTestApp({ backend: 'redis', overrides: settings })
  await invite(careful)
  await deliver(careful)
  expect(sink.mails).toEqual([])
  expect(await log(careful)).toMatchObject([{ state: 'waiting', attempts: 1 }])

  const unsafe = { ...settings, OTESSE_UNSAFE_SMTP_PLAINTEXT: 'true' }
  await using open = await startTestApp({ backend: 'redis', overrides: unsafe })
  await invite(open)
  await deliver(open)
  expect(sink.mails).toHaveLength(1)
})

it('sends nothing to a mail server whose certificate is not trusted', async () => {
  await using sink = await startMailSink()
  const { OTESSE_SMTP_CA: _, ...settings } = sink.settings
  await using server = await startTestApp({ backend: 'redis', overrides: settings })
  await invite(server)
  await deliver(server)
  expect(sink.mails).toEqual([])
  expect(await log(server)).toMatchObject([{ state: 'waiting' }])
})

it('tries again after 4xx, and marks an address that is refused with 5xx', async () => {
  await using sink = await startMailSink()
  await using server = await startWithSink(sink)
  sink.refuseWith(451)
  await invite(server)
  await deliver(server)
  expect(await log(server)).toMatchObject([{ state: 'waiting', attempts: 1 }])
  expect((await log(server))[0]?.lastAnswer).toMatch(/^451 /)

  sink.refuseWith(550)
  server.clock.move(MINUTE)
  await deliver(server)
  expect(await log(server)).toMatchObject([{ state: 'dropped', dropReason: 'refused' }])
  const marked = () =>
    server.infrastructure.db
      .selectFrom('accounts')
      .select('mail_refused_at')
      .where('email', '=', EMAIL)
      .executeTakeFirstOrThrow()
  expect((await marked()).mail_refused_at).not.toBeNull()

  // Its mailbox is there again, and somebody sends the mail once more, under the same id.
  sink.refuseWith(undefined)
  const [dropped] = await log(server)
  await adminOf(server).deliveries.resend(dropped?.id ?? '', OPERATOR)
  await deliver(server)
  expect(sink.mails).toHaveLength(1)
  expect(sink.mails[0]?.headers.get('message-id')).toContain(dropped?.id)
  expect((await marked()).mail_refused_at).toBeNull()
})

it('delivers after an outage of an hour', async () => {
  const port = await findFreePort()
  const settings = {
    OTESSE_SMTP_URL: `smtp://127.0.0.1:${port}`,
    OTESSE_MAIL_FROM: 'no-reply@example.com',
    OTESSE_UNSAFE_SMTP_PLAINTEXT: 'true',
  }
  await using server = await startTestApp({ backend: 'redis', overrides: settings })
  await invite(server)
  const tries: (number | undefined)[] = []
  for (let minutes = 0; minutes <= 60; minutes += 1) {
    await deliver(server)
    tries.push((await log(server))[0]?.attempts)
    server.clock.move(MINUTE)
  }
  // At once, after 1, 6 and 36 minutes.
  expect([tries[0], tries[1], tries[5], tries[6], tries[35], tries[36], tries[60]]).toEqual([
    1, 2, 2, 3, 3, 4, 4,
  ])
  await using sink = await startMailSink({ tls: false, port })
  server.clock.move(2 * HOUR)
  await deliver(server)
  expect(sink.mails.map(({ to }) => to)).toEqual([EMAIL])
})

it('gives up after a day, and drops a link that has expired', async () => {
  const settings = {
    OTESSE_SMTP_URL: `smtp://127.0.0.1:${await findFreePort()}`,
    OTESSE_MAIL_FROM: 'no-reply@example.com',
  }
  await using server = await startTestApp({ backend: 'redis', overrides: settings })
  await invite(server)
  for (let hours = 0; hours < 30; hours += 1) {
    await deliver(server)
    server.clock.move(HOUR)
  }
  const [given] = await log(server)
  expect(given).toMatchObject({ state: 'dropped', dropReason: 'gave_up', canResend: true })
  server.clock.move(7 * 24 * HOUR)
  expect((await log(server))[0]).toMatchObject({ canResend: false })
  await expect(adminOf(server).deliveries.resend(given?.id ?? '', OPERATOR)).rejects.toMatchObject({
    code: 'conflict',
  })
})

it('a process that dies with a mail in its hands leaves it to the next, under the same id', async () => {
  await using sink = await startMailSink()
  await using stores = await openTestStores('redis')
  const start = () => startTestApp({ backend: 'redis', stores, overrides: sink.settings })
  await using server = await start()
  await invite(server)
  // What it did before it was killed: it took the mail, and never said what became of it.
  const now = server.clock()
  const held = await server.services.deliveries.store.claim(
    new Date(now),
    new Date(now + 3 * MINUTE),
    5,
  )
  expect(held).toHaveLength(1)

  await using other = await start()
  await deliver(other)
  expect(sink.mails).toEqual([])
  other.clock.move(3 * MINUTE)
  await deliver(other)
  expect(sink.mails.map(({ headers }) => headers.get('message-id'))).toEqual([
    `<${held[0]?.id ?? ''}@example.com>`,
  ])
})

it('of many processes that look at once, one sends each mail', async () => {
  await using sink = await startMailSink()
  await using stores = await openTestStores('redis')
  const start = () => startTestApp({ backend: 'redis', stores, overrides: sink.settings })
  await using one = await start()
  await using two = await start()
  const addresses = Array.from({ length: 20 }, (_, at) => `person-${at}@example.com`)
  for (const email of addresses) await invite(one, email)
  await Promise.all([deliver(one), deliver(two), deliver(one), deliver(two)])
  expect(sink.mails.map(({ to }) => to).toSorted()).toEqual(addresses.toSorted())
})

it('an act that is undone sends nothing', async () => {
  await using sink = await startMailSink()
  await using server = await startWithSink(sink)
  await invite(server)
  const again = await adminOf(server).accounts.invite({ email: EMAIL, sendMail: true }, OPERATOR)
  expect(again.kind).toBe('refused')
  await deliver(server)
  expect(sink.mails).toHaveLength(1)
})

it('without a mail server nothing is written, and the page says what to set', async () => {
  await using server = await startTestApp({ backend: 'redis' })
  await invite(server)
  expect(await log(server)).toEqual([])
  expect(adminOf(server).deliveries.isSetUp).toBe(false)
})

it('embedded, mails are files that only their owner can read', async () => {
  await using server = await startTestApp({ backend: 'embedded' })
  const link = await invite(server)
  await deliver(server)
  const directory = join(server.stores.settings['OTESSE_DATA_DIR'] ?? '', 'mail')
  const files = await readdir(directory)
  expect(files).toEqual([expect.stringMatching(/^\d{8}T\d{6}Z-msg_\w+\.eml$/)])
  const mail = readMail(await readFile(join(directory, files[0] ?? ''), 'utf8'))
  expect(mail.link).toBe(link)
})
