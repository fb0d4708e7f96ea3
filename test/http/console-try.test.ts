// "Try it" over HTTP on real stores: what an admin sees of an app's real flow, that nothing of it
// stays, and that the address of previews is useless to everybody else. How it looks is in
// test/browser/console-try.test.ts.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals'
import type { Account } from '../../src/model/account.ts'
import { accountIndex, appIndex } from '../../src/grants/grant.ts'
import type { Issued } from '../../src/grants/issue.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import {
  approveInBrowser,
  type Browser,
  createBrowser,
  type Page,
} from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  registerApp,
  type TestClient,
} from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const MINUTE = 60_000
const TOKEN = /otesse_(?:at|rt|ac)_[0-9A-Za-z]{10,}/
let server: TestApp
let ada: Account

const at = (path: string): string => server.issuer + path
const tryPath = ({ id }: TestClient): string => `/admin/apps/${id}/try`

const wordsOf = ({ html }: Page): string =>
  html
    .replaceAll(/<(svg|head)[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll(/\s+/g, ' ')

/** Fields of all permissions that are ticked on the page. */
const ticked = ({ html }: Page): Record<string, string> =>
  Object.fromEntries(
    [...html.matchAll(/name="(scope:[^"]+)" checked/g)].map(([, name = '']) => [name, 'on']),
  )

async function aConsole(person: Account = ada): Promise<Browser> {
  const browser = createBrowser(server)
  const to = 'to=%2Fadmin%2Fapps'
  const page = await browser.open(at(`/sign-in?${to}`))
  const fields = { email: person.email, password: PASSWORD }
  expect((await browser.submit(page, to, fields)).status).toBe(200)
  return browser
}

/** Starts a preview; ends on the consent page, or where the flow ended before it. */
async function begin(browser: Browser, app: TestClient, fields?: Record<string, string>) {
  const form = await browser.open(at(tryPath(app)))
  return browser.submit(form, tryPath(app), fields ?? ticked(form))
}

/** Starts a preview and returns the authorization request that it leads to, not sent yet. */
async function requestOf(browser: Browser, app: TestClient): Promise<URL> {
  const form = await browser.open(at(tryPath(app)))
  const csrf = /name="csrf" value="([^"]+)"/.exec(form.html)?.[1] ?? ''
  const answer = await browser.request(at(tryPath(app)), {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams({ csrf, ...ticked(form) }),
  })
  expect(answer.status).toBe(303)
  return new URL(answer.headers.get('location') ?? '')
}

/** Approves and returns the address at which the preview comes back, not opened yet. */
async function comingBack(browser: Browser, consent: Page): Promise<string> {
  const action = /action="([^"]+\/approve)"/.exec(consent.html)?.[1] ?? ''
  const csrf = /name="csrf" value="([^"]+)"/.exec(consent.html)?.[1] ?? ''
  const onward = await browser.request(at(action), {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams({ csrf }),
  })
  const resume = /url=(.*)$/.exec(onward.headers.get('refresh') ?? '')?.[1] ?? ''
  return (await browser.request(resume)).headers.get('location') ?? ''
}

const eventsOf = async (appId: string, name?: string) => {
  await server.services.audit.flush()
  const { events } = await server.services.stores.events.list({
    appId,
    limit: 100,
    ...(name === undefined ? {} : { name }),
  })
  return events
}

/** What the indexes know of the app and its admin. */
async function listed({ id }: TestClient, { id: accountId }: Account = ada) {
  const { store, clock } = server.infrastructure
  const [ofApp, ofAccount] = await Promise.all([
    store.listIndex(appIndex(id), clock(), 0, 100),
    store.listIndex(accountIndex(accountId), clock(), 0, 100),
  ])
  return { ofApp, ofAccount: ofAccount.filter((member) => member.endsWith(id)) }
}

const consentOf = ({ id }: TestClient, { id: accountId }: Account = ada) =>
  server.services.consents.find(accountId, id)

