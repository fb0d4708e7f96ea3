// What was committed is answered, or can be asked for again: the connection to Postgres is cut at
// the COMMIT of each act that shows something once, before it and after it, and the request is
// repeated with its key.
import { openNetworkedStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import { createAdminClient } from '../support/admin-client.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { type CommitProxy, startCommitProxy } from '../support/commit-proxy.ts'
import { createBrowser, type Page } from '../support/browser-flow.ts'
import { waitUntil } from '../support/server-process.ts'

let stores: TestStores
let proxy: CommitProxy
let server: TestApp
let admin: Awaited<ReturnType<typeof createAdminClient>>
beforeAll(async () => {
  stores = await openNetworkedStores()
  const direct = new URL(stores.settings['OTESSE_DATABASE_URL']!)
  proxy = await startCommitProxy(Number(direct.port))
  direct.hostname = '127.0.0.1'
  direct.port = String(proxy.port)
  server = await startTestApp({
    backend: 'redis',
    stores,
    overrides: { OTESSE_DATABASE_URL: direct.href, OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
  })
  await createScopes(server)
  admin = await createAdminClient(server)
}, 60_000)
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

const count = async (table: 'apps' | 'app_secrets' | 'accounts' | 'account_links') => {
  const { n } = await server.infrastructure.db
    .selectFrom(table)
    .select(({ fn }) => fn.countAll<string>().as('n'))
    .executeTakeFirstOrThrow()
  return Number(n)
}
const counts = async () => ({
  apps: await count('apps'),
  secrets: await count('app_secrets'),
  accounts: await count('accounts'),
  links: await count('account_links'),
})

const ACTS = {
  'a secret': async () => {
    const { id } = await registerApp(server)
    return { path: `/apps/${id}/secrets`, body: {}, makes: { secrets: 1 } }
  },
  'an app': () =>
    Promise.resolve({
      path: '/apps',
      body: { name: 'Export', type: 'machine', scopes: ['bookings:read'] },
      makes: { apps: 1, secrets: 1 },
    }),
  'an invitation': () =>
    Promise.resolve({
      path: '/invitations',
      body: { email: `eva-${Math.random().toString(36).slice(2)}@example.com` },
      makes: { accounts: 1, links: 1 },
    }),
  'a reset link': async () => {
    const { id } = await createAccount(server)
    return { path: `/accounts/${id}/reset`, body: undefined, makes: { links: 1 } }
  },
} as const

const CASES = Object.keys(ACTS).flatMap((act) =>
  (['before', 'after'] as const).map((when) => [act as keyof typeof ACTS, when] as const),
)

it.each(CASES)(
  '%s, cut %s the commit, is made once and shown to who repeats',
  async (act, when) => {
    const { path, body, makes } = await ACTS[act]()
    const headers = { 'idempotency-key': `cut-${act.replaceAll(' ', '-')}-${when}` }
    const send = () => admin.post(path, body, { headers })
    const before = await counts()
    const cut = proxy.cutAtCommit(when)
    expect((await send()).status).toBe(503)
    await cut
    let answer = await send()
    await waitUntil('the request to be answered', async () => {
      if (answer.status === 201) return true
      expect([409, 503]).toContain(answer.status)
      answer = await send()
      return false
    })
    expect(answer.headers.get('idempotency-replayed')).toBe(when === 'after' ? 'true' : null)
    const again = await send()
    expect([again.status, again.text]).toEqual([201, answer.text])
    const expected = { ...before }
    for (const [what, more] of Object.entries(makes)) expected[what as keyof typeof before] += more
    expect(await counts()).toEqual(expected)
  },
)

it.each(['before', 'after'] as const)(
  'a form, cut %s the commit, makes one secret however often it is sent',
  async (when) => {
    const { id } = await registerApp(server)
    const owner = await createAccount(server, { password: PASSWORD, role: 'admin' })
    const browser = createBrowser(server)
    const path = `/admin/apps/${id}/secrets/new`
    const door = await browser.open(`${server.issuer}/sign-in?to=${encodeURIComponent(path)}`)
    const page = await browser.submit(door, '', { email: owner.email, password: PASSWORD })
    const send = (): Promise<Page> => browser.submit(page, path)
    const cut = proxy.cutAtCommit(when)
    expect((await send()).status).toBe(503)
    await cut
    let answer = await send()
    await waitUntil('the form to be answered', async () => {
      if (answer.status === 200) return true
      answer = await send()
      return false
    })
    const shown = /otesse_cs_[0-9A-Za-z]{49}/.test(answer.html)
    expect(shown).toBe(when === 'before')
    if (when === 'after') expect(answer.html).toContain('This secret was already created')
    expect((await server.services.apps.get(id)).secrets).toHaveLength(2)
  },
)
