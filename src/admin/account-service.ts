// What admins do to the accounts of people. Console, API and command line all come through here.
// Invariants: nobody gives a role, or touches the account of one, that can do more than they can;
// nobody changes their own role; and there is always an active admin left.
import type { ImportAccounts } from '../accounts/account-import.ts'
import type { AccountLinks, Invited, OneTimeLink } from '../accounts/account-links.ts'
import { type Account, type AccountChange, type Role, ROLES } from '../model/account.ts'
import type { Accounts, AccountUpdate, NewAccount } from '../accounts/accounts.ts'
import type { Refused } from '../model/problem.ts'
import { AppError } from '../shared/errors.ts'
import type { Mailbox } from '../deliveries/mailbox.ts'
import type { OpenTransaction, WriteAlong } from '../storage/database.ts'
import type { Events } from '../audit/events.ts'
import { accountProblems, EMAIL_TAKEN, OWN_ROLE } from './account-problems.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'
import { missingFor, type Permission } from './roles.ts'

export type AccountOutcome = { kind: 'created'; account: Account } | Refused

export type InviteOutcome = ({ kind: 'invited' } & Invited) | Refused

export type AccountUpdateOutcome = AccountUpdate | Refused

/** How one line of an import was refused. */
export interface RefusedLine {
  /** From 1. */
  line: number
  outcome: Refused
}

export interface ImportOutcome {
  created: number
  /** There was an account of that e-mail already; it was left as it is. */
  existing: number
  refused: number
  /** The lines that were refused, the first 100. */
  problems: RefusedLine[]
}

/** Each throws `power_missing` for an operator who may not, and `not_found` where there is no such account. */
export interface AccountService {
  create(input: NewAccount, by: Operator, along?: WriteAlong<Account>): Promise<AccountOutcome>
  /**
   * Creates an account without a password and a link with which its owner chooses one.
   *
   * @param input.sendMail also sends the link to the address; without mail it does nothing
   */
  invite(
    input: Omit<NewAccount, 'password'> & { sendMail?: boolean | undefined },
    by: Operator,
    along?: WriteAlong<Invited>,
  ): Promise<InviteOutcome>
  /**
   * Makes a link with which the owner chooses a new password; links made before stop working. For
   * an account that has no password yet it is another invitation. @throws {AppError} `not_found`
   * also where the account is deactivated
   *
   * @param options.sendMail also sends the link to the address; without mail it does nothing
   */
  reset(
    id: string,
    by: Operator,
    along?: WriteAlong<OneTimeLink>,
    options?: { sendMail: boolean },
  ): Promise<OneTimeLink>
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
  /** Signs the owner out everywhere; apps keep their access. */
  endSessions(id: string, by: Operator): Promise<Account>
  /**
   * Creates accounts from the rows of a file, with the password hashes that they bring, see
   * accounts/imported-hash.ts. A line that cannot be taken is refused by its number and stops no
   * other; so is one with a role that can do more than the operator.
   *
   * @param rows CSV or NDJSON, as text; the first line of CSV names the columns
   * @param dryRun looks at everything and writes nothing
   */
  import(
    rows: AsyncIterable<string>,
    options: { format: 'csv' | 'ndjson'; dryRun: boolean },
    by: Operator,
  ): Promise<ImportOutcome>
}

/**
 * Creates the service. The accounts write the audit events of what they change themselves, with the
 * operator as actor.
 *
 * @param deps.issuer where one-time links lead
 */
