// The registry of apps and the catalogue of scopes on both databases: what is stored comes back,
// suspension is complete, races have one winner, and caches forget what changed.
import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { createAppRegistry, type AppRegistry } from '../../src/apps/app-registry.ts'
import type { AppStore } from '../../src/apps/app-persistence.ts'
import { createAppStore } from '../../src/apps/app.store.ts'
import type { AppInput } from '../../src/model/app.ts'
import { ADMIN_SCOPE_NAMES } from '../../src/apps/scope.ts'
import { createScopeCatalogue } from '../../src/apps/scope-catalogue.ts'
import { createScopeStore } from '../../src/apps/scope.store.ts'
import { DAY, HOUR, SECOND } from '../../src/shared/clock.ts'
import { createServerKeys } from '../../src/shared/crypto.ts'
import { newClientId } from '../../src/shared/ids.ts'
import { Secret } from '../../src/shared/secret.ts'
import { newClientSecret } from '../../src/shared/token-format.ts'
import { createLocalInvalidation, type Invalidation } from '../../src/storage/invalidation.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import { DATABASES } from '../support/migrated-database.ts'

const START = Date.UTC(2026, 0, 1)
const scope = { name: 'bookings:read', sentence: 'See your bookings', group: 'Bookings' }
const web: AppInput = {
  name: 'Planner',
  type: 'web',
  redirectUris: ['https://planner.example/cb'],
  scopes: ['openid', 'bookings:read'],
  audiences: ['https://api.example'],
  accessTtlSeconds: 900,
}
const secretKey = new Secret('a'.repeat(43))

/** A channel whose messages can be lost. */
function createLeakyInvalidation(): Invalidation & {
  isAway: boolean
  gap(): void
  published: string[]
} {
  const local = createLocalInvalidation()
  const gapListeners: (() => void)[] = []
  const channel = {
    ...local,
    isAway: false,
    published: [] as string[],
    gap: () => gapListeners.forEach((listener) => listener()),
    onGap: (listener: () => void) => void gapListeners.push(listener),
    async publish(topic: Parameters<Invalidation['publish']>[0], id: string) {
      await local.publish(topic, id)
      if (channel.isAway) throw new Error('the channel is away')
      channel.published.push(`${topic} ${id}`)
    },
  }
  return channel
}

