// Migrations on both databases: one that lands late, with a number below the last that was applied,
// is applied too.
import { sql } from 'kysely'
import { migrate, pendingMigrations } from '../../src/storage/migrate.ts'
import { DATABASES } from '../support/migrated-database.ts'

describe.each(DATABASES)('Migrations on $name', ({ open }) => {
  test('one that was skipped is applied after those behind it', async () => {
    await using database = await open()
    const { db } = database
    const late = '0012_client_credentials'
    await sql`alter table apps drop column client_credentials`.execute(db)
    await sql`delete from kysely_migration where name = ${late}`.execute(db)
    expect(await pendingMigrations(db)).toEqual([late])
    expect(await migrate(db)).toEqual([late])
    expect(await pendingMigrations(db)).toEqual([])
  })

  test('addresses at international domains get the key of the name system; who has it keeps it', async () => {
    await using database = await open()
    const { db } = database
    const add = (id: string, key: string, at: string) =>
      sql`insert into accounts (id, email, email_key, role, status, created_at, updated_at)
          values (${id}, ${key}, ${key}, 'member', 'active', ${at}, ${at})`.execute(db)
    await add('acc_1', 'user@b\u00fccher.example', '2026-01-01')
    await add('acc_2', 'ada@example.com', '2026-01-02')
    await add('acc_3', 'user@xn--bcher-kva.example', '2026-01-03')
    await add('acc_4', 'k\u00e4the@stra\u00dfe.example', '2026-01-04')
    await sql`delete from kysely_migration where name = '0019_email_keys'`.execute(db)
    await migrate(db)
    const { rows } = await sql<{ email_key: string }>`
      select email_key from accounts order by id`.execute(db)
    expect(rows.map((row) => row.email_key)).toEqual([
      'user@b\u00fccher.example',
      'ada@example.com',
      'user@xn--bcher-kva.example',
      'k\u00e4the@xn--strae-oqa.example',
    ])
  })
})
