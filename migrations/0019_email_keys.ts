// Addresses at international domains are unique by the form that the name system knows. Where an
// account has that key already, the other one keeps what it had.
import { domainToASCII } from 'node:url'
import { type Kysely, sql } from 'kysely'

interface Row {
  id: string
  email_key: string
}

export async function up(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<Row>`
    select id, email_key from accounts
    where split_part(email_key, '@', 2) ~ '[^ -~]' order by created_at, id`.execute(db)
  for (const { id, email_key: key } of rows) {
    const at = key.lastIndexOf('@') + 1
    const renewed = key.slice(0, at) + domainToASCII(key.slice(at))
    await sql`
      update accounts set email_key = ${renewed} where id = ${id}
      and not exists (select 1 from accounts as other where other.email_key = ${renewed})`.execute(
      db,
    )
  }
}
