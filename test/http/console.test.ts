// The admin console over HTTP on real stores: who gets in, what a form must prove, and what happens
// when two admins or two clicks collide. How the pages look and work in a browser is in
// test/browser/console.test.ts.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Account } from '../../src/model/account.ts'
import { BACKENDS, openTestStores, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser, type Page } from '../support/browser-flow.ts'
import { AppError } from '../../src/shared/errors.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'
import { waitUntil } from '../support/server-process.ts'

const MINUTE = 60_000
const SECRET = /otesse_cs_[0-9A-Za-z]{49}/
let server: TestApp
let ada: Account

const anAdmin = (on: Pick<TestApp, 'services'> = server) =>
  createAccount(on, { password: PASSWORD, role: 'admin' })

const csrfOf = ({ html }: Page, action: string): string =>
  new RegExp(`action="${action}"[^>]*>\\s*<input type="hidden" name="csrf" value="([^"]+)"`).exec(
    html,
  )?.[1] ?? ''
const formIdOf = ({ html }: Page): string => /name="form" value="([^"]+)"/.exec(html)?.[1] ?? ''

const wordsOf = ({ html }: Page): string =>
  html
    .replaceAll(/<(svg|head)[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/\s+/g, ' ')

async function signIn(browser: Browser, { email }: Account, to = '/admin/apps', on = server) {
  const url = `${on.issuer}/sign-in?to=${encodeURIComponent(to)}`
  const page = await browser.open(url)
  return browser.submit(page, `to=${encodeURIComponent(to)}`, { email, password: PASSWORD })
}

/** A browser in which that admin has signed in just now. */
async function aConsole(person: Account = ada, on = server): Promise<Browser> {
  const browser = createBrowser(on)
  expect((await signIn(browser, person, '/admin/apps', on)).status).toBe(200)
  return browser
}

const at = (path: string, on = server): string => on.issuer + path

const post = (browser: Browser, path: string, body: FormData | Record<string, string>) =>
  browser.request(at(path), {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin' },
    body: body instanceof FormData ? body : new URLSearchParams(body),
  })

/** A filled-in registration form of a page that was opened. */
function registration(page: Page, fields: Record<string, string>, logo?: Blob): FormData {
  const form = new FormData()
  form.set('csrf', csrfOf(page, '/admin/apps/new'))
  form.set('form', formIdOf(page))
  for (const [name, value] of Object.entries({ type: 'web', ...fields })) form.set(name, value)
  if (logo !== undefined) form.set('logo', logo, 'logo.svg')
  return form
}

const GOOD = {
  name: 'Studio Planner',
  redirectUris: 'https://planner.example.com/callback',
  'scope:bookings:read': 'on',
}

describe.each(BACKENDS)('the console on %s', (backend) => {
  beforeAll(async () => {
    server = await startTestApp({
      backend,
      // All of these tests come from one address.
      overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    })
    await createScopes(server)
    ada = await anAdmin()
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  describe('its door', () => {
    it('asks who is there, and leads to the page that was wanted', async () => {
      const browser = createBrowser(server)
      const answer = await browser.request(at('/admin/activity'))
      expect(answer.status).toBe(303)
      expect(answer.headers.get('location')).toBe('/sign-in?to=%2Fadmin%2Factivity')
      const page = await signIn(browser, ada, '/admin/activity')
      expect(page.url).toBe(at('/admin/activity'))
      expect(wordsOf(page)).toContain(ada.email)
    })

    it.each([
      ['/admin', 303],
      ['/admin/apps', 303],
      ['/admin/apps/new', 303],
      ['/admin/scopes', 303],
      ['/admin/accounts', 303],
      ['/admin/keys', 303],
      ['/admin/activity/export', 303],
    ])('is before %s', async (path, status) => {
      expect((await createBrowser(server).request(at(path))).status).toBe(status)
      const member = await createAccount(server, { password: PASSWORD })
      const browser = createBrowser(server)
      await signIn(browser, member)
      const page = await browser.request(at(path))
      expect(page.status).toBe(403)
      expect(wordsOf(page)).toContain('this account is not an admin')
      expect(page.html).not.toContain(ada.email)
    })

    it('lets a member sign in as somebody else, who gets in', async () => {
      const member = await createAccount(server, { password: PASSWORD })
      const browser = createBrowser(server)
      const turnedAway = await signIn(browser, member)
      const link = /href="(\/sign-in\?[^"]+)"/.exec(turnedAway.html)?.[1] ?? ''
      const page = await browser.open(at(link.replaceAll('&amp;', '&')))
      const console = await browser.submit(page, 'mode=other', {
        email: ada.email,
        password: PASSWORD,
      })
      expect(console.url).toBe(at('/admin'))
    })

    it('closes at once for whoever is no admin any more, or no longer active', async () => {
      const [first, second] = [await anAdmin(), await anAdmin()]
      const [one, other] = [await aConsole(first), await aConsole(second)]
      const { accounts } = server.services
      await accounts.update(first.id, first.version, { role: 'member' })
      await accounts.deactivate(second.id, 'left')
      expect((await one.request(at('/admin/apps'))).status).toBe(403)
      expect((await other.request(at('/admin/apps'))).status).toBe(303)
    })

    it('records whom it turned away', async () => {
      const member = await createAccount(server, { password: PASSWORD })
      await signIn(createBrowser(server), member)
      await server.services.audit.flush()
      const query = { accountId: member.id, name: 'request.refused' }
      const { events } = await server.services.stores.events.list(query)
      expect(events).toMatchObject([{ reason: 'admin_needed', data: { endpoint: 'admin' } }])
    })

    it.each([
      '/admin/../evil',
      '/admin/%2e%2e/evil',
      '/admin//evil.example',
      '/admin/\\evil.example',
      '/admin/apps?x=1',
      '/admin/api/v1/apps',
      '/admin/api',
      '/adminevil',
      '//evil.example/admin/apps',
      '/admin/a/b/c/d/e/f/g',
      '/admin/apps#x',
      '/admin/apps\n',
    ])('is not reached by way of %j', async (to) => {
      const url = at(`/sign-in?to=${encodeURIComponent(to)}`)
      expect((await createBrowser(server).request(url)).status).toBe(400)
    })

    it('sends pages that run our own script alone, and are kept by nobody', async () => {
      const { headers } = await (await aConsole()).request(at('/admin/apps'))
      const policy = headers.get('content-security-policy')
      expect(policy).toContain("script-src 'self'")
      expect(policy).toContain("default-src 'none'")
      expect(policy).not.toContain('unsafe')
      expect(headers.get('cache-control')).toBe('no-store')
    })
  })

  describe('a form', () => {
    it('counts only with its token, for its act and its target, from our own page', async () => {
      const [{ id }, other] = [await registerApp(server), await registerApp(server)]
      const browser = await aConsole()
      const path = `/admin/apps/${id}/suspend`
      const right = csrfOf(await browser.open(at(path)), path)
      const otherPath = `/admin/apps/${other.id}/suspend`
      const ofOther = csrfOf(await browser.open(at(otherPath)), otherPath)
      const deletePath = `/admin/apps/${id}/delete`
      const ofDelete = csrfOf(await browser.open(at(deletePath)), deletePath)
      const ofSomebody = csrfOf(await (await aConsole(await anAdmin())).open(at(path)), path)
      expect(right).not.toBe('')
      for (const csrf of ['', 'made-up', ofOther, ofDelete, ofSomebody])
        expect((await post(browser, path, { csrf, reason: 'test' })).status).toBe(403)
      const foreign = await browser.request(at(path), {
        method: 'POST',
        headers: { 'sec-fetch-site': 'cross-site' },
        body: new URLSearchParams({ csrf: right, reason: 'test' }),
      })
      expect(foreign.status).toBe(403)
      expect((await server.services.apps.get(id)).status).toBe('active')
      const answer = await post(browser, path, { csrf: right, reason: 'It misbehaved.' })
      expect(answer.headers.get('location')).toBe(`/admin/apps/${id}?done=suspended`)
      const { status, statusReason } = await server.services.apps.get(id)
      expect([status, statusReason]).toEqual(['suspended', 'It misbehaved.'])
    })

    it('is recorded with who sent it, from where', async () => {
      const { id } = await registerApp(server)
      const browser = await aConsole()
      const path = `/admin/apps/${id}/suspend`
      await browser.submit(await browser.open(at(path)), path, { reason: 'For the record.' })
      await server.services.audit.flush()
      const { events } = await server.services.stores.events.list({ appId: id })
      expect(events[0]).toMatchObject({
        name: 'app.suspended',
        actor: ada.id,
        address: '127.0.0.1',
        data: { statusReason: 'For the record.' },
      })
      const activity = await browser.open(at(`/admin/apps/${id}/activity`))
      expect(wordsOf(activity)).toContain('For the record.')
      expect(wordsOf(activity)).toContain(ada.email)
    })

    it('without a reason changes nothing and says so', async () => {
      const { id } = await registerApp(server)
      const browser = await aConsole()
      const path = `/admin/apps/${id}/suspend`
      const page = await browser.submit(await browser.open(at(path)), path, { reason: '  ' })
      expect(page.status).toBe(422)
      expect(wordsOf(page)).toContain('Enter a reason')
      expect((await server.services.apps.get(id)).status).toBe('active')
    })
  })

  describe('what is dangerous', () => {
    it('asks for the password again after ten minutes, and comes back', async () => {
      await using own = await startTestApp({ backend })
      const admin = await anAdmin(own)
      const { id } = await registerApp(own, { scopes: [] })
      const browser = await aConsole(admin, own)
      const path = `/admin/apps/${id}/suspend`
      own.clock.move(9 * MINUTE)
      expect((await browser.open(at(path, own))).url).toBe(at(path, own))
      own.clock.move(2 * MINUTE)
      const again = await browser.open(at(path, own))
      expect(new URL(again.url).pathname).toBe('/sign-in')
      expect(wordsOf(again)).toContain('Confirm it’s you')
      expect(again.html).toContain(`value="${admin.email}"`)
      // Looking needs no password.
      expect((await browser.open(at('/admin/apps', own))).status).toBe(200)
      // Whoever else signs in here does so as somebody else; this page is for the same person.
      const outsider = await anAdmin(own)
      const wrong = await browser.submit(again, 'mode=again', {
        email: outsider.email,
        password: 'not-the-password',
      })
      expect(wrong.status).toBe(422)
      expect(wrong.html).toContain(`value="${admin.email}"`)
      const question = await browser.submit(wrong, 'mode=again', { password: PASSWORD })
      expect(question.url).toBe(at(path, own))
    })

    it('takes a form that comes a little later, and asks again after that', async () => {
      await using own = await startTestApp({ backend })
      const { apps } = own.services
      const [one, two] = [
        await registerApp(own, { scopes: [] }),
        await registerApp(own, { scopes: [] }),
      ]
      const browser = await aConsole(await anAdmin(own), own)
      const [first, second] = [one, two].map(({ id }) => `/admin/apps/${id}/suspend`)
      const pages = [
        await browser.open(at(first!, own)),
        await browser.open(at(second!, own)),
      ] as const
      own.clock.move(14 * MINUTE)
      await browser.submit(pages[0], first!, { reason: 'in time' })
      expect((await apps.get(one.id)).status).toBe('suspended')
      own.clock.move(2 * MINUTE)
      const late = await browser.submit(pages[1], second!, { reason: 'too late,\n"but" kept' })
      expect(late.status).toBe(403)
      expect(wordsOf(late)).toContain('Confirm it’s you in a new tab')
      expect((await apps.get(two.id)).status).toBe('active')
      const again = await browser.open(at('/sign-in?to=%2Fadmin%2Fconfirmed&mode=again', own))
      await browser.submit(again, 'mode=again', { password: PASSWORD })
      await browser.submit(late, second!)
      const suspended = await apps.get(two.id)
      expect(suspended.status).toBe('suspended')
      expect(suspended.statusReason?.replaceAll('\r', '')).toBe('too late,\n"but" kept')
    })

    it('keeps every form whose sign-in has ended, and shows none that a foreign page sent', async () => {
      await using own = await startTestApp({ backend })
      await createScopes(own)
      const admin = await anAdmin(own)
      const { id } = await registerApp(own, { name: 'Kept App', scopes: [] })
      const { redirectUris } = await own.services.apps.get(id)
      const browser = await aConsole(admin, own)
      const scopePath = '/admin/scopes/bookings%3Aread'
      const editPath = `/admin/apps/${id}/edit`
      const [scope, edit, registering] = [
        await browser.open(at(scopePath, own)),
        await browser.open(at(editPath, own)),
        await browser.open(at('/admin/apps/new', own)),
      ]
      const out = await browser.open(at('/sign-out', own))
      await browser.submit(out, '/sign-out')
      expect((await browser.request(at('/admin/apps', own))).status).toBe(303)
      const sentence = 'Changed <b>sentence</b>'
      const heldScope = await browser.submit(scope, scopePath, { sentence, group: 'Bookings' })
      const heldEdit = await browser.submit(edit, editPath, {
        name: 'Kept App',
        description: 'Kept too',
        redirectUris: redirectUris.join('\n'),
      })
      const heldNew = await browser.request(at('/admin/apps/new', own), {
        method: 'POST',
        body: registration(registering, { ...GOOD, name: 'Held Planner' }, new Blob(['<svg/>'])),
      })
      for (const held of [heldScope, heldEdit, heldNew]) expect(held.status).toBe(403)
      expect(heldScope.html).not.toContain('<b>sentence')
      expect(wordsOf(heldNew)).toContain('The file was not kept')
      const foreign = await browser.request(at(editPath, own), {
        method: 'POST',
        headers: { 'sec-fetch-site': 'cross-site' },
        body: new URLSearchParams({ name: 'Chosen elsewhere' }),
      })
      expect(foreign.status).toBe(303)
      expect(foreign.html).not.toContain('Chosen elsewhere')
      await signIn(browser, admin, '/admin/confirmed', own)
      await browser.submit(heldScope, scopePath)
      await browser.submit(heldEdit, editPath)
      await browser.request(at('/admin/apps/new', own), {
        method: 'POST',
        body: registration(heldNew, { ...GOOD, name: 'Held Planner' }),
      })
      expect((await own.services.scopes.get('bookings:read')).sentence).toBe(sentence)
      expect((await own.services.apps.get(id)).description).toBe('Kept too')
      expect((await own.services.apps.list({ search: 'Held Planner' })).apps).toHaveLength(1)
    })

    it('is also an edit that opens a new way: it is kept until the password was given', async () => {
      await using own = await startTestApp({ backend })
      const admin = await anAdmin(own)
      const { id } = await registerApp(own, { scopes: [], description: 'Before' })
      const path = `/admin/apps/${id}/edit`
      const browser = await aConsole(admin, own)
      own.clock.move(20 * MINUTE)
      const { name, redirectUris } = await own.services.apps.get(id)
      const same = { name, redirectUris: redirectUris.join('\n') }
      const described = { ...same, description: 'Any time' }
      await browser.submit(await browser.open(at(path, own)), path, described)
      const page = await browser.open(at(path, own))
      const evil = `${same.redirectUris}\nhttps://evil.example/cb`
      const typed = { ...described, redirectUris: evil }
      const kept = await browser.submit(page, path, typed)
      expect(kept.status).toBe(403)
      expect(wordsOf(kept)).toContain('Confirm it’s you in a new tab')
      expect(kept.html).toContain('https://evil.example/cb')
      expect(await own.services.apps.get(id)).toMatchObject({
        description: 'Any time',
        redirectUris,
      })
      await browser.submit(
        await browser.open(at('/sign-in?to=%2Fadmin%2Fconfirmed&mode=again', own)),
        'mode=again',
        { password: PASSWORD },
      )
      expect(wordsOf(await browser.submit(kept, path, typed))).toContain('Changes saved')
      expect((await own.services.apps.get(id)).redirectUris).toHaveLength(redirectUris.length + 1)
    })

    it('is what lets an app or a person in again, and what takes a scope away', async () => {
      await using own = await startTestApp({ backend })
      const { id } = await registerApp(own, { scopes: [] })
      const member = await createAccount(own, { password: PASSWORD })
      await createScopes(own)
      const browser = await aConsole(await anAdmin(own), own)
      own.clock.move(11 * MINUTE)
      for (const path of [
        `/admin/apps/${id}/activate`,
        `/admin/accounts/${member.id}/reactivate`,
        `/admin/scopes/${encodeURIComponent('bookings:read')}/remove`,
      ])
        expect(new URL((await browser.open(at(path, own))).url).pathname).toBe('/sign-in')
    })

    it('keeps a registration that was filled in for too long', async () => {
      await using own = await startTestApp({ backend })
      const browser = await aConsole(await anAdmin(own), own)
      const page = await browser.open(at('/admin/apps/new', own))
      own.clock.move(20 * MINUTE)
      const form = registration(page, { name: 'Slow Planner', description: 'Typed with care.' })
      const kept = await browser.request(at('/admin/apps/new', own), {
        method: 'POST',
        body: form,
      })
      expect(kept.status).toBe(403)
      expect(wordsOf(kept)).toContain('Confirm it’s you in a new tab')
      expect(kept.html).toContain('value="Slow Planner"')
      expect(kept.html).toContain('Typed with care.')
      expect((await own.services.apps.list()).apps).toEqual([])
    })
  })

  describe('registering', () => {
    it('shows id and secret once; sending the form again registers nothing and shows nothing', async () => {
      const browser = await aConsole()
      const page = await browser.open(at('/admin/apps/new'))
      const name = `Once ${backend}`
      const answer = await post(browser, '/admin/apps/new', registration(page, { ...GOOD, name }))
      expect(answer.status).toBe(200)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      const [secret] = SECRET.exec(answer.html) ?? []
      const { apps } = await server.services.apps.list({ search: name })
      expect(apps).toHaveLength(1)
      const app = apps[0]!
      expect(answer.html).toContain(app.id)
      expect(server.services.apps.checkSecret(app, secret ?? '')).toBe('valid')

      const again = await post(browser, '/admin/apps/new', registration(page, { ...GOOD, name }))
      expect(wordsOf(again)).toContain('This app is already registered')
      expect(again.html).toContain(`/admin/apps/${app.id}/credentials`)
      expect(again.html).not.toMatch(SECRET)
      expect((await server.services.apps.list({ search: name })).apps).toHaveLength(1)
      expect((await browser.open(at(`/admin/apps/${app.id}?done=constructor`))).html).not.toContain(
        'native code',
      )
      for (const path of ['', '/credentials', '/activity', '/edit'])
        expect((await browser.open(at(`/admin/apps/${app.id}${path}`))).html).not.toMatch(SECRET)
    })

    it('does so once for ten clicks at the same moment', async () => {
      const browser = await aConsole()
      const page = await browser.open(at('/admin/apps/new'))
      const name = `Ten clicks ${backend}`
      const answers = await Promise.all(
        Array.from({ length: 10 }, () =>
          post(browser, '/admin/apps/new', registration(page, { ...GOOD, name })),
        ),
      )
      expect(answers.filter(({ html }) => SECRET.test(html))).toHaveLength(1)
      expect((await server.services.apps.list({ search: name })).apps).toHaveLength(1)
    })

    it('offers client credentials to web apps, off; a machine begins with them', async () => {
      const browser = await aConsole()
      const register = async (fields: Record<string, string>) => {
        const page = await browser.open(at('/admin/apps/new'))
        expect(page.html).toContain('name="clientCredentials"')
        expect(page.html).not.toMatch(/name="clientCredentials" checked/)
        const answer = await post(browser, '/admin/apps/new', registration(page, fields))
        expect(answer.html).toMatch(SECRET)
        const { apps } = await server.services.apps.list({ search: fields['name'] })
        return apps[0]!
      }
      const named = (name: string) => ({ ...GOOD, name: `${name} ${backend}` })
      const { redirectUris: _none, ...machine } = named('Quiet machine')
      const web = await register(named('Plain web'))
      expect(web.clientCredentials).toBe(false)
      expect((await register({ ...machine, type: 'machine' })).clientCredentials).toBe(true)
      const own = await register({ ...named('Own web'), clientCredentials: 'on' })
      expect(own.clientCredentials).toBe(true)
      const edit = await browser.open(at(`/admin/apps/${own.id}/edit`))
      expect(edit.html).toMatch(/name="clientCredentials" checked/)
    })

    it('tells all problems at once beside their fields, and keeps what was typed', async () => {
      const browser = await aConsole()
      const page = await browser.open(at('/admin/apps/new'))
      const typed = {
        name: '',
        description: 'A <b>bold</b> & "quoted" plan',
        redirectUris: 'http://planner.example.com/cb\r\nhttps://planner.example.com/cb',
        homepageUrl: 'javascript:alert(1)',
        accessTtlSeconds: 'soon',
        handle: 'Not A Handle',
        'scope:bookings:write': 'on',
        requirePkce: 'on',
      }
      const logo = new Blob(['<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'], {
        type: 'image/svg+xml',
      })
      const answer = await post(browser, '/admin/apps/new', registration(page, typed, logo))
      expect(answer.status).toBe(422)
      for (const field of ['name', 'redirectUris', 'homepageUrl', 'accessTtlSeconds', 'handle'])
        expect(answer.html).toContain(`href="#f-${field}"`)
      for (const field of ['name', 'redirectUris', 'homepageUrl', 'handle', 'logo'])
        expect(answer.html).toContain(`id="f-${field}-problem"`)
      expect(wordsOf(answer)).toContain('The SVG has the element &lt;script&gt; (line 1)')
      expect(wordsOf(answer)).toContain('Choose the file again')
      expect(answer.html).toContain('A &lt;b&gt;bold&lt;/b&gt; &amp; &quot;quoted&quot; plan')
      expect(answer.html).toContain('http://planner.example.com/cb\nhttps://planner.example.com/cb')
      expect(answer.html).toContain('value="javascript:alert(1)"')
      expect(answer.html).not.toContain('href="javascript:')
      expect(answer.html).toMatch(/name="scope:bookings:write" checked/)
      expect(answer.html).not.toMatch(/name="scope:bookings:read" checked/)
      expect(answer.html).toMatch(/name="requirePkce" checked/)
      // The same form, corrected, is taken.
      const name = `Corrected ${backend}`
      const right = await post(browser, '/admin/apps/new', registration(answer, { ...GOOD, name }))
      expect(right.html).toMatch(SECRET)
    })

    it('takes a logo, and tells that one is too large without losing the rest', async () => {
      const browser = await aConsole()
      const page = await browser.open(at('/admin/apps/new'))
      const large = new Blob([Buffer.alloc(3_000_000, 'x')], { type: 'image/png' })
      const name = `Pictured ${backend}`
      const refused = await post(
        browser,
        '/admin/apps/new',
        registration(page, { ...GOOD, name }, large),
      )
      expect(refused.status).toBe(422)
      expect(wordsOf(refused)).toContain('Keep the file within 256 KiB.')
      expect(refused.html).toContain(`value="${name}"`)
      const svg = new Blob(
        [
          '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8"/></svg>',
        ],
        { type: 'image/svg+xml' },
      )
      await post(browser, '/admin/apps/new', registration(refused, { ...GOOD, name }, svg))
      const [app] = (await server.services.apps.list({ search: name })).apps
      expect(app?.logoId).toMatch(/^[0-9a-f]{64}$/)
    })

    it('refuses a body that never ends', async () => {
      const browser = await aConsole()
      const page = await browser.open(at('/admin/apps/new'))
      const form = registration(page, { ...GOOD, description: 'x'.repeat(70_000) })
      expect((await post(browser, '/admin/apps/new', form)).status).toBe(413)
    })
  })

  describe('editing', () => {
    const edit = (id: string) => `/admin/apps/${id}/edit`

    it('tells the second of two admins what the first changed, and loses nothing', async () => {
      const { id } = await registerApp(server, { name: 'Shared' })
      const [one, two] = [await aConsole(), await aConsole(await anAdmin())]
      const [first, second] = [await one.open(at(edit(id))), await two.open(at(edit(id)))]
      const fields = {
        name: 'Shared',
        redirectUris: 'https://yourapp.com/callback',
        'scope:bookings:read': 'on',
      }
      await one.submit(first, edit(id), { ...fields, description: 'From the first' })
      const typed = { ...fields, name: 'Shared by two', description: 'From the second' }
      const conflict = await two.submit(second, edit(id), typed)
      expect(conflict.status).toBe(409)
      expect(wordsOf(conflict)).toContain('Someone else changed this app in the meantime')
      expect(wordsOf(conflict)).toContain('From the first')
      expect(conflict.html).toContain('value="Shared by two"')
      expect((await server.services.apps.get(id)).description).toBe('From the first')
      const saved = await two.submit(conflict, edit(id), typed)
      expect(wordsOf(saved)).toContain('Changes saved')
      expect(await server.services.apps.get(id)).toMatchObject({
        name: 'Shared by two',
        description: 'From the second',
        scopes: ['bookings:read'],
      })
    })

    it('shows what changed in the activity', async () => {
      const { id } = await registerApp(server, { name: 'Before' })
      const browser = await aConsole()
      await browser.submit(await browser.open(at(edit(id))), edit(id), {
        name: 'After',
        redirectUris: 'https://yourapp.com/callback',
      })
      await server.services.audit.flush()
      const words = wordsOf(await browser.open(at(`/admin/apps/${id}/activity`)))
      expect(words).toContain('App changed')
      expect(words).toMatch(/Name from Before → to After/)
    })

    it('is over for an app that was deleted, whose pages stay', async () => {
      const { id, app } = await registerApp(server, { name: 'Doomed' })
      const browser = await aConsole()
      const path = `/admin/apps/${id}/delete`
      const page = await browser.open(at(path))
      const refused = await browser.submit(page, path, { reason: 'Over.', name: 'doomed' })
      expect(refused.status).toBe(422)
      expect((await server.services.apps.get(id)).status).toBe('active')
      const list = await browser.submit(refused, path, { reason: 'Over.', name: app.name })
      expect(wordsOf(list)).toContain('App deleted.')
      const overview = await browser.open(at(`/admin/apps/${id}`))
      expect(wordsOf(overview)).toContain('Deleted. Over.')
      for (const below of ['edit', 'suspend', 'delete', 'secrets/new']) {
        const gone = await browser.open(at(`/admin/apps/${id}/${below}`))
        expect(gone.status).toBe(404)
        expect(gone.html).toContain('href="/admin"')
      }
    })
  })

  describe('secrets', () => {
    it('are made once, work beside the first, and end when they are revoked', async () => {
      const client = await registerApp(server)
      const browser = await aConsole()
      const path = `/admin/apps/${client.id}/secrets/new`
      const page = await browser.open(at(path))
      const fields = { csrf: csrfOf(page, path), form: formIdOf(page) }
      const answer = await post(browser, path, fields)
      const [secret = ''] = SECRET.exec(answer.html) ?? []
      expect((await post(browser, path, fields)).html).not.toMatch(SECRET)
      const statusOf = async (each: string | undefined): Promise<number> =>
        (await createOAuthClient(server, { ...client, secret: each }).credentials()).status
      expect(await statusOf(client.secret)).toBe(200)
      expect(await statusOf(secret)).toBe(200)
      const [first] = (await server.services.apps.get(client.id)).secrets
      const revoke = `/admin/apps/${client.id}/secrets/${first?.id ?? ''}/revoke`
      await browser.submit(await browser.open(at(revoke)), revoke)
      expect(await statusOf(client.secret)).toBe(401)
      expect(await statusOf(secret)).toBe(200)
    })

    it('can be asked for again with the same form where the server was away', async () => {
      const { id } = await registerApp(server)
      const browser = await aConsole()
      const path = `/admin/apps/${id}/secrets/new`
      const page = await browser.open(at(path))
      const { apps } = server.services
      const createSecret: typeof apps.createSecret = apps.createSecret.bind(apps)
      apps.createSecret = () => Promise.reject(new AppError('temporarily_unavailable'))
      try {
        expect((await browser.submit(page, path)).status).toBe(503)
      } finally {
        apps.createSecret = createSecret
      }
      expect((await browser.submit(page, path)).html).toMatch(SECRET)
      const used = await browser.submit(page, path)
      expect(used.html).not.toMatch(SECRET)
      expect(wordsOf(used)).toContain('was already created')
      expect((await apps.get(id)).secrets).toHaveLength(2)
    })

    it('that expire say so, and a day that is none is refused', async () => {
      const { id } = await registerApp(server)
      const browser = await aConsole()
      const path = `/admin/apps/${id}/secrets/new`
      const page = await browser.open(at(path))
      const refused = await browser.submit(page, path, { expiresAt: '2026-02-31x' })
      expect(refused.status).toBe(422)
      const past = await browser.submit(refused, path, { expiresAt: '2001-01-01' })
      expect(wordsOf(past)).toContain('Choose a time in the future.')
      const made = await browser.submit(past, path, { expiresAt: '2999-12-31' })
      expect(made.html).toMatch(SECRET)
      expect((await server.services.apps.get(id)).secrets[1]?.expiresAt).toEqual(
        new Date('2999-12-31T23:59:59.999Z'),
      )
    })
  })

  describe('activity', () => {
    it('says in plain words why a request was refused, and what to do', async () => {
      const client = await registerApp(server)
      await createOAuthClient(server, client).exchange('otesse_ac_nonsense')
      await createOAuthClient(server, { ...client, secret: 'wrong' }).exchange('x')
      await server.services.audit.flush()
      const browser = await aConsole()
      const page = await browser.open(at(`/admin/apps/${client.id}/activity`))
      const words = wordsOf(page)
      expect(words).toContain('The code was malformed or cut off.')
      expect(words).toContain('The secret does not belong to the app.')
      const usage = wordsOf(await browser.open(at(`/admin/apps/${client.id}/usage`)))
      expect(usage).toMatch(/Failed app authentications\s*1/)
      expect(usage).toContain('The secret does not belong to the app.')
    })

    it('is filtered by every filter, and read page by page both ways', async () => {
      const { id } = await registerApp(server)
      const { events } = server.services.audit
      for (let n = 0; n < 60; n += 1) events.appActivated({ appId: id }, { actor: `actor ${n}` })
      events.appSuspended({ appId: id }, { actor: 'somebody' })
      await server.services.audit.flush()
      const browser = await aConsole()
      const countOn = async (query: string): Promise<number> =>
        (
          (await browser.open(at(`/admin/activity?${query}`))).html.match(
            /<tr class="event event-/g,
          ) ?? []
        ).length
      expect(await countOn(`app=${id}&event=app.suspended`)).toBe(1)
      expect(await countOn(`app=${id}&actor=somebody`)).toBe(1)
      expect(await countOn(`app=${id}&reason=code_used`)).toBe(0)
      expect(await countOn(`app=${id}&to=2001-01-01`)).toBe(0)
      expect(await countOn(`app=${id}&from=2001-01-01&actor=somebody`)).toBe(1)
      const first = await browser.open(at(`/admin/activity?app=${id}`))
      expect(first.html.match(/<tr class="event event-/g)).toHaveLength(50)
      const link = (page: Page, label: string): string =>
        new RegExp(`href="([^"]+)">${label}<`).exec(page.html)?.[1]?.replaceAll('&amp;', '&') ?? ''
      const second = await browser.open(at(link(first, 'Next page')))
      expect(second.html.match(/<tr class="event event-/g)!.length).toBeGreaterThan(10)
      expect(link(second, 'Next page')).toBe('')
      const back = await browser.open(at(link(second, 'Previous page')))
      expect(back.html.match(/<code>evt_[^<]+/g)).toEqual(first.html.match(/<code>evt_[^<]+/g))
    })

    describe('finds by the words that people use', () => {
      const named = (name: string) => `${name} ${Math.random().toString(36).slice(2)}`
      const idsOn = ({ html }: Page): string[] => html.match(/evt_(?:old|new)-[\w-]+/g) ?? []

      async function anEvent(facts: { app_id?: string; account_id?: string; actor?: string }) {
        const id = `evt_new-${Math.random().toString(36).slice(2)}`
        await insertEvent({ id, at: Date.now(), ...facts })
        return id
      }
      const insertEvent = (event: { id: string; at: number; app_id?: string }) =>
        server.services.stores.events.insert([
          {
            name: 'app.activated',
            reason: undefined,
            app_id: undefined,
            account_id: undefined,
            grant_id: undefined,
            actor: undefined,
            address: undefined,
            request_id: undefined,
            data: undefined,
            ...event,
          },
        ])
      const search = async (filter: Record<string, string>) =>
        (await aConsole()).open(at(`/admin/activity?${new URLSearchParams(filter).toString()}`))

      it('an account by its e-mail address, in any case, or by part of it', async () => {
        const maria = await createAccount(server)
        const id = await anEvent({ account_id: maria.id })
        await anEvent({ account_id: ada.id })
        for (const account of [maria.email.toUpperCase(), maria.email.slice(0, 14), maria.id])
          expect(idsOn(await search({ account }))).toEqual([id])
        expect(wordsOf(await search({ account: maria.email }))).toContain(`Account: ${maria.email}`)
      })

      it('an app by its name or handle, the exact name before others, deleted ones too', async () => {
        const name = named('Ferry')
        const one = await registerApp(server, { name })
        await registerApp(server, { name: `${name} Times` })
        const id = await anEvent({ app_id: one.id })
        expect(idsOn(await search({ app: name.toUpperCase() }))).toContain(id)
        await server.services.apps.remove(one.id, 'Tried out.')
        expect(idsOn(await search({ app: name }))).toContain(id)
        expect(wordsOf(await search({ app: one.id, when: 'hour' }))).toContain(
          `App: ${name}, Time: Last hour`,
        )
      })

      it('who acted by e-mail address or the name of an app', async () => {
        const machine = await registerApp(server, { name: named('Robot'), type: 'machine' })
        const byMachine = await anEvent({ actor: machine.id })
        const maria = await createAccount(server)
        const byMaria = await anEvent({ actor: maria.id })
        expect(idsOn(await search({ actor: machine.app.name }))).toEqual([byMachine])
        expect(idsOn(await search({ actor: maria.email }))).toEqual([byMaria])
      })

      it('and offers what an ambiguous name may mean instead of guessing', async () => {
        const name = named('Twin')
        const twins = [await registerApp(server, { name }), await registerApp(server, { name })]
        const id = await anEvent({ app_id: twins[1]!.id })
        const browser = await aConsole()
        const query = new URLSearchParams({ app: name, when: 'day' }).toString()
        const page = await browser.open(at(`/admin/activity?${query}`))
        expect(wordsOf(page)).toContain('Which app do you mean?')
        expect(idsOn(page)).toEqual([])
        const link = new RegExp(`href="([^"]*app=${twins[1]!.id}[^"]*)"`).exec(page.html)?.[1]
        expect(link).toContain('when=day')
        const chosen = await browser.open(at(link!.replaceAll('&amp;', '&')))
        expect(idsOn(chosen)).toEqual([id])
        const file = await browser.request(at(`/admin/activity/export?${query}`))
        expect(file.status).toBe(400)
      })

      it('and says which name fits nothing', async () => {
        const page = await search({ account: 'nobody@nowhere.example' })
        expect(wordsOf(page)).toContain('No account matches “nobody@nowhere.example”.')
        expect(wordsOf(await search({ app: 'no such app' }))).toContain('No app matches')
      })

      it('within the last hour, day or week, or within days of a time zone', async () => {
        const { id: app } = await registerApp(server)
        const hour = 3_600_000
        const idOf = (hours: number): string => `evt_old-${hours * 60}-${app.slice(4)}`
        for (const hours of [0.5, 2, 50, 200])
          await insertEvent({ id: idOf(hours), at: Date.now() - hours * hour, app_id: app })
        const found = async (filter: Record<string, string>) =>
          idsOn(await search({ app, event: 'app.activated', ...filter }))
        expect(await found({ when: 'hour' })).toEqual([idOf(0.5)])
        expect(await found({ when: 'day' })).toEqual([0.5, 2].map(idOf))
        expect(await found({ when: 'week' })).toEqual([0.5, 2, 50].map(idOf))
        expect(await found({ when: 'nonsense' })).toHaveLength(4)
        // Days win over a preset. New York began November 2, 2025 at 04:00, and ended it at 05:00
        // UTC.
        for (const [at_, id] of [
          ['2025-11-02T03:59:59Z', 'evt_old-before'],
          ['2025-11-02T04:00:00Z', 'evt_old-first'],
          ['2025-11-03T04:59:59Z', 'evt_old-last'],
          ['2025-11-03T05:00:00Z', 'evt_old-after'],
        ] as const)
          await insertEvent({ id: `${id}-${app.slice(4)}`, at: Date.parse(at_), app_id: app })
        const day = { from: '2025-11-02', to: '2025-11-02', when: 'hour' }
        const short = (ids: string[]) => ids.map((id) => id.split('-')[1])
        expect(short(await found({ ...day, zone: 'America/New_York' }))).toEqual(['last', 'first'])
        expect(short(await found(day))).toEqual(['first', 'before'])
        expect(short(await found({ ...day, zone: '../etc' }))).toEqual(['first', 'before'])
      })
    })

    it('is exported whole as CSV and NDJSON', async () => {
      const { id } = await registerApp(server)
      const { events } = server.services.audit
      for (let n = 0; n < 120; n += 1)
        events.appActivated({ appId: id }, { actor: `=cmd|' /C calc'!A${n}` })
      await server.services.audit.flush()
      const browser = await aConsole()
      const csv = await browser.request(at(`/admin/activity/export?app=${id}&format=csv`))
      expect(csv.headers.get('content-disposition')).toContain('activity.csv')
      const lines = csv.html.trim().split('\r\n')
      expect(lines).toHaveLength(121)
      expect(lines[1]).toContain(`"'=cmd|`)
      const ndjson = await browser.request(at(`/admin/activity/export?app=${id}&format=ndjson`))
      const rows = ndjson.html.trim().split('\n')
      expect(rows).toHaveLength(120)
      expect(JSON.parse(rows[0]!)).toMatchObject({ name: 'app.activated', appId: id })
    })
  })

  describe('scopes', () => {
    it('are created, changed, told apart when two change them, and removed', async () => {
      const browser = await aConsole()
      const name = 'reports:read'
      const path = '/admin/scopes/reports%3Aread'
      const refused = await browser.submit(await browser.open(at('/admin/scopes/new')), '/new', {
        name: 'has space',
        sentence: '',
        group: 'Reports',
      })
      expect(refused.status).toBe(422)
      expect(refused.html).toContain('value="has space"')
      const fields = { name, sentence: 'See your reports', group: 'Reports' }
      await browser.submit(refused, '/new', fields)
      const page = await browser.open(at(path))
      const first = await browser.submit(page, path, { ...fields, sensitive: 'on' })
      expect(wordsOf(first)).toContain('Changes saved')
      const conflict = await browser.submit(page, path, { ...fields, sentence: 'See all reports' })
      expect(conflict.status).toBe(409)
      expect(conflict.html).toContain('value="See all reports"')
      expect(server.services.scopes.current().scopes.get(name)).toMatchObject({
        sensitive: true,
        sentence: 'See your reports',
      })
      const remove = `${path}/remove`
      const list = await browser.submit(await browser.open(at(remove)), remove)
      expect(wordsOf(list)).toContain('Scope removed.')
      expect(server.services.scopes.current().scopes.has(name)).toBe(false)
    })

    it('change what people read only for somebody who has just proved who they are', async () => {
      await using own = await startTestApp({ backend })
      await createScopes(own, ['rooms:read'])
      const browser = await aConsole(await anAdmin(own), own)
      const path = '/admin/scopes/rooms%3Aread'
      const page = await browser.open(at(path, own))
      own.clock.move(20 * MINUTE)
      const fields = { sentence: 'See “all” rooms', group: 'rooms' }
      const stale = await browser.submit(page, path, fields)
      expect(stale.status).toBe(403)
      expect(wordsOf(stale)).toContain('Confirm it’s you in a new tab')
      expect(stale.html).toContain('value="See “all” rooms"')
      const now = () => own.services.scopes.current().scopes.get('rooms:read')
      expect(now()).toMatchObject({ sentence: 'Use rooms:read', group: 'rooms' })
      // Where it is filed is no such thing.
      const filed = { sentence: 'Use rooms:read', group: 'Rooms' }
      expect(wordsOf(await browser.submit(page, path, filed))).toContain('Changes saved')
      expect(now()).toMatchObject({ sentence: 'Use rooms:read', group: 'Rooms' })
    })

    it('tell how many apps may ask for them, and lead to those', async () => {
      const browser = await aConsole()
      const scope = `counted-${backend}:read`
      await createScopes(server, [scope])
      const path = `/admin/scopes/${encodeURIComponent(scope)}`
      expect(wordsOf(await browser.open(at(path)))).toContain('No app uses it yet')
      const having = await registerApp(server, { name: 'Counts', scopes: [scope] })
      await registerApp(server, { name: 'Counts not', scopes: [] })
      const link = /href="([^"]+)">1 app</
      for (const where of ['/admin/scopes', path]) {
        const href = link.exec((await browser.open(at(where))).html)?.[1] ?? ''
        expect(href).toBe(`/admin/apps?scope=${encodeURIComponent(scope)}`)
      }
      const list = await browser.open(at(`/admin/apps?scope=${encodeURIComponent(scope)}`))
      expect(list.html).toContain(having.id)
      expect(list.html.match(/<th scope="row">/g)).toHaveLength(1)
      expect(list.html).toContain(`<title>Apps: Scope: ${scope}`)
      expect(list.html).toContain(`name="scope" value="${scope}"`)
      const remove = await browser.open(at(`${path}/remove`))
      expect(wordsOf(remove)).toContain('1 app can request it now')
    })

    it('that are built in cannot be changed', async () => {
      const browser = await aConsole()
      expect((await browser.open(at('/admin/scopes/openid'))).status).toBe(404)
    })
  })

  describe('accounts and keys', () => {
    it('are invited with a link that is shown once and works', async () => {
      const browser = await aConsole()
      const page = await browser.open(at('/admin/accounts/new'))
      const email = `new-${backend}@example.com`
      const answer = await browser.submit(page, '/accounts/new', { email, role: 'member' })
      const link = /id="one-time-link"[^>]*>([^<]+)</.exec(answer.html)?.[1] ?? ''
      expect(link).toMatch(/^http/)
      const again = await browser.submit(page, '/accounts/new', { email, role: 'member' })
      expect(wordsOf(again)).toContain('Already done')
      expect((await createBrowser(server).open(link)).status).toBe(200)
    })

    it('change their role and are deactivated, but the last admin stays', async () => {
      await using own = await startTestApp({ backend })
      const admin = await anAdmin(own)
      const member = await createAccount(own, { password: PASSWORD })
      const browser = await aConsole(admin, own)
      const role = (id: string) => `/admin/accounts/${id}/role`
      const own1 = await browser.open(at(role(admin.id), own))
      const ownRole = await browser.submit(own1, role(admin.id), { role: 'member' })
      expect(ownRole.status).toBe(422)
      expect(wordsOf(ownRole)).toContain('You cannot change your own role')
      const closing = `/admin/accounts/${admin.id}/deactivate`
      const asked = await browser.open(at(closing, own))
      const last = await browser.submit(asked, closing, { reason: 'Left us.' })
      expect(wordsOf(last)).toContain('This is the last active admin')
      const changed = await browser.submit(
        await browser.open(at(role(member.id), own)),
        role(member.id),
        { role: 'admin' },
      )
      expect(wordsOf(changed)).toContain('Role changed.')
      const path = `/admin/accounts/${member.id}/deactivate`
      await browser.submit(await browser.open(at(path, own)), path, { reason: 'Left us.' })
      expect(await own.services.accounts.find(member.id)).toMatchObject({
        role: 'admin',
        status: 'deactivated',
        statusReason: 'Left us.',
      })
    })

    it('are renamed without a password; the second of two admins is told, and loses nothing', async () => {
      await using own = await startTestApp({ backend })
      const { id } = await createAccount(own, { password: PASSWORD })
      const browser = await aConsole(await anAdmin(own), own)
      own.clock.move(20 * MINUTE)
      const path = `/admin/accounts/${id}/name`
      const page = await browser.open(at(path, own))
      expect(page.url).toBe(at(path, own))
      const saved = await browser.submit(page, path, { name: ' Ada <Lovelace> ' })
      expect(wordsOf(saved)).toContain('Name changed.')
      const name = 'x'.repeat(201)
      const tooLong = await browser.submit(await browser.open(at(path, own)), path, { name })
      expect(tooLong.status).toBe(422)
      expect(tooLong.html).toContain(`value="${name}"`)
      const late = await browser.submit(page, path, { name: 'Countess' })
      expect(late.status).toBe(409)
      expect(wordsOf(late)).toContain('the name “Ada &lt;Lovelace&gt;”')
      expect(late.html).toContain('value="Countess"')
      await browser.submit(late, path, { name: '' })
      expect((await own.services.accounts.get(id)).name).toBeUndefined()
    })

    it('are listed by their role', async () => {
      await using own = await startTestApp({ backend })
      const admin = await anAdmin(own)
      const member = await createAccount(own, { password: PASSWORD })
      const browser = await aConsole(admin, own)
      const list = await browser.open(at('/admin/accounts?role=member', own))
      expect(list.html).toContain(member.id)
      expect(list.html).not.toContain(`/accounts/${admin.id}`)
      expect(list.html).toContain('<title>Accounts: Role: Member')
      expect(list.html).toContain('value="member" selected')
    })

    it('rotate: the next key signs', async () => {
      const browser = await aConsole()
      const next = server.services.keyRing.list().find(({ status }) => status === 'next')?.kid
      const page = await browser.open(at('/admin/keys/rotate'))
      expect(wordsOf(page)).toContain('The next key was published less than an hour ago')
      // As a form of an hour ago sends it, with nothing of an emergency.
      const early = await post(browser, '/admin/keys/rotate', {
        csrf: csrfOf(page, '/admin/keys/rotate'),
      })
      expect(early.status).toBe(409)
      const list = await browser.submit(early, '/keys/rotate')
      expect(wordsOf(list)).toContain('Key rotated.')
      const now = server.services.keyRing.list().find(({ status }) => status === 'current')?.kid
      expect(now).toBe(next)
    })

    it('seal: says whether there was anything to seal', async () => {
      const browser = await aConsole()
      const page = await browser.open(at('/admin/keys/reseal'))
      expect(wordsOf(page)).toContain('you can remove the older encryption key')
      const sealed = await browser.submit(page, '/keys/reseal')
      expect(wordsOf(sealed)).toContain(
        'All keys were already encrypted with the first encryption key.',
      )
      const odd = await browser.open(at('/admin/keys?done=constructor'))
      expect(wordsOf(odd)).not.toContain('native code')
    })
  })

  describe('lists', () => {
    it('are searched, filtered and read page by page both ways', async () => {
      for (let n = 0; n < 30; n += 1)
        await registerApp(server, { name: `Paged ${backend} ${n}`, type: 'machine', scopes: [] })
      const browser = await aConsole()
      const url = `/admin/apps?search=Paged+${backend}&type=machine`
      const namesOn = ({ html }: Page): string[] => html.match(/Paged \w+ \d+/g) ?? []
      const link = (page: Page, label: string): string =>
        new RegExp(`href="([^"]+)">${label}<`).exec(page.html)?.[1]?.replaceAll('&amp;', '&') ?? ''
      const first = await browser.open(at(url))
      const second = await browser.open(at(link(first, 'Next page')))
      expect(new Set([...namesOn(first), ...namesOn(second)]).size).toBe(30)
      const back = await browser.open(at(link(second, 'Previous page')))
      expect(namesOn(back)).toEqual(namesOn(first))
      const none = await browser.open(at(`${url}&status=suspended`))
      expect(wordsOf(none)).toContain('No apps match')
      expect(none.html).toMatch(/<title>Apps: “Paged \w+”, Type: Machine, Status: Suspended/)
      expect(none.html).toContain(`name="search" type="search" value="Paged ${backend}"`)
      const wider = await browser.open(at(link(none, '<bdi>Without Status: Suspended')))
      expect(namesOn(wider)).toEqual(namesOn(first))
      expect(wordsOf(await browser.open(at('/admin/apps?type=public&search=Paged')))).toContain(
        'No apps match',
      )
    })

    it.each([
      '/admin/apps?search=%00',
      '/admin/apps?search=%25_%5C%27&type=nonsense&status=nonsense',
      '/admin/apps?cursor=nonsense',
      '/admin/apps?cursor=%00&trail=~~~~%00',
      '/admin/activity?actor=%00x&app=%FF&reason=%27',
      '/admin/activity?from=0000-01-01&to=2026-99-99',
      '/admin/activity?from=9999-12-31&to=9999-12-31',
      '/admin/activity/export?format=exe&app=%00',
      '/admin/accounts?search=%00%25&cursor=AAAA',
      '/admin/accounts/%00',
      '/admin/apps/%00/activity',
      '/admin/scopes/%00',
      `/admin/apps/${'a'.repeat(2000)}`,
    ])('are not broken by %j', async (path) => {
      const { status } = await (await aConsole()).request(at(path))
      expect([200, 400, 404]).toContain(status)
    })

    it('invite to register the first app where there is none', async () => {
      await using own = await startTestApp({ backend })
      const browser = await aConsole(await anAdmin(own), own)
      expect(wordsOf(await browser.open(at('/admin/apps', own)))).toContain(
        'Register an appIts developer gets a client ID',
      )
    })
  })
})

describe('two processes', () => {
  it('both close the door within a second when the role is taken on one of them', async () => {
    await using stores = await openTestStores('redis')
    await using one = await startTestApp({ backend: 'redis', stores })
    await using two = await startTestApp({ backend: 'redis', stores, issuer: one.issuer })
    const [admin] = [await anAdmin(one), await anAdmin(one)]
    server = one
    const browser = await aConsole(admin, one)
    const asked = (): Promise<number> =>
      fetch(`${two.url}/admin/apps`, {
        redirect: 'manual',
        headers: {
          cookie: [...browser.jar]
            .filter(([, { path }]) => path === '/')
            .map(([key, { value }]) => `${key.split(' ')[0] ?? ''}=${value}`)
            .join('; '),
        },
      }).then(({ status }) => status)
    expect(await asked()).toBe(200)
    await one.services.accounts.update(admin.id, admin.version, { role: 'member' })
    const startedAt = performance.now()
    await waitUntil('the other process to hear of it', async () => (await asked()) === 403)
    expect(performance.now() - startedAt).toBeLessThan(1000)
  })
})
