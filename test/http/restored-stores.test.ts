// Backups that are restored, of one store or of both: what was revoked stays revoked, and what the
// stores cannot know is refused in words until an operator has decided.
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import {
  openNetworkedStores,
  openTestStores,
  startTestApp,
  type TestApp,
  type TestStores,
} from '../support/app.ts'
import { onDatabase, startRedis } from '../support/backends.ts'
import { createScopes, registerApp } from '../support/builders.ts'
import { makeCertificates } from '../support/certificates.ts'
import { runHere } from '../support/cli-here.ts'
import { SECRETS } from '../support/main-process.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const environment = (stores: TestStores) => ({
  OTESSE_ISSUER: 'http://127.0.0.1:3000',
  ...SECRETS,
  ...stores.settings,
})
const reconcile = (stores: TestStores, ...flags: string[]) =>
  runHere(['stores', 'reconcile', '--json', ...flags], environment(stores))

/** Copies the database as it is; nobody may use it. Returns what puts the copy in its place. */
async function backUpPostgres(stores: TestStores): Promise<() => Promise<void>> {
  const url = new URL(stores.settings['OTESSE_DATABASE_URL']!)
  const name = url.pathname.slice(1)
  const admin = new URL(url)
  admin.pathname = '/postgres'
  const run = (...statements: string[]) =>
    onDatabase(admin.href, async (client) => {
      for (const statement of statements) await client.query(statement)
    })
  await run(`create database ${name}_backup template ${name}`)
  return () => run(`drop database ${name}`, `alter database ${name}_backup rename to ${name}`)
}

/**
 * Copies the keys of the server as they are. Returns what puts them back and removes all others.
 */
async function backUpRedis(stores: TestStores): Promise<() => Promise<void>> {
  const url = stores.settings['OTESSE_REDIS_URL']!
  const pattern = `${stores.settings['OTESSE_REDIS_PREFIX']!}*`
  const redis = new Redis(url)
  const kept = await Promise.all(
    (await redis.keys(pattern)).map(async (key) => ({
      key,
      ttl: Math.max(0, await redis.pttl(key)),
      dump: await redis.dumpBuffer(key),
    })),
  )
  redis.disconnect()
  return async () => {
    const again = new Redis(url)
    for (const key of await again.keys(pattern)) await again.del(key)
    for (const { key, ttl, dump } of kept) await again.restore(key, ttl, dump)
    again.disconnect()
  }
}

const start = (stores: TestStores, before?: TestApp) =>
  startTestApp({
    backend: stores.backend,
    stores,
    ...(before && { issuer: before.issuer, clock: before.clock }),
  })

/**
 * A day with a backup in the middle: an app revokes what began before it, and more begins after.
 */
async function liveThrough(stores: TestStores, backUp: () => Promise<void>) {
  let server = await start(stores)
  await createScopes(server)
  const client = await registerApp(server)
  const machine = await registerApp(server, { type: 'machine' })
  let app = createOAuthClient(server, client)
  const kept = await app.authorize()
  const revoked = await app.authorize()
  const own = (await createOAuthClient(server, machine).credentials()).body.access_token
  // Not so long ago as to be taken for what began after the backup.
  await age(server, [kept.grantId, revoked.grantId])
  await server[Symbol.asyncDispose]()
  await backUp()
  server = await start(stores, server)
  app = createOAuthClient(server, client)
  expect((await app.revoke(revoked.refresh)).status).toBe(200)
  const later = await app.authorize()
  await server[Symbol.asyncDispose]()
  return {
    ...{ client, kept, revoked, later, own },
    async isLive(tokens: readonly string[]) {
      await using again = await start(stores, server)
      const asked = createOAuthClient(again, client)
      const live: boolean[] = []
      for (const token of tokens) live.push((await asked.introspect(token)).body.active)
      return live
    },
  }
}

/** Moves the beginning of grants an hour back. */
async function age({ infrastructure }: TestApp, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const [text = ''] = await infrastructure.store.read(id, ['g'])
    const grant = JSON.parse(text) as { createdAt: number }
    const value = JSON.stringify({ ...grant, createdAt: grant.createdAt - 3600 })
    await infrastructure.store.commit(id, {
      expect: [],
      put: [{ name: 'g', value, ttlMillis: 86_400_000 }],
    })
  }
}

const refusalOf = (stores: TestStores) => start(stores).then(() => 'it started', String)