describe.each(BACKENDS)('trying an app on %s', (backend) => {
  beforeAll(async () => {
    server = await startTestApp({
      backend,
      overrides: { OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    })
    await createScopes(server)
    ada = await createAccount(server, { password: PASSWORD, role: 'admin' })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  describe.each(['web', 'public'] as const)('of type %s', (type) => {
    it('goes through the real flow, and shows what the app would get', async () => {
      const app = await registerApp(server, {
        type,
        name: 'Studio Planner',
        scopes: ['bookings:read', 'customers:read', 'openid'],
        redirectUris: ['https://planner.example.com/callback?tenant=7'],
      })
      const browser = await aConsole()
      const consent = await begin(browser, app)
      const asked = wordsOf(consent)
      expect(asked).toContain('Studio Planner wants access to your Otesse account')
      expect(asked).toContain('Use bookings:read')
      expect(asked).toContain('Nothing goes to the app. Only you see the result')
      expect(asked).not.toContain('planner.example.com')
      expect(asked).not.toContain('Not you?')

      const result = await browser.approve(consent)
      expect(result.status).toBe(200)
      const words = wordsOf(result)
      expect(words).toContain('The tokens of this preview are revoked')
      expect(words).toMatch(
        /https:\/\/planner\.example\.com\/callback\?tenant=7&code=otesse_ac_….{4}&state=.{43}&iss=http/,
      )
      expect(words).toMatch(/"access_token": "otesse_at_….{4}", "refresh_token": "otesse_rt_….{4}"/)
      expect(words).toContain('"expires_in": 3600, "scope": "bookings:read customers:read openid"')
      expect(words).toContain(`"active": true`)
      expect(words).toContain(`"sub": "${ada.id}"`)
      expect(words).toMatch(/"id_token": "ey….{4}"/)
      expect(words).toContain(`"aud": "${app.id}"`)
      expect(words).toMatch(/"nonce": ".{22}"/)
      expect(result.html).not.toMatch(TOKEN)
    })

    it('asks for what was ticked alone', async () => {
      const app = await registerApp(server, { type })
      const browser = await aConsole()
      const consent = await begin(browser, app, { 'scope:bookings:read': 'on' })
      expect(wordsOf(consent)).not.toContain('Use customers:read')
      const words = wordsOf(await browser.approve(consent))
      expect(words).toContain('"scope": "bookings:read"')
      expect(words).not.toContain('id_token')
    })

    it('leaves nothing behind: no grant, no consent, no index entry, no preview', async () => {
      const app = await registerApp(server, { type })
      const browser = await aConsole()
      const back = new URL(await comingBack(browser, await begin(browser, app)))
      const [grantId = ''] = (await listed(app)).ofApp
      expect(await server.services.grants.find(grantId)).toBeDefined()
      expect((await browser.open(back.href)).status).toBe(200)
      expect(await server.services.grants.find(grantId)).toBeUndefined()
      expect(await listed(app)).toEqual({ ofApp: [], ofAccount: [] })
      expect(await consentOf(app)).toBeUndefined()
      expect(
        await server.services.previews.find(back.searchParams.get('state') ?? ''),
      ).toBeUndefined()
    })

    it('shows what the app is told when somebody denies', async () => {
      const app = await registerApp(server, { type })
      const browser = await aConsole()
      const words = wordsOf(await browser.deny(await begin(browser, app)))
      expect(words).toContain('You denied access.')
      expect(words).toContain(
        'https://yourapp.com/callback?error=access_denied&error_description=The%20user%20did%20not%20allow%20the%20app.',
      )
      expect(await listed(app)).toEqual({ ofApp: [], ofAccount: [] })
    })

    it('says of a suspended app what happens, and begins nothing', async () => {
      const app = await registerApp(server, { type })
      await server.services.apps.suspend(app.id, 'spam')
      const browser = await aConsole()
      const form = await browser.open(at(tryPath(app)))
      expect(wordsOf(form)).toContain(
        'The app is suspended. Here you can see how its request is refused.',
      )
      const result = await browser.submit(form, tryPath(app), ticked(form))
      expect(result.url).toBe(at(tryPath(app)))
      expect(wordsOf(result)).toContain('They are not sent back to the app.')
      expect(result.html).toContain('authorize_app_unknown')
    })

    it('is refused at the end when the app is suspended on the way', async () => {
      const app = await registerApp(server, { type })
      const browser = await aConsole()
      const consent = await begin(browser, app)
      const back = await comingBack(browser, consent)
      await server.services.apps.suspend(app.id, 'spam')
      const result = await browser.open(back)
      expect(wordsOf(result)).toContain('The request was refused. The app got no tokens.')
      expect(result.html).toContain('<code>client_suspended</code>')
      expect(result.html).not.toContain('access_token')
    })
  })

  it('tells why an app is refused: a permission that left the catalogue', async () => {
    await createScopes(server, ['gone:read'])
    const app = await registerApp(server, { scopes: ['bookings:read', 'gone:read'] })
    await server.services.scopes.remove('gone:read')
    const browser = await aConsole()
    const form = await browser.open(at(tryPath(app)))
    // Not ticked, because a real app that asked for it would fail.
    expect(ticked(form)).toEqual({ 'scope:bookings:read': 'on' })
    const result = await begin(browser, app, { 'scope:gone:read': 'on' })
    expect(wordsOf(result)).toContain('callback?error=invalid_scope')
    expect(result.html).toContain('<code>scope_unknown</code>')
  })

  it('tells why an app is refused that asks for nothing', async () => {
    const app = await registerApp(server)
    const result = await begin(await aConsole(), app, {})
    expect(result.html).toContain('<code>scope_missing</code>')
  })

  it('leaves a real connection of the same admin alone, and shows the page as others see it', async () => {
    const app = await registerApp(server)
    const client = createOAuthClient(server, app)
    const browser = await aConsole()
    const query = new URLSearchParams({
      client_id: app.id,
      redirect_uri: app.redirectUri,
      response_type: 'code',
      scope: 'bookings:read',
    })
    const person = { email: ada.email, password: PASSWORD }
    const url = at(`/oauth/authorize?${query.toString()}`)
    const real = await approveInBrowser(server, url, person, browser)
    const tokens = await client.exchange(real.searchParams.get('code') ?? '')
    const before = { consent: await consentOf(app), listed: await listed(app) }
    expect(before.consent).toEqual(['bookings:read'])

    const consent = await begin(browser, app)
    expect(wordsOf(consent)).not.toContain('Already allowed')
    expect(wordsOf(await browser.approve(consent))).toContain(
      'The tokens of this preview are revoked',
    )

    expect({ consent: await consentOf(app), listed: await listed(app) }).toEqual(before)
    expect(await client.isActive(tokens.body.access_token)).toBe(true)
    expect((await client.refresh(tokens.body.refresh_token)).status).toBe(200)
  })

  describe('of a machine', () => {
    const aMachine = () => registerApp(server, { type: 'machine' })

    it('shows what it gets for its credentials, and ends that token alone', async () => {
      const machine = await aMachine()
      const client = createOAuthClient(server, machine)
      const own = (await client.credentials()).body.access_token
      const issue = jest.spyOn(server.services.grants, 'issueToApp')
      const result = await begin(await aConsole(), machine, { 'scope:bookings:read': 'on' })
      const words = wordsOf(result)
      expect(words).toMatch(/"access_token": "otesse_at_….{4}", "token_type": "Bearer"/)
      expect(words).toContain('"scope": "bookings:read"')
      expect(words).toContain('"active": true')
      expect(words).not.toContain('refresh_token')
      expect(result.html).not.toMatch(TOKEN)
      const issued = await (issue.mock.results[0]?.value as Promise<Issued> | undefined)
      issue.mockRestore()
      expect(issued?.accessToken).toMatch(TOKEN)
      expect(await client.isActive(issued?.accessToken ?? own)).toBe(false)
      expect(await client.isActive(own)).toBe(true)
      const [revoked, ...others] = await eventsOf(machine.id, 'token.revoked')
      expect(revoked).toMatchObject({ reason: 'preview', actor: ada.id })
      expect(others).toEqual([])
    })

    it('says why a suspended one gets nothing', async () => {
      const machine = await aMachine()
      await server.services.apps.suspend(machine.id, 'spam')
      const result = await begin(await aConsole(), machine)
      expect(result.html).toContain('<code>client_suspended</code>')
    })
  })

  it('is not there for an API, for a deleted app, or for one that never was', async () => {
    const api = await registerApp(server, { type: 'resource_server' })
    const deleted = await registerApp(server)
    await server.services.apps.remove(deleted.id, 'gone')
    const browser = await aConsole()
    for (const id of [api.id, deleted.id, 'nobody'])
      expect((await browser.open(at(`/admin/apps/${id}/try`))).status).toBe(404)
    expect((await browser.open(at(`/admin/apps/${api.id}`))).html).not.toContain('/try"')
  })

  describe('the address of previews', () => {
    it('takes nobody to a consent page who began no preview', async () => {
      const app = await registerApp(server)
      const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
      const query = {
        client_id: app.id,
        redirect_uri: at('/admin/try/return'),
        response_type: 'code',
        scope: 'bookings:read',
        state: challenge,
        code_challenge: challenge,
        code_challenge_method: 'S256',
      }
      const authorize = (extra: Record<string, string>) =>
        at(`/oauth/authorize?${new URLSearchParams({ ...query, ...extra }).toString()}`)
      for (const browser of [createBrowser(server), await aConsole()])
        for (const url of [
          authorize({}),
          authorize({ state: 'xyz' }),
          authorize({ prompt: 'none' }),
          // What the engine would refuse must not come by either.
          `${authorize({})}&redirect_uri=x`,
          at(`/oauth/authorize?client_id=${app.id}&redirect_uri=${at('/admin/try/return')}`),
        ]) {
          const page = await browser.open(url)
          expect([page.status, page.url]).toEqual([400, url])
          expect(wordsOf(page)).toContain('This preview is over')
        }
    })

    it.each(['a stranger', 'a member', 'another admin'] as const)(
      'takes %s nowhere with the link of an admin’s preview',
      async (who) => {
        const app = await registerApp(server)
        const url = await requestOf(await aConsole(), app)
        const role = who === 'another admin' ? 'admin' : 'member'
        const browser =
          who === 'a stranger'
            ? createBrowser(server)
            : await signedIn(await createAccount(server, { password: PASSWORD, role }))
        const page = await browser.open(url.href)
        expect([page.status, page.url]).toEqual([400, url.href])
        expect(await listed(app)).toEqual({ ofApp: [], ofAccount: [] })
      },
    )

    it('takes its admin nowhere with another app, state or challenge than that of the preview', async () => {
      const [app, other] = [await registerApp(server), await registerApp(server)]
      const browser = await aConsole()
      const foreign = await requestOf(browser, other)
      const changes: Record<string, string>[] = [
        { client_id: other.id },
        { state: 'another' },
        { state: foreign.searchParams.get('state') ?? '' },
        { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM' },
      ]
      for (const change of changes) {
        const url = await requestOf(browser, app)
        for (const [name, value] of Object.entries(change)) url.searchParams.set(name, value)
        const page = await browser.open(url.href)
        expect([page.status, page.url]).toEqual([400, url.href])
      }
      const bare = await requestOf(browser, app)
      bare.searchParams.delete('code_challenge')
      expect((await browser.open(bare.href)).status).toBe(400)
    })

    it('lets nobody go on who signs in on the way as somebody else', async () => {
      const app = await registerApp(server)
      const browser = await aConsole()
      const consent = await begin(browser, app)
      // In another tab.
      const other = await createAccount(server, { password: PASSWORD, role: 'admin' })
      const page = await browser.open(at('/sign-in?to=%2Fadmin%2Fapps&mode=other'))
      await browser.submit(page, 'mode=other', { email: other.email, password: PASSWORD })
      const result = await browser.approve(consent)
      expect(result.status).toBe(400)
      expect(await listed(app)).toEqual({ ofApp: [], ofAccount: [] })
    })

    it('shows no consent page to whoever signs in on the way instead of its admin', async () => {
      const app = await registerApp(server)
      const browser = await aConsole()
      const url = await requestOf(browser, app)
      url.searchParams.set('prompt', 'login consent')
      const again = await browser.submit(await browser.open(url.href), '/switch')
      const other = await createAccount(server, { password: PASSWORD, role: 'admin' })
      const page = await browser.signIn(again, other.email, PASSWORD)
      expect(page.status).toBe(400)
      expect(wordsOf(page)).toContain('This preview is over')
    })

    it('shows nothing to another admin, and leaves the preview to whoever began it', async () => {
      const app = await registerApp(server)
      const browser = await aConsole()
      const back = await comingBack(browser, await begin(browser, app))
      const other = await aConsole(
        await createAccount(server, { password: PASSWORD, role: 'admin' }),
      )
      const page = await other.open(back)
      expect(page.status).toBe(400)
      expect(wordsOf(page)).toContain('This preview is over')
      expect((await createBrowser(server).request(back)).status).toBe(303)
      expect((await browser.open(back)).status).toBe(200)
    })

    it('shows the result once, however many ask at once', async () => {
      const app = await registerApp(server)
      const browser = await aConsole()
      const back = await comingBack(browser, await begin(browser, app))
      const pages = await Promise.all(Array.from({ length: 8 }, () => browser.open(back)))
      expect(pages.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(400)])
      expect((await browser.open(back)).status).toBe(400)
    })

    it('redeems no code but that of the preview, and ends the preview all the same', async () => {
      const app = await registerApp(server)
      const client = createOAuthClient(server, app)
      const real = await client.authorize()
      const browser = await aConsole()
      const back = new URL(await comingBack(browser, await begin(browser, app)))
      const own = back.searchParams.get('code') ?? ''
      back.searchParams.set('code', real.code)
      const result = await browser.open(back.href)
      expect(result.html).toContain('<code>code_unknown</code>')
      // Not even as the replay that it is.
      expect(await client.isActive(real.access)).toBe(true)
      expect((await client.exchange(own)).body.error).toBe('invalid_grant')
    })

    it('gives a code that is worth nothing to the app, which lacks the verifier', async () => {
      const app = await registerApp(server)
      const client = createOAuthClient(server, app)
      const browser = await aConsole()
      const back = new URL(await comingBack(browser, await begin(browser, app)))
      const code = back.searchParams.get('code') ?? ''
      const redirect_uri = at('/admin/try/return')
      for (const extra of [
        {},
        { redirect_uri },
        { redirect_uri, code_verifier: back.searchParams.get('state') ?? '' },
      ])
        expect((await client.exchange(code, extra)).body.error).toBe('invalid_grant')
    })

    it('leads to one grant: the same request a second time comes to none', async () => {
      const app = await registerApp(server)
      const browser = await aConsole()
      const url = await requestOf(browser, app)
      const [first, second] = [await browser.open(url.href), await browser.open(url.href)]
      await comingBack(browser, first)
      const page = await browser.approve(second)
      expect(page.status).toBe(400)
      expect((await listed(app)).ofApp).toHaveLength(1)
    })

    it('is of no use after ten minutes, at any step', async () => {
      const app = await registerApp(server)
      const browser = await aConsole()
      const url = await requestOf(browser, app)
      const consent = await begin(browser, app)
      const back = await comingBack(browser, await begin(browser, app))
      server.clock.move(10 * MINUTE)
      expect((await browser.open(url.href)).status).toBe(400)
      expect((await browser.open(consent.url)).status).toBe(400)
      expect((await browser.approve(consent)).status).toBe(400)
      expect((await browser.open(back)).status).toBe(400)
    })

    it('is a preview too where an app has registered it', async () => {
      const app = await registerApp(server, { redirectUris: [at('/admin/try/return')] })
      const query = new URLSearchParams({
        client_id: app.id,
        redirect_uri: app.redirectUri,
        response_type: 'code',
        scope: 'bookings:read',
      })
      const page = await (await aConsole()).open(at(`/oauth/authorize?${query.toString()}`))
      expect(page.status).toBe(400)
    })
  })

  it('begins with a form of this admin for this app alone', async () => {
    const [app, other] = [await registerApp(server), await registerApp(server)]
    const browser = await aConsole()
    const form = await browser.open(at(tryPath(other)))
    const csrf = /name="csrf" value="([^"]+)"/.exec(form.html)?.[1] ?? ''
    const answers = [{ csrf: '' }, { csrf }].map((fields) =>
      browser.request(at(tryPath(app)), { method: 'POST', body: new URLSearchParams(fields) }),
    )
    for (const { status } of await Promise.all(answers)) expect(status).toBe(403)
    expect((await createBrowser(server).request(at(tryPath(app)))).status).toBe(303)
  })

  it('keeps nothing in the stores or the log that would open anything', async () => {
    const app = await registerApp(server)
    const browser = await aConsole()
    const url = await requestOf(browser, app)
    const state = url.searchParams.get('state') ?? ''
    const { verifier } = (await server.services.previews.find(state)) ?? {}
    expect(verifier).toMatch(/^[0-9A-Za-z]{64}$/)
    const kept = await everythingKept()
    expect(kept).not.toContain(state)
    expect(kept).not.toContain(verifier)
    const back = await comingBack(browser, await browser.open(url.href))
    const code = new URL(back).searchParams.get('code') ?? ''
    await browser.open(back)
    await server.services.audit.flush()
    for (const text of [await everythingKept(), server.log.join('\n')]) {
      expect(text).not.toContain(verifier)
      expect(text).not.toContain(code)
    }
  })

  it('is written down as a preview of that admin, and counts as no usage', async () => {
    const app = await registerApp(server)
    const browser = await aConsole()
    await browser.approve(await begin(browser, app))
    await browser.deny(await begin(browser, app))
    await begin(browser, app, {})
    const events = await eventsOf(app.id)
    const names = events.map(({ name }) => name).sort()
    expect(names).toEqual([
      'app.tried',
      'app.tried',
      'app.tried',
      'code.issued',
      'consent.denied',
      'consent.granted',
      'grant.revoked',
      'request.refused',
      'token.issued',
    ])
    for (const { data } of events) expect(data).toMatchObject({ preview: true })
    const tried = events.filter(({ name }) => name === 'app.tried')
    expect(tried.map(({ actor }) => actor)).toEqual([ada.id, ada.id, ada.id])
    expect(tried.map(({ data }) => data?.['outcome']).sort()).toEqual([
      'denied',
      'issued',
      'refused',
    ])
    const usage = await server.infrastructure.db
      .selectFrom('usage_daily')
      .selectAll()
      .where('app_id', '=', app.id)
      .execute()
    expect(usage).toEqual([])
    const activity = await browser.open(at(`/admin/apps/${app.id}/activity`))
    expect(wordsOf(activity)).toContain('App previewed by an admin')
  })

  async function signedIn(person: Account): Promise<Browser> {
    const browser = createBrowser(server)
    const page = await browser.open(at('/sign-in?to=%2Fconnected-apps'))
    await browser.submit(page, 'connected-apps', { email: person.email, password: PASSWORD })
    return browser
  }

  /** Everything in the short-lived store, as text. */
  async function everythingKept(): Promise<string> {
    const { redis, db } = server.infrastructure
    if (redis !== undefined) {
      const prefix = server.stores.settings['OTESSE_REDIS_PREFIX'] ?? ''
      const keys = await redis.keys(`${prefix}*`)
      const values = await Promise.all(
        keys.map(async (key) =>
          (await redis.type(key)) === 'string' ? ((await redis.get(key)) ?? '') : '',
        ),
      )
      return [...keys, ...values].join('\n')
    }
    return JSON.stringify(await db.selectFrom('grant_journal').selectAll().execute())
  }
})
