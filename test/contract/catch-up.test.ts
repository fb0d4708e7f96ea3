// A copy of Redis that has lost its last writes: what had ended is ended there again before
// anything is believed. The loss is real data put back as they were, the number of known endings
// among them.
import { Cluster } from 'ioredis'
import { appFamily } from '../../src/grants/app-tokens.ts'
import { createVerifiedStore } from '../../src/grants/verified-store.ts'
import { createRedisStore } from '../../src/grants/redis-family.store.ts'
import { createEndAgain } from '../../src/grants/end-again.ts'
import { createGrants } from '../../src/grants/grants.ts'
import { openCatchUp, StoresDisagree } from '../../src/revocations/catch-up.ts'
import { createEndedStore } from '../../src/revocations/ended.store.ts'
import { createEndings } from '../../src/revocations/endings.ts'
import { createRedisFence, TAGS } from '../../src/revocations/redis-fence.ts'
import type { Revocation } from '../../src/revocations/revocation-log.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { newAccountId, newClientId } from '../../src/shared/ids.ts'
import { newCode, newGrantId } from '../../src/shared/token-format.ts'
import type { OpenDatabase } from '../../src/storage/database.ts'
import type { RedisClient } from '../../src/storage/redis.ts'
import { DATABASES } from '../support/migrated-database.ts'
import { waitUntil } from '../support/server-process.ts'
import { assertIssued, parsed, refreshTokens, TERMS } from './grants.contract.ts'
import { openOnRedis, type OpenedStore, quiet } from './short-lived-stores.ts'

const URLS = {
  'one Redis': process.env['OTESSE_TEST_REDIS_URL'] ?? '',
  'a Redis Cluster': `redis-cluster://${process.env['OTESSE_TEST_REDIS_CLUSTER_NODES'] ?? ''}`,
}
const AWAY = { code: 'temporarily_unavailable' }
const mastersOf = (client: RedisClient) =>
  client instanceof Cluster ? client.nodes('master') : [client]

/**
 * Keeps the keys of a prefix as they are now, and returns what puts them back and removes the rest.
 */
async function copyOf(client: RedisClient, prefix: string): Promise<() => Promise<void>> {
  const keysOf = async () =>
    (await Promise.all(mastersOf(client).map((node) => node.keys(`${prefix}*`)))).flat()
  const kept = await Promise.all(
    (await keysOf()).map(async (key) => ({
      key,
      ttl: Math.max(0, await client.pttl(key)),
      dump: await client.dumpBuffer(key),
    })),
  )
  return async () => {
    await Promise.all((await keysOf()).map((key) => client.del(key)))
    await Promise.all(kept.map(({ key, ttl, dump }) => client.restore(key, ttl, dump, 'REPLACE')))
  }
}

