// Trying connections, on both databases, against providers that answer in their own ways: what ends
// a connection, what says nothing, and when keys are tried again.
import { startBackgroundRefresh } from '../../src/connections/background-refresh.ts'
import { createCheckStore } from '../../src/connections/check.store.ts'
import { checkConnection, type CheckDeps } from '../../src/connections/check.ts'
import { createConnectionStore } from '../../src/connections/connection.store.ts'
import type { NewConnection } from '../../src/connections/connection.ts'
import { createDueStore } from '../../src/connections/due.store.ts'
import { createIntegrationStore } from '../../src/connections/integration.store.ts'
import { createProviderCalls } from '../../src/connections/provider-calls.ts'
import { createRefresher } from '../../src/connections/refresh.ts'
import { createRefreshStore } from '../../src/connections/refresh.store.ts'
import { createRequestTokens } from '../../src/connections/renewal-request.ts'
import { createMemorySpool } from '../../src/connections/spool.ts'
import { createWithdrawalStore } from '../../src/connections/withdrawal.store.ts'
import { UNSAFE_DESTINATIONS } from '../../src/outgoing/destination.ts'
import { sendOutgoing } from '../../src/outgoing/outgoing-request.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { DAY, HOUR } from '../../src/shared/clock.ts'
import { createRowEncryption } from '../../src/shared/encryption.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { Secret } from '../../src/shared/secret.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { anIntegration } from '../support/connections.ts'
import { DATABASES } from '../support/migrated-database.ts'
import {
  type QuirkName,
  type QuirkProvider,
  startQuirkProvider,
} from '../support/quirk-provider.ts'

const encryption = createRowEncryption([new Secret('k'.repeat(43))])
const logger = createLogger('silent')
const KEY = 'a-key-that-opens-the-api'

