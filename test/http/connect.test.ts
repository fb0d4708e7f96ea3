// People connect other systems, over HTTP on real stores, with a server that plays the providers:
// each way out and back, each way in which it can go wrong, and what is kept.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Connection } from '../../src/connections/connection.ts'
import type { Account } from '../../src/model/account.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser, type Page } from '../support/browser-flow.ts'
import { createAccount, PASSWORD } from '../support/builders.ts'
import { createIntegration, WITH_CONNECTIONS } from '../support/connections.ts'
import {
  type Decision,
  type QuirkName,
  type QuirkProvider,
  startQuirkProvider,
} from '../support/quirk-provider.ts'

const MINUTE = 60_000
const OAUTH = ['plain', 'slack', 'github', 'square', 'zoho', 'shopify', 'quickbooks'] as const
const CONFIG: Partial<Record<QuirkName, Record<string, string>>> = {
  zoho: { dc: 'eu' },
  shopify: { shop: 'flowers' },
}

let server: TestApp
let provider: QuirkProvider

const url = (path: string) => `${server.issuer}/connections${path}`
const wordsOf = ({ html }: Page): string =>
  html
    .replaceAll(/<(svg|head)[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll('&#39;', "'")
    .replaceAll(/\s+/g, ' ')

async function aBrowser(person?: Account): Promise<{ person: Account; browser: Browser }> {
  const who = person ?? (await createAccount(server, { password: PASSWORD }))
  const browser = createBrowser(server)
  const page = await browser.open(url(''))
  await browser.submit(page, '/sign-in?to=%2Fconnections', { email: who.email, password: PASSWORD })
  return { person: who, browser }
}

/** Presses Connect; returns the address of the provider's page. */
async function start(browser: Browser, quirk: QuirkName, fields = CONFIG[quirk]): Promise<string> {
  const page = await browser.open(url(`/add/${quirk}`))
  const away = await browser.submit(page, `/connections/add/${quirk}`, fields)
  expect({ status: away.status, words: away.html && wordsOf(away) }).toEqual({
    status: 0,
    words: '',
  })
  return away.url
}

async function connect(browser: Browser, quirk: QuirkName, decision?: Decision): Promise<Page> {
  const back = await provider.decide(await start(browser, quirk), decision)
  return browser.open(back)
}

const held = (person: Account): Promise<Connection[]> =>
  server.services.stores.connections.listOf({ kind: 'account', id: person.id })

async function eventsOf({ id }: Account): Promise<string[]> {
  await server.services.audit.flush()
  const { events } = await server.services.stores.events.list({ accountId: id })
  return events.map(({ name, reason }) => (reason === undefined ? name : `${name} ${reason}`))
}

const integrationOf = (handle: string) => server.services.stores.integrations.findByHandle(handle)

describe.each(BACKENDS)('on %s', (backend) => {
  beforeAll(async () => {
    provider = await startQuirkProvider()
    server = await startTestApp({
      backend,
      overrides: { ...WITH_CONNECTIONS, OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0' },
    })
    for (const quirk of OAUTH) await createIntegration(server, provider, quirk)
    await createIntegration(server, provider, 'keys')
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await provider[Symbol.asyncDispose]()
  })

  it('asks who is not signed in to sign in, and goes on to the page that was wanted', async () => {
    const person = await createAccount(server, { password: PASSWORD })
    const browser = createBrowser(server)
    const page = await browser.open(url('/add/plain'))
    expect(wordsOf(page)).toContain('Use your Otesse account to connect other systems.')
    const next = await browser.submit(page, '/sign-in?to=%2Fconnections%2Fadd%2Fplain', {
      email: person.email,
      password: PASSWORD,
    })
    expect(wordsOf(next)).toContain('Connect Plain CRM')
  })

  it.each(OAUTH)('connects %s', async (quirk) => {
    const { person, browser } = await aBrowser()
    const page = await connect(browser, quirk)
    expect(page.url).toBe(url('?shows=outcome'))
    expect(wordsOf(page)).toMatch(/ is connected( as .+)?\. /)
    const [connection, ...more] = await held(person)
    expect(more).toEqual([])
    expect(connection).toMatchObject({ status: 'active', missingScopes: [] })
    const usable = await server.services.stores.connections.findUsable(connection!.id)
    expect(usable?.credential('oauth_access_token')?.reveal()).toMatch(`at-${quirk}-`)
    expect(usable?.credential('oauth_refresh_token')?.reveal()).toMatch(`rt-${quirk}-`)
    expect(await eventsOf(person)).toContain('connection.created')
  })

  it('sends state and a challenge, a callback address of its own, and no verifier', async () => {
    const { browser } = await aBrowser()
    const there = new URL(await start(browser, 'plain'))
    const query = Object.fromEntries(there.searchParams)
    expect(query).toMatchObject({
      client_id: provider.client.clientId,
      redirect_uri: url('/callback/plain'),
      response_type: 'code',
      scope: 'read write',
      code_challenge_method: 'S256',
    })
    expect(query['state']).toMatch(/^\w{43}$/)
    expect(query).not.toHaveProperty('code_verifier')
  })

  it('knows the account there, and keeps the values that a provider sends along', async () => {
    const { person, browser } = await aBrowser()
    await connect(browser, 'plain', { account: 'berta' })
    await connect(browser, 'slack', { account: 'berta' })
    await connect(browser, 'quickbooks')
    expect(await held(person)).toMatchObject([
      { externalId: 'id-of-berta', externalLabel: 'berta@crm.example' },
      { externalId: 'id-of-berta', externalLabel: 'berta’s team' },
      { externalId: undefined, config: { realm: '9130357849' } },
    ])
  })

  describe('coming back wrongly has words and a way on', () => {
    const withError = (code: string) => (back: URL) => {
      back.searchParams.delete('code')
      back.searchParams.set('error', code)
      return back
    }
    const kinds: [
      string,
      (back: URL, browser: Browser) => Promise<URL> | URL,
      number,
      string,
      boolean,
    ][] = [
      ['denied', withError('access_denied'), 200, 'Plain CRM was not connected', false],
      ['another error', withError('over_quota'), 502, 'It gave this reason: over_quota.', false],
      [
        'an error that is a text of somebody else',
        withError('call 0800 now'),
        502,
        'It gave this reason: unknown.',
        false,
      ],
      [
        'scopes that the provider does not know',
        withError('invalid_scope'),
        502,
        'does not know what we asked for',
        false,
      ],
      [
        'no state',
        (back) => {
          back.searchParams.delete('state')
          return back
        },
        400,
        'We do not know this attempt',
        true,
      ],
      [
        'state twice',
        (back) => {
          back.searchParams.append('state', 'x')
          return back
        },
        400,
        'We do not know this attempt',
        true,
      ],
      [
        'a changed state',
        (back) => {
          back.searchParams.set('state', 'x'.repeat(43))
          return back
        },
        400,
        'This attempt is over',
        true,
      ],
      [
        'code twice',
        (back) => {
          back.searchParams.append('code', 'x')
          return back
        },
        400,
        'We did not understand Plain CRM',
        false,
      ],
      [
        'no code',
        (back) => {
          back.searchParams.delete('code')
          return back
        },
        400,
        'We did not understand Plain CRM',
        false,
      ],
      [
        'the callback of another integration',
        (back) => {
          back.pathname = '/connections/callback/github'
          return back
        },
        400,
        'This answer is from another system',
        false,
      ],
      [
        'a callback of no integration',
        (back) => {
          back.pathname = '/connections/callback/nobody'
          return back
        },
        400,
        'This answer is from another system',
        false,
      ],
      [
        'a code that is not of this provider',
        (back) => {
          back.searchParams.set('code', 'code-of-somebody')
          return back
        },
        502,
        'It gave this reason: invalid_grant.',
        false,
      ],
    ]
    it.each(kinds)('%s', async (_, change, status, words, isStillOpen) => {
      const { person, browser } = await aBrowser()
      const back = await provider.decide(await start(browser, 'plain'))
      const changed = await change(new URL(back), browser)
      const page = await browser.open(changed.href)
      expect({ status: page.status, words: wordsOf(page) }).toEqual({
        status,
        words: expect.stringContaining(words),
      })
      expect(wordsOf(page)).toContain('Your connections')
      expect(page.html).not.toContain('call 0800')
      expect(await held(person)).toEqual([])
      // What was burnt cannot be mended.
      await browser.open(back)
      expect(await held(person)).toHaveLength(isStillOpen ? 1 : 0)
    })

    it('a second use, by reload or Back', async () => {
      const { person, browser } = await aBrowser()
      const back = await provider.decide(await start(browser, 'plain'))
      expect(wordsOf(await browser.open(back))).toContain('Plain CRM is connected')
      const again = await browser.open(back)
      expect(again.status).toBe(400)
      expect(wordsOf(again)).toContain('this page was already used')
      expect(await held(person)).toHaveLength(1)
    })

    it('after ten minutes', async () => {
      const { person, browser } = await aBrowser()
      const back = await provider.decide(await start(browser, 'plain'))
      server.clock.move(10 * MINUTE + 1)
      const page = await browser.open(back)
      expect(wordsOf(page)).toContain('later than 10 minutes')
      expect(page.html).toContain('/connections/add/plain')
      expect(await held(person)).toEqual([])
    })

    it('in the browser of somebody else: nothing is stored, and the attempt is over', async () => {
      const attacker = await aBrowser()
      const victim = await aBrowser()
      const back = await provider.decide(await start(attacker.browser, 'plain'))
      const page = await victim.browser.open(back)
      expect({ status: page.status, words: wordsOf(page) }).toEqual({
        status: 400,
        words: expect.stringContaining('This was started somewhere else'),
      })
      await attacker.browser.open(back)
      expect([...(await held(attacker.person)), ...(await held(victim.person))]).toEqual([])
    })

    it('in a browser where nobody is signed in, or in another session of the same person', async () => {
      const { person, browser } = await aBrowser()
      const first = await provider.decide(await start(browser, 'plain'))
      expect(wordsOf(await createBrowser(server).open(first))).toContain('started somewhere else')
      const second = await provider.decide(await start(browser, 'plain'))
      const other = await aBrowser(person)
      expect(wordsOf(await other.browser.open(second))).toContain('started somewhere else')
      expect(await held(person)).toEqual([])
    })
  })

  it('compares the issuer where the callback names one (RFC 9207 §2.4)', async () => {
    const handle = 'named'
    await createIntegration(server, provider, 'plain', { handle }, (definition) => ({
      ...definition,
      key: handle,
      auth: { ...(definition['auth'] as object), issuer: 'https://crm.example' },
    }))
    const { person, browser } = await aBrowser()
    for (const [issuer, words] of [
      ['https://evil.example', 'This answer is from another system'],
      ['https://crm.example', 'Plain CRM is connected'],
    ] as const) {
      const page = await browser.open(url(`/add/${handle}`))
      const away = await browser.submit(page, `/connections/add/${handle}`)
      const back = new URL(await provider.decide(away.url))
      back.searchParams.set('iss', issuer)
      expect(wordsOf(await browser.open(back.href))).toContain(words)
    }
    expect(await held(person)).toHaveLength(1)
  })

  describe('a callback that the provider signs (Shopify)', () => {
    const changes: [string, (query: URLSearchParams) => void][] = [
      ['of another shop', (query) => query.set('shop', 'weeds.myshopify.com')],
      ['with a parameter added', (query) => query.set('extra', '1')],
      ['with a parameter taken away', (query) => query.delete('timestamp')],
      ['without its signature', (query) => query.delete('hmac')],
      ['with two signatures', (query) => query.append('hmac', query.get('hmac') ?? '')],
      ['signed by somebody else', (query) => query.set('hmac', 'f'.repeat(64))],
    ]
    it.each(changes)('%s is none, and the code is not used', async (_name, change) => {
      const { person, browser } = await aBrowser()
      const back = new URL(await provider.decide(await start(browser, 'shopify')))
      change(back.searchParams)
      const asked = provider.tokenRequests.length
      const page = await browser.open(back.href)
      expect({ status: page.status, words: wordsOf(page) }).toEqual({
        status: 400,
        words: expect.stringContaining('This answer is from another system'),
      })
      expect(provider.tokenRequests).toHaveLength(asked)
      expect(await held(person)).toEqual([])
    })
  })

  describe('a provider that fails while a code is exchanged', () => {
    it.each([
      [{ kind: 'status', status: 500 }, 503, 'Plain CRM does not answer'],
      [{ kind: 'status', status: 200, body: '<html>' }, 503, 'Plain CRM does not answer'],
      [{ kind: 'reset', when: 'before' }, 503, 'Plain CRM does not answer'],
      [{ kind: 'status', status: 429 }, 503, 'Plain CRM is busy'],
      [{ kind: 'error', error: 'invalid_grant' }, 502, 'did not complete the connection'],
    ] as const)('%j', async (misbehaviour, status, words) => {
      const { person, browser } = await aBrowser()
      const back = await provider.decide(await start(browser, 'plain'))
      provider.misbehave(misbehaviour)
      const page = await browser.open(back)
      expect({ status: page.status, words: wordsOf(page) }).toEqual({
        status,
        words: expect.stringContaining(words),
      })
      expect(await held(person)).toEqual([])
      expect(await integrationOf('plain')).toMatchObject({ status: 'active' })
    })

    it('a wrong client secret is one fault of the integration, which mends itself', async () => {
      const { person, browser } = await aBrowser()
      const back = await provider.decide(await start(browser, 'plain'))
      provider.misbehave({ kind: 'error', error: 'invalid_client' })
      const page = await browser.open(back)
      expect(wordsOf(page)).toContain('Plain CRM cannot be connected at the moment')
      expect(await integrationOf('plain')).toMatchObject({
        status: 'misconfigured',
        statusReason: 'invalid_client',
      })
      await connect(browser, 'plain')
      expect(await integrationOf('plain')).toMatchObject({ status: 'active' })
      expect(await held(person)).toHaveLength(1)
    })
  })

  describe('lives and scopes of an answer', () => {
    it.each<[Record<string, unknown>, number | undefined]>([
      [{ expires_in: '3600' }, 3600],
      [{ expires_in: undefined }, undefined],
      [{ expires_in: 0 }, undefined],
      [{ expires_in: undefined, expires_at: new Date(Date.now() + 7_200_000).toISOString() }, 7200],
    ])('%j', async (members, seconds) => {
      const { person, browser } = await aBrowser()
      const back = await provider.decide(await start(browser, 'plain'))
      provider.misbehave({ kind: 'members', members })
      const before = server.clock()
      await browser.open(back)
      const [connection] = await held(person)
      const end = connection?.accessExpiresAt?.getTime()
      if (seconds === undefined) expect(end).toBeUndefined()
      else if ('expires_at' in members) expect(end).toBe(Date.parse(String(members['expires_at'])))
      else expect(Math.abs((end ?? 0) - before - seconds * 1000)).toBeLessThan(MINUTE)
    })

    it.each([[{ refresh_token: undefined }], [{ refresh_token: '' }]])(
      'without a refresh token: %j',
      async (members) => {
        const { person, browser } = await aBrowser()
        const back = await provider.decide(await start(browser, 'plain'))
        provider.misbehave({ kind: 'members', members })
        await browser.open(back)
        const [connection] = await held(person)
        const usable = await server.services.stores.connections.findUsable(connection!.id)
        expect(usable?.credentials().map(({ kind }) => kind)).toEqual(['oauth_access_token'])
      },
    )

    it('fewer scopes are told and shown', async () => {
      const { person, browser } = await aBrowser()
      const page = await connect(browser, 'plain', { scopes: ['read'] })
      expect(wordsOf(page)).toContain('Some permissions were not given')
      expect(wordsOf(page)).toContain('Not given write')
      expect(await held(person)).toMatchObject([
        { grantedScopes: ['read'], missingScopes: ['write'] },
      ])
    })

    it('without a scope that is required nothing is connected, and the tokens are withdrawn', async () => {
      const handle = 'strict'
      await createIntegration(server, provider, 'plain', { handle, requiredScopes: ['write'] })
      const { person, browser } = await aBrowser()
      const page = await browser.open(url(`/add/${handle}`))
      const away = await browser.submit(page, `/connections/add/${handle}`)
      const before = provider.revoked.length
      const result = await browser.open(await provider.decide(away.url, { scopes: ['read'] }))
      expect(wordsOf(result)).toContain('Missing: write.')
      expect(await held(person)).toEqual([])
      expect(provider.revoked.slice(before)).toEqual([expect.stringMatching(/^rt-plain-/)])
    })
  })

  it('tokens that the provider’s own API refuses are not kept', async () => {
    const { person, browser } = await aBrowser()
    const back = await provider.decide(await start(browser, 'plain'))
    provider.misbehave({ kind: 'members', members: { access_token: 'not-a-token' } })
    const page = await browser.open(back)
    expect(wordsOf(page)).toContain('The connection does not work')
    expect(await held(person)).toEqual([])
  })

  describe('connecting again', () => {
    async function again(browser: Browser, connection: Connection, decision: Decision) {
      const page = await browser.open(url(''))
      expect(page.html).toContain(`value="${connection.id}"`)
      const form = await browser.open(url(`/add/plain?connection=${connection.id}`))
      const away = await browser.submit(form, '/connections/add/plain')
      return browser.open(await provider.decide(away.url, decision))
    }

    it('is where the address of a connection leads to, for its owner alone', async () => {
      const { person, browser } = await aBrowser()
      await connect(browser, 'plain')
      const [connection] = await held(person)
      const page = await browser.open(url(`/${connection!.id}`))
      expect(page.url).toBe(url(`/add/plain?connection=${connection!.id}`))
      const stranger = await aBrowser()
      expect((await stranger.browser.open(url(`/${connection!.id}`))).url).toBe(url(''))
      expect((await browser.open(url('/con_unknown'))).url).toBe(url(''))
    })

    it('keeps the id', async () => {
      const { person, browser } = await aBrowser()
      await connect(browser, 'plain', { account: 'anna' })
      const [before] = await held(person)
      const page = await again(browser, before!, { account: 'anna' })
      expect(wordsOf(page)).toContain('Plain CRM is connected again as anna@crm.example')
      expect(await held(person)).toMatchObject([{ id: before!.id, generation: 2 }])
      expect(await eventsOf(person)).toContain('connection.renewed')
    })

    it.each(['add', 'replace'] as const)('with another account asks: %s', async (answer) => {
      const { person, browser } = await aBrowser()
      await connect(browser, 'plain', { account: 'anna' })
      const [before] = await held(person)
      const question = await again(browser, before!, { account: 'berta' })
      expect(wordsOf(question)).toContain(
        'You were connected as anna@crm.example, and now chose berta@crm.example.',
      )
      expect(await held(person)).toMatchObject([{ externalId: 'id-of-anna' }])
      const path = new URL(question.url).pathname
      const stranger = await aBrowser()
      expect(wordsOf(await stranger.browser.open(question.url))).toContain('This question is over')
      const page = await browser.submit(question, path, { answer })
      expect(wordsOf(page)).toContain('as berta@crm.example')
      expect(await held(person)).toMatchObject(
        answer === 'replace'
          ? [{ id: before!.id, externalId: 'id-of-berta' }]
          : [{ id: before!.id, externalId: 'id-of-anna' }, { externalId: 'id-of-berta' }],
      )
      const twice = await browser.submit(question, path, { answer })
      expect(wordsOf(twice)).toContain('This question is over')
    })
  })

  describe('keys', () => {
    const submit = async (browser: Browser, api_key: string, query = '') =>
      browser.submit(await browser.open(url(`/add/keys${query}`)), '/connections/add/keys', {
        api_key,
      })
    const keyOf = async ({ id }: Connection) =>
      (await server.services.stores.connections.findUsable(id))?.credential('api_key')?.reveal()

    it('are tried, kept, and never shown', async () => {
      const { person, browser } = await aBrowser()
      const page = await submit(browser, 'a-key-that-opens-the-api')
      expect(wordsOf(page)).toContain('Mail Sender is connected as anna@crm.example')
      const [connection] = await held(person)
      expect(await keyOf(connection!)).toBe('a-key-that-opens-the-api')
      const form = await browser.open(url(`/add/keys?connection=${connection!.id}`))
      expect(form.html).toContain('type="password"')
      expect(form.html).not.toContain('a-key-that-opens-the-api')
    })

    it.each([
      ['a-wrong-key', 'Mail Sender did not accept this. Nothing was saved.'],
      ['', 'Fill in this field.'],
      ['ключ', 'This has signs in it that no key has.'],
    ])('%j is told at once, and what works stays', async (wrong, words) => {
      const { person, browser } = await aBrowser()
      await submit(browser, 'a-key-that-opens-the-api')
      const [connection] = await held(person)
      const page = await submit(browser, wrong, `?connection=${connection!.id}`)
      expect({ status: page.status, words: wordsOf(page) }).toEqual({
        status: 422,
        words: expect.stringContaining(words),
      })
      if (wrong !== '') expect(page.html).not.toContain(wrong)
      expect(await keyOf(connection!)).toBe('a-key-that-opens-the-api')
    })
  })

  describe('the list', () => {
    it('says what needs the person, and leads there', async () => {
      const { person, browser } = await aBrowser()
      await connect(browser, 'plain')
      const [connection] = await held(person)
      await server.infrastructure.db
        .updateTable('connections')
        .set({ status: 'expired', status_reason: 'refused_by_provider' })
        .where('id', '=', connection!.id)
        .execute()
      const page = await browser.open(url(''))
      expect(wordsOf(page)).toMatch(/Needs you .*Plain CRM has not accepted our access since/)
    })

    it('shows which app used a connection when', async () => {
      const { person, browser } = await aBrowser()
      await connect(browser, 'plain')
      const [connection] = await held(person)
      await server.infrastructure.db
        .insertInto('connection_uses')
        .values({
          connection_id: connection!.id,
          app_id: 'app_gone',
          used_at: new Date('2026-11-20T10:00:00Z'),
          uses: 3,
        })
        .execute()
      expect(wordsOf(await browser.open(url('')))).toMatch(/Used by app_gone, last Nov 20, 2026/)
    })

    it('is linked from the connected apps', async () => {
      const { browser } = await aBrowser()
      const page = await browser.open(`${server.issuer}/connected-apps`)
      expect(page.html).toContain('href="/connections"')
    })
  })

  describe('the company’s own', () => {
    const handle = 'company-crm'
    const ofCompany = () => server.services.stores.connections.listOf({ kind: 'company' })

    it('is connected and disconnected by those who look after apps, and by nobody else', async () => {
      await createIntegration(server, provider, 'plain', { handle, ownerKinds: ['company'] })
      const manager = await aBrowser(
        await createAccount(server, { password: PASSWORD, role: 'app_manager' }),
      )
      const member = await aBrowser()
      expect(wordsOf(await manager.browser.open(url('')))).toContain('The company’s own')
      expect(wordsOf(await member.browser.open(url('')))).not.toContain('The company’s own')
      for (const query of ['', '?owner=company'])
        expect((await member.browser.open(url(`/add/${handle}${query}`))).status).toBe(404)

      const form = await manager.browser.open(url(`/add/${handle}?owner=company`))
      const away = await manager.browser.submit(form, `/connections/add/${handle}`)
      const page = await manager.browser.open(await provider.decide(away.url))
      expect(wordsOf(page)).toContain('Plain CRM is connected as anna@crm.example')
      const [connection] = await ofCompany()
      expect(connection).toMatchObject({ establishedBy: manager.person.id })
      expect(await held(manager.person)).toEqual([])

      const path = `/${connection!.id}/disconnect`
      expect((await member.browser.open(url(path))).url).toBe(url(''))
      await manager.browser.submit(await manager.browser.open(url(path)), path)
      expect(await ofCompany()).toEqual([])
    })

    it('is not for who lost the role on the way', async () => {
      const manager = await aBrowser(
        await createAccount(server, { password: PASSWORD, role: 'app_manager' }),
      )
      const form = await manager.browser.open(url(`/add/${handle}?owner=company`))
      const away = await manager.browser.submit(form, `/connections/add/${handle}`)
      await server.infrastructure.db
        .updateTable('accounts')
        .set({ role: 'member' })
        .where('id', '=', manager.person.id)
        .execute()
      await server.infrastructure.invalidation.publish('account', manager.person.id)
      const page = await manager.browser.open(await provider.decide(away.url))
      expect(page.status).toBe(400)
      expect(await ofCompany()).toEqual([])
    })
  })

  describe('disconnecting', () => {
    const disconnect = async (browser: Browser, { id }: Connection) =>
      browser.submit(await browser.open(url(`/${id}/disconnect`)), `/${id}/disconnect`)

    it('withdraws the access at the provider', async () => {
      const { person, browser } = await aBrowser()
      await connect(browser, 'plain')
      const [connection] = await held(person)
      const page = await disconnect(browser, connection!)
      expect(wordsOf(page)).toContain('Plain CRM was disconnected.')
      expect(await held(person)).toEqual([])
      expect(provider.revoked.at(-1)).toMatch(/^rt-plain-/)
      expect(await eventsOf(person)).toContain('connection.disconnected withdrawn_at_provider')
    })

    it('says so where the provider offers no way', async () => {
      const { person, browser } = await aBrowser()
      await connect(browser, 'github')
      const [connection] = await held(person)
      const page = await disconnect(browser, connection!)
      expect(wordsOf(page)).toContain('We could not withdraw the access there.')
      expect(await held(person)).toEqual([])
    })

    it('nobody ends a connection of somebody else', async () => {
      const { person, browser } = await aBrowser()
      await connect(browser, 'plain')
      const [connection] = await held(person)
      const stranger = await aBrowser()
      const page = await stranger.browser.open(url(`/${connection!.id}/disconnect`))
      expect(page.url).toBe(url(''))
      expect(await held(person)).toHaveLength(1)
    })
  })

  it('nothing of a credential is in the log or in an event', async () => {
    await server.services.audit.flush()
    const { events } = await server.services.stores.events.list({})
    const written = server.log.join('\n') + JSON.stringify(events)
    expect(written).not.toMatch(/\b(at|rt|code)-(plain|slack|github|square|zoho|shopify|quickb)/)
    expect(written).not.toContain(provider.client.clientSecret)
    expect(written).not.toContain('a-key-that-opens-the-api')
  })
})

it('is not there while connections are switched off', async () => {
  await using off = await startTestApp({ backend: 'redis' })
  expect((await fetch(`${off.url}/connections`)).status).toBe(404)
})
