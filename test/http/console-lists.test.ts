// Lists of the console: sorted by column in both directions over their pages, counted, and searched
// as they say.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'

let server: TestApp
let browser: Browser

const at = (path: string): string => server.issuer + path
const unescape = (text: string): string => text.replaceAll('&amp;', '&')

/** Follows “Next page” to the end and returns the names in the first column of all pages. */
async function allNames(path: string, name: RegExp): Promise<string[]> {
  const names: string[] = []
  for (let next: string | undefined = path; next !== undefined;) {
    const { html } = await browser.open(at(next))
    names.push(...[...html.matchAll(name)].map(([, each = '']) => each))
    const link = /href="([^"]+)"[^>]*>(?:(?!<\/a>)[\s\S])*Next page/.exec(html)?.[1]
    next = link === undefined ? undefined : unescape(link)
  }
  return names
}

const NAME = /<th scope="row">[\s\S]*?<bdi>([^<]*)<\/bdi><\/a>/g

describe.each(BACKENDS)('a list of the console on %s', (backend) => {
  const emails = Array.from({ length: 30 }, (_, index) => `p${(index * 7) % 30}@example.com`)
  let appId: string

  beforeAll(async () => {
    server = await startTestApp({
      backend,
      overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    })
    await createScopes(server)
    for (const email of emails) {
      await createAccount(server, { email })
      server.clock.move(10)
    }
    for (let index = 0; index < 30; index += 1) {
      // Some have the same name: their order must be one all the same.
      const app = await registerApp(server, { name: `App ${(index * 11) % 15}` })
      appId = app.id
    }
    const email = 'z-admin@example.com'
    await createAccount(server, { email, password: PASSWORD, role: 'admin' })
    browser = createBrowser(server)
    const page = await browser.open(at('/sign-in?to=%2Fadmin'))
    await browser.submit(page, 'to=%2Fadmin', { email, password: PASSWORD })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  it('is sorted by each column, each way, over all pages', async () => {
    const byEmail = [...emails, 'z-admin@example.com'].sort()
    expect(await allNames('/admin/accounts', NAME)).toEqual(byEmail)
    expect(await allNames('/admin/accounts?sort=-email', NAME)).toEqual(byEmail.toReversed())
    const made = [...emails, 'z-admin@example.com']
    expect(await allNames('/admin/accounts?sort=created', NAME)).toEqual(made)
    expect(await allNames('/admin/accounts?sort=-created', NAME)).toEqual(made.toReversed())

    const newest = await allNames('/admin/apps', NAME)
    expect(newest).toHaveLength(30)
    expect(await allNames('/admin/apps?sort=created', NAME)).toEqual(newest.toReversed())
    const byName = await allNames('/admin/apps?sort=name', NAME)
    expect(byName).toHaveLength(30)
    expect(byName).toEqual(byName.toSorted())
    expect(await allNames('/admin/apps?sort=-name', NAME)).toEqual(byName.toReversed())
    // An order that there is not is the list's own.
    expect(await allNames('/admin/apps?sort=colour', NAME)).toEqual(newest)
  })

  it('says how it is sorted, how many there are, and keeps its filters when it is sorted', async () => {
    const { html } = await browser.open(at('/admin/accounts?role=member&sort=-email'))
    expect(html).toMatch(
      /aria-sort="descending"><span class="sort-plain">Account<\/span><a class="sort" href="[^"]*sort=email/,
    )
    expect(html).toMatch(
      /<th scope="col"><span class="sort-plain">Created<\/span><a class="sort" href="[^"]*role=member[^"]*sort=created/,
    )
    expect(html).toContain('<option value="-email" selected>')
    expect(html).toContain('30 accounts')
    const one = await browser.open(at('/admin/accounts?search=z-admin%40example.com'))
    expect(one.html).toContain('>1 account<')
    expect((await browser.open(at('/admin/apps'))).html).toContain('30 apps')
  })

  it('finds an app by the start of its client id and of its handle', async () => {
    const { version } = await server.services.apps.get(appId)
    await server.services.apps.update(appId, version, { handle: 'night-train' })
    for (const search of [appId.slice(0, 9), appId, 'night', 'night-train']) {
      const { html } = await browser.open(at(`/admin/apps?search=${search}`))
      expect([search, html.match(/<th scope="row">/g)?.length]).toEqual([search, 1])
      expect(html).toContain(appId)
    }
  })
})

describe('the first steps of a new server', () => {
  it('stand on the list of apps until a scope, an app and a try are there', async () => {
    await using own = await startTestApp({ backend: 'embedded' })
    const email = 'first@example.com'
    await createAccount(own, { email, password: PASSWORD, role: 'admin' })
    const first = createBrowser(own)
    const page = await first.open(`${own.issuer}/sign-in?to=%2Fadmin`)
    await first.submit(page, 'to=%2Fadmin', { email, password: PASSWORD })
    const apps = async (query = '') => (await first.open(`${own.issuer}/admin/apps${query}`)).html
    const done = (html: string) => html.match(/Done: <\/span>/g)?.length ?? 0
    const before = await apps()
    expect([before.includes('First steps'), done(before)]).toEqual([true, 0])
    expect(before).toMatch(/<strong>Try it<\/strong><\/p>/)
    await createScopes(own)
    expect(done(await apps())).toBe(1)
    const app = await registerApp(own, { type: 'machine', scopes: ['bookings:read'] })
    const almost = await apps()
    expect(done(almost)).toBe(2)
    expect(almost).toContain(`href="/admin/apps/${app.id}/try"`)
    expect(await apps('?search=nothing')).not.toContain('First steps')
    const tried = await first.open(`${own.issuer}/admin/apps/${app.id}/try`)
    await first.submit(tried, '/try', { 'scope:bookings:read': 'on' })
    await own.services.audit.flush()
    expect(await apps()).not.toContain('First steps')
  })
})
