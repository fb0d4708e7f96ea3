// Keeping connections alive, on both databases, against a real provider whose refresh tokens work
// once: one refresh over all nodes, nothing that was received is lost, and each failure ends only
// what it must.
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { startBackgroundRefresh } from '../../src/connections/background-refresh.ts'
import { createCheckStore } from '../../src/connections/check.store.ts'
import { createConnectionStore } from '../../src/connections/connection.store.ts'
import type { NewConnection } from '../../src/connections/connection.ts'
import { createDueStore } from '../../src/connections/due.store.ts'
import { createIntegrationStore } from '../../src/connections/integration.store.ts'
import type { Integration, IntegrationKind } from '../../src/connections/integration.ts'
import { createRefresher, type RefreshDeps, type Refresher } from '../../src/connections/refresh.ts'
import { createRefreshStore } from '../../src/connections/refresh.store.ts'
import { createProviderCalls } from '../../src/connections/provider-calls.ts'
import { createRequestTokens } from '../../src/connections/renewal-request.ts'
import { createMemorySpool } from '../../src/connections/spool.ts'
import { createWithdrawalStore } from '../../src/connections/withdrawal.store.ts'
import { sendOutgoing } from '../../src/outgoing/outgoing-request.ts'
import { UNSAFE_DESTINATIONS } from '../../src/outgoing/destination.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/shared/clock.ts'
import { sha256 } from '../../src/shared/crypto.ts'
import { createRowEncryption } from '../../src/shared/encryption.ts'
import { AppError } from '../../src/shared/errors.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { Secret } from '../../src/shared/secret.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { makeCertificates } from '../support/certificates.ts'
import { anIntegration } from '../support/connections.ts'
import { DATABASES } from '../support/migrated-database.ts'
import { type RotatingProvider, startRotatingProvider } from '../support/rotating-provider.ts'

const encryption = createRowEncryption([new Secret('k'.repeat(43))])
const TIMING = { lease: 1500, request: 1000, wait: 3000, pause: 20 }

