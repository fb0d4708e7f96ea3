// A file of scopes and apps in the console: shown as a plan, applied as it was shown and once, and
// written as a file that changes nothing.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser, type Page } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD } from '../support/builders.ts'
import type { Role } from '../../src/model/account.ts'

const PATH = '/admin/apply'
const SECRET = /otesse_cs_[0-9A-Za-z]{49}/g
let server: TestApp
let browser: Browser

const at = (path: string): string => server.issuer + path
const wordsOf = ({ html }: Page): string =>
  html
    .replaceAll(/<head[\s\S]*?<\/head>/g, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
const hiddenIn = ({ html }: Page, action: string): Record<string, string> => {
  const form = new RegExp(`<form[^>]*action="${action}"[\\s\\S]*?</form>`).exec(html)?.[0] ?? ''
  const fields = form.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)
  return Object.fromEntries([...fields].map(([, name = '', value = '']) => [name, value]))
}

async function aConsole(role: Role = 'admin'): Promise<Browser> {
  const { email } = await createAccount(server, { password: PASSWORD, role })
  const opened = createBrowser(server)
  const page = await opened.open(at('/sign-in?to=%2Fadmin'))
  await opened.submit(page, 'to=%2Fadmin', { email, password: PASSWORD })
  return opened
}

async function upload(
  content: string,
  { by = browser, fields = {} }: { by?: Browser; fields?: Record<string, string> } = {},
): Promise<Page> {
  const form = new FormData()
  const all = { ...hiddenIn(await by.open(at(PATH)), PATH), ...fields }
  for (const [name, value] of Object.entries(all)) form.set(name, value)
  form.set('file', new Blob([content]), 'apps.yaml')
  const headers = { 'sec-fetch-site': 'same-origin' }
  return by.request(at(PATH), { method: 'POST', headers, body: form })
}

/** Uploads a file that can be read, and opens its plan. */
async function plan(...sent: Parameters<typeof upload>) {
  const answer = await upload(...sent)
  expect([answer.status, answer.status === 303 ? '' : wordsOf(answer)]).toEqual([303, ''])
  const path = answer.headers.get('location') ?? ''
  return { path, page: await (sent[1]?.by ?? browser).open(at(path)) }
}

const send = (path: string, page: Page, action = path, by = browser): Promise<Page> =>
  by.request(at(action), {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams(hiddenIn(page, action)),
  })

const file = (handle: string, more = '') => `
scopes:
  - { name: "rooms:${handle}", sentence: See rooms, group: Rooms }
apps:
  - handle: ${handle}
    name: App ${handle}
    type: web
    redirectUris: [https://${handle}.example.com/cb]
    scopes: ["rooms:${handle}"]
${more}`

const find = (handle: string) => server.services.apps.findByHandle(handle)

describe.each(BACKENDS)('a file in the console on %s', (backend) => {
  beforeAll(async () => {
    server = await startTestApp({
      backend,
      overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    })
    await createScopes(server)
    browser = await aConsole()
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  it('is shown as a plan, applied once, and its secrets are in one answer', async () => {
    const { path, page } = await plan(file('planner'))
    const words = wordsOf(page)
    expect(words).toContain('2 new, 0 changed, 0 unchanged')
    expect(words).toMatch(/planner App New/)
    expect(words).toContain('https://planner.example.com/cb')
    expect(await find('planner')).toBeUndefined()
    const answers = await Promise.all([send(path, page), send(path, page)])
    const shown = answers.map(({ html }) => html.match(SECRET)?.length ?? 0).sort()
    expect([shown, answers.map(({ status }) => status).sort()]).toEqual([
      [0, 1],
      [200, 303],
    ])
    expect(await find('planner')).toMatchObject({ name: 'App planner', secrets: [{}] })
    const after = await browser.open(at(path))
    expect(wordsOf(after)).toContain('Changes applied')
    expect(after.html).not.toMatch(SECRET)
    // The second time there is nothing to do.
    expect(wordsOf((await plan(file('planner'))).page)).toContain('Nothing would change')
  })

  it('is not applied where it would be another plan by then', async () => {
    await send(...(await planned(file('mover'))))
    const changed = file('mover').replace('name: App mover', 'name: New name')
    const { path, page } = await plan(changed)
    const words = wordsOf(page)
    expect(words).toContain('Name App mover New name')
    const app = await find('mover')
    if (app === undefined) throw new Error('no app')
    await server.services.apps.update(app.id, app.version, { description: 'Somebody was faster' })
    const conflict = await send(path, page)
    expect(conflict.status).toBe(409)
    expect(wordsOf(conflict)).toContain('were changed in the meantime')
    expect(wordsOf(conflict)).toContain('Description Somebody was faster')
    expect(await find('mover')).toMatchObject({ name: 'App mover' })
    // What is shown now can be applied.
    expect((await send(path, conflict)).status).toBe(200)
    expect(await find('mover')).toMatchObject({ name: 'New name', description: undefined })
  })

  it('suspends what it does not name, where that is asked for', async () => {
    await send(...(await planned(file('leaver'))))
    const { path, page } = await plan(file('stayer'), { fields: { prune: 'on' } })
    expect(wordsOf(page)).toMatch(/leaver App Suspended The file does not name it/)
    await send(path, page)
    expect(await find('leaver')).toMatchObject({ status: 'suspended' })
    expect(await find('stayer')).toMatchObject({ status: 'active' })
  })

  it('is refused with the line of each problem', async () => {
    const answer = await upload(file('wrong').replace('type: web', 'type: desktop'))
    expect(answer.status).toBe(422)
    expect(wordsOf(answer)).toMatch(/Line 7, type: The type must be one of/)
    expect(wordsOf(await upload('apps: ['))).toContain('not well-formed YAML')
    expect(wordsOf(await upload(''))).toContain('The file is empty')
    expect(wordsOf(await upload('x'.repeat(600_000)))).toContain('larger than 512 KiB')
  })

  it('is its uploader’s alone, and gives nobody more than they have', async () => {
    const manager = await aConsole('app_manager')
    const { path } = await plan(file('mine'))
    expect((await manager.open(at(path))).status).toBe(404)
    const powerful = `
apps:
  - { handle: robot, name: Robot, type: machine, scopes: ["admin:accounts:write"] }`
    const answer = await upload(powerful, { by: manager })
    expect([answer.status, wordsOf(answer)]).toEqual([
      422,
      expect.stringContaining('You lack the permission admin:accounts:write'),
    ])
    const own = await plan(file('theirs'), { by: manager })
    expect((await send(own.path, own.page, own.path, manager)).status).toBe(200)
    const auditor = await aConsole('auditor')
    expect((await auditor.open(at(PATH))).status).toBe(403)
    expect((await auditor.open(at('/admin/export'))).status).toBe(200)
  })

  it('is written so that it changes nothing when it is applied', async () => {
    for (const format of ['yaml', 'json']) {
      const answer = await browser.request(at(`/admin/export?format=${format}`))
      expect(answer.headers.get('content-disposition')).toBe(
        `attachment; filename="apps.${format}"`,
      )
      expect(answer.html).toContain('planner')
      expect(answer.html).not.toMatch(SECRET)
      expect(wordsOf((await plan(answer.html)).page)).toContain('Nothing would change')
    }
  })

  async function planned(content: string): Promise<[string, Page]> {
    const { path, page } = await plan(content)
    return [path, page]
  }
})