describe.each(DATABASES)('on $name', ({ open }) => {
  let durable: OpenDatabase
  let provider: QuirkProvider
  let now = Date.now()
  let told: string[] = []
  let asked = 0
  beforeAll(async () => {
    durable = await open()
  })
  beforeEach(async () => {
    provider = await startQuirkProvider()
    now = Date.now()
    told = []
    asked = 0
    await durable.db.deleteFrom('integrations').execute()
  })
  afterEach(() => provider[Symbol.asyncDispose]())
  afterAll(() => durable[Symbol.asyncDispose]())

  const clock = () => now
  const connections = () => createConnectionStore(durable.db, encryption)
  const integrations = () => createIntegrationStore(durable.db, encryption)

  function node(quirk: QuirkName): { deps: CheckDeps; try(id: string): Promise<string> } {
    const definition = provider.definition(quirk) as unknown as Provider
    const providerOf = () => Promise.resolve(definition)
    const calls = createProviderCalls({
      send: (_lane, request) => {
        if (request.method === 'GET') asked += 1
        return sendOutgoing(request, UNSAFE_DESTINATIONS)
      },
      clock,
    })
    const nothing = (): void => undefined
    const events = {
      connectionExpired: ({ reason }: { reason: string }) => void told.push(`expired ${reason}`),
      connectionFailing: nothing,
      connectionRecovered: nothing,
      connectionNarrowed: nothing,
      integrationMisconfigured: nothing,
      integrationRecovered: nothing,
    }
    const refresher = createRefresher({
      connections: connections(),
      integrations: integrations(),
      store: createRefreshStore(durable.db, encryption),
      spool: createMemorySpool(),
      withdrawals: createWithdrawalStore(durable.db, encryption),
      providerOf,
      requestTokens: createRequestTokens({ calls, providerOf }),
      events,
      clock,
      logger,
      timing: { lease: 1500, request: 1000, wait: 3000, pause: 20 },
    })
    const store = createCheckStore(durable.db)
    const deps = { store, refresher, providerOf, calls, events, clock }
    return {
      deps,
      async try(id) {
        const usable = await connections().findUsable(id)
        return checkConnection(deps, usable!)
      },
    }
  }

  async function connect(quirk: QuirkName, change: Partial<NewConnection> = {}) {
    const at = new Date(now)
    const integration = anIntegration(at, {
      id: `int_${quirk}`,
      handle: quirk,
      providerKey: quirk,
      kind: quirk === 'keys' ? 'keys' : 'oauth2',
      clientId: provider.client.clientId,
      scopes: ['read'],
    })
    if ((await integrations().find(integration.id)) === undefined)
      await durable.db
        .transaction()
        .execute((trx) =>
          integrations().insert(trx, integration, new Secret(provider.client.clientSecret)),
        )
    const made = await connections().establish(
      {
        integrationId: integration.id,
        owner: { kind: 'account', id: 'acc_ada' },
        establishedBy: 'acc_ada',
        externalId: 'there',
        externalLabel: undefined,
        grantedScopes: [],
        missingScopes: [],
        config: {},
        accessExpiresAt: undefined,
        refreshExpiresAt: undefined,
        credentials: await credentialsOf(quirk),
        ...change,
      },
      at,
    )
    return made.id
  }

  async function credentialsOf(quirk: QuirkName): Promise<NewConnection['credentials']> {
    if (quirk === 'keys') return [{ kind: 'api_key', name: 'api_key', value: new Secret(KEY) }]
    const { access, refresh } = await tokensOf(quirk)
    return [
      { kind: 'oauth_access_token', name: '', value: new Secret(access) },
      { kind: 'oauth_refresh_token', name: '', value: new Secret(refresh) },
    ]
  }

  /** Tokens as the provider gives them to somebody who allows us. */
  async function tokensOf(quirk: QuirkName): Promise<{ access: string; refresh: string }> {
    const redirect = 'https://otesse.example/back'
    const url = new URL(`${provider.origin}/${quirk}/authorize`)
    url.search = new URLSearchParams({
      client_id: provider.client.clientId,
      response_type: 'code',
      redirect_uri: redirect,
      scope: 'read',
      state: 's',
    }).toString()
    const back = new URL(await provider.decide(url.href))
    const answer = await fetch(`${provider.origin}/${quirk}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: back.searchParams.get('code') ?? '',
        redirect_uri: redirect,
        client_id: provider.client.clientId,
        client_secret: provider.client.clientSecret,
      }),
    })
    const tokens = (await answer.json()) as Record<string, string>
    return { access: tokens['access_token'] ?? '', refresh: tokens['refresh_token'] ?? '' }
  }

  test('keys that work, and keys that no longer do', async () => {
    const id = await connect('keys')
    expect(await node('keys').try(id)).toBe('ok')
    expect(await connections().find(id)).toMatchObject({
      lastCheck: 'ok',
      lastCheckedAt: new Date(now),
      status: 'active',
    })
    provider.keys.delete(KEY)
    expect(await node('keys').try(id)).toBe('revoked')
    expect(await connections().find(id)).toMatchObject({
      lastCheck: 'revoked',
      status: 'expired',
      statusReason: 'refused_by_provider',
    })
    expect(told).toEqual(['expired refused_by_provider'])
  })

  test('an access token that is refused is renewed once, and only then believed', async () => {
    const id = await connect('plain')
    provider.expireAccess()
    expect(await node('plain').try(id)).toBe('ok')
    expect(await connections().find(id)).toMatchObject({ status: 'active', generation: 2 })
    provider.withdraw('anna')
    await expect(node('plain').try(id)).rejects.toMatchObject({ code: 'reconnect_needed' })
    expect(await connections().find(id)).toMatchObject({ status: 'expired' })
  })

  test('a provider that does not answer says nothing, and ends nothing', async () => {
    const id = await connect('keys')
    const one = node('keys')
    await provider[Symbol.asyncDispose]()
    expect(await one.try(id)).toBe('unknown')
    expect(await connections().find(id)).toMatchObject({ status: 'active', lastCheck: 'unknown' })
    provider = await startQuirkProvider()
  })

  test('a try of keys that were replaced meanwhile says nothing about the new ones', async () => {
    const id = await connect('keys')
    const one = node('keys')
    const old = await connections().findUsable(id)
    await connect('keys', {
      credentials: [{ kind: 'api_key', name: 'api_key', value: new Secret('newer-key') }],
    })
    provider.keys.delete(KEY)
    expect(await checkConnection(one.deps, old!)).toBe('revoked')
    expect(await connections().find(id)).toMatchObject({ status: 'active', lastCheck: undefined })
    expect(told).toEqual([])
  })

  describe('in the background', () => {
    async function runBoth(): Promise<void> {
      const start = () => {
        const one = node('keys')
        return startBackgroundRefresh({
          due: createDueStore(durable.db),
          connections: connections(),
          refresher: one.deps.refresher,
          providerOf: one.deps.providerOf,
          check: (usable) => checkConnection(one.deps, usable),
          checks: createCheckStore(durable.db),
          events: { connectionEnding: () => undefined },
          clock,
          logger,
        })
      }
      await using one = start()
      await using other = start()
      await Promise.all([one.run(), other.run()])
    }
    const goOn = async (days: number) => {
      for (let hours = 0; hours < days * 24; hours += 6) {
        now += 6 * HOUR
        await runBoth()
      }
    }

    test('keys are tried each week, by one node, not all at the same time', async () => {
      const ids = []
      for (let count = 0; count < 6; count += 1)
        ids.push(await connect('keys', { externalId: `there ${count}`, lastCheck: 'ok' }))
      await runBoth()
      expect(asked).toBe(0)
      await goOn(6)
      expect(asked).toBe(0)
      const hours = new Set<number>()
      for (let step = 0; step < 8; step += 1) {
        const before = asked
        await goOn(0.25)
        if (asked > before) hours.add(step)
      }
      expect(asked).toBe(6)
      expect(hours.size).toBeGreaterThan(1)
      await goOn(4)
      expect(asked).toBe(6)
      provider.keys.delete(KEY)
      await goOn(6)
      expect(asked).toBe(12)
      for (const id of ids)
        expect(await connections().find(id)).toMatchObject({ status: 'expired' })
      await goOn(10)
      expect(asked).toBe(12)
    })

    test('where the try said nothing, it is repeated the next day', async () => {
      const id = await connect('keys', { lastCheck: 'unknown' })
      await goOn(2)
      expect(asked).toBeGreaterThan(0)
      expect(await connections().find(id)).toMatchObject({ lastCheck: 'ok' })
      expect(now - DAY).toBeGreaterThan(0)
    })
  })
})
