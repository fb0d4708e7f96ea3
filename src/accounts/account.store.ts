// Accounts in the database. Invariants: a deactivation or a new password and the job that purges the account's tokens and sessions are one
// transaction, so that neither exists without the other; whatever could take the last admin away waits for others that could. Called by accounts.ts;
// account-link.store.ts uses the statements below.
import { type Selectable, sql, type Transaction } from 'kysely'
import { AppError } from '../shared/errors.ts'
import { isUniqueViolation, withDatabase, type Database } from '../storage/database.ts'
import type { AccountRow, Schema } from '../storage/schema.ts'
import { beginsWith, contains, findsParts } from '../storage/text-search.ts'

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
  /** Whether there is anything to sign in with; not so while the account is only invited. */
  hasPassword: boolean
  /** Goes up with every change. */
  version: number
  createdAt: Date
}

/** What may change; a name that is present with `undefined` is emptied. */
export interface AccountChange {
  name?: string | undefined
  role?: Account['role']
}

/** How an edit went; `before` is what it changed. */
export type AccountEdit =
  | { kind: 'updated'; account: Account; before: Account }
  /** Somebody else changed it first: `account` is how it is now. */
  | { kind: 'conflict'; account: Account }

/** An account that is to be written. */
export interface AccountToInsert {
  account: Account
  emailKey: string
  passwordHash: string | undefined
}

/** One page to read. */
export interface AccountPageQuery {
  /** Part of the e-mail or the name, or a whole id; fewer than three characters are the beginning of the e-mail. */
  search: string | undefined
  status: Account['status'] | undefined
  after: string | undefined
  limit: number
}

/** Keeps accounts. */
export interface AccountStore {
  /** @throws {AppError} `already_exists` when the e-mail's key is taken */
  insert(account: Account, emailKey: string, passwordHash: string | undefined): Promise<void>
  /** Inserts those whose e-mail is free and returns their ids; of two with one e-mail the first counts. */
  insertMany(accounts: readonly AccountToInsert[]): Promise<ReadonlySet<string>>
  /** Returns which of the keys are taken. */
  findTaken(emailKeys: readonly string[]): Promise<ReadonlySet<string>>
  find(id: string): Promise<Account | undefined>
  findByEmailKey(
    emailKey: string,
  ): Promise<{ account: Account; passwordHash: string | undefined } | undefined>
  /** Lists by e-mail, those whose key comes after `after`. */
  list(query: AccountPageQuery): Promise<{ account: Account; emailKey: string }[]>
  /**
   * Changes an account if it is still of that version; a change that changes nothing leaves the version as it is.
   *
   * @throws {AppError} `last_admin`
   */
  update(
    id: string,
    version: number,
    change: AccountChange,
    at: Date,
  ): Promise<AccountEdit | undefined>
  /**
   * Writes another password; where there was one before, also the job that ends what was signed in with it.
   *
   * @returns whether there is such an account
   */
  updatePassword(id: string, passwordHash: string, jobReason: string, at: Date): Promise<boolean>
  /** Writes the new hash only where the old one still is, so that it never undoes a change of password. */
  replacePasswordHash(id: string, oldHash: string, newHash: string): Promise<void>
  /**
   * Deactivates an active account and writes the purge job.
   *
   * @param jobReason the reason code that the account's revoked tokens will carry
   * @returns whether it was active
   * @throws {AppError} `last_admin`
   */
  deactivate(id: string, statusReason: string, jobReason: string, at: Date): Promise<boolean>
  /** Returns whether it was deactivated. */
  reactivate(id: string, at: Date): Promise<boolean>
  /** Returns whether some admin can sign in. */
  hasAdmin(): Promise<boolean>
}

const toAccount = (row: Selectable<AccountRow>): Account => ({
  id: row.id,
  email: row.email,
  name: row.name ?? undefined,
  role: row.role,
  status: row.status,
  statusReason: row.status_reason ?? undefined,
  hasPassword: row.password_hash !== null,
  version: row.version,
  createdAt: row.created_at,
})

const toRow = ({ account, emailKey, passwordHash }: AccountToInsert) => ({
  id: account.id,
  email: account.email,
  email_key: emailKey,
  name: account.name ?? null,
  password_hash: passwordHash ?? null,
  role: account.role,
  status: account.status,
  status_reason: account.statusReason ?? null,
  version: account.version,
  created_at: account.createdAt,
  updated_at: account.createdAt,
})

/** Inserts one account. @throws {AppError} `already_exists` about `email` */
export async function insertAccount(
  db: Database | Transaction<Schema>,
  account: AccountToInsert,
): Promise<void> {
  try {
    await db.insertInto('accounts').values(toRow(account)).execute()
  } catch (error) {
    if (isUniqueViolation(error)) throw new AppError('already_exists', { about: 'email' })
    throw error
  }
}

/**
 * Waits until no other transaction is changing who is an admin, and keeps others waiting until this one ends. Always the first statement, so that
 * nobody waits for it while holding what its holder needs.
 */
