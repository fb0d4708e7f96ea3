// One-time links in the database. Invariants: a link is spent in the same transaction that does
// what it is for, so that of many uses at once exactly one happens; while nothing has been done
// with it, it is not spent. Called by account-links.ts alone.
import { type Database, withDatabase, type WriteAlong } from '../storage/database.ts'
import type { AccountLinkRow } from '../storage/schema.ts'
import {
  hasAdmin,
  holdAccount,
  holdActiveOwner,
  holdAdmins,
  insertAccount,
  type NewPassword,
  removeLinksOf,
  writePassword,
} from './account-statements.store.ts'
import type { Account, AccountToInsert } from '../model/account.ts'

export type LinkKind = Exclude<AccountLinkRow['kind'], 'change' | 'undo'>

/** A link as it is kept: by the hash of its token. */
export interface KeptLink {
  hash: string
  kind: LinkKind
  /** None for the setup of a server. */
  accountId: string | undefined
  createdAt: Date
  expiresAt: Date
}

/** Keeps one-time links. */
export interface AccountLinkStore {
  /** Keeps a link for the setup, unless some admin can sign in already. @returns whether it did */
  insertSetup(link: KeptLink): Promise<boolean>
  /**
   * Keeps a link of an account and ends those made before.
   *
   * @returns false where the account is not active any more or its role is not that any more
   */
  replace(
    link: KeptLink & { accountId: string },
    role: Account['role'],
    along?: WriteAlong<void>,
  ): Promise<boolean>
  /** Inserts an account with its link. @throws {AppError} `already_exists` about `email` */
  insertInvited(
    account: AccountToInsert,
    link: KeptLink & { accountId: string },
    along?: WriteAlong<void>,
  ): Promise<void>
  /** Finds a link that could be used at that moment. */
  find(hash: string, at: Date): Promise<KeptLink | undefined>
  /**
   * Spends a setup link: inserts the first admin. All setup links end with it.
   *
   * @returns false where the link is spent or has expired, or some admin can sign in
   * @throws {AppError} `already_exists` about `email`; the link is not spent then
   */
  spendOnSetup(hash: string, admin: AccountToInsert, at: Date): Promise<boolean>
  /**
   * Spends a link of an account on a password. What the password before gave ends, see
   * writePassword.
   *
   * @returns the account as it is now, the kind of the link, and whether there was a password
   * before; `undefined` where the link is spent or has expired
   */
  spendOnPassword(
    hash: string,
    password: NewPassword,
    at: Date,
    along?: WriteAlong<Account>,
  ): Promise<{ kind: LinkKind; account: Account; hadPassword: boolean } | undefined>
  /** Removes what expired before, and returns how many there were. */
  removeExpired(before: Date): Promise<number>
}

/** Creates the store. */
export function createAccountLinkStore(db: Database): AccountLinkStore {
  return {
    insertSetup: (link) =>
      withDatabase(async () => {
        if (await hasAdmin(db)) return false
        await db.insertInto('account_links').values(toRow(link)).execute()
        return true
      }),

    replace: (link, role, along) =>
      withDatabase(() =>
        db.transaction().execute(async (transaction) => {
          const account = await holdAccount(transaction, link.accountId)
          if (account?.status !== 'active' || account.role !== role) return false
          await removeLinksOf(transaction, account.id)
          await transaction.insertInto('account_links').values(toRow(link)).execute()
          await along?.(transaction, undefined)
          return true
        }),
      ),

    insertInvited: (account, link, along) =>
      withDatabase(() =>
        db.transaction().execute(async (transaction) => {
          await insertAccount(transaction, account)
          await transaction.insertInto('account_links').values(toRow(link)).execute()
          await along?.(transaction, undefined)
        }),
      ),

    find: (hash, at) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('account_links')
          .selectAll()
          .where('hash', '=', hash)
          .where('kind', 'not in', ['change', 'undo'])
          .where('expires_at', '>', at)
          .executeTakeFirst()
        if (row === undefined || (row.kind === 'setup' && (await hasAdmin(db)))) return undefined
        return {
          hash: row.hash,
          kind: row.kind as LinkKind,
          accountId: row.account_id ?? undefined,
          createdAt: row.created_at,
          expiresAt: row.expires_at,
        }
      }),

    spendOnSetup: (hash, admin, at) =>
      withDatabase(() =>
        db.transaction().execute(async (transaction) => {
          await holdAdmins(transaction)
          const spent = await transaction
            .deleteFrom('account_links')
            .where('hash', '=', hash)
            .where('kind', '=', 'setup')
            .where('expires_at', '>', at)
            .returning('hash')
            .executeTakeFirst()
          if (spent === undefined || (await hasAdmin(transaction))) return false
          await insertAccount(transaction, admin)
          await transaction.deleteFrom('account_links').where('kind', '=', 'setup').execute()
          return true
        }),
      ),

    spendOnPassword: (hash, password, at, along) =>
      withDatabase(() =>
        db.transaction().execute(async (transaction) => {
          const account = await holdActiveOwner(transaction, hash)
          if (account === undefined) return undefined
          const spent = await transaction
            .deleteFrom('account_links')
            .where('hash', '=', hash)
            .where('kind', 'in', ['invite', 'reset', 'recovery'])
            .where('expires_at', '>', at)
            .returning('kind')
            .executeTakeFirst()
          if (spent === undefined) return undefined
          const { hasPassword: hadPassword } = account
          const now = await writePassword(transaction, account, password, at)
          if (hadPassword) await along?.(transaction, now)
          return { kind: spent.kind as LinkKind, account: now, hadPassword }
        }),
      ),

    removeExpired: (before) =>
      withDatabase(async () => {
        const { numDeletedRows } = await db
          .deleteFrom('account_links')
          .where('expires_at', '<=', before)
          .executeTakeFirst()
        return Number(numDeletedRows)
      }),
  }
}

const toRow = (link: KeptLink) => ({
  hash: link.hash,
  kind: link.kind,
  account_id: link.accountId ?? null,
  created_at: link.createdAt,
  expires_at: link.expiresAt,
})