describe.each(DATABASES)('on $name', ({ open }) => {
  let durable: OpenDatabase
  beforeAll(async () => {
    durable = await open()
  })
  afterAll(async () => {
    await durable[Symbol.asyncDispose]()
  })

  /**
   * A node: a registry with a catalogue, a clock that the test moves, and a store that counts and
   * can be paused.
   */
  async function startNode(
    options: { serverKeys?: Secret<string>[]; invalidation?: Invalidation } = {},
  ) {
    const { db } = durable
    let now = START
    const clock = () => now
    const invalidation = options.invalidation ?? createLeakyInvalidation()
    const catalogue = createScopeCatalogue({ store: createScopeStore(db), clock, invalidation })
    await catalogue.load()
    if (!catalogue.current().scopes.has(scope.name)) await catalogue.create(scope)
    const real = createAppStore(db)
    let finds = 0
    let held: Promise<void> | undefined
    const store: AppStore = {
      ...real,
      async find(id) {
        finds += 1
        const app = await real.find(id)
        await held
        return app
      },
    }
    const serverKeys = createServerKeys(options.serverKeys ?? [secretKey])
    const registry = createAppRegistry({ store, catalogue, serverKeys, clock, invalidation })
    return {
      registry,
      catalogue,
      invalidation: invalidation as ReturnType<typeof createLeakyInvalidation>,
      store,
      pass: (millis: number) => (now += millis),
      finds: () => finds,
      hold: (until: Promise<void> | undefined) => void (held = until),
      async [Symbol.asyncDispose]() {
        await registry[Symbol.asyncDispose]()
        await catalogue[Symbol.asyncDispose]()
      },
    }
  }

  async function register(registry: AppRegistry, input: AppInput = web) {
    const outcome = await registry.register(input)
    if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems))
    return { app: outcome.app, secret: outcome.secret?.reveal() ?? '' }
  }

  const purgeJobs = (appId: string) =>
    durable.db
      .selectFrom('purge_jobs')
      .select(['kind', 'reason', 'attempts'])
      .where('app_id', '=', appId)
      .orderBy('id')
      .execute()

  describe('registering', () => {
    test('what is registered comes back, frozen, and the secret is nowhere in the database', async () => {
      await using node = await startNode()
      const { app, secret } = await register(node.registry)
      expect(secret).toMatch(/^otesse_cs_[0-9A-Za-z]{49}$/)
      expect(await node.registry.get(app.id)).toEqual(app)
      const found = await node.registry.find(app.id)
      expect(found).toEqual(app)
      expect(found).toMatchObject({ ...web, requirePkce: false, status: 'active', version: 1 })
      for (const part of [
        found,
        found?.scopes,
        found?.redirectUris,
        found?.secrets,
        found?.secrets[0],
      ])
        expect(Object.isFrozen(part)).toBe(true)
      const rows = await durable.db
        .selectFrom('app_secrets')
        .selectAll()
        .where('app_id', '=', app.id)
        .execute()
      expect(rows).toHaveLength(1)
      expect(JSON.stringify(rows)).not.toContain(secret.slice(-49, -10))
      expect(secret.slice(0, -6).endsWith(rows[0]!.hint)).toBe(true)
    })

    test('RFC 8252 §8.5 — public apps get no secret, PKCE and rotation', async () => {
      await using node = await startNode()
      const outcome = await node.registry.register({
        name: 'Phone',
        type: 'public',
        redirectUris: ['com.planner:/cb'],
      })
      expect(outcome).toMatchObject({
        kind: 'registered',
        secret: undefined,
        app: { secrets: [], requirePkce: true, rotateRefreshTokens: true },
      })
    })

    test('an app of a release without the switch for client_credentials keeps what it could do', async () => {
      await using node = await startNode()
      const found = []
      for (const type of ['web', 'machine', 'public', 'resource_server'] as const) {
        const id = newClientId()
        await sql`
          insert into apps (id, name, type, redirect_uris, scopes, audiences, require_pkce,
            rotate_refresh_tokens, sliding_refresh, status, version, created_at, updated_at)
          values (${id}, 'Old', ${type}, '[]', '[]', '[]', false, false, false, 'active', 1, now(), now())
        `.execute(durable.db)
        found.push((await node.registry.get(id)).clientCredentials)
      }
      expect(found).toEqual([true, true, false, false])
    })

    test('refused input changes nothing', async () => {
      await using node = await startNode()
      const before = await node.registry.list({ limit: 200 })
      const outcome = await node.registry.register({
        ...web,
        redirectUris: ['http://evil.example/'],
        scopes: ['no:such'],
      })
      expect(outcome).toMatchObject({
        kind: 'refused',
        problems: [{ rule: 'uri-http-not-loopback' }, { rule: 'scope-unknown', value: 'no:such' }],
      })
      expect(await node.registry.list({ limit: 200 })).toEqual(before)
    })
  })

  describe('finding', () => {
    test('costs one read for many at once, then none; ids that are not ours cost none at all', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      const found = await Promise.all(Array.from({ length: 50 }, () => node.registry.find(app.id)))
      expect(new Set(found).size).toBe(1)
      await node.registry.find(app.id)
      expect(node.finds()).toBe(1)
      for (const id of [
        '',
        'app_',
        `${app.id}x`,
        "app_' or 1=1 --000000",
        'app_\u0000'.padEnd(24, '0'),
      ])
        expect(await node.registry.find(id)).toBeUndefined()
      expect(node.finds()).toBe(1)
    })

    test('reads again after 30 s, an unknown id after 5 s', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      await node.registry.find(app.id)
      node.pass(30 * SECOND)
      await node.registry.find(app.id)
      expect(node.finds()).toBe(1)
      node.pass(1)
      await node.registry.find(app.id)
      expect(node.finds()).toBe(2)
      const unknown = newClientId()
      await node.registry.find(unknown)
      node.pass(5 * SECOND)
      await node.registry.find(unknown)
      expect(node.finds()).toBe(3)
      node.pass(1)
      expect(await node.registry.find(unknown)).toBeUndefined()
      expect(node.finds()).toBe(4)
    })

    test('a load that began before a change does not fill the cache after it', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      let release = (): void => undefined
      node.hold(new Promise((resolve) => (release = resolve)))
      const early = node.registry.find(app.id)
      // The row has been read and is on its way; now the change comes.
      await new Promise((resolve) => setTimeout(resolve, 50))
      const store = createAppStore(durable.db)
      await store.changeStatus(app.id, {
        status: 'suspended',
        reason: 'x',
        purge: false,
        at: new Date(START),
      })
      await node.invalidation.publish('app', app.id)
      node.hold(undefined)
      release()
      expect((await early)?.status).toBe('active')
      expect((await node.registry.find(app.id))?.status).toBe('suspended')
    })

    test('after a gap in the channel everything is read again', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      const unknown = newClientId()
      await node.registry.find(app.id)
      await node.registry.find(unknown)
      node.invalidation.gap()
      await node.registry.find(app.id)
      await node.registry.find(unknown)
      expect(node.finds()).toBe(4)
    })

    test('a failed load is told to all who wait for it and is not remembered', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      node.hold(Promise.reject(new Error('the database is away')))
      const waiting = await Promise.allSettled([
        node.registry.find(app.id),
        node.registry.find(app.id),
      ])
      expect(waiting.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      node.hold(undefined)
      expect(await node.registry.find(app.id)).toEqual(app)
    })
  })

  describe('secrets', () => {
    test('are valid, wrong or expired', async () => {
      await using node = await startNode()
      const { app, secret } = await register(node.registry)
      const second = await node.registry.createSecret(app.id, { expiresAt: new Date(START + HOUR) })
      if (second.kind !== 'created') throw new Error('refused')
      const current = await node.registry.get(app.id)
      const check = (text: string) => node.registry.checkSecret(current, text)
      expect([check(secret), check(second.secret.reveal())]).toEqual(['valid', 'valid'])
      expect([
        check(''),
        check(newClientSecret()),
        check(`${secret}x`),
        check(secret.slice(0, -1)),
      ]).toEqual(Array(4).fill('wrong'))
      node.pass(HOUR)
      expect([check(secret), check(second.secret.reveal())]).toEqual(['valid', 'expired'])
    })

    test('that is used under an older key is hashed anew under the current one, and the version stays', async () => {
      const newKey = new Secret('renewed-secret-key-0123456789abcdef')
      await using before = await startNode()
      const { app, secret } = await register(before.registry)
      {
        await using during = await startNode({ serverKeys: [newKey, secretKey] })
        expect(during.registry.checkSecret(app, secret)).toBe('valid')
        expect(during.registry.checkSecret(app, secret)).toBe('valid')
      }
      await using after = await startNode({ serverKeys: [newKey] })
      const now = await after.registry.get(app.id)
      expect(after.registry.checkSecret(now, secret)).toBe('valid')
      expect(now.version).toBe(app.version)
      const [{ id: keyId } = { id: '' }] = createServerKeys([newKey]).all('client-secret')
      expect(now.secrets.map((stored) => stored.keyId)).toEqual([keyId])
      // A node that has not heard yet still takes it, under the hash that it knows.
      expect(before.registry.checkSecret(app, secret)).toBe('valid')
    })

    test('made under an older server key stay valid while it is configured, and no longer', async () => {
      const newKey = new Secret('b'.repeat(43))
      await using before = await startNode()
      const { app, secret } = await register(before.registry)
      await using during = await startNode({ serverKeys: [newKey, secretKey] })
      await using after = await startNode({ serverKeys: [newKey] })
      expect(during.registry.checkSecret(app, secret)).toBe('valid')
      expect(after.registry.checkSecret(app, secret)).toBe('wrong')
    })

    test('of another app are wrong', async () => {
      await using node = await startNode()
      const [one, other] = [await register(node.registry), await register(node.registry)]
      expect(node.registry.checkSecret(one.app, other.secret)).toBe('wrong')
    })

    test('at most two live, even when ten are asked for at once', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, () => node.registry.createSecret(app.id)),
      )
      expect(outcomes.filter(({ kind }) => kind === 'created')).toHaveLength(1)
      expect(outcomes.find(({ kind }) => kind === 'refused')).toMatchObject({
        problems: [{ rule: 'secret-too-many' }],
      })
      expect((await node.registry.get(app.id)).secrets).toHaveLength(2)
    })

    test('that have expired make room, and are forgotten after 30 days', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      const short = { expiresAt: new Date(START + HOUR) }
      await node.registry.createSecret(app.id, short)
      node.pass(HOUR)
      const again = { expiresAt: new Date(START + 2 * HOUR) }
      expect((await node.registry.createSecret(app.id, again)).kind).toBe('created')
      expect((await node.registry.get(app.id)).secrets).toHaveLength(3)
      node.pass(40 * DAY)
      await node.registry.createSecret(app.id)
      expect((await node.registry.get(app.id)).secrets).toHaveLength(2)
    })

    test('that are revoked are gone at once, elsewhere too', async () => {
      await using node = await startNode()
      const { app, secret } = await register(node.registry)
      await node.registry.find(app.id)
      const second = await node.registry.createSecret(app.id)
      await node.registry.revokeSecret(app.id, app.secrets[0]!.id)
      const now = await node.registry.find(app.id)
      expect(node.registry.checkSecret(now!, secret)).toBe('wrong')
      expect(
        second.kind === 'created' && node.registry.checkSecret(now!, second.secret.reveal()),
      ).toBe('valid')
      await expect(node.registry.revokeSecret(app.id, app.secrets[0]!.id)).rejects.toThrow(
        'not_found',
      )
      await expect(node.registry.revokeSecret(app.id, 'sec_\u0000')).rejects.toThrow('not_found')
    })

    test('that leaked end the tokens that the app got for itself, and those of people stay', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      await node.registry.revokeSecret(app.id, app.secrets[0]!.id, { endOwn: true })
      expect(await node.registry.get(app.id)).toMatchObject({
        generation: 1,
        grantsFrom: 0,
        ownFrom: 1,
      })
      await node.registry.suspend(app.id, 'reason')
      expect(await node.registry.activate(app.id)).toMatchObject({
        generation: 2,
        grantsFrom: 2,
        ownFrom: 2,
      })
      expect(await node.store.endAll(app.id, 'admin', new Date(0))).toBe(true)
      expect(await node.registry.get(app.id)).toMatchObject({ generation: 3, grantsFrom: 3 })
      const jobs = await durable.db
        .selectFrom('purge_jobs')
        .select('generation')
        .where('app_id', '=', app.id)
        .orderBy('id')
        .execute()
      expect(jobs).toEqual([{ generation: 2 }, { generation: 3 }])
    })

    test('are not for public apps and never expire in the past', async () => {
      await using node = await startNode()
      const phone = await register(node.registry, {
        name: 'Phone',
        type: 'public',
        redirectUris: ['com.planner:/cb'],
      })
      const { app } = await register(node.registry)
      expect(await node.registry.createSecret(phone.app.id)).toMatchObject({
        problems: [{ rule: 'secret-of-public-app' }],
      })
      for (const expiresAt of [new Date(START), new Date(Number.NaN)])
        expect(await node.registry.createSecret(app.id, { expiresAt })).toMatchObject({
          problems: [{ rule: 'secret-expiry-past' }],
        })
      const far = { expiresAt: new Date('+010000-01-01T00:00:00Z') }
      expect(await node.registry.createSecret(app.id, far)).toMatchObject({
        problems: [{ rule: 'secret-expiry-far' }],
      })
    })

    test('remember when they were last used, written when the registry closes, never backwards', async () => {
      const node = await startNode()
      const { app, secret } = await register(node.registry)
      node.pass(HOUR)
      expect(node.registry.checkSecret(app, secret)).toBe('valid')
      expect((await node.registry.get(app.id)).secrets[0]?.lastUsedAt).toBeUndefined()
      await node[Symbol.asyncDispose]()
      const store = createAppStore(durable.db)
      const lastUse = async () => (await store.find(app.id))?.secrets[0]?.lastUsedAt?.getTime()
      expect(await lastUse()).toBe(START + HOUR)
      await store.noteSecretUses(
        new Map([
          [app.secrets[0]!.id, new Date(START)],
          ['sec_gone', new Date(START)],
        ]),
      )
      expect(await lastUse()).toBe(START + HOUR)
      expect((await store.find(app.id))?.version).toBe(1)
    })
  })

  describe('changing', () => {
    test('keeps what is not named, empties what is undefined, raises the version', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry, { ...web, description: 'Plans' })
      await node.registry.find(app.id)
      node.pass(HOUR)
      const outcome = await node.registry.update(app.id, 1, {
        name: 'Planner 2',
        accessTtlSeconds: undefined,
      })
      expect(outcome.kind).toBe('updated')
      expect(await node.registry.find(app.id)).toEqual({
        ...app,
        name: 'Planner 2',
        accessTtlSeconds: undefined,
        version: 2,
        updatedAt: new Date(START + HOUR),
      })
    })

    test('of two admins the second gets a conflict, not a lost update', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      const names = Array.from({ length: 10 }, (_, at) => `Planner ${at}`)
      const outcomes = await Promise.all(
        names.map((name) => node.registry.update(app.id, 1, { name })),
      )
      expect(outcomes.filter(({ kind }) => kind === 'updated')).toHaveLength(1)
      expect(outcomes.filter(({ kind }) => kind === 'conflict')).toHaveLength(9)
      expect(await node.registry.update(app.id, 1, { name: 'Late' })).toMatchObject({
        kind: 'conflict',
        app: { version: 2 },
      })
    })

    test('refused changes change nothing', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      expect(
        await node.registry.update(app.id, 1, { type: 'public', redirectUris: [] }),
      ).toMatchObject({
        kind: 'refused',
        problems: [{ rule: 'type-fixed' }, { rule: 'redirect-uri-needed' }],
      })
      expect(await node.registry.get(app.id)).toEqual(app)
    })

    test('what does not exist is not found', async () => {
      await using node = await startNode()
      for (const id of [newClientId(), 'x', 'app_\u0000'])
        for (const act of [
          () => node.registry.get(id),
          () => node.registry.update(id, 1, {}),
          () => node.registry.suspend(id, 'x'),
          () => node.registry.activate(id),
          () => node.registry.remove(id, 'x'),
          () => node.registry.createSecret(id),
          () => node.registry.revokeSecret(id, 'x'),
          () => node.registry.removeLogo(id),
        ])
          await expect(act()).rejects.toThrow('not_found')
    })
  })

  describe('shutting down', () => {
    test('suspending keeps the reason, writes the purge job and is seen at once', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      await node.registry.find(app.id)
      const suspended = await node.registry.suspend(app.id, ' leaked its secret ')
      expect(suspended).toMatchObject({
        status: 'suspended',
        statusReason: 'leaked its secret',
        version: 2,
      })
      expect(await node.registry.find(app.id)).toEqual(suspended)
      expect(await purgeJobs(app.id)).toEqual([
        { kind: 'app', reason: 'app_suspended', attempts: 0 },
      ])
      const active = await node.registry.activate(app.id)
      expect(active).toMatchObject({ status: 'active', statusReason: undefined, version: 3 })
      expect(await purgeJobs(app.id)).toHaveLength(1)
    })

    test('a deleted app is found by admins alone and changes no more', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      await node.registry.find(app.id)
      await node.registry.remove(app.id, 'left us')
      expect(await node.registry.find(app.id)).toBeUndefined()
      expect(await node.registry.get(app.id)).toMatchObject({
        status: 'deleted',
        statusReason: 'left us',
      })
      expect(await purgeJobs(app.id)).toHaveLength(1)
      await expect(node.registry.activate(app.id)).rejects.toThrow('not_found')
      await expect(node.registry.suspend(app.id, 'x')).rejects.toThrow('not_found')
      expect(await createAppStore(durable.db).updateSettings(app.id, 2, app, new Date(START))).toBe(
        'conflict',
      )
    })

    test('when the job cannot be written, the app is not suspended either', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      const store = createAppStore(durable.db)
      const change = {
        status: 'suspended',
        reason: 'a\u0000b',
        purge: true,
        at: new Date(START),
      } as const
      await expect(store.changeStatus(app.id, change)).rejects.toThrow()
      expect(await node.registry.get(app.id)).toEqual(app)
    })

    test.each(['', '  ', 'x'.repeat(501), 'a\u0000b'])('needs a reason, not %j', async (reason) => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      await expect(node.registry.suspend(app.id, reason)).rejects.toThrow('parameter_invalid')
      await expect(node.registry.remove(app.id, reason)).rejects.toThrow('parameter_invalid')
    })

    test('is saved while the channel is away, and announced when it is back', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      node.invalidation.isAway = true
      expect((await node.registry.suspend(app.id, 'x')).status).toBe('suspended')
      node.invalidation.isAway = false
      expect(node.invalidation.published).not.toContain(`app ${app.id}`)
      await new Promise((resolve) => setTimeout(resolve, 1300))
      expect(node.invalidation.published).toContain(`app ${app.id}`)
    })
  })

  describe('listing', () => {
    test('walks all pages, newest first, each app once', async () => {
      await using node = await startNode()
      const label = randomBytes(6).toString('hex')
      const ids: string[] = []
      for (let at = 0; at < 7; at += 1) {
        // Several of the same moment: the id decides about their order.
        if (at % 3 === 0) node.pass(1)
        ids.push((await register(node.registry, { ...web, name: `${label} ${at}` })).app.id)
      }
      const seen: string[] = []
      let cursor: string | undefined
      let pages = 0
      do {
        const page = await node.registry.list({ search: label.toUpperCase(), limit: 3, cursor })
        seen.push(...page.apps.map(({ id }) => id))
        cursor = page.next
        pages += 1
      } while (cursor !== undefined)
      expect(pages).toBe(3)
      expect(seen).toHaveLength(7)
      expect([...seen].sort()).toEqual([...ids].sort())
      expect(seen[0]).toBe(ids[6])
    })

    test('finds by part of the name, literally, or by the whole id, and by status', async () => {
      await using node = await startNode()
      const label = randomBytes(6).toString('hex')
      const { app } = await register(node.registry, { ...web, name: `${label} 100%_\\x` })
      const names = async (query: Parameters<AppRegistry['list']>[0]) =>
        (await node.registry.list(query)).apps.map(({ id }) => id)
      expect(await names({ search: `${label} 100%_\\` })).toEqual([app.id])
      expect(await names({ search: `${label}%` })).toEqual([])
      expect(await names({ search: app.id })).toEqual([app.id])
      expect(await names({ search: `${label}\u0000` })).toEqual([app.id])
      await node.registry.remove(app.id, 'x')
      expect(await names({ search: label })).toEqual([])
      expect(await names({ search: label, status: 'deleted' })).toEqual([app.id])
    })

    test('finds and counts by scope, page by page, without the deleted ones', async () => {
      await using node = await startNode()
      const label = randomBytes(6).toString('hex')
      const [rare, other] = [`${label}:read`, `${label}:read:more`]
      for (const name of [rare, other])
        await node.catalogue.create({ name, sentence: 'See things', group: 'Things' })
      const having = async (scopes: string[]) =>
        (await register(node.registry, { ...web, scopes })).app.id
      const both = await having([rare, other])
      const one = await having([rare])
      await having([other])
      const gone = await having([rare])
      await node.registry.remove(gone, 'x')
      const first = await node.registry.list({ scope: rare, limit: 1 })
      const second = await node.registry.list({ scope: rare, limit: 1, cursor: first.next })
      const ids = [...first.apps, ...second.apps].map(({ id }) => id)
      expect(ids.sort()).toEqual([both, one].sort())
      expect(second.next).toBeUndefined()
      const deleted = await node.registry.list({ scope: rare, status: 'deleted' })
      expect(deleted.apps.map(({ id }) => id)).toEqual([gone])
      for (const text of [`${label}:rea`, `"${rare}"`, 'a\0b', 'a b'])
        expect(await node.registry.list({ scope: text })).toEqual({ apps: [], next: undefined })
      const counts = await node.registry.countByScope()
      expect([counts.get(rare), counts.get(other)]).toEqual([2, 2])
      expect(counts.get(`${label}:none`)).toBeUndefined()
      expect(await node.registry.countOfScope(rare)).toBe(2)
      expect(await node.registry.countOfScope('a\0b')).toBe(0)
    })

    test.each([
      'x',
      '',
      Buffer.from('2026-13-45T00:00:00.000Z app_00000000000000000000').toString('base64url'),
      Buffer.from('0000-01-01T00:00:00.000Z app_00000000000000000000').toString('base64url'),
    ])('refuses the cursor %j', async (cursor) => {
      await using node = await startNode()
      await expect(node.registry.list({ cursor })).rejects.toThrow('parameter_invalid')
    })
  })

  describe('logos', () => {
    test('are stored under their hash and shared by equal bytes', async () => {
      await using node = await startNode()
      const bytes = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>')
      const [one, other] = [await register(node.registry), await register(node.registry)]
      const saved = await node.registry.setLogo(one.app.id, bytes, 'image/svg+xml')
      const again = await node.registry.setLogo(other.app.id, bytes, 'image/svg+xml')
      if (saved.kind !== 'updated' || again.kind !== 'updated') throw new Error('refused')
      expect(again.app.logoId).toBe(saved.app.logoId)
      await using fresh = await startNode()
      for (const registry of [fresh.registry, fresh.registry]) {
        const logo = await registry.findLogo(saved.app.logoId ?? '')
        expect(logo?.contentType).toBe('image/svg+xml')
        expect(Buffer.compare(Buffer.from(logo?.bytes ?? []), bytes)).toBe(0)
      }
      expect((await node.registry.removeLogo(one.app.id)).logoId).toBeUndefined()
      expect(await node.registry.findLogo('0'.repeat(64))).toBeUndefined()
      expect(await node.registry.findLogo('../../etc/passwd')).toBeUndefined()
    })

    test('that are refused change nothing', async () => {
      await using node = await startNode()
      const { app } = await register(node.registry)
      expect(await node.registry.setLogo(app.id, Buffer.from('GIF89a'), 'image/gif')).toMatchObject(
        {
          kind: 'refused',
          problems: [{ field: 'logo', rule: 'logo-type' }],
        },
      )
      expect(await node.registry.get(app.id)).toEqual(app)
    })
  })

  describe('the catalogue of scopes', () => {
    test('has the built-in scopes before it is loaded, and those of the database after', async () => {
      const { db } = durable
      const clock = () => START
      const invalidation = createLocalInvalidation()
      await using catalogue = createScopeCatalogue({
        store: createScopeStore(db),
        clock,
        invalidation,
      })
      expect([...catalogue.current().scopes.keys()]).toEqual([
        'openid',
        'profile',
        'email',
        'offline_access',
        ...ADMIN_SCOPE_NAMES,
      ])
      const name = `s:${randomBytes(6).toString('hex')}`
      await using node = await startNode()
      await node.catalogue.create({ ...scope, name, sensitive: true })
      await catalogue.load()
      expect(catalogue.current().scopes.get(name)).toEqual({
        ...scope,
        name,
        sensitive: true,
        deprecated: false,
        audience: undefined,
        version: 1,
      })
    })

    test('a change is in every snapshot at once and is told once', async () => {
      const invalidation = createLeakyInvalidation()
      await using one = await startNode({ invalidation })
      await using other = await startNode({ invalidation })
      const name = `s:${randomBytes(6).toString('hex')}`
      const versions: number[] = []
      const stop = other.catalogue.onChange(({ version }) => versions.push(version))
      const before = other.catalogue.current()
      expect((await one.catalogue.create({ ...scope, name })).kind).toBe('saved')
      await other.catalogue.refresh()
      expect(other.catalogue.current().scopes.has(name)).toBe(true)
      expect(before.scopes.has(name)).toBe(false)
      expect(versions).toEqual([before.version + 1])

      const update = { ...scope, name, sentence: 'See them all' }
      expect((await one.catalogue.update(update, 1)).kind).toBe('saved')
      expect(await one.catalogue.update(update, 1)).toMatchObject({
        kind: 'conflict',
        scope: { version: 2 },
      })
      await other.catalogue.refresh()
      expect(other.catalogue.current().scopes.get(name)?.sentence).toBe('See them all')
      stop()
      await one.catalogue.remove(name)
      await other.catalogue.refresh()
      expect(other.catalogue.current().scopes.has(name)).toBe(false)
      expect(versions).toEqual([before.version + 1, before.version + 2])
      expect(other.catalogue.current().version).toBe(before.version + 3)
    })

    test('another node hears of a change, and of a gap, by itself', async () => {
      const invalidation = createLeakyInvalidation()
      await using one = await startNode({ invalidation })
      await using other = await startNode({ invalidation })
      const next = () =>
        new Promise((resolve) => {
          const stop = other.catalogue.onChange((snapshot) => {
            stop()
            resolve(snapshot)
          })
        })
      const name = `s:${randomBytes(6).toString('hex')}`
      const heard = next()
      await one.catalogue.create({ ...scope, name })
      await heard
      expect(other.catalogue.current().scopes.has(name)).toBe(true)

      const afterGap = next()
      await createScopeStore(durable.db).remove(name)
      invalidation.gap()
      await afterGap
      expect(other.catalogue.current().scopes.has(name)).toBe(false)
    })

    test('a name is there once, built-in ones stay, unknown ones are not found', async () => {
      await using node = await startNode()
      const name = `s:${randomBytes(6).toString('hex')}`
      const outcomes = await Promise.all(
        [1, 2, 3].map(() => node.catalogue.create({ ...scope, name })),
      )
      expect(outcomes.filter(({ kind }) => kind === 'saved')).toHaveLength(1)
      expect(outcomes.find(({ kind }) => kind === 'refused')).toMatchObject({
        problems: [{ rule: 'scope-name-taken' }],
      })
      expect((await node.catalogue.create({ ...scope, name: 'openid' })).kind).toBe('refused')
      for (const missing of ['openid', 'no:such', 'a\u0000'])
        await expect(node.catalogue.remove(missing)).rejects.toThrow('not_found')
      await expect(node.catalogue.update({ ...scope, name: 'no:such' }, 1)).rejects.toThrow(
        'not_found',
      )
    })
  })
})
