// What each role may do in the console, the admin API and the command line's services: one table
// decides, nobody gives more than they have, and the last admin stays one.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Account, Role } from '../../src/model/account.ts'
import { createAdminClient } from '../support/admin-client.ts'
import { openTestStores, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { waitUntil } from '../support/server-process.ts'

const HANDLED = ['support', 'auditor', 'app_manager', 'admin'] as const
let server: TestApp
let appId: string
let member: Account

const at = (path: string): string => server.issuer + path
const accountAt = ({ id }: Account, below = ''): string => `/admin/accounts/${id}${below}`

/** A browser in which somebody with that role has signed in just now. */
async function aConsole(role: Role): Promise<{ browser: Browser; account: Account }> {
  const account = await createAccount(server, { password: PASSWORD, role })
  const browser = createBrowser(server)
  const page = await browser.open(at('/sign-in?to=%2Fadmin'))
  await browser.submit(page, 'to=%2Fadmin', { email: account.email, password: PASSWORD })
  return { browser, account }
}

/** Opens the form at a path and sends it as it stands, with these fields besides. */
async function sendForm(browser: Browser, path: string, fields: Record<string, string> = {}) {
  const { html } = await browser.open(at(path))
  const hidden = [...html.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)]
  const sent = Object.fromEntries(hidden.map(([, name = '', value = '']) => [name, value]))
  return browser.request(at(path), {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams({ ...sent, ...fields }),
  })
}

