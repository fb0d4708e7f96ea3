// Links that change the address of an account, in the database. Invariants: a link is spent in the
// transaction that does what it is for; taking a change back ends what was begun under the other
// address.
import { sql } from 'kysely'
import { AppError } from '../shared/errors.ts'
import {
  type Database,
  isUniqueViolation,
  withDatabase,
  type WriteAlong,
} from '../storage/database.ts'
import type { Account } from '../model/account.ts'
import { emailKey } from './account-input.ts'
import {
  endAll,
  holdAccount,
  holdActiveOwner,
  removeLinksOf,
  toAccount,
} from './account-statements.store.ts'

/** `change` goes to the new address, `undo` to the one before. */
export type AddressLinkKind = 'change' | 'undo'

export interface AddressLink {
  hash: string
  kind: AddressLinkKind
  accountId: string
  /** The address that it leads to. */
  email: string
  createdAt: Date
  expiresAt: Date
}

/** An address that was changed. */
export interface AddressChanged {
  kind: AddressLinkKind
  /** As it is now. */
  account: Account
  /** The address before. */
  before: string
}

export interface AddressChangeStore {
  /** Keeps a link; one to another new address ends. Returns whether the account is active. */
  insert(link: AddressLink, along: WriteAlong<void>): Promise<boolean>
  find(hash: string, at: Date): Promise<AddressLink | undefined>
  /**
   * Spends a link on its address.
   *
   * @param undo the link that takes it back, for a change
   * @throws {AppError} `already_exists`, which leaves the link as it is
   */
  spend(
    hash: string,
    at: Date,
    undo: (account: Account) => AddressLink,
    along: WriteAlong<AddressChanged>,
  ): Promise<AddressChanged | undefined>
}

/** The reason code of what ends when a change is taken back. */
const UNDONE_REASON = 'user'

/** Creates the store. */
export const createAddressChangeStore = (db: Database): AddressChangeStore => ({
  insert: (link, along) =>
    withDatabase(() =>
      db.transaction().execute(async (transaction) => {
        const account = await holdAccount(transaction, link.accountId)
        if (account?.status !== 'active') return false
        await transaction
          .deleteFrom('account_links')
          .where('account_id', '=', account.id)
          .where('kind', '=', 'change')
          .execute()
        await transaction.insertInto('account_links').values(toRow(link)).execute()
        await along(transaction, undefined)
        return true
      }),
    ),

  find: (hash, at) =>
    withDatabase(async () => {
      const row = await db
        .selectFrom('account_links')
        .selectAll()
        .where('hash', '=', hash)
        .where('kind', 'in', ['change', 'undo'])
        .where('expires_at', '>', at)
        .executeTakeFirst()
      if (typeof row?.account_id !== 'string' || row.email === null) return undefined
      return {
        hash,
        kind: row.kind as AddressLinkKind,
        accountId: row.account_id,
        email: row.email,
        createdAt: row.created_at,
        expiresAt: row.expires_at,
      }
    }),

  spend: (hash, at, undo, along) =>
    withDatabase(() =>
      db.transaction().execute(async (transaction) => {
        const before = await holdActiveOwner(transaction, hash)
        if (before === undefined) return undefined
        const spent = await transaction
          .deleteFrom('account_links')
          .where('hash', '=', hash)
          .where('kind', 'in', ['change', 'undo'])
          .where('expires_at', '>', at)
          .returning(['kind', 'email', 'created_at'])
          .executeTakeFirst()
        if (typeof spent?.email !== 'string') return undefined
        await removeLinksOf(transaction, before.id)
        if (spent.kind === 'undo') {
          await endAll(transaction, before.id, UNDONE_REASON, at)
          await removeLaterUndos(transaction, before.id, spent.created_at)
        } else {
          const row = toRow(undo(before))
          await transaction.insertInto('account_links').values(row).execute()
        }
        const account = await writeAddress(transaction, before.id, spent.email, at)
        const kind = spent.kind as AddressLinkKind
        const changed: AddressChanged = { kind, account, before: before.email }
        await along(transaction, changed)
        return changed
      }),
    ),
})

/**
 * Of several addresses the earliest counts: who took an account over and changed its address twice
 * has a link as well, and must not come back by it, nor end that of the owner.
 */
async function removeLaterUndos(db: Database, accountId: string, than: Date): Promise<void> {
  await db
    .deleteFrom('account_links')
    .where('account_id', '=', accountId)
    .where('kind', '=', 'undo')
    .where('created_at', '>', than)
    .execute()
}

/** @throws {AppError} `already_exists` about `email` */
async function writeAddress(db: Database, id: string, email: string, at: Date): Promise<Account> {
  try {
    const row = await db
      .updateTable('accounts')
      .set({
        email,
        email_key: emailKey(email),
        mail_refused_at: null,
        updated_at: at,
        version: sql`version + 1`,
      })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow()
    return toAccount(row)
  } catch (error) {
    if (isUniqueViolation(error)) throw new AppError('already_exists', { about: 'email' })
    throw error
  }
}

const toRow = (link: AddressLink) => ({
  hash: link.hash,
  kind: link.kind,
  account_id: link.accountId,
  email: link.email,
  created_at: link.createdAt,
  expires_at: link.expiresAt,
})
