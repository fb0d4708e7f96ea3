// Postgres behind a pooler. In transaction mode each transaction may run on another connection; in
// both modes parameters of the session are refused.
import { sql } from 'kysely'
import { migrate, pendingMigrations } from '../../src/storage/migrate.ts'
import { withDatabase } from '../../src/storage/database.ts'
import {
  createDatabase,
  type PostgresServer,
  startPgBouncer,
  type TestDatabase,
} from '../support/backends.ts'
import { openPostgres } from '../support/migrated-database.ts'

describe.each(['transaction', 'session'] as const)('in %s mode', (mode) => {
  let database: TestDatabase
  let pooler: PostgresServer
  beforeAll(async () => {
    database = await createDatabase(process.env['OTESSE_TEST_POSTGRES_URL']!)
    pooler = await startPgBouncer(database.url, mode)
  })
  afterAll(async () => {
    await pooler.stop()
    await database.drop()
  })

  it('several migrate at once, each once, and no lock is left behind', async () => {
    await using one = await openPostgres(pooler.url, 60_000)
    await using two = await openPostgres(pooler.url, 60_000)
    const [first, second] = await Promise.all([migrate(one.db), migrate(two.db)])
    expect([first.length, second.length].sort((a, b) => a - b)[0]).toBe(0)
    expect(first.length + second.length).toBeGreaterThan(0)
    expect(await pendingMigrations(one.db)).toEqual([])
    await using direct = await openPostgres(database.url)
    const { rows } = await sql`select 1 from pg_locks where locktype = 'advisory'`.execute(
      direct.db,
    )
    expect(rows).toEqual([])
  })

  it('a statement that takes too long ends the wait, and the next one works', async () => {
    await using opened = await openPostgres(pooler.url, 300)
    const slow = withDatabase(() => sql`select pg_sleep(3)`.execute(opened.db))
    await expect(slow).rejects.toMatchObject({ code: 'temporarily_unavailable', status: 503 })
    expect(await withDatabase(() => sql`select 1 as one`.execute(opened.db))).toMatchObject({
      rows: [{ one: 1 }],
    })
  })

  it('a pooler that dies under a transaction means not now, and is found again', async () => {
    await using opened = await openPostgres(pooler.url, 5000)
    const work = withDatabase(() =>
      opened.db.transaction().execute(async (transaction) => {
        await sql`select 1`.execute(transaction)
        await pooler.kill()
        await sql`select 2`.execute(transaction)
      }),
    )
    await expect(work).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    await expect(withDatabase(() => sql`select 1`.execute(opened.db))).rejects.toMatchObject({
      code: 'temporarily_unavailable',
    })
    await pooler.restart()
    expect(await withDatabase(() => sql`select 1 as one`.execute(opened.db))).toMatchObject({
      rows: [{ one: 1 }],
    })
  })
})
