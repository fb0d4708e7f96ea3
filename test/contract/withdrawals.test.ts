// The ends of connections, on both databases, against a real provider whose refresh tokens work
// once: whatever happens at the same moment, nothing of a connection that has ended lives on here
// or there.
import { randomBytes } from 'node:crypto'
import { createConnectionStore } from '../../src/connections/connection.store.ts'
import type { NewConnection } from '../../src/connections/connection.ts'
import { createDeactivated } from '../../src/connections/deactivated.ts'
import { createEndingStore } from '../../src/connections/ending.store.ts'
import { createIntegrationStore } from '../../src/connections/integration.store.ts'
import { createProviderCalls } from '../../src/connections/provider-calls.ts'
import { createReencryptStore } from '../../src/connections/reencrypt.store.ts'
import { createRefresher } from '../../src/connections/refresh.ts'
import { createRefreshStore } from '../../src/connections/refresh.store.ts'
import { createRequestTokens } from '../../src/connections/renewal-request.ts'
import { createMemorySpool, type Spool } from '../../src/connections/spool.ts'
import { createWithdrawalStore } from '../../src/connections/withdrawal.store.ts'
import {
  startWithdrawals,
  type WithdrawalDeps,
  withdrawNow,
} from '../../src/connections/withdrawals.ts'
import { UNSAFE_DESTINATIONS } from '../../src/outgoing/destination.ts'
import { sendOutgoing } from '../../src/outgoing/outgoing-request.ts'
import { DAY, HOUR, MINUTE } from '../../src/shared/clock.ts'
import { createRowEncryption } from '../../src/shared/encryption.ts'
import { AppError } from '../../src/shared/errors.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { Secret } from '../../src/shared/secret.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { anIntegration } from '../support/connections.ts'
import { DATABASES } from '../support/migrated-database.ts'
import { type RotatingProvider, startRotatingProvider } from '../support/rotating-provider.ts'

const encryption = createRowEncryption([new Secret('k'.repeat(43))])
const ADA = { kind: 'account', id: 'acc_ada' } as const
const logger = createLogger('silent')
const codeOf = (error: unknown): string => (error instanceof AppError ? error.code : String(error))

