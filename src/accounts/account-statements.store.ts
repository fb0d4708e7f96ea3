// Statements about accounts that several transactions are made of. Invariants: whoever may take the
// last admin away holds `holdAdmins` first; accounts are held before their links. Called by
// account.store.ts and account-link.store.ts.
import { type Selectable, sql, type Transaction } from 'kysely'
import { AppError } from '../shared/errors.ts'
import { type Database, isUniqueViolation } from '../storage/database.ts'
import { writePurgeJob } from '../storage/purge-outbox.ts'
import type { AccountRow, Tables } from '../storage/schema.ts'
import type { Account, AccountToInsert } from '../model/account.ts'

/** Reads a row. */
export const toAccount = (row: Selectable<AccountRow>): Account => ({
  id: row.id,
  email: row.email,
  name: row.name ?? undefined,
  role: row.role,
  status: row.status,
  statusReason: row.status_reason ?? undefined,
  hasPassword: row.password_hash !== null,
  version: row.version,
  generation: row.generation,
  sessionsFrom: row.sessions_from,
  grantsFrom: row.grants_from,
  consentsFrom: row.consents_from,
  sessionsValidFrom: row.sessions_valid_from ?? undefined,
  mailRefusedAt: row.mail_refused_at ?? undefined,
  createdAt: row.created_at,
})

/** Returns the row of a new account. */
export const toRow = ({ account, emailKey, passwordHash }: AccountToInsert) => ({
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
  db: Database | Transaction<Tables>,
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
 * Waits until no other transaction is changing who is an admin, and keeps others waiting until this
 * one ends. Always the first statement, so that nobody waits for it while holding what its holder
 * needs.
 */
export async function holdAdmins(transaction: Transaction<Tables>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('otesse-auth admins'))`.execute(transaction)
}

/** Returns whether an admin can sign in: is active and has a password. @param except an account that does not count */
export async function hasAdmin(
  db: Database | Transaction<Tables>,
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

/**
 * Ends everything of an account: what was begun before counts nowhere from the end of the
 * transaction on, and a job removes it. What is begun later carries a higher generation and is not
 * meant.
 *
 * @returns the account's new generation; `undefined` where there is no such account
 */
export async function endAll(
  transaction: Transaction<Tables>,
  accountId: string,
  reason: string,
  at: Date,
): Promise<number | undefined> {
  const raised = sql<number>`generation + 1`
  const row = await transaction
    .updateTable('accounts')
    .set({
      generation: raised,
      sessions_from: raised,
      grants_from: raised,
      consents_from: raised,
      sessions_valid_from: at,
    })
    .where('id', '=', accountId)
    .returning('generation')
    .executeTakeFirst()
  if (row === undefined) return undefined
  await writePurgeJob(transaction, { kind: 'account', accountId, reason }, at, row.generation)
  return row.generation
}

/**
 * Ends the sign-ins of an account and no grant; what is under way with one of them counts no longer
 * either. Returns whether there is such an account.
 *
 * @param options.forgetsConsents apps are asked for anew, because somebody else may have allowed
 * them
 */
export async function endSessions(
  db: Database,
  accountId: string,
  at: Date,
  { forgetsConsents = false } = {},
): Promise<boolean> {
  const raised = sql<number>`generation + 1`
  const { numUpdatedRows } = await db
    .updateTable('accounts')
    .set({
      generation: raised,
      sessions_from: raised,
      sessions_valid_from: at,
      ...(forgetsConsents && { consents_from: raised }),
    })
    .where('id', '=', accountId)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * Ends all one-time links of an account but those that give its address back: whoever else got in
 * must not be able to end them.
 */
export async function removeLinksOf(
  transaction: Transaction<Tables>,
  accountId: string,
): Promise<void> {
  await transaction
    .deleteFrom('account_links')
    .where('account_id', '=', accountId)
    .where('kind', '!=', 'undo')
    .execute()
}

/**
 * Holds the account of a one-time link, before the link itself: whoever takes them the other way
 * round would wait for us for ever. Deactivating removes the links, and one that was made beside it
 * is no way back in.
 *
 * @returns nothing where there is no such link, or its account is not active
 */
export async function holdActiveOwner(
  transaction: Transaction<Tables>,
  linkHash: string,
): Promise<Account | undefined> {
  const link = await transaction
    .selectFrom('account_links')
    .select('account_id')
    .where('hash', '=', linkHash)
    .executeTakeFirst()
  if (typeof link?.account_id !== 'string') return undefined
  const account = await holdAccount(transaction, link.account_id)
  return account?.status === 'active' ? account : undefined
}

/** Reads an account and keeps others from changing it until the transaction ends. */
export async function holdAccount(
  transaction: Transaction<Tables>,
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

/** A password that replaces another. */
export interface NewPassword {
  passwordHash: string
  /** Grants stay; sessions end and remembered consents no longer count in any case. */
  keepsApps: boolean
  /** The reason code of what ends. */
  jobReason: string
}

/**
 * Writes another password and ends what the one before gave: one-time links, sessions, and tokens
 * where apps are not kept.
 */
export async function writePassword(
  transaction: Transaction<Tables>,
  { id, hasPassword }: Account,
  { passwordHash, keepsApps, jobReason }: NewPassword,
  at: Date,
): Promise<Account> {
  if (hasPassword && keepsApps) await endSessions(transaction, id, at, { forgetsConsents: true })
  else if (hasPassword) await endAll(transaction, id, jobReason, at)
  const row = await transaction
    .updateTable('accounts')
    .set({ password_hash: passwordHash, updated_at: at, version: sql`version + 1` })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
  await removeLinksOf(transaction, id)
  return toAccount(row)
}

/** @throws {AppError} `last_admin` where an active admin is the only one besides those who cannot sign in */
export async function assertNotLastAdmin(
  transaction: Transaction<Tables>,
  { id, status }: Account,
): Promise<void> {
  if (status === 'active' && !(await hasAdmin(transaction, id))) throw new AppError('last_admin')
}
