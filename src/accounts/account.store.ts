// Accounts in the database. Invariants: a deactivation or a new password and the job that purges
// the account's tokens and sessions are one transaction, so that neither exists without the other;
// whatever could take the last admin away waits for others that could. Called by accounts.ts and
// account-import.ts.
import { sql, type Transaction } from 'kysely'
import { type Database, withDatabase, type WriteAlong } from '../storage/database.ts'
import type { Tables } from '../storage/schema.ts'
import { beginsWith, contains, findsParts } from '../storage/text-search.ts'
import type { Account, AccountChange, AccountToInsert } from '../model/account.ts'
import { countUpTo, type ListOrder, type MatchCount, MOST_COUNTED } from '../model/list-order.ts'
import { emailKey } from './account-input.ts'
import {
  assertNotLastAdmin,
  endAll,
  endSessions,
  hasAdmin,
  holdAccount,
  holdAdmins,
  insertAccount,
  type NewPassword,
  removeLinksOf,
  toAccount,
  toRow,
  writePassword,
} from './account-statements.store.ts'

/** How an edit went; `before` is what it changed. */
export type AccountEdit =
  | { kind: 'updated'; account: Account; before: Account }
  /** Somebody else changed it first: `account` is how it is now. */
  | { kind: 'conflict'; account: Account }

/** In which order accounts are listed. */
export type AccountOrder = ListOrder<'email' | 'created'>

/** One page to read. */
export interface AccountPageQuery {
  /** Part of the e-mail or the name, or a whole id; fewer than three characters are the beginning of the e-mail. */
  search: string | undefined
  status: Account['status'] | undefined
  role: Account['role'] | undefined
  order: AccountOrder
  /** The e-mail key with which the page before ended. */
  after: string | undefined
  limit: number
}

/** Keeps accounts. */
export interface AccountStore {
  /** @throws {AppError} `already_exists` when the e-mail's key is taken */
  insert(account: AccountToInsert, along?: WriteAlong<Account>): Promise<void>
  /** Inserts those whose e-mail is free and returns their ids; of two with one e-mail the first counts. */
  insertMany(accounts: readonly AccountToInsert[]): Promise<ReadonlySet<string>>
  /** Returns which of the keys are taken. */
  findTaken(emailKeys: readonly string[]): Promise<ReadonlySet<string>>
  find(id: string): Promise<Account | undefined>
  findByEmailKey(
    emailKey: string,
  ): Promise<{ account: Account; passwordHash: string | undefined } | undefined>
  list(query: AccountPageQuery): Promise<{ account: Account; emailKey: string }[]>
  /** Counts what the list has on all pages. */
  count(query: Pick<AccountPageQuery, 'search' | 'status' | 'role'>): Promise<MatchCount>
  /**
   * Changes an account if it is still of that version; a change that changes nothing leaves the
   * version as it is.
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
   * Writes another password; where there was one before, also the job that ends what was signed in
   * with it.
   *
   * @param along where there was a password before
   * @returns the account as it is now
   */
  updatePassword(
    id: string,
    password: NewPassword,
    at: Date,
    along?: WriteAlong<Account>,
  ): Promise<Account | undefined>
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
  /**
   * Ends all grants, sessions and remembered consents; returns whether there is such an account.
   */
  endAll(id: string, jobReason: string, at: Date): Promise<boolean>
  /** Ends all sessions; grants and consents stay. Returns whether there is such an account. */
  endSessions(id: string, at: Date): Promise<boolean>
  /** Returns whether it was deactivated. */
  reactivate(id: string, at: Date): Promise<boolean>
  /** Returns whether some admin can sign in. */
  hasAdmin(): Promise<boolean>
}

/** Creates the store. */
export function createAccountStore(db: Database): AccountStore {
  return {
    insert: (toInsert, along) =>
      withDatabase(async () => {
        if (along === undefined) return insertAccount(db, toInsert)
        await db.transaction().execute(async (transaction) => {
          await insertAccount(transaction, toInsert)
          await along(transaction, toInsert.account)
        })
      }),

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

    list: (query) => withDatabase(() => listAccounts(db, query)),
    count: (query) => withDatabase(() => countAccounts(db, query)),

    update: (id, version, change, at) =>
      withDatabase(() =>
        db.transaction().execute((trx) => updateAccount(trx, id, version, change, at)),
      ),

    updatePassword: (id, password, at, along) =>
      withDatabase(() =>
        db.transaction().execute(async (transaction) => {
          const account = await holdAccount(transaction, id)
          if (account === undefined) return undefined
          const changed = await writePassword(transaction, account, password, at)
          if (account.hasPassword) await along?.(transaction, changed)
          return changed
        }),
      ),

    replacePasswordHash: (id, oldHash, newHash) =>
      withDatabase(() => replacePasswordHash(db, id, oldHash, newHash)),

    deactivate: (id, statusReason, jobReason, at) =>
      withDatabase(() =>
        db.transaction().execute((trx) => deactivate(trx, id, statusReason, jobReason, at)),
      ),

    endSessions: (id, at) => withDatabase(() => endSessions(db, id, at)),

    endAll: (id, jobReason, at) =>
      withDatabase(() =>
        db
          .transaction()
          .execute(async (trx) => (await endAll(trx, id, jobReason, at)) !== undefined),
      ),

    reactivate: (id, at) => withDatabase(() => reactivate(db, id, at)),
    hasAdmin: () => withDatabase(() => hasAdmin(db)),
  }
}

