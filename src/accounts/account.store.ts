// Accounts in the database. Invariant: a deactivation and the job that purges the account's tokens and sessions are one transaction, so that
// neither exists without the other. Called by accounts.ts alone.
import type { Selectable } from 'kysely'
import { AppError } from '../shared/errors.ts'
import { isUniqueViolation, withDatabase, type Database } from '../storage/database.ts'
import type { AccountRow } from '../storage/schema.ts'

/** Somebody who can sign in. */
export interface Account {
  id: string
  /** As its owner writes it. */
  email: string
  name: string | undefined
  role: 'admin' | 'member'
  status: 'active' | 'deactivated'
  /** Why it was deactivated, in an admin's words. */
  statusReason: string | undefined
  createdAt: Date
}

/** One page to read. */
export interface AccountPageQuery {
  /** Part of the e-mail or the name, or a whole id. */
  search: string | undefined
  status: Account['status'] | undefined
  after: string | undefined
  limit: number
}

/** Keeps accounts. */
export interface AccountStore {
  /** @throws {AppError} `already_exists` when the e-mail's key is taken */
  insert(account: Account, emailKey: string, passwordHash: string | undefined): Promise<void>
  find(id: string): Promise<Account | undefined>
  findByEmailKey(
    emailKey: string,
  ): Promise<{ account: Account; passwordHash: string | undefined } | undefined>
  /** Lists by e-mail, those whose key comes after `after`. */
  list(query: AccountPageQuery): Promise<{ account: Account; emailKey: string }[]>
  /** Returns whether there is such an account. */
  updatePassword(id: string, passwordHash: string, at: Date): Promise<boolean>
  /** Writes the new hash only where the old one still is, so that it never undoes a change of password. */
  replacePasswordHash(id: string, oldHash: string, newHash: string): Promise<void>
  /**
   * Deactivates an active account and writes the purge job.
   *
   * @param jobReason the reason code that the account's revoked tokens will carry
   * @returns whether it was active
   */
  deactivate(id: string, statusReason: string, jobReason: string, at: Date): Promise<boolean>
  /** Returns whether it was deactivated. */
  reactivate(id: string, at: Date): Promise<boolean>
}

const toAccount = (row: Selectable<AccountRow>): Account => ({
  id: row.id,
  email: row.email,
  name: row.name ?? undefined,
  role: row.role,
  status: row.status,
  statusReason: row.status_reason ?? undefined,
  createdAt: row.created_at,
})

/** Creates the store. */
export function createAccountStore(db: Database): AccountStore {
  return {
    insert: (account, emailKey, passwordHash) =>
      withDatabase(async () => {
        try {
          await db
            .insertInto('accounts')
            .values({
              id: account.id,
              email: account.email,
              email_key: emailKey,
              name: account.name ?? null,
              password_hash: passwordHash ?? null,
              role: account.role,
              status: account.status,
              status_reason: account.statusReason ?? null,
              created_at: account.createdAt,
              updated_at: account.createdAt,
            })
            .execute()
        } catch (error) {
          if (isUniqueViolation(error)) throw new AppError('already_exists', { about: 'email' })
          throw error
        }
      }),

    find: (id) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('accounts')
          .selectAll()
          .where('id', '=', id)
          .executeTakeFirst()
        return row && toAccount(row)
      }),

    findByEmailKey: (emailKey) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('accounts')
          .selectAll()
          .where('email_key', '=', emailKey)
          .executeTakeFirst()
        return row && { account: toAccount(row), passwordHash: row.password_hash ?? undefined }
      }),

    list: ({ search, status, after, limit }) =>
      withDatabase(async () => {
        let query = db.selectFrom('accounts').selectAll().orderBy('email_key').limit(limit)
        if (status !== undefined) query = query.where('status', '=', status)
        if (after !== undefined) query = query.where('email_key', '>', after)
        if (search !== undefined) {
          const pattern = `%${search.replace(/[\\%_]/g, '\\$&')}%`
          query = query.where((eb) =>
            eb.or([
              eb('email', 'ilike', pattern),
              eb('name', 'ilike', pattern),
              eb('id', '=', search),
            ]),
          )
        }
        const rows = await query.execute()
        return rows.map((row) => ({ account: toAccount(row), emailKey: row.email_key }))
      }),

    updatePassword: (id, passwordHash, at) =>
      withDatabase(async () => {
        const row = await db
          .updateTable('accounts')
          .set({ password_hash: passwordHash, updated_at: at })
          .where('id', '=', id)
          .returning('id')
          .executeTakeFirst()
        return row !== undefined
      }),

    replacePasswordHash: (id, oldHash, newHash) =>
      withDatabase(async () => {
        await db
          .updateTable('accounts')
          .set({ password_hash: newHash })
          .where('id', '=', id)
          .where('password_hash', '=', oldHash)
          .execute()
      }),

    deactivate: (id, statusReason, jobReason, at) =>
      withDatabase(() =>
        db.transaction().execute(async (transaction) => {
          const row = await transaction
            .updateTable('accounts')
            .set({ status: 'deactivated', status_reason: statusReason, updated_at: at })
            .where('id', '=', id)
            .where('status', '=', 'active')
            .returning('id')
            .executeTakeFirst()
          if (row === undefined) return false
          await transaction
            .insertInto('purge_jobs')
            .values({
              kind: 'account',
              app_id: null,
              account_id: id,
              reason: jobReason,
              created_at: at,
              attempts: 0,
            })
            .execute()
          return true
        }),
      ),

    reactivate: (id, at) =>
      withDatabase(async () => {
        const row = await db
          .updateTable('accounts')
          .set({ status: 'active', status_reason: null, updated_at: at })
          .where('id', '=', id)
          .where('status', '=', 'deactivated')
          .returning('id')
          .executeTakeFirst()
        return row !== undefined
      }),
  }
}
