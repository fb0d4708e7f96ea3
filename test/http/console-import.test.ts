// Importing accounts in the console: what was checked is imported, once, by whoever uploaded it;
// and between the pages nothing of the file is anywhere in clear.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser, type Page } from '../support/browser-flow.ts'
import { createAccount, PASSWORD } from '../support/builders.ts'
import { createAdminClient } from '../support/admin-client.ts'

const PATH = '/admin/accounts/import'
const HASH = 'pbkdf2_sha256$1000$saltsaltsaltsalt$jDFs3aKTJtpJgc43RxqxjjkcuSsjEkrW03PdVqP9Pp8='
let server: TestApp
let browser: Browser

const at = (path: string): string => server.issuer + path
const wordsOf = ({ html }: Page): string =>
  html
    .replaceAll(/<head[\s\S]*?<\/head>/g, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
const csrfIn = ({ html }: Page, action: string): string =>
  new RegExp(`action="${action}"[^>]*>\\s*<input type="hidden" name="csrf" value="([^"]+)"`).exec(
    html,
  )?.[1] ?? ''

/** A browser in which an admin has signed in just now. */
async function aConsole(): Promise<Browser> {
  const { email } = await createAccount(server, { password: PASSWORD, role: 'admin' })
  const opened = createBrowser(server)
  const page = await opened.open(at('/sign-in?to=%2Fadmin'))
  await opened.submit(page, 'to=%2Fadmin', { email, password: PASSWORD })
  return opened
}

/** Uploads a file. */
async function upload(
  content: string | Uint8Array,
  { name = 'people.csv', fields = {}, by = browser } = {},
): Promise<Page> {
  const form = new FormData()
  form.set('csrf', csrfIn(await by.open(at(PATH)), PATH))
  for (const [field, value] of Object.entries(fields)) form.set(field, value)
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  form.set('file', new Blob([new Uint8Array(bytes)]), name)
  return by.request(at(PATH), {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin' },
    body: form,
  })
}

/** Uploads a file that can be read, and opens what was found in it. */
async function review(...sent: Parameters<typeof upload>) {
  const answer = await upload(...sent)
  expect([answer.status, answer.status === 303 ? '' : wordsOf(answer)]).toEqual([303, ''])
  const path = answer.headers.get('location') ?? ''
  return { path, page: await (sent[1]?.by ?? browser).open(at(path)) }
}

async function send(path: string, page: Page, action = path, by = browser): Promise<Page> {
  return by.request(at(action), {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams({ csrf: csrfIn(page, action) }),
  })
}

const find = (email: string) => server.services.accounts.findByEmail(email)

/** All that the database has of uploads, as text. */
async function kept(): Promise<string> {
  const { db } = server.infrastructure
  const rows = await Promise.all([
    db.selectFrom('uploads').selectAll().execute(),
    db.selectFrom('upload_pieces').selectAll().execute(),
  ])
  return JSON.stringify(rows)
}

describe.each(BACKENDS)('an import in the console on %s', (backend) => {
  beforeAll(async () => {
    server = await startTestApp({
      backend,
      overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    })
    browser = await aConsole()
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  it('shows what would be done, and then does it', async () => {
    await createAccount(server, { email: 'there@example.com' })
    const lines = [
      'email;name;role;password_hash',
      `ada@example.com;Ada;app manager;${HASH}`,
      'there@example.com;Other;;',
      'no address;;;',
      'chief@example.com;;chief;plain-text-password',
      'old@example.com;;;sha1$salt$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8',
    ]
    const { path, page } = await review(lines.join('\r\n'))
    const words = wordsOf(page)
    expect(words).toContain('To be created 1 account')
    expect(words).toContain('Already exist, left unchanged 1 account')
    expect(words).toContain('Refused 3 accounts')
    expect(words).toMatch(/4 email This is not an e-mail address/)
    expect(words).toMatch(/5 role The roles are member, support/)
    expect(words).toMatch(/5 password_hash This form of hash is not known/)
    expect(words).toMatch(/6 password_hash MD5, SHA-1 and plain SHA-2 are too fast/)
    expect(page.html).not.toContain('plain-text-password')
    expect(await find('ada@example.com')).toBeUndefined()

    const before = await kept()
    for (const secret of [HASH, 'ada@example.com', 'people.csv', 'plain-text'])
      expect(before).not.toContain(secret)
    const sent = await send(path, page)
    expect([sent.status, sent.headers.get('location')]).toEqual([303, path])
    const done = wordsOf(await browser.open(at(path)))
    expect(done).toContain('Import finished')
    expect(done).toContain('Created 1 account')
    expect(await find('ada@example.com')).toMatchObject({ role: 'app_manager', hasPassword: true })
    const { db } = server.infrastructure
    expect(await db.selectFrom('upload_pieces').selectAll().execute()).toEqual([])
    expect(server.log.join('\n')).not.toContain(HASH)
  })

  it('imports what was checked, once, however often and at once the form is sent', async () => {
    const emails = Array.from({ length: 2000 }, (_, index) => `twice-${index}@example.com`)
    const { path, page } = await review(['email', ...emails].join('\n'))
    expect(wordsOf(page)).toContain('Import 2,000 accounts')
    const answers = await Promise.all([send(path, page), send(path, page), send(path, page)])
    expect(answers.map(({ status }) => status)).toEqual([303, 303, 303])
    const again = await send(path, page)
    expect(again.headers.get('location')).toBe(path)
    const words = wordsOf(await browser.open(at(path)))
    expect(words).toContain('Created 2,000 accounts')
    expect(words).toContain('Already exist, left unchanged 0 accounts')
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({ name: 'accounts.imported' })
    expect(events.filter(({ data }) => data?.['created'] === 2000)).toHaveLength(1)
  })

  it('goes on after the process has ended in the middle', async () => {
    const { path, page } = await review('email\nhalf-1@example.com\nhalf-2@example.com')
    const { db } = server.infrastructure
    const id = path.split('/').at(-1) ?? ''
    await db.updateTable('uploads').set({ state: 'running' }).where('id', '=', id).execute()
    expect(wordsOf(await browser.open(at(path)))).toContain('being created')
    await send(path, page)
    expect(await find('half-1@example.com')).toBeUndefined()
    server.clock.move(61_000)
    const stopped = await browser.open(at(path))
    expect(wordsOf(stopped)).toContain('Import the rest')
    await send(path, stopped)
    expect(wordsOf(await browser.open(at(path)))).toContain('Created 2 accounts')
  })

  it.each([
    ['keycloak', 'realm.json', { users: [{ email: 'kc@example.com' }, { username: 'nobody' }] }],
    ['auth0', 'users.json', [{ email: 'a0@example.com', passwordHash: HASH }]],
  ])('reads an export of %s', async (format, name, content) => {
    const { path, page } = await review(JSON.stringify(content), { name, fields: { format } })
    if (format === 'keycloak') expect(wordsOf(page)).toContain('1 × accounts without an e-mail')
    await send(path, page)
    expect(await find(format === 'keycloak' ? 'kc@example.com' : 'a0@example.com')).toBeDefined()
  })

  it('reads NDJSON by the name of the file', async () => {
    const { page } = await review('{"email":"nd@example.com"}\n', { name: 'people.ndjson' })
    expect(wordsOf(page)).toContain('To be created 1 account')
  })

  const refused: [name: string, file: string | Uint8Array, words: RegExp, fields?: object][] = [
    ['nothing', '', /The file is empty/],
    ['Excel', Buffer.from('email\nm\u00fcller@example.com\n', 'latin1'), /not UTF-8.*line 2/],
    ['no export', '{}', /not a Keycloak realm/, { format: 'keycloak' }],
    ['Firebase without its parameters', '{"users":[]}', /hash_config/, { format: 'firebase' }],
    ['too much', Buffer.alloc(32 * 1024 * 1024 + 1, 'a'), /larger than 32 MiB/],
  ]
  it.each(refused)(
    'refuses %s in words, and keeps nothing',
    async (_name, content, words, fields = {}) => {
      const before = await kept()
      const answer = await upload(content, { fields: { ...fields } })
      expect(answer.status).toBe(422)
      expect(wordsOf(answer)).toMatch(words)
      expect(await kept()).toBe(before)
    },
  )

  it('wants a file, and a form of its own', async () => {
    const form = new FormData()
    form.set('csrf', csrfIn(await browser.open(at(PATH)), PATH))
    const headers = { 'sec-fetch-site': 'same-origin' }
    const none = await browser.request(at(PATH), { method: 'POST', headers, body: form })
    expect([none.status, wordsOf(none)]).toEqual([422, expect.stringContaining('Choose a file.')])
    // A token that comes after the file proves nothing for it.
    const late = new FormData()
    late.set('file', new Blob(['email\nlate@example.com']), 'people.csv')
    late.set('csrf', form.get('csrf') ?? '')
    const before = await kept()
    expect((await browser.request(at(PATH), { method: 'POST', headers, body: late })).status).toBe(
      403,
    )
    expect(await kept()).toBe(before)
  })

  it('is its uploader’s alone, is gone when discarded, and after an hour', async () => {
    const other = await aConsole()
    const { path, page } = await review('email\nalone@example.com')
    const foreign = await other.open(at(path))
    expect([foreign.status, foreign.url]).toEqual([404, at(path)])
    const discarded = await send(path, page, `${path}/discard`)
    expect(discarded.headers.get('location')).toBe('/admin/accounts?done=discarded')
    expect((await browser.open(at(path))).status).toBe(404)
    const late = await review('email\nlate@example.com')
    server.clock.move(59 * 60_000)
    expect((await browser.open(at(late.path))).status).toBe(200)
    server.clock.move(61_000)
    expect((await browser.open(at(late.path))).status).toBe(404)
    expect(await find('late@example.com')).toBeUndefined()
  })
})

describe('who imports', () => {
  it('gives every role that they may give, and no other', async () => {
    await using own = await startTestApp({ backend: 'embedded' })
    const file = (...roles: string[]) =>
      ['email,role', ...roles.map((role) => `${role}@example.com,${role}`)].join('\n')
    const lines = (raw: string) => ({ raw, type: 'text/csv' })
    const weak = await createAdminClient(own, [
      'admin:accounts:read',
      'admin:accounts:write',
      'admin:roles:write',
    ])
    const roles = ['member', 'support', 'auditor', 'app_manager', 'admin']
    const some = await weak.call('POST', '/account-imports', lines(file(...roles)))
    expect(some.body).toMatchObject({
      created: 2,
      refused: 3,
      problems: [4, 5, 6].map((line) => ({ line, problems: [{ rule: 'role-power' }] })),
    })
    const strong = await createAdminClient(own)
    const all = await strong.call('POST', '/account-imports', lines(file(...roles)))
    expect(all.body).toMatchObject({ created: 3, existing: 2, refused: 0 })
    for (const role of roles)
      expect(await own.services.accounts.findByEmail(`${role}@example.com`)).toMatchObject({ role })
  })
})
