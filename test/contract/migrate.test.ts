// Migrations on both databases: one that lands late, with a number below the last that was applied, is applied too.
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
})
