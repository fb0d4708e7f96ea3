// A day of known actions, as every face shows it: Overview, usage of an app, table, file, admin
// API, command line. The same numbers everywhere, the sum over apps is the total, and a code that
// nobody redeemed is no authorization.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { findAttention } from '../../src/admin/attention.ts'
import { ALL_ADMIN_SCOPES } from '../../src/admin/operator.ts'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import { HOUR } from '../../src/shared/clock.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { startBackgroundJobs } from '../../src/background-jobs.ts'
import { runHere } from '../support/cli-here.ts'
import { type AdminClient, createAdminClient } from '../support/admin-client.ts'
import { type Browser, createBrowser } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  issueCode,
  PASSWORD,
  purged,
  registerApp,
  type TestClient,
} from '../support/builders.ts'
import { SECRETS } from '../support/main-process.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const BY = { id: 'cli', scopes: ALL_ADMIN_SCOPES }

/** What one app did. */
const PER_APP = [
  { redeemed: 8, unredeemed: 2, refreshes: 20, revoked: 2 },
  { redeemed: 6, unredeemed: 1, refreshes: 20, revoked: 1 },
  { redeemed: 2, unredeemed: 1, refreshes: 10, revoked: 0 },
] as const
const sum = (of: (each: (typeof PER_APP)[number]) => number): number =>
  PER_APP.reduce((total, each) => total + of(each), 0)