async function replacePasswordHash(
  db: Database,
  id: string,
  oldHash: string,
  newHash: string,
): Promise<void> {
  await db
    .updateTable('accounts')
    .set({ password_hash: newHash })
    .where('id', '=', id)
    .where('password_hash', '=', oldHash)
    .execute()
}

/** Returns whether it was active. @throws {AppError} where nobody else is an admin */
async function deactivate(
  transaction: Transaction<Tables>,
  id: string,
  statusReason: string | undefined,
  jobReason: string,
  at: Date,
): Promise<boolean> {
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
  await endAll(transaction, id, jobReason, at)
  return true
}

async function reactivate(db: Database, id: string, at: Date): Promise<boolean> {
  const row = await db
    .updateTable('accounts')
    .set({ status: 'active', status_reason: null, updated_at: at, version: sql`version + 1` })
    .where('id', '=', id)
    .where('status', '=', 'deactivated')
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

type Matching = Parameters<AccountStore['count']>[0]

function ofStatusAndRole(db: Database, { status, role }: Matching) {
  let query = db.selectFrom('accounts')
  if (status !== undefined) query = query.where('status', '=', status)
  if (role !== undefined) query = query.where('role', '=', role)
  return query
}

/** Selects the accounts that match a search; a whole address is that account alone. */
async function matchingAccounts(db: Database, matching: Matching) {
  const { search } = matching
  const query = ofStatusAndRole(db, matching)
  // In an object, because a query cannot be awaited itself.
  if (search === undefined) return { query }
  if (search.includes('@')) {
    // A whole address is what people paste, and its parts are in too many others for an index of
    // parts.
    const whole = query.where('email_key', '=', emailKey(search))
    if ((await whole.select('id').executeTakeFirst()) !== undefined) return { query: whole }
  }
  return {
    query: query.where((eb) => {
      if (!findsParts(search)) return beginsWith(sql.ref('email_key'), search)
      // Names and ids have no @ in them.
      if (search.includes('@')) return contains('email', search)
      return eb.or([contains('email', search), contains('name', search), eb('id', '=', search)])
    }),
  }
}

async function listAccounts(
  db: Database,
  { order, after, limit, ...matching }: AccountPageQuery,
): ReturnType<AccountStore['list']> {
  const direction = order.descending ? 'desc' : 'asc'
  const beyond = order.descending ? sql`<` : sql`>`
  const { query: all } = await matchingAccounts(db, matching)
  let query = all.selectAll().limit(limit)
  if (order.by === 'email') {
    query = query.orderBy('email_key', direction)
    if (after !== undefined) query = query.where(sql<boolean>`email_key ${beyond} ${after}::text`)
  } else {
    query = query.orderBy('created_at', direction).orderBy('email_key', direction)
    const last = sql`(select created_at from accounts where email_key = ${after ?? ''})`
    if (after !== undefined)
      query = query.where(sql<boolean>`(created_at, email_key) ${beyond} (${last}, ${after}::text)`)
  }
  const rows = await query.execute()
  return rows.map((row) => ({ account: toAccount(row), emailKey: row.email_key }))
}

async function countAccounts(db: Database, matching: Matching): Promise<MatchCount> {
  const { query: all } = await matchingAccounts(db, matching)
  const some = all.select('id').limit(MOST_COUNTED + 1)
  const { count } = await db
    .selectFrom(some.as('some'))
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow()
  return countUpTo(Number(count))
}

async function updateAccount(
  transaction: Transaction<Tables>,
  id: string,
  version: number,
  change: AccountChange,
  at: Date,
): Promise<AccountEdit | undefined> {
  if (change.role !== undefined) await holdAdmins(transaction)
  const before = await holdAccount(transaction, id)
  if (before === undefined) return undefined
  if (before.version !== version) return { kind: 'conflict', account: before }
  const { name, role } = { ...before, ...change }
  if (name === before.name && role === before.role)
    return { kind: 'updated', account: before, before }
  if (role !== before.role && before.role === 'admin') await assertNotLastAdmin(transaction, before)
  // A link that was handed out for a member must not open an admin's account.
  if (role !== before.role) await removeLinksOf(transaction, id)
  const row = await transaction
    .updateTable('accounts')
    .set({ name: name ?? null, role, updated_at: at, version: sql`version + 1` })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
  return { kind: 'updated', account: toAccount(row), before }
}