export async function holdAdmins(transaction: Transaction<Schema>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('otesse-auth admins'))`.execute(transaction)
}

/** Returns whether an admin can sign in: is active and has a password. @param except an account that does not count */
export async function hasAdmin(
  db: Database | Transaction<Schema>,
  except?: string,
): Promise<boolean> {
  let query = db
    .selectFrom('accounts')
    .select('id')
    .where('role', '=', 'admin')
    .where('status', '=', 'active')
    .where('password_hash', 'is not', null)
    .limit(1)
  if (except !== undefined) query = query.where('id', '!=', except)
  return (await query.executeTakeFirst()) !== undefined
}

/** Writes the job that ends all grants and login sessions of an account. */
async function writePurgeJob(
  transaction: Transaction<Schema>,
  accountId: string,
  reason: string,
  at: Date,
): Promise<void> {
  await transaction
    .insertInto('purge_jobs')
    .values({
      kind: 'account',
      app_id: null,
      account_id: accountId,
      reason,
      created_at: at,
      attempts: 0,
    })
    .execute()
}

/** Ends all one-time links of an account. */
export async function removeLinksOf(
  transaction: Transaction<Schema>,
  accountId: string,
): Promise<void> {
  await transaction.deleteFrom('account_links').where('account_id', '=', accountId).execute()
}

/** Reads an account and keeps others from changing it until the transaction ends. */
export async function holdAccount(
  transaction: Transaction<Schema>,
  id: string,
): Promise<Account | undefined> {
  const row = await transaction
    .selectFrom('accounts')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  return row && toAccount(row)
}

/** Writes another password and ends what the one before gave: one-time links, and by a job tokens and sessions. */
export async function writePassword(
  transaction: Transaction<Schema>,
  { id, hasPassword }: Account,
  passwordHash: string,
  jobReason: string,
  at: Date,
): Promise<Account> {
  const row = await transaction
    .updateTable('accounts')
    .set({ password_hash: passwordHash, updated_at: at, version: sql`version + 1` })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
  await removeLinksOf(transaction, id)
  if (hasPassword) await writePurgeJob(transaction, id, jobReason, at)
  return toAccount(row)
}

/** Creates the store. */
export function createAccountStore(db: Database): AccountStore {
  return {
    insert: (account, emailKey, passwordHash) =>
      withDatabase(() => insertAccount(db, { account, emailKey, passwordHash })),

    insertMany: (accounts) =>
      withDatabase(async () => {
        const rows = await db
          .insertInto('accounts')
          .values(accounts.map(toRow))
          .onConflict((conflict) => conflict.column('email_key').doNothing())
          .returning('id')
          .execute()
        return new Set(rows.map(({ id }) => id))
      }),

    findTaken: (emailKeys) =>
      withDatabase(async () => {
        const rows = await db
          .selectFrom('accounts')
          .select('email_key')
          .where('email_key', 'in', emailKeys)
          .execute()
        return new Set(rows.map((row) => row.email_key))
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
          query = query.where((eb) => {
            if (!findsParts(search)) return beginsWith(sql.ref('email_key'), search)
            // Names and ids have no @ in them.
            if (search.includes('@')) return contains('email', search)
            return eb.or([
              contains('email', search),
              contains('name', search),
              eb('id', '=', search),
            ])
          })
        }
        const rows = await query.execute()
        return rows.map((row) => ({ account: toAccount(row), emailKey: row.email_key }))
      }),

    update: (id, version, change, at) =>
      withDatabase(() =>
        db.transaction().execute(async (transaction): Promise<AccountEdit | undefined> => {
          if (change.role !== undefined) await holdAdmins(transaction)
          const before = await holdAccount(transaction, id)
          if (before === undefined) return undefined
          if (before.version !== version) return { kind: 'conflict', account: before }
          const { name, role } = { ...before, ...change }
          if (name === before.name && role === before.role)
            return { kind: 'updated', account: before, before }
          if (role !== before.role && before.role === 'admin')
            await assertNotLastAdmin(transaction, before)
          // A link that was handed out for a member must not open an admin's account.
          if (role !== before.role) await removeLinksOf(transaction, id)
          const row = await transaction
            .updateTable('accounts')
            .set({ name: name ?? null, role, updated_at: at, version: sql`version + 1` })
            .where('id', '=', id)
            .returningAll()
            .executeTakeFirstOrThrow()
          return { kind: 'updated', account: toAccount(row), before }
        }),
      ),

    updatePassword: (id, passwordHash, jobReason, at) =>
      withDatabase(() =>
        db.transaction().execute(async (transaction) => {
          const account = await holdAccount(transaction, id)
          if (account === undefined) return false
          await writePassword(transaction, account, passwordHash, jobReason, at)
          return true
        }),
      ),

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
          await holdAdmins(transaction)
          const account = await holdAccount(transaction, id)
          if (account?.status !== 'active') return false
          if (account.role === 'admin') await assertNotLastAdmin(transaction, account)
          await transaction
            .updateTable('accounts')
            .set({
              status: 'deactivated',
              status_reason: statusReason,
              updated_at: at,
              version: sql`version + 1`,
            })
            .where('id', '=', id)
            .execute()
          await removeLinksOf(transaction, id)
          await writePurgeJob(transaction, id, jobReason, at)
          return true
        }),
      ),

    reactivate: (id, at) =>
      withDatabase(async () => {
        const row = await db
          .updateTable('accounts')
          .set({ status: 'active', status_reason: null, updated_at: at, version: sql`version + 1` })
          .where('id', '=', id)
          .where('status', '=', 'deactivated')
          .returning('id')
          .executeTakeFirst()
        return row !== undefined
      }),

    hasAdmin: () => withDatabase(() => hasAdmin(db)),
  }
}

/** @throws {AppError} `last_admin` where an active admin is the only one besides those who cannot sign in */
async function assertNotLastAdmin(
  transaction: Transaction<Schema>,
  { id, status }: Account,
): Promise<void> {
  if (status === 'active' && !(await hasAdmin(transaction, id))) throw new AppError('last_admin')
}