describe.each(BACKENDS)('A day of known actions on %s', (backend) => {
  let server: TestApp
  let other: TestApp | undefined
  let admin: AdminClient
  let browser: Browser
  let apps: TestClient[]
  const at = (path: string): string => server.issuer + path

  beforeAll(async () => {
    const overrides = {
      OTESSE_LIMIT_LOGIN_PER_ACCOUNT_ADDRESS: '100/600',
      OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0',
    }
    server = await startTestApp({ backend, overrides })
    // Where stores can be shared, half of it happens on a second process.
    if (backend === 'redis')
      other = await startTestApp({
        backend,
        overrides,
        stores: server.stores,
        issuer: server.issuer,
        clock: server.clock,
      })
    await createScopes(server)
    apps = []
    for (const name of ['=Alpha', 'Beta', 'Gamma']) apps.push(await registerApp(server, { name }))
    for (const [place, client] of apps.entries()) await live(client, PER_APP[place] ?? PER_APP[0])
    const app = createOAuthClient(server, apps[0] as TestClient)
    for (let wrong = 0; wrong < 3; wrong += 1)
      await app.token({ grant_type: 'client_credentials', client_secret: 'wrong' })
    await signInSomebody()
    admin = await createAdminClient(server)
    await flushAll()
  }, 120_000)
  afterAll(async () => {
    await other?.[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  const flushAll = async (): Promise<void> => {
    for (const each of [server, ...(other === undefined ? [] : [other])]) {
      await each.services.audit.flush()
      await each.services.grantUses.flush()
    }
  }

  /** Two people have all authorizations of an app. */
  async function live(client: TestClient, plan: (typeof PER_APP)[number]): Promise<void> {
    const people = [(await createAccount(server)).id, (await createAccount(server)).id]
    const tokens = []
    for (let begun = 0; begun < plan.redeemed; begun += 1) {
      const on = createOAuthClient(begun % 2 === 1 ? (other ?? server) : server, client)
      tokens.push(await on.authorize({ accountId: people[begun % 2] ?? '' }))
    }
    for (let begun = 0; begun < plan.unredeemed; begun += 1) await issueCode(server, client)
    for (const { grantId, accountId } of tokens)
      server.services.audit.events.codeIssued({ appId: client.id, grantId, accountId })
    for (let begun = 0; begun < plan.unredeemed; begun += 1)
      server.services.audit.events.codeIssued({
        appId: client.id,
        grantId: 'unredeemed',
        accountId: 'acc_x',
      })
    for (let refreshed = 0; refreshed < plan.refreshes; refreshed += 1) {
      const on = createOAuthClient(refreshed % 2 === 1 ? (other ?? server) : server, client)
      await on.refresh(tokens.at(-1)?.refresh ?? '')
    }
    const { tokens: service } = createAdminServices(server.infrastructure, server.services)
    for (const { grantId } of tokens.slice(0, plan.revoked)) await service.revokeGrant(grantId, BY)
    await purged(server)
  }

  /** Five mistakes, then seven sign-ins: of admins, who look at the figures then. */
  async function signInSomebody(): Promise<void> {
    const email = 'auditor@example.com'
    await createAccount(server, { email, password: PASSWORD, role: 'admin' })
    for (let tries = 0; tries < 12; tries += 1) {
      browser = createBrowser(server)
      const page = await browser.open(at('/sign-in?to=%2Fadmin'))
      const password = tries < 5 ? 'mistyped' : PASSWORD
      await browser.submit(page, 'to=%2Fadmin', { email, password })
    }
  }

  const EXPECTED = {
    signIns: 7,
    failedSignIns: 5,
    begun: sum(({ redeemed, unredeemed }) => redeemed + unredeemed),
    // One for the program of the admin API.
    issued: sum(({ redeemed }) => redeemed) + 1,
    refreshed: sum(({ refreshes }) => refreshes),
    refused: 3,
    failedClients: 3,
    revoked: sum(({ revoked }) => revoked),
  }
  const LIVE = sum(({ redeemed, revoked }) => redeemed - revoked)

  it.each(['24h', '7d', '1y'] as const)('has exactly its numbers over %s', async (range) => {
    const { usageReports } = server.services
    const report = await usageReports.report(range)
    const totals = Object.fromEntries(
      Object.keys(EXPECTED).map((name) => [
        name,
        report.figures[name as keyof typeof EXPECTED].total,
      ]),
    )
    expect(totals).toEqual(EXPECTED)
    expect(report.now).toMatchObject({ live: LIVE, people: 6 })
    expect(report.refusals).toEqual([{ reason: 'client_secret_wrong', count: 3 }])
    expect(report.revocations).toEqual([{ reason: 'admin', count: EXPECTED.revoked }])
    const each = await Promise.all(apps.map(({ id }) => usageReports.report(range, id)))
    for (const [place, { redeemed, refreshes, revoked }] of PER_APP.entries()) {
      expect(each[place]?.figures.issued.total).toBe(redeemed)
      expect(each[place]?.figures.refreshed.total).toBe(refreshes)
      expect(each[place]?.now).toMatchObject({ live: redeemed - revoked, people: 2 })
    }
    for (const name of ['begun', 'refreshed', 'revoked', 'failedClients'] as const)
      expect(each.reduce((total, { figures }) => total + figures[name].total, 0)).toBe(
        report.figures[name].total,
      )
  })

  it('shows them on the Overview, in its table and its file', async () => {
    const { html } = await browser.open(at('/admin?range=24h'))
    const values = [...html.matchAll(/<p class="stat-value" title="([^"]*)">/g)].map(
      ([, value]) => value,
    )
    const { signIns, begun, issued, refreshed, refused, revoked } = EXPECTED
    expect(values).toEqual([signIns, 6, begun, issued + refreshed, refused, revoked].map(String))
    expect(html).toContain('5 failed')
    expect(html).toContain(`${LIVE} live authorizations`)
    const total = /numbers-total">(.*?)<\/tr>/s.exec(html)?.[1] ?? ''
    expect([...total.matchAll(/<td[^>]*>(\d*)<\/td>/g)].map(([, value]) => value)).toEqual([
      ...Object.values(EXPECTED).map(String),
      '0',
      '',
    ])
    const file = await browser.open(at('/admin/overview/export?range=24h'))
    const rows = file.html
      .trim()
      .split('\r\n')
      .map((line) => line.split(',').map((cell) => cell.replaceAll('"', '')))
    expect(rows).toHaveLength(25)
    const column = (rows[0] ?? []).indexOf('refreshed')
    const inFile = rows.slice(1).reduce((total, row) => total + Number(row[column]), 0)
    expect(inFile).toBe(EXPECTED.refreshed)
  })

  it('sorts the apps by what they did, and leads to the usage of each', async () => {
    const { html } = await browser.open(at('/admin?range=24h&sort=-refreshed'))
    expect(html).toContain('=Alpha')
    const [first] = apps
    const link = `/admin/apps/${first?.id ?? ''}/usage?range=24h`
    expect(html).toContain(link)
    const usage = await browser.open(at(link))
    expect(usage.html).toContain('6 live authorizations')
    expect(usage.html).toContain('client_secret_wrong')
    // 20 refreshes of 6 authorizations in a day.
    expect(usage.html).toMatch(/<strong>3.3<\/strong> refreshes per live authorization/)
  })

  it('answers the admin API and the command line with the same numbers', async () => {
    const { body } = await admin.get('/usage/summary?range=24h')
    expect(body).toMatchObject({
      figures: { refreshed: { total: EXPECTED.refreshed, before: 0 } },
      live_authorizations: LIVE,
      people_connected: 6,
      revocations: [{ reason: 'admin', count: EXPECTED.revoked }],
    })
    const now = server.clock()
    const from = new Date(now - 86_400_000).toISOString()
    const to = new Date(now + 1000).toISOString()
    for (const step of ['hour', 'day']) {
      const series = await admin.get(
        `/usage/series?from=${from}&to=${to}&step=${step}&names=grant.revoked&by=reason`,
      )
      expect(series.body.items).toMatchObject([
        { name: 'grant.revoked', reason: 'admin', count: EXPECTED.revoked },
      ])
    }
    const backwards = await admin.get(`/usage/series?from=${to}&to=${from}`)
    expect([backwards.status, backwards.body.about ?? backwards.body.detail]).toEqual([
      400,
      expect.anything(),
    ])
  })

  it('says the same on the command line', async () => {
    if (backend === 'embedded') return
    const env = { ...server.stores.settings, OTESSE_ISSUER: server.issuer, ...SECRETS }
    const whole = await runHere(['usage', '--since', '24h', '--json'], env)
    expect(whole.json()).toMatchObject({
      figures: { sign_ins: { total: 7 }, refreshed: { total: EXPECTED.refreshed } },
    })
    const one = await runHere(['usage', '--app', apps[1]?.id ?? '', '--since', '7d'], env)
    expect(one.stdout).toMatch(/Tokens refreshed +20 +0 +█/)
    expect((await runHere(['usage', '--since', 'ever'], env)).code).toBe(2)
  })

  it('samples them once an hour, in one process, for the course of what is alive', async () => {
    await using jobs = startBackgroundJobs(server.infrastructure, server.services)
    expect(await jobs.sampleGauges()).toBe(true)
    expect(await jobs.sampleGauges()).toBe(false)
    await using others = startBackgroundJobs(server.infrastructure, server.services)
    expect(await others.sampleGauges()).toBe(false)
    const { gauges } = server.services.stores
    const sampled = await gauges.latest(new Date(server.clock() - 3_600_000))
    const valueOf = (appId: string, gauge: string) =>
      sampled.find((each) => each.appId === appId && each.name === gauge)?.value
    expect(valueOf('', 'grants.live')).toBe(LIVE)
    expect(valueOf('', 'people.connected')).toBe(6)
    expect(valueOf(apps[0]?.id ?? '', 'grants.live')).toBe(6)
    const { people } = await server.services.usageReports.report('24h')
    expect(people.at(-1)).toBe(6)
    const published = await server.infrastructure.metrics.registry.metrics()
    expect(published).toContain(`otesse_grants_live ${LIVE}`)
  })

  it('lists the connections of an account with their times, and ends one', async () => {
    const [client] = apps
    const on = createOAuthClient(server, client as TestClient)
    const { access, refresh, accountId, grantId } = await on.authorize()
    await on.introspect(access)
    await on.refresh(refresh)
    await flushAll()
    const { body } = await admin.get(`/accounts/${accountId}/connections`)
    expect(body.items).toHaveLength(1)
    const [connection] = body.items
    expect(connection).toMatchObject({ grant_id: grantId, app_id: client?.id })
    for (const time of [connection.last_used_at, connection.last_refreshed_at])
      expect(Math.abs(Date.parse(String(time)) - server.clock())).toBeLessThan(60_000)
    const page = await browser.open(at(`/admin/accounts/${accountId}`))
    expect(page.html).toContain(`/connections/${grantId}/end`)
    const question = await browser.open(
      at(`/admin/accounts/${accountId}/connections/${grantId}/end`),
    )
    expect(question.html).toContain('End the access of =Alpha?')
    const done = await browser.submit(question, '/end', {})
    expect(done.html).toContain('Access ended.')
    await flushAll()
    const after = await browser.open(at(`/admin/accounts/${accountId}`))
    expect(after.html).toContain('No app has access to this account.')
    expect(after.html).toContain('An admin revoked it.')
    expect((await admin.get(`/accounts/${accountId}/connections`)).body.items).toEqual([])
  })
})

describe('What an admin should look at', () => {
  const now = Date.UTC(2026, 4, 5, 12, 30)
  const hour = (ago: number) => new Date(Math.floor(now / HOUR) * HOUR - ago * HOUR).toISOString()
  let server: TestApp
  let appId: string
  beforeAll(async () => {
    server = await startTestApp({ backend: 'embedded' })
    await createScopes(server)
    appId = (await registerApp(server, { name: 'Storm Glass' })).id
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })
  const findings = async (live = 1) => {
    const { stores } = server.services
    const found = await findAttention({
      usage: stores.usage,
      countLive: () => Promise.resolve(live),
      accessTtlSeconds: () => Promise.resolve(3600),
      clock: () => now,
    })
    return found.map(({ rule, appId: about, count }) => [rule, about, count])
  }
  const add = (name: string, count: number, { ago = 0, reason = '', of = appId } = {}) =>
    server.services.stores.usage.add([{ hour: hour(ago), appId: of, name, reason, count }])

  it('is nothing on a day like any other', async () => {
    await add('token.issued', 100)
    await add('token.refreshed', 49)
    await add('request.refused', 49, { reason: 'code_unknown' })
    await add('login.throttled', 19, { of: '' })
    await add('grant.revoked', 5, { reason: 'user' })
    expect(await findings()).toEqual([])
  })

  it('names the app whose tokens come back, that refreshes per request, that fails; and guessing', async () => {
    await add('grant.revoked', 1, { reason: 'refresh_reuse', ago: 20 })
    await add('grant.revoked', 9, { reason: 'refresh_reuse', ago: 30 })
    await add('token.refreshed', 80)
    await add('request.refused', 100, { reason: 'code_unknown' })
    await add('login.throttled', 1, { of: '' })
    expect(await findings()).toEqual([
      ['theft', appId, 1],
      ['failing', appId, 149],
      ['storm', appId, 129],
      ['guessing', undefined, 20],
    ])
    // So many refreshes are healthy for many, and refusals as usual are no news.
    expect((await findings(100)).map(([rule]) => rule)).not.toContain('storm')
    await add('request.refused', 500, { reason: 'code_unknown', ago: 50 })
    await add('token.issued', 500, { ago: 50 })
    expect((await findings()).map(([rule]) => rule)).not.toContain('failing')
  })

  it('stands on the Overview with what to do, and leads to the events', async () => {
    server.clock.move(now - server.clock())
    const email = 'looker@example.com'
    await createAccount(server, { email, password: PASSWORD, role: 'admin' })
    const browser = createBrowser(server)
    const page = await browser.open(`${server.issuer}/sign-in?to=%2Fadmin`)
    const { html } = await browser.submit(page, 'to=%2Fadmin', { email, password: PASSWORD })
    expect(html).toContain('Look at this')
    expect(html).toMatch(/Tokens or codes were used twice[\s\S]*Storm Glass/)
    expect(html).toContain(`event=grant.revoked&amp;app=${appId}&amp;reason=refresh_reuse`)
  })
})
