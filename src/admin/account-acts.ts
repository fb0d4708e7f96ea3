// What admins do to the accounts of people. Console, API and command line all come through here. Invariants: an operator who may not decide who
// is an admin cannot touch an admin's account, because whoever can reset an admin's password is one; and there is always an active admin left.
import type { Account } from '../accounts/account.store.ts'
import type { NewAccount } from '../accounts/accounts.ts'
import type { Refused } from '../apps/problem.ts'
import type { Secret } from '../shared/secret.ts'
import type { Operator } from './operator.ts'

/** A link that works once; whoever has it can choose the password of the account. */
export interface OneTimeLink {
  /** To be shown once; the token in it is kept as a hash. */
  url: Secret<string>
  expiresAt: Date
}

export type AccountOutcome = { kind: 'created'; account: Account } | Refused

export type InviteOutcome = { kind: 'invited'; account: Account; link: OneTimeLink } | Refused

export type AccountUpdateOutcome =
  | { kind: 'updated'; account: Account }
  /** Somebody else changed it first: `account` is how it is now. */
  | { kind: 'conflict'; account: Account }
  | Refused

/** What may change; a name that is present with `undefined` is emptied. */
export interface AccountChange {
  name?: string | undefined
  role?: Account['role']
}

/** How one line of an import went. */
export interface ImportedLine {
  /** From 1. */
  line: number
  outcome: { kind: 'created'; accountId: string } | { kind: 'exists' } | Refused
}

export interface ImportSummary {
  created: number
  /** There was an account of that e-mail already; it was left as it is. */
  existing: number
  refused: number
  /** The lines that were refused, the first 100. */
  problems: ImportedLine[]
}

/** The acts; each throws `power_missing` for an operator who may not, and `not_found` where there is no such account. */
export interface AccountActs {
  create(input: NewAccount, by: Operator): Promise<AccountOutcome>
  /** Creates an account without a password and a link with which its owner chooses one. */
  invite(input: Omit<NewAccount, 'password'>, by: Operator): Promise<InviteOutcome>
  /** Makes a link with which the owner chooses a new password; links made before stop working. */
  reset(id: string, by: Operator): Promise<OneTimeLink>
  /** @throws {AppError} `last_admin` */
  update(
    id: string,
    version: number,
    change: AccountChange,
    by: Operator,
  ): Promise<AccountUpdateOutcome>
  /** All tokens and sessions end at once. @throws {AppError} `last_admin`, `parameter_invalid` about `reason` */
  deactivate(id: string, reason: string, by: Operator): Promise<Account>
  reactivate(id: string, by: Operator): Promise<Account>
  /**
   * Creates accounts from the rows of a file, with the password hashes that they bring.
   *
   * @param rows CSV or NDJSON, as text; the first line of CSV names the columns
   * @param dryRun looks at everything and writes nothing
   */
  import(
    rows: AsyncIterable<string>,
    options: { format: 'csv' | 'ndjson'; dryRun: boolean },
    by: Operator,
  ): Promise<ImportSummary>
}