describe.each(DATABASES)('on $name', ({ open }) => {
  let durable: OpenDatabase
  let provider: RotatingProvider
  let spool: Spool
  let now = Date.now()
  let told: string[] = []
  beforeAll(async () => {
    durable = await open()
  })
  beforeEach(async () => {
    provider = await startRotatingProvider()
    spool = createMemorySpool()
    now = Date.now()
    told = []
    await durable.db.deleteFrom('integrations').execute()
    await durable.db.deleteFrom('withdrawals').execute()
    await integrate()
  })
  afterEach(() => provider[Symbol.asyncDispose]())
  afterAll(() => durable[Symbol.asyncDispose]())

  const clock = () => now
  const connections = () => createConnectionStore(durable.db, encryption)
  const integrations = () => createIntegrationStore(durable.db, encryption)
  const endings = () => createEndingStore(durable.db)
  const providerOf = () => Promise.resolve(provider.definition)
  const calls = createProviderCalls({
    send: (_lane, request) => sendOutgoing(request, UNSAFE_DESTINATIONS),
    clock,
  })
  const tell =
    (name: string) =>
    ({ reason }: { reason: string }): void =>
      void told.push(`${name} ${reason}`)

  const deps = (): WithdrawalDeps => ({
    store: createWithdrawalStore(durable.db, encryption),
    spool,
    providers: { find: providerOf },
    calls,
    events: { connectionWithdrawn: tell('withdrawn'), connectionUnrevoked: tell('given up') },
    clock,
    logger,
  })
  /** A round on two nodes at once. */
  async function runBoth(before = (): Promise<void> => Promise.resolve()): Promise<number> {
    await using one = startWithdrawals(deps(), before)
    await using other = startWithdrawals(deps(), before)
    const [first, second] = await Promise.all([one.run(), other.run()])
    return first + second
  }

  const refresher = () =>
    createRefresher({
      connections: connections(),
      integrations: integrations(),
      store: createRefreshStore(durable.db, encryption),
      spool,
      withdrawals: createWithdrawalStore(durable.db, encryption),
      providerOf,
      requestTokens: createRequestTokens({ calls, providerOf }),
      events: {
        connectionExpired: () => undefined,
        connectionFailing: () => undefined,
        connectionRecovered: () => undefined,
        connectionNarrowed: () => undefined,
        integrationMisconfigured: () => undefined,
        integrationRecovered: () => undefined,
      },
      clock,
      logger,
      timing: { lease: 1500, request: 1000, wait: 3000, pause: 20 },
    })

  async function integrate(): Promise<void> {
    const integration = anIntegration(new Date(now), {
      id: 'int_there',
      handle: 'there',
      providerKey: 'rotating',
      clientId: provider.client.clientId,
    })
    await durable.db
      .transaction()
      .execute((trx) =>
        integrations().insert(trx, integration, new Secret(provider.client.clientSecret)),
      )
  }

  async function connect(change: Partial<NewConnection> = {}) {
    const { accessToken, refreshToken } = provider.begin()
    const made = await connections().establish(
      {
        integrationId: 'int_there',
        owner: ADA,
        establishedBy: ADA.id,
        externalId: 'ada there',
        externalLabel: undefined,
        grantedScopes: [],
        missingScopes: [],
        config: {},
        accessExpiresAt: new Date(now - 1000),
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
  const remove = (id: string) => endings().remove(id, ADA, 'disconnected', new Date(now))
  const waiting = () => durable.db.selectFrom('withdrawals').selectAll().execute()
  const alive = () =>
    provider.issued.filter((token) => provider.accepts(token) || provider.isCurrent(token))

  test('a connection that is removed is withdrawn, by one node, with the secret of today', async () => {
    const { id, refreshToken } = await connect()
    provider.setSecret('changed-since')
    await integrations().update('int_there', 1, {
      settings: (await integrations().find('int_there'))!,
      clientSecret: new Secret('changed-since'),
      at: new Date(now),
    })
    expect(await remove(id)).toMatchObject({ id })
    expect(await remove(id)).toBeUndefined()
    expect(JSON.stringify(await waiting())).not.toContain(refreshToken)
    expect(await runBoth()).toBe(1)
    expect(provider.revoked).toEqual([refreshToken])
    expect(told).toEqual(['withdrawn disconnected'])
    expect(await waiting()).toEqual([])
    expect(alive()).toEqual([])
  })

  test('who waits is told at once what became of it', async () => {
    const { id } = await connect()
    await remove(id)
    expect(await withdrawNow(deps(), id)).toBe('done')
    provider.revokeStatus = 503
    const other = await connect()
    await remove(other.id)
    expect(await withdrawNow(deps(), other.id)).toBe('later')
    delete (provider.definition.auth as { revoke_url?: string }).revoke_url
    const third = await connect({ externalId: 'third' })
    await remove(third.id)
    expect(await withdrawNow(deps(), third.id)).toBe('impossible')
    expect(await withdrawNow(deps(), 'con_none')).toBe('impossible')
  })

  test('a provider that is away is asked again, less and less often, for three days', async () => {
    const { id } = await connect()
    provider.revokeStatus = 503
    await remove(id)
    const began = now
    let tries = 0
    for (; now < began + 4 * DAY; now += 10 * MINUTE) tries += await runBoth()
    expect(tries).toBeGreaterThan(10)
    expect(tries).toBeLessThan(40)
    expect(told).toEqual(['given up disconnected'])
    expect(await waiting()).toEqual([])
  })

  test('a provider that comes back is told', async () => {
    const { id, refreshToken } = await connect()
    provider.revokeStatus = 503
    await remove(id)
    await runBoth()
    provider.revokeStatus = 200
    expect(await runBoth()).toBe(0)
    now += 2 * MINUTE
    expect(await runBoth()).toBe(1)
    expect(provider.revoked).toEqual([refreshToken])
  })

  test('who connects the same account again loses nothing to the withdrawal before', async () => {
    const { id } = await connect()
    provider.revokeStatus = 503
    await remove(id)
    await runBoth()
    const again = await connect()
    provider.revokeStatus = 200
    now += HOUR
    expect(await runBoth()).toBe(0)
    expect(provider.isCurrent(again.refreshToken)).toBe(true)
  })

  test('an integration that is deleted withdraws all of its connections, and needs nothing of it', async () => {
    const all = await Promise.all(['a', 'b', 'c'].map((externalId) => connect({ externalId })))
    await integrations().remove('int_there', new Date(now))
    expect(await runBoth()).toBe(3)
    expect(new Set(provider.revoked)).toEqual(new Set(all.map((one) => one.refreshToken)))
    expect(alive()).toEqual([])
  })

  test('what waits is encrypted anew like everything else', async () => {
    const { id, refreshToken } = await connect()
    await remove(id)
    await integrations().remove('int_there', new Date(now))
    const [older] = await waiting()
    const rotated = createRowEncryption(['n', 'k'].map((one) => new Secret(one.repeat(43))))
    const store = createReencryptStore(durable.db, rotated)
    expect((await store.count()).older).toBe(3)
    while ((await store.reencrypt(10)) > 0);
    expect((await store.count()).older).toBe(0)
    expect((await waiting())[0]?.encrypted_refresh_token).not.toBe(older?.encrypted_refresh_token)
    const newest = createRowEncryption([new Secret('n'.repeat(43))])
    const change = { store: createWithdrawalStore(durable.db, newest) }
    expect(await withdrawNow({ ...deps(), ...change }, id)).toBe('done')
    expect(provider.revoked).toEqual([refreshToken])
  })

  test('tokens that waited for the database are withdrawn instead of those before them', async () => {
    const { id } = await connect()
    const newer = provider.begin()
    await spool.put(id, {
      generation: 1,
      tokens: {
        accessToken: new Secret(newer.accessToken),
        refreshToken: new Secret(newer.refreshToken),
        accessExpiresAt: undefined,
        refreshExpiresAt: undefined,
        scopes: undefined,
      },
    })
    await remove(id)
    await runBoth()
    expect(provider.revoked).toEqual([newer.refreshToken])
    expect(await spool.find(id)).toBeUndefined()
  })

  describe('at the same moment as a refresh', () => {
    const points = [
      'with the refresh',
      'when the provider is asked',
      'when it has answered',
    ] as const
    test.each(points)('%s: nothing lives on, and no row comes back', async (point) => {
      for (let round = 0; round < 20; round += 1) {
        const { id } = await connect({ externalId: randomBytes(6).toString('hex') })
        let begin = (): void => undefined
        const reached = new Promise<void>((go) => (begin = go))
        if (point === 'when the provider is asked') provider.instead({ onRequest: begin })
        if (point === 'when it has answered') provider.instead({ onAnswered: begin })
        const refreshing = refresher()
          .live(id)
          .then(() => 'refreshed', codeOf)
        if (point !== 'with the refresh') await Promise.race([reached, refreshing])
        for (let turn = 0; turn < round; turn += 1) await new Promise(setImmediate)
        await remove(id)
        expect(['refreshed', 'connection_unknown']).toContain(await refreshing)
        expect(await connections().find(id)).toBeUndefined()
        while ((await runBoth()) > 0);
        expect(alive()).toEqual([])
      }
      expect(await waiting()).toEqual([])
    })

    test('one that is switched off meanwhile keeps the token that came', async () => {
      const { id } = await connect()
      let begin = (): void => undefined
      const reached = new Promise<void>((go) => (begin = go))
      provider.instead({ onRequest: begin, slowMillis: 50 })
      const refreshing = refresher().live(id).catch(codeOf)
      await reached
      await durable.db
        .updateTable('connections')
        .set({ status: 'disabled', status_reason: 'admin' })
        .where('id', '=', id)
        .execute()
      expect(await refreshing).toBe('connection_disabled')
      const usable = await connections().findUsable(id)
      expect(usable?.connection).toMatchObject({ status: 'disabled', statusReason: 'admin' })
      expect(provider.isCurrent(usable?.credential('oauth_refresh_token')?.reveal() ?? '')).toBe(
        true,
      )
    })
  })

  describe('of an account that is deactivated', () => {
    async function account(status: 'active' | 'deactivated'): Promise<string> {
      const id = `acc_${randomBytes(8).toString('hex')}`
      const at = new Date(now)
      await durable.db
        .insertInto('accounts')
        .values({
          id,
          email: `${id}@example.com`,
          email_key: `${id}@example.com`,
          role: 'member',
          status,
          created_at: at,
          updated_at: at,
        })
        .execute()
      return id
    }
    const watch = () =>
      createDeactivated({
        endings: endings(),
        onEnded: ({ id }) => void told.push(`ended ${id}`),
        clock,
      })

    test('OAuth connections end and are withdrawn; those of others stay', async () => {
      const [gone, other] = [await account('deactivated'), await account('active')]
      const owner = (id: string) => ({ owner: { kind: 'account', id } as const })
      const ended = await connect({ ...owner(gone), externalId: 'gone' })
      const kept = await connect({ ...owner(other), externalId: 'kept' })
      const one = watch()
      expect(await runBoth(one.end)).toBe(1)
      expect(told).toEqual([`ended ${ended.id}`, 'withdrawn account_deactivated'])
      expect(provider.revoked).toEqual([ended.refreshToken])
      const usable = await connections().findUsable(ended.id)
      expect(usable?.connection).toMatchObject({
        status: 'expired',
        statusReason: 'account_deactivated',
      })
      expect(usable?.credentials()).toEqual([])
      expect(await connections().find(kept.id)).toMatchObject({ status: 'active' })
      // A later one is found by its change, or within the hour.
      const late = await account('deactivated')
      const lateOne = await connect({ ...owner(late), externalId: 'late' })
      await runBoth(one.end)
      expect(await connections().find(lateOne.id)).toMatchObject({ status: 'active' })
      one.look(late)
      await runBoth(one.end)
      expect(await connections().find(lateOne.id)).toMatchObject({ status: 'expired' })
    })

    test('a refresh at the same moment leaves nothing alive', async () => {
      for (let round = 0; round < 10; round += 1) {
        const owner = { kind: 'account', id: await account('deactivated') } as const
        const { id } = await connect({ owner, externalId: owner.id })
        let begin = (): void => undefined
        const reached = new Promise<void>((go) => (begin = go))
        provider.instead({ onRequest: begin })
        const refreshing = refresher().live(id).catch(codeOf)
        await reached
        for (let turn = 0; turn < round; turn += 1) await new Promise(setImmediate)
        await watch().end()
        await refreshing
        while ((await runBoth()) > 0);
        expect(alive()).toEqual([])
        expect(await connections().find(id)).toMatchObject({ status: 'expired' })
      }
    })
  })
})