describe('Postgres and Redis', () => {
  let stores: TestStores
  beforeEach(async () => {
    stores = await openTestStores('redis')
  })
  afterEach(() => stores[Symbol.asyncDispose]())

  it('yesterday’s Redis with today’s Postgres: what was revoked since is revoked again', async () => {
    let restore = (): Promise<void> => Promise.reject(new Error('no backup'))
    const day = await liveThrough(stores, async () => {
      restore = await backUpRedis(stores)
    })
    await restore()
    expect(await day.isLive([day.kept.access, day.revoked.access, day.later.access])).toEqual([
      true,
      false,
      false,
    ])
  })

  it('today’s Redis with yesterday’s Postgres is refused; reconciled, what began since ends', async () => {
    let restore = (): Promise<void> => Promise.reject(new Error('no backup'))
    const day = await liveThrough(stores, async () => {
      restore = await backUpPostgres(stores)
    })
    await restore()
    expect(await refusalOf(stores)).toMatch(/older than Redis.*otesse stores reconcile/)
    const ran = await reconcile(stores)
    expect({ code: ran.code, ended: ran.json()['ended'] }).toEqual({ code: 0, ended: 2 })
    const tokens = [day.kept, day.revoked, day.later].map(({ access }) => access)
    expect(await day.isLive(tokens)).toEqual([true, false, false])
  })

  it('yesterday’s both: reconciled with --end-all, nothing of before lives', async () => {
    const restores: (() => Promise<void>)[] = []
    const day = await liveThrough(stores, async () => {
      restores.push(await backUpPostgres(stores), await backUpRedis(stores))
    })
    for (const restore of restores) await restore()
    const ran = await reconcile(stores, '--end-all')
    expect({ code: ran.code, ended: ran.json()['ended'] }).toEqual({ code: 0, ended: 'all' })
    const tokens = [day.kept, day.revoked, day.later].map(({ access }) => access)
    expect(await day.isLive([...tokens, day.kept.refresh, day.own])).toEqual(
      Array.from({ length: 5 }, () => false),
    )
  })

  it('is not done while a server runs', async () => {
    await using _server = await start(stores)
    const { code, stdout } = await reconcile(stores)
    expect({ code, stdout }).toMatchObject({ code: 1 })
    expect(stdout).toMatch(/A server still runs on these stores/)
  })

  it('an act of later ends what was given in the time that is lost', async () => {
    const server = await start(stores)
    await createScopes(server)
    const client = await registerApp(server)
    const { accountId } = await createOAuthClient(server, client).authorize()
    const { accounts, apps } = server.services
    const before = [
      (await accounts.get(accountId)).generation,
      (await apps.get(client.id)).generation,
    ]
    await server[Symbol.asyncDispose]()
    await reconcile(stores)
    await using again = await start(stores, server)
    const account = await again.services.accounts.get(accountId)
    const app = await again.services.apps.get(client.id)
    expect(account.generation).toBeGreaterThan(before[0]! + 1000)
    expect(app.generation).toBeGreaterThan(before[1]! + 1000)
    expect([account.grantsFrom, app.grantsFrom, app.ownFrom]).toEqual([0, 0, 0])
  })
})

it('embedded, a directory of yesterday: reconciled with --end-all, nothing of before lives', async () => {
  await using stores = await openTestStores('embedded')
  const directory = stores.settings['OTESSE_DATA_DIR']!
  const backup = await mkdtemp(join(tmpdir(), 'otesse-test-backup-'))
  const day = await liveThrough(stores, () => cp(directory, backup, { recursive: true }))
  await rm(directory, { recursive: true, force: true })
  await cp(backup, directory, { recursive: true })
  await rm(backup, { recursive: true, force: true })
  expect((await reconcile(stores, '--end-all')).code).toBe(0)
  const tokens = [day.kept, day.revoked, day.later].map(({ access }) => access)
  expect(await day.isLive([...tokens, day.own])).toEqual([false, false, false, false])
})

it('Redis is reached as the server reaches it, under an authority of its own', async () => {
  using certificates = await makeCertificates()
  const { ca, caFile, server } = certificates
  await using redis = await startRedis({ tls: { caFile, server } })
  await using stores = await openNetworkedStores({ redisUrl: redis.url })
  const run = (settings: Record<string, string>) =>
    runHere(['stores', 'reconcile', '--json'], { ...environment(stores), ...settings })
  expect((await run({})).code).toBe(1)
  expect((await run({ OTESSE_REDIS_CA: ca })).code).toBe(0)
})