export function createAccountService(deps: {
  accounts: Pick<
    Accounts,
    'create' | 'get' | 'update' | 'deactivate' | 'reactivate' | 'signOutEverywhere'
  >
  events: Pick<Events, 'sessionEnded'>
  links: Pick<AccountLinks, 'make' | 'invite'>
  mailbox: Pick<Mailbox, 'post' | 'letters'>
  importAccounts: ImportAccounts
  issuer: string
}): AccountService {
  const { accounts, links, mailbox, issuer } = deps

  /** Reads the account that is to be changed, if the operator may decide over it. */
  async function target(
    id: string,
    by: Operator,
    permission: Permission = 'accounts:support',
  ): Promise<Account> {
    assertMay(by, permission)
    const account = await accounts.get(id)
    assertMayDecideOver(by, account.role)
    return account
  }

  /** Makes an account by `make`, if the operator may and the input is good. */
  async function making<T>(
    input: NewAccount,
    by: Operator,
    make: () => Promise<T>,
  ): Promise<T | Refused> {
    assertMay(by, 'admin:accounts:write')
    assertMayDecideOver(by, input.role)
    // An e-mail must be there; whatever else is absent may be.
    const problems = accountProblems({
      ...input,
      email: (input as { email?: unknown }).email ?? '',
    })
    if (problems.length > 0) return { kind: 'refused', problems }
    try {
      return await make()
    } catch (error) {
      if (error instanceof AppError && error.code === 'already_exists') return EMAIL_TAKEN
      throw error
    }
  }

  return {
    create: (input, by, along) =>
      making(input, by, async () => ({
        kind: 'created',
        account: await accounts.create(input, contextOf(by), along),
      })),

    invite({ email, name, role, sendMail = false }, by, along) {
      const input = { email, name, role }
      return making(input, by, async () => ({
        kind: 'invited',
        ...(await links.invite(input, issuer, contextOf(by), async (transaction, invited) => {
          if (sendMail) await postLink(mailbox, transaction, invited)
          await along?.(transaction, invited)
        })),
      }))
    },

    async reset(id, by, along, { sendMail } = { sendMail: false }) {
      const account = await target(id, by)
      return links.make(account, issuer, contextOf(by), async (transaction, link) => {
        if (sendMail) await postLink(mailbox, transaction, { account, link })
        await along?.(transaction, link)
      })
    },

    async update(id, version, change, by) {
      const before = await target(id, by, 'admin:accounts:write')
      assertMayDecideOver(by, change.role)
      // What was looked at is what is changed: an account that became an admin's in the meantime
      // has another version.
      if (before.version !== version) return { kind: 'conflict', account: before }
      const problems = accountProblems(change)
      if (problems.length > 0) return { kind: 'refused', problems }
      if (id === by.id && change.role !== undefined && change.role !== before.role) return OWN_ROLE
      return accounts.update(id, version, change, contextOf(by))
    },

    async deactivate(id, reason, by) {
      await target(id, by)
      await accounts.deactivate(id, reason, contextOf(by))
      return accounts.get(id)
    },

    async reactivate(id, by) {
      await target(id, by)
      await accounts.reactivate(id, contextOf(by))
      return accounts.get(id)
    },

    async endSessions(id, by) {
      await target(id, by)
      await accounts.signOutEverywhere(id, { apps: false })
      deps.events.sessionEnded({ accountId: id, reason: 'admin' }, contextOf(by))
      return accounts.get(id)
    },

    async import(rows, options, by) {
      assertMay(by, 'admin:accounts:write')
      const asked = { ...options, missingFor: (role: Role) => missingFor(role, by.scopes) }
      const summary = await deps.importAccounts(rows, asked, contextOf(by))
      const problems = summary.problems.map(({ line, problems: found }): RefusedLine => ({
        line,
        outcome: { kind: 'refused', problems: found },
      }))
      return { ...summary, problems }
    },
  }
}

/** Sends a one-time link to the address of its account. */
function postLink(
  { post, letters }: Pick<Mailbox, 'post' | 'letters'>,
  transaction: OpenTransaction,
  { account: { id: accountId, email, hasPassword }, link }: Invited,
): Promise<void> {
  const { expiresAt } = link
  const facts = { url: link.url.reveal(), expiresAt }
  const letter = hasPassword ? letters.reset(facts) : letters.invitation(facts)
  return post(transaction, { email, accountId }, letter, expiresAt)
}

/** @throws {AppError} `power_missing` for a role that can do what the operator may not */
function assertMayDecideOver(by: Operator, role: unknown): void {
  // What is no role has been typed by somebody, and is refused with the other problems.
  if (!ROLES.includes(role as Role)) return
  const missing = missingFor(role as Role, by.scopes)
  if (missing !== undefined) throw new AppError('power_missing', { about: missing })
}