beforeAll(async () => {
  server = await startTestApp({
    backend: 'redis',
    overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0', OTESSE_CONNECTIONS: 'true' },
  })
  await createScopes(server)
  appId = (await registerApp(server)).id
  member = await createAccount(server, { password: PASSWORD })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

describe('a role', () => {
  const pages: [path: () => string, roles: readonly Role[]][] = [
    [() => '/admin/apps', ['auditor', 'app_manager', 'admin']],
    [() => '/admin/apps/new', ['app_manager', 'admin']],
    [() => `/admin/apps/${appId}`, ['auditor', 'app_manager', 'admin']],
    [() => `/admin/apps/${appId}/credentials`, ['auditor', 'app_manager', 'admin']],
    [() => `/admin/apps/${appId}/activity`, ['auditor', 'app_manager', 'admin']],
    [() => `/admin/apps/${appId}/edit`, ['app_manager', 'admin']],
    [() => `/admin/apps/${appId}/secrets/new`, ['app_manager', 'admin']],
    [() => `/admin/apps/${appId}/delete`, ['app_manager', 'admin']],
    [() => '/admin/scopes', ['auditor', 'app_manager', 'admin']],
    [() => '/admin/scopes/new', ['app_manager', 'admin']],
    [() => '/admin/accounts', ['support', 'auditor', 'admin']],
    [() => accountAt(member), ['support', 'auditor', 'admin']],
    [() => '/admin/apply', ['app_manager', 'admin']],
    [() => '/admin/export', ['auditor', 'app_manager', 'admin']],
    [() => '/admin/integrations', ['auditor', 'app_manager', 'admin']],
    [() => '/admin/add-integration', ['app_manager', 'admin']],
    [() => '/admin/connections', ['auditor', 'app_manager', 'admin']],
    [() => '/admin/accounts/new', ['admin']],
    [() => '/admin/accounts/import', ['admin']],
    [() => accountAt(member, '/name'), ['admin']],
    [() => accountAt(member, '/role'), ['admin']],
    [() => accountAt(member, '/link'), ['support', 'admin']],
    [() => accountAt(member, '/deactivate'), ['support', 'admin']],
    [() => accountAt(member, '/end-sessions'), ['support', 'admin']],
    [() => '/admin/activity', ['auditor', 'admin']],
    [() => '/admin/activity/export', ['auditor', 'admin']],
    [() => '/admin/tokens', ['admin']],
    [() => '/admin/keys', ['auditor', 'admin']],
    [() => '/admin/keys/rotate', ['admin']],
  ]

  it.each(HANDLED)('%s opens its pages; the others answer 403 with a sentence', async (role) => {
    const { browser } = await aConsole(role)
    const opened: [string, number][] = []
    for (const [path] of pages) {
      const { status, html } = await browser.request(at(path()))
      opened.push([path(), status])
      if (status === 403) expect(html).toContain('which does not include this page or action')
    }
    expect(opened).toEqual(pages.map(([path, roles]) => [path(), roles.includes(role) ? 200 : 403]))
  })

  it.each(HANDLED)('%s sees only links that open', async (role) => {
    const { browser } = await aConsole(role)
    for (const [path, roles] of pages) {
      if (!roles.includes(role) || path().endsWith('/export')) continue
      const { html } = await browser.open(at(path()))
      const links = [...html.matchAll(/href="(\/admin[^"#?]*)/g)].map(([, href = '']) => href)
      for (const href of new Set(links))
        expect([path(), href, (await browser.request(at(href))).status]).not.toContain(403)
    }
  })

  it.each(HANDLED)('%s begins at a page that it may open', async (role) => {
    const { browser } = await aConsole(role)
    expect((await browser.open(at('/admin'))).status).toBe(200)
  })

  it('hides who acted from app managers, also in the activity of an app', async () => {
    await server.services.audit.flush()
    const { browser } = await aConsole('app_manager')
    const { html } = await browser.open(at(`/admin/apps/${appId}/activity`))
    expect(html).not.toContain('acc_')
    expect(html).not.toContain('/admin/accounts')
  })
})

describe('support', () => {
  it('ends sessions of members, with an event', async () => {
    const { browser, account } = await aConsole('support')
    const other = await createAccount(server, { password: PASSWORD })
    const sent = await sendForm(browser, accountAt(other, '/end-sessions'))
    expect(sent.headers.get('location')).toBe(accountAt(other, '?done=sessions'))
    const after = await server.services.accounts.get(other.id)
    expect(after.sessionsFrom).toBeGreaterThan(other.sessionsFrom)
    expect(after.grantsFrom).toBe(other.grantsFrom)
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({
      name: 'session.ended',
      accountId: other.id,
    })
    expect(events).toMatchObject([{ actor: account.id, reason: 'admin' }])
  })

  it.each(HANDLED)('never touches an account with the role %s', async (role) => {
    const { browser } = await aConsole('support')
    const other = await createAccount(server, { password: PASSWORD, role })
    const page = await browser.open(at(accountAt(other)))
    expect(page.html).not.toContain('Manage account')
    for (const below of ['/link', '/deactivate', '/end-sessions']) {
      const answer = await sendForm(browser, accountAt(other, below), { reason: 'because' })
      expect([below, answer.status]).toEqual([below, 403])
    }
    expect(await server.services.accounts.get(other.id)).toEqual(other)
  })
})

describe('who gives a role', () => {
  it('does not change their own', async () => {
    const { browser, account } = await aConsole('admin')
    const answer = await sendForm(browser, accountAt(account, '/role'), { role: 'auditor' })
    expect(answer.status).toBe(422)
    expect(answer.html).toContain('You cannot change your own role')
    expect((await server.services.accounts.get(account.id)).role).toBe('admin')
  })

  it('has all permissions of it', async () => {
    const weak = await createAdminClient(server, [
      'admin:accounts:read',
      'admin:accounts:write',
      'admin:roles:write',
    ])
    const path = `/accounts/${member.id}`
    const admin = await weak.patch(path, { role: 'admin' })
    expect([admin.status, admin.body.title !== undefined]).toEqual([403, true])
    expect((await weak.patch(path, { role: 'auditor' })).status).toBe(403)
    expect((await weak.post('/accounts', { email: 'x@example.com', role: 'admin' })).status).toBe(
      403,
    )
    const given = await weak.patch(path, { role: 'support' })
    expect([given.status, given.body.role]).toEqual([200, 'support'])
    expect((await weak.patch(path, { role: 'member' })).status).toBe(200)
    member = await server.services.accounts.get(member.id)
  })

  it('closes the console at once to whoever lost the role, and says so in the activity', async () => {
    const { browser, account } = await aConsole('auditor')
    expect((await browser.request(at('/admin/keys'))).status).toBe(200)
    const { browser: admin } = await aConsole('admin')
    const sent = await sendForm(admin, accountAt(account, '/role'), { role: 'support' })
    expect(sent.status).toBe(303)
    expect((await browser.request(at('/admin/keys'))).status).toBe(403)
    expect((await browser.request(at('/admin/accounts'))).status).toBe(200)
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({
      name: 'account.changed',
      accountId: account.id,
    })
    expect(events[0]?.data).toMatchObject({ diff: { role: ['auditor', 'support'] } })
  })

  it('takes the console away on another node within a second', async () => {
    await using stores = await openTestStores('redis')
    await using one = await startTestApp({ backend: 'redis', stores })
    await using two = await startTestApp({ backend: 'redis', stores, issuer: one.issuer })
    const account = await createAccount(one, { password: PASSWORD, role: 'auditor' })
    const browser = createBrowser({ url: two.url, issuer: one.issuer })
    const page = await browser.open(`${one.issuer}/sign-in?to=%2Fadmin`)
    await browser.submit(page, 'to=%2Fadmin', { email: account.email, password: PASSWORD })
    const keys = async () => (await browser.request(`${one.issuer}/admin/keys`)).status
    expect(await keys()).toBe(200)
    for (const [role, status] of [
      ['support', 403],
      ['auditor', 200],
      ['member', 403],
    ] as const) {
      const { version } = await one.services.accounts.get(account.id)
      const changed = performance.now()
      await one.services.accounts.update(account.id, version, { role })
      await waitUntil(`the role ${role} on the other node`, async () => (await keys()) === status)
      expect(performance.now() - changed).toBeLessThan(1000)
    }
    const home = await browser.request(`${one.issuer}/admin`)
    expect([home.status, home.html]).toEqual([403, expect.stringContaining('not an admin')])
  })

  it('leaves one of two admins who take the role from each other at once', async () => {
    await using own = await startTestApp({ backend: 'redis' })
    const [one, two] = await Promise.all(
      [0, 1].map(() => createAccount(own, { password: PASSWORD, role: 'admin' })),
    )
    if (one === undefined || two === undefined) throw new Error('no accounts')
    const client = await createAdminClient(own)
    const answers = await Promise.all(
      [one, two].map(({ id }) => client.patch(`/accounts/${id}`, { role: 'auditor' })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
    expect(await own.services.accounts.hasAdmin()).toBe(true)
  })
})