describe.each(DATABASES)('on $name', ({ open }) => {
  let durable: OpenDatabase
  let provider: RotatingProvider
  let now = Date.now()
  let told: string[] = []
  beforeAll(async () => {
    durable = await open()
  })
  beforeEach(async () => {
    provider = await startRotatingProvider()
    now = Date.now()
    told = []
    await durable.db.deleteFrom('integrations').execute()
  })
  afterEach(() => provider[Symbol.asyncDispose]())
  afterAll(() => durable[Symbol.asyncDispose]())

  const connections = () => createConnectionStore(durable.db, encryption)
  const integrations = () => createIntegrationStore(durable.db, encryption)
  const tell = (name: string) => (facts: object) =>
    void told.push('reason' in facts ? `${name} ${String(facts.reason)}` : name)

  /** One node: what it shares with the others is the database and the spool. */
  function node(change: Partial<RefreshDeps> = {}): Refresher {
    const providerOf = () => Promise.resolve(provider.definition)
    const clock = () => now
    return createRefresher({
      connections: connections(),
      integrations: integrations(),
      store: createRefreshStore(durable.db, encryption),
      spool: createMemorySpool(),
      withdrawals: createWithdrawalStore(durable.db, encryption),
      providerOf,
      requestTokens: createRequestTokens({
        calls: createProviderCalls({
          send: (_lane, request) => sendOutgoing(request, UNSAFE_DESTINATIONS),
          clock,
        }),
        providerOf,
      }),
      events: {
        connectionExpired: tell('expired'),
        connectionFailing: tell('failing'),
        connectionRecovered: tell('recovered'),
        connectionNarrowed: tell('narrowed'),
        integrationMisconfigured: tell('misconfigured'),
        integrationRecovered: tell('integration recovered'),
      },
      clock,
      logger: createLogger('silent'),
      timing: TIMING,
      ...change,
    })
  }

  async function integrate(kind: IntegrationKind = 'oauth2'): Promise<Integration> {
    const integration = anIntegration(new Date(now), {
      id: `int_${kind}`,
      handle: kind.replace('_', '-'),
      providerKey: 'rotating',
      kind,
      clientId: provider.client.clientId,
      scopes: ['leads'],
    })
    await durable.db.transaction().execute(async (trx) => {
      await integrations().insert(trx, integration, new Secret(provider.client.clientSecret))
    })
    return integration
  }

  /** A connection whose access token ends in so many seconds. */
  async function connect(
    integration: Integration,
    { seconds = -10, ...change }: { seconds?: number } & Partial<NewConnection> = {},
  ) {
    const { accessToken, refreshToken } = provider.begin()
    const made = await connections().establish(
      {
        integrationId: integration.id,
        owner: { kind: 'account', id: 'acc_ada' },
        establishedBy: 'acc_ada',
        externalId: accessToken,
        externalLabel: undefined,
        grantedScopes: ['leads'],
        missingScopes: [],
        config: {},
        accessExpiresAt: new Date(now + seconds * SECOND),
        refreshExpiresAt: undefined,
        credentials: [
          { kind: 'oauth_access_token', name: '', value: new Secret(accessToken) },
          { kind: 'oauth_refresh_token', name: '', value: new Secret(refreshToken) },
        ],
        ...change,
      },
      new Date(now),
    )
    return { id: made.id, accessToken, refreshToken }
  }
  const tokenOf = async (live: ReturnType<Refresher['live']>) =>
    (await live).credential('oauth_access_token')?.reveal() ?? ''
  const refusal = (live: Promise<unknown>) =>
    live.then(
      () => 'live',
      (error: unknown) => (error instanceof AppError ? error.code : String(error)),
    )

  test('a live token is given without asking anybody', async () => {
    const { id, accessToken } = await connect(await integrate(), { seconds: 3600 })
    expect(await tokenOf(node().live(id))).toBe(accessToken)
    expect(provider.requests).toEqual([])
  })

  test('100 at once on three nodes make one refresh, and all get its token; 20 rounds', async () => {
    const { id } = await connect(await integrate())
    const nodes = [node(), node(), node()]
    for (let round = 1; round <= 20; round += 1) {
      const tokens = await Promise.all(
        Array.from({ length: 100 }, (_, at) => tokenOf(nodes[at % 3]!.live(id))),
      )
      expect(new Set(tokens).size).toBe(1)
      expect(provider.accepts(tokens[0] ?? '')).toBe(true)
      expect(provider.requests).toHaveLength(round)
      now += 2 * HOUR
    }
    expect(provider.reuses).toEqual([])
  })

  test('a token that lives a little is served while another is fetched, and min_validity is kept', async () => {
    const { id, accessToken } = await connect(await integrate(), { seconds: 30 })
    const asked = new Promise<void>((onRequest) => provider.instead({ slowMillis: 300, onRequest }))
    const first = node()
    const slow = tokenOf(first.live(id))
    await asked
    expect(await tokenOf(first.live(id))).toBe(accessToken)
    expect(await tokenOf(node().live(id))).toBe(accessToken)
    expect(await slow).not.toBe(accessToken)
    expect(provider.requests).toHaveLength(1)
    await tokenOf(node().live(id, { minValiditySeconds: 3500 }))
    expect(provider.requests).toHaveLength(1)
    now += 5 * MINUTE
    await tokenOf(node().live(id, { minValiditySeconds: 3500 }))
    expect(provider.requests).toHaveLength(2)
  })

  test('a storm of rejections of one token makes one refresh', async () => {
    const { id, accessToken } = await connect(await integrate(), { seconds: 3600 })
    const nodes = [node(), node(), node()]
    const rejected = sha256(accessToken)
    const tokens = await Promise.all(
      Array.from({ length: 60 }, (_, at) => tokenOf(nodes[at % 3]!.live(id, { rejected }))),
    )
    expect(new Set(tokens).size).toBe(1)
    expect(tokens).not.toContain(accessToken)
    await tokenOf(node().live(id, { rejected }))
    expect(provider.requests).toHaveLength(1)
  })

  test('a refusal for good expires the connection, once, and nothing asks again', async () => {
    const { id } = await connect(await integrate())
    provider.instead({ status: 400, body: { error: 'invalid_grant' } })
    const nodes = [node(), node()]
    const all = await Promise.all([0, 1, 0, 1].map((at) => refusal(nodes[at]!.live(id))))
    expect(new Set(all)).toEqual(new Set(['reconnect_needed']))
    expect(await refusal(node().live(id))).toBe('reconnect_needed')
    expect(await connections().find(id)).toMatchObject({
      status: 'expired',
      statusReason: 'refused_by_provider',
    })
    expect(told).toEqual(['expired refused_by_provider'])
    expect(provider.requests).toHaveLength(1)
  })

  test('a mistake of ours marks the integration and no connection, and mends itself', async () => {
    const integration = await integrate()
    const ids = [await connect(integration), await connect(integration), await connect(integration)]
    const secret = provider.client.clientSecret
    provider.setSecret('changed-there')
    for (const { id } of ids)
      expect(await refusal(node().live(id))).toBe('integration_misconfigured')
    expect(provider.requests).toHaveLength(1)
    expect(told).toEqual(['misconfigured invalid_client'])
    expect(await integrations().find(integration.id)).toMatchObject({
      status: 'misconfigured',
      statusReason: 'invalid_client',
    })
    for (const { id } of ids)
      expect(await connections().find(id)).toMatchObject({ status: 'active' })
    // After a while one connection asks for all of them.
    now += 6 * MINUTE
    await Promise.all(ids.map(({ id }) => refusal(node().live(id))))
    expect(provider.requests).toHaveLength(2)
    provider.setSecret(secret)
    now += 6 * MINUTE
    expect(await refusal(node().live(ids[0]!.id))).toBe('live')
    for (const { id } of ids) expect(await refusal(node().live(id))).toBe('live')
    expect(told.at(-1)).toBe('integration recovered')
  })

  test.each([
    ['500', { status: 500 }],
    ['HTML', { status: 200, body: '<html>Sorry</html>' }],
    ['an end of the connection', { isDropped: true }],
    ['429', { status: 429 }],
  ])('an outage expires nothing: %s', async (_name, turn) => {
    const { id } = await connect(await integrate())
    // Twelve hours of it.
    for (let time = 0; time < 20; time += 1) {
      provider.instead(turn)
      expect(await refusal(node().live(id))).toBe('provider_unavailable')
      expect(await refusal(node().live(id))).toBe('provider_unavailable')
      now += 1.3 * HOUR
    }
    expect(provider.requests).toHaveLength(20)
    expect(await connections().find(id)).toMatchObject({ status: 'failing', refreshFailures: 20 })
    expect(await refusal(node().live(id))).toBe('live')
    expect(await connections().find(id)).toMatchObject({ status: 'active', refreshFailures: 0 })
    expect(told).toHaveLength(2)
    expect(told.at(-1)).toBe('recovered')
  })

  test('Retry-After is kept, and a token that still lives goes on being served', async () => {
    const { id, accessToken } = await connect(await integrate(), { seconds: 59 })
    provider.instead({ status: 429, headers: { 'retry-after': '50' } })
    expect(await tokenOf(node().live(id))).toBe(accessToken)
    now += 40 * SECOND
    expect(await tokenOf(node().live(id))).toBe(accessToken)
    expect(provider.requests).toHaveLength(1)
    expect(await connections().find(id)).toMatchObject({ status: 'active' })
    now += 11 * SECOND
    expect(await tokenOf(node().live(id))).not.toBe(accessToken)
    expect(provider.requests).toHaveLength(2)
  })

  test('an error of TLS is an outage: no TLS, and a certificate that nobody vouches for', async () => {
    using certificates = await makeCertificates()
    const { cert, key } = certificates.server
    const tls = createTlsServer({ cert, key }, (_request, answer) => answer.end('{}'))
    await new Promise<void>((done) => tls.listen(0, '127.0.0.1', done))
    const { id } = await connect(await integrate())
    const { definition } = provider
    const auth = definition.auth!
    const ports = [new URL(provider.origin).port, String((tls.address() as AddressInfo).port)]
    for (const port of ports) {
      now += HOUR
      const token_url = `https://127.0.0.1:${port}/token`
      provider.definition = { ...definition, auth: { ...auth, token_url } }
      expect(await refusal(node().live(id))).toBe('provider_unavailable')
      expect(await connections().find(id)).toMatchObject({ status: 'failing' })
    }
    expect(provider.requests).toEqual([])
    expect(told).toEqual(['failing unreachable'])
    provider.definition = definition
    now += HOUR
    expect(provider.accepts(await tokenOf(node().live(id)))).toBe(true)
    tls.closeAllConnections()
    await new Promise((done) => tls.close(done))
  })

  test('a provider that is slower than the request may be leaves nobody waiting', async () => {
    const { id } = await connect(await integrate())
    provider.instead({ slowMillis: 1400 })
    expect(await refusal(node().live(id))).toBe('provider_unavailable')
    expect(await connections().find(id)).toMatchObject({ status: 'failing' })
  })

  test('what a provider gave is not lost with the database: another node writes it', async () => {
    const { id, refreshToken } = await connect(await integrate())
    const spool = createMemorySpool()
    const store = createRefreshStore(durable.db, encryption)
    const broken = node({
      spool,
      store: { ...store, commit: () => Promise.reject(new Error('the disk is gone')) },
    })
    expect(await refusal(broken.live(id))).toBe('Error: the disk is gone')
    expect(provider.requests).toHaveLength(1)
    expect(provider.isCurrent(refreshToken)).toBe(false)
    // The lease of the one that failed ends by itself.
    const token = await tokenOf(node({ spool }).live(id))
    expect(provider.accepts(token)).toBe(true)
    expect(provider.requests).toHaveLength(1)
    expect(provider.reuses).toEqual([])
  })

  test('whoever comes back after its lease overwrites nothing', async () => {
    const { id } = await connect(await integrate())
    const store = createRefreshStore(durable.db, encryption)
    const lease = await store.claim(id, 1, 5000)
    expect(await store.claim(id, 1, 5000)).toBeUndefined()
    await durable.db
      .updateTable('connections')
      .set({ lease_until: new Date(0) })
      .execute()
    const second = await store.claim(id, 1, 5000)
    expect(second).toBeDefined()
    const failed = {
      status: 'expired',
      statusReason: 'x',
      refreshFailures: 1,
      nextTryAt: undefined,
      dueAt: undefined,
    } as const
    expect(await store.fail(lease!, failed, new Date(now))).toBe(false)
    await store.release(lease!)
    expect(await store.claim(id, 1, 50)).toBeUndefined()
    expect(await store.claim(id, 2, 50)).toBeUndefined()
    await store.release(second!)
    expect(await tokenOf(node().live(id))).not.toBe('')
    expect(
      await store.commit(
        id,
        1,
        {
          credentials: [{ kind: 'oauth_access_token', name: '', value: new Secret('old') }],
          accessExpiresAt: undefined,
          refreshExpiresAt: undefined,
          grantedScopes: [],
          missingScopes: [],
          dueAt: undefined,
        },
        new Date(now),
      ),
    ).toBe(false)
    expect(await tokenOf(node().live(id))).not.toBe('old')
  })

  test('without a refresh token a connection ends with its access token, and not before', async () => {
    const integration = await integrate()
    const value = new Secret('alone')
    const credentials = [{ kind: 'oauth_access_token', name: '', value }] as const
    const { id } = await connect(integration, { seconds: 30, credentials })
    expect(await tokenOf(node().live(id))).toBe('alone')
    expect(await tokenOf(node().live(id, { rejected: sha256('alone') }))).toBe('alone')
    now += 31 * SECOND
    expect(await refusal(node().live(id))).toBe('reconnect_needed')
    expect(await connections().find(id)).toMatchObject({ statusReason: 'access_token_ended' })
    expect(provider.requests).toEqual([])
  })

  test('a refresh token that has ended is not sent', async () => {
    const { id } = await connect(await integrate(), { refreshExpiresAt: new Date(now - 1) })
    expect(await refusal(node().live(id))).toBe('reconnect_needed')
    expect(await connections().find(id)).toMatchObject({ statusReason: 'refresh_token_ended' })
    expect(provider.requests).toEqual([])
  })

  test('RFC 6749 §4.4 — client credentials: 50 first fetches on two nodes make one request', async () => {
    const { id } = await connect(await integrate('client_credentials'), { credentials: [] })
    const nodes = [node(), node()]
    const fetchAll = () =>
      Promise.all(Array.from({ length: 50 }, (_, at) => tokenOf(nodes[at % 2]!.live(id))))
    const [token = '', ...others] = new Set(await fetchAll())
    expect(others).toEqual([])
    expect(provider.accepts(token)).toBe(true)
    expect(provider.requests).toMatchObject([{ grant_type: 'client_credentials', scope: 'leads' }])
    await tokenOf(node().live(id, { rejected: sha256('an older one') }))
    expect(provider.requests).toHaveLength(1)
    const rejected = sha256(token)
    const after = await Promise.all(
      [0, 1, 0].map((at) => tokenOf(nodes[at]!.live(id, { rejected }))),
    )
    expect(new Set(after).size).toBe(1)
    expect(provider.requests).toHaveLength(2)
    now += 2 * HOUR
    await fetchAll()
    expect(provider.requests).toHaveLength(3)
  })

  test('client credentials that are refused are our mistake', async () => {
    const { id } = await connect(await integrate('client_credentials'), { credentials: [] })
    provider.instead({ status: 400, body: { error: 'invalid_grant' } })
    expect(await refusal(node().live(id))).toBe('integration_misconfigured')
    expect(await connections().find(id)).toMatchObject({ status: 'active' })
  })

  describe('in the background', () => {
    const background = () =>
      startBackgroundRefresh({
        due: createDueStore(durable.db),
        connections: connections(),
        refresher: node(),
        providerOf: () => Promise.resolve(provider.definition),
        check: () => Promise.resolve('ok'),
        checks: createCheckStore(durable.db),
        events: { connectionEnding: tell('ending') },
        clock: () => now,
        logger: createLogger('silent'),
      })
    /** Runs on two nodes at once. */
    async function runBoth(): Promise<number> {
      await using one = background()
      await using other = background()
      const looked = await Promise.all([one.run(), other.run()])
      return looked.reduce((sum, count) => sum + count, 0)
    }
    const usedAt = (id: string, at: number) =>
      durable.db
        .updateTable('connections')
        .set({ last_used_at: new Date(at), due_at: new Date(now) })
        .where('id', '=', id)
        .execute()

    test('what is in use is renewed shortly before its end, once', async () => {
      const { id, accessToken } = await connect(await integrate(), { seconds: 3600 })
      expect(await runBoth()).toBe(1)
      expect(await runBoth()).toBe(0)
      expect(provider.requests).toEqual([])
      now += 56 * MINUTE
      expect(await runBoth()).toBe(1)
      expect(provider.requests).toHaveLength(1)
      const usable = await connections().findUsable(id)
      expect(usable?.credential('oauth_access_token')?.reveal()).not.toBe(accessToken)
      expect(await runBoth()).toBe(0)
    })

    test('what nobody used for a week is left alone, unless its refresh token would die of that', async () => {
      const { id } = await connect(await integrate(), { seconds: 60 })
      await usedAt(id, now - 8 * DAY)
      await runBoth()
      expect(provider.requests).toEqual([])
      provider.definition = { ...provider.definition, life: { refresh_idle_days: 30 } }
      await usedAt(id, now - 8 * DAY)
      await runBoth()
      expect(provider.requests).toEqual([])
      now += 16 * DAY
      await runBoth()
      expect(provider.requests).toHaveLength(1)
    })

    describe('an end that only the owner can move', () => {
      /** Without a refresh token there is nothing that could move it. */
      const connectUntil = async (days: number, credentials?: NewConnection['credentials']) => {
        const end = new Date(now + days * DAY)
        const { id } = await connect(await integrate(), {
          seconds: days * 24 * 3600,
          refreshExpiresAt: end,
          ...(credentials && { credentials }),
        })
        await runBoth()
        return { id, end }
      }
      const ACCESS = [
        { kind: 'oauth_access_token', name: '', value: new Secret('access') },
      ] as const
      const goOn = async (days: number) => {
        for (let hours = 0; hours < days * 24; hours += 6) {
          now += 6 * HOUR
          await runBoth()
        }
      }

      test('is told once, a week before', async () => {
        const { id, end } = await connectUntil(30, ACCESS)
        await goOn(22)
        expect(told).toEqual([])
        await goOn(2)
        expect(told).toEqual(['ending'])
        expect(await connections().find(id)).toMatchObject({ endingToldFor: end })
        await goOn(5)
        expect(told).toEqual(['ending'])
        await goOn(2)
        expect(told).toEqual(['ending', 'expired access_token_ended'])
      })

      test('is not told where renewing moves it', async () => {
        provider.definition = { ...provider.definition, life: { refresh_days: 30 } }
        const { id } = await connectUntil(30)
        await goOn(40)
        expect(told).toEqual([])
        expect((await connections().find(id))?.refreshExpiresAt?.getTime()).toBeGreaterThan(now)
      })

      test('is not told of an access that never was long', async () => {
        await connectUntil(1, ACCESS)
        await goOn(2)
        expect(told).toEqual(['expired access_token_ended'])
      })
    })

    test('after an outage it tries again, later and later; one integration does not fill a round', async () => {
      const integration = await integrate()
      const { id } = await connect(integration)
      provider.instead({ status: 503 })
      await runBoth()
      await runBoth()
      expect(provider.requests).toHaveLength(1)
      now += 15 * SECOND
      await runBoth()
      expect(provider.requests).toHaveLength(2)
      expect(await connections().find(id)).toMatchObject({ status: 'active' })
      for (let count = 0; count < 25; count += 1) await connect(integration)
      await using alone = background()
      expect(await alone.run()).toBe(10)
      expect(provider.requests).toHaveLength(12)
    })
  })

  test('a connection that is made again during a refresh keeps what is newer', async () => {
    const integration = await integrate()
    const { id } = await connect(integration)
    const asked = new Promise<void>((onRequest) => provider.instead({ slowMillis: 300, onRequest }))
    const live = tokenOf(node().live(id))
    await asked
    await connections().establish(
      {
        id,
        integrationId: integration.id,
        owner: { kind: 'account', id: 'acc_ada' },
        establishedBy: 'acc_ada',
        externalId: 'again',
        externalLabel: undefined,
        grantedScopes: [],
        missingScopes: [],
        config: {},
        accessExpiresAt: new Date(now + HOUR),
        refreshExpiresAt: undefined,
        credentials: [{ kind: 'oauth_access_token', name: '', value: new Secret('newer') }],
      },
      new Date(now),
    )
    expect(await live).toBe('newer')
    expect(await tokenOf(node().live(id))).toBe('newer')
  })
})
