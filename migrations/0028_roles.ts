// The roles between member and admin. Invariant: it only permits more values, so the release before
// works on it; there such accounts open no console.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table accounts drop constraint accounts_role_check`.execute(db)
  await sql`
    alter table accounts add constraint accounts_role_check
    check (role in ('admin', 'member', 'app_manager', 'auditor', 'support'))`.execute(db)
}