describe.each(Object.entries(URLS))('on %s', (_name, url) => {
  let opened: OpenedStore
  let database: OpenDatabase
  const told: Revocation[] = []
  beforeEach(async () => {
    opened = await openOnRedis(url)
    database = await DATABASES[0]!.open()
    told.length = 0
  })
  afterEach(async () => {
    await opened[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  /** What a server is made of, as far as this is about. */
  function openServer() {
    const { redis: client, prefix = '' } = opened
    if (client === undefined) throw new Error('this is about Redis')
    const bare = createRedisStore(client, prefix)
    const log = { append: (entry: Revocation) => Promise.resolve(void told.push(entry)) }
    const endedStore = createEndedStore(database.db)
    const catchUp = openCatchUp({
      fence: createRedisFence(client, prefix),
      endedStore,
      endAgain: createEndAgain(bare, systemClock),
      log,
      clock: systemClock,
      logger: quiet,
    })
    const { afterWritten } = catchUp
    const endings = createEndings({ store: endedStore, log, logger: quiet, afterWritten })
    const grants = createGrants({
      store: createVerifiedStore(bare, catchUp),
      refreshTokens,
      clock: systemClock,
      onEnded: (ended) => endings.record(ended),
    })
    async function authorize() {
      const grant = {
        ...{ id: newGrantId(), appId: newClientId(), accountId: newAccountId() },
        ...{ scopes: ['a'], createdAt: Math.floor(Date.now() / 1000) },
      }
      const code = newCode(grant.id)
      const expiresAt = grant.createdAt + 60
      await grants.begin(grant, code, { redirectUri: 'x', expiresAt }, 1000)
      const verify = () => undefined
      const issued = await grants.redeem(parsed(code), grant.appId, TERMS, verify, () => true)
      assertIssued(issued)
      return { ...grant, access: issued.accessToken }
    }
    return {
      ...{ catchUp, endedStore, grants, authorize },
      copy: () => copyOf(client, prefix),
      isLive: async (token: string) => (await grants.findAccess(parsed(token))) !== undefined,
      async [Symbol.asyncDispose]() {
        await endings[Symbol.asyncDispose]()
        await catchUp[Symbol.asyncDispose]()
      },
    }
  }

  it('believes nothing before the first comparison', async () => {
    await using server = openServer()
    await expect(server.authorize()).rejects.toMatchObject(AWAY)
    await server.catchUp.look()
    const { access } = await server.authorize()
    expect(await server.isLive(access)).toBe(true)
    server.catchUp.doubt()
    await expect(server.isLive(access)).rejects.toMatchObject(AWAY)
    await server.catchUp.look()
    expect(await server.isLive(access)).toBe(true)
  })

  it('a family, a token and an app’s own grant end again; what was not ended stays', async () => {
    await using server = openServer()
    await server.catchUp.look()
    const { grants } = server
    const [family, single, living] = [
      await server.authorize(),
      await server.authorize(),
      await server.authorize(),
    ]
    const app = { id: newClientId(), generation: 0 }
    const own = await grants.issueToApp(app, ['a'], undefined, TERMS)
    const restore = await server.copy()
    await grants.revoke(family.id)
    await grants.revokeAccess(parsed(single.access))
    await grants.revoke(appFamily(app.id))
    const later = await grants.issueToApp(app, ['a'], undefined, TERMS)
    const told1 = told.splice(0)
    await server.catchUp.look()
    expect(told).toEqual([])

    await restore()
    server.catchUp.doubt()
    await server.catchUp.look()
    for (const token of [family.access, single.access, own.accessToken])
      expect(await server.isLive(token)).toBe(false)
    expect(await server.isLive(living.access)).toBe(true)
    // Lost with the copy that knew it; a new one is issued under another epoch.
    expect(await server.isLive(later.accessToken)).toBe(false)
    const again = await grants.issueToApp(app, ['a'], undefined, TERMS)
    expect(told.map(({ key }) => key).sort()).toEqual(told1.map(({ key }) => key).sort())
    expect(await grants.listOfAccount(family.accountId, 0, 10)).toEqual([])
    expect(await grants.listOfApp(family.appId, 0, 10)).toEqual([])

    // Once more, from a copy that knows the newer grant: it is not the one that had ended.
    server.catchUp.doubt()
    await server.catchUp.look()
    expect(await server.isLive(again.accessToken)).toBe(true)
  })

  it('finds by itself what nobody has told: an ending whose process died after it was written', async () => {
    await using server = openServer()
    await server.catchUp.look()
    const { id, access } = await server.authorize()
    const now = Date.now()
    await server.endedStore.add([
      { family: id, reason: 'revoked', endedAt: now, keepUntil: now + 60_000 },
    ])
    await waitUntil('the ending to be carried out', async () =>
      // A busy machine may be told to come again.
      server.isLive(access).then(
        (isLive) => !isLive,
        () => false,
      ),
    )
    // It is told after it was carried out, so that nobody is told of what has not happened yet.
    await waitUntil('the ending to be told', () => Promise.resolve(told.length > 0))
    // Perhaps twice: what was not noted in time is carried out once more.
    expect(new Set(told.map(({ kind, key }) => `${kind} ${key}`))).toEqual(new Set([`grant ${id}`]))
  })

  it('many endings are told as one', async () => {
    await using server = openServer()
    await server.catchUp.look()
    const { access, id } = await server.authorize()
    const now = Date.now()
    const rows = Array.from({ length: 1200 }, (_, at) => ({
      family: at === 1199 ? id : newGrantId(),
      ...{ reason: 'revoked', endedAt: now - 3_600_000, keepUntil: now + 60_000 },
    }))
    await server.endedStore.add(rows)
    await server.catchUp.look()
    expect(await server.isLive(access)).toBe(false)
    expect(told).toEqual([{ kind: 'all', key: '' }])
  })

  it('a database that knows less than Redis is not believed', async () => {
    await using server = openServer()
    await server.catchUp.look()
    const { access, id } = await server.authorize()
    await server.grants.revoke(id)
    await database.db.updateTable('ended_counter').set({ last: 0 }).execute()
    await expect(server.catchUp.look()).rejects.toThrow(StoresDisagree)
    await expect(server.isLive(access)).rejects.toMatchObject(AWAY)
  })
})

it('each of up to 32 masters of a Cluster has a number of its own', async () => {
  await using opened = await openOnRedis(URLS['a Redis Cluster'])
  const slots = await Promise.all(
    TAGS.map(async (tag) => Number(await opened.redis!.call('CLUSTER', 'KEYSLOT', `x:{${tag}}`))),
  )
  expect(slots.map((slot) => Math.floor(slot / 512))).toEqual(TAGS.map((_, at) => at))
})
