// One-time links: to become the first admin, to accept an invitation, to choose a new password.
// Invariants: whoever has a link's token can do what it is for, once, until it expires; only its
// hash is kept; looking at a link never spends it, because mail scanners and previews look. Called
// by admin/ (making), sign-in/ (using), serve.ts (setup) and background-jobs.ts.
import { dateNow, DAY, MINUTE, type Clock } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { Secret } from '../shared/secret.ts'
import { isLinkToken, newLinkToken } from '../shared/token-format.ts'
import { createChangePublisher } from '../model/change-publisher.ts'
import type { OpenTransaction, WriteAlong } from '../storage/database.ts'
import { assertPassword, emailKey, parseEmail, parseLine } from './account-input.ts'
import type { AccountLinkStore, KeptLink, LinkKind } from './account-link.store.ts'
import { type Account, newAccount } from '../model/account.ts'
import {
  type AccountInvalidation,
  type ActContext,
  PASSWORD_PURGE_REASON,
  type TellPasswordChanged,
} from './accounts.ts'
import type { Passwords } from './passwords.ts'

/**
 * How long links live. A reset is made by an admin, who hands it over by hand: an hour would often
 * be gone before it is read. A recovery is a reset that its owner asked for, and waits for the
 * mail.
 */
const LIFE_MILLIS: Readonly<Record<LinkKind, number>> = {
  setup: DAY,
  invite: 7 * DAY,
  reset: DAY,
  recovery: 30 * MINUTE,
}

/** Where links lead, below the issuer. */
export const WELCOME_PATH = '/welcome'

/** Where those lead that their owner asked for. */
export const RESET_PATH = '/reset'

/** A link that was just made; the token in its URL is nowhere else. */
export interface OneTimeLink {
  /** To be shown once. */
  url: Secret<string>
  expiresAt: Date
}

/** What a link is good for. */
export type LinkPurpose =
  { kind: 'setup' } | { kind: 'invite' | 'reset' | 'recovery'; account: Account }

/** What is told to the event log. */
export interface LinkEvents {
  accountCreated(facts: { accountId: string; role: string }, context: ActContext): void
  accountChanged(
    facts: { accountId: string; diff: Record<string, unknown> },
    context: ActContext,
  ): void
  linkMade(facts: { kind: string; accountId?: string | undefined }, context: ActContext): void
  linkUsed(facts: { kind: string; accountId: string }, context: ActContext): void
}

/** An account that was invited. */
export interface Invited {
  account: Account
  link: OneTimeLink
}

export interface AccountLinks {
  /** Makes a link with which the first admin is created; none where some admin can sign in already. */
  makeSetup(issuer: string, context?: ActContext): Promise<OneTimeLink | undefined>
  /**
   * Makes a link with which the owner of an account chooses a password: an invitation where there
   * is none yet. Links made for the account before end.
   *
   * @param account as it was when somebody decided that a link may be made
   * @param options.isAskedFor its owner forgot the password, and no admin decided anything
   * @throws {AppError} `not_found` where it is not active, `conflict` where its role has changed
   * since
   */
  make(
    account: Account,
    issuer: string,
    context?: ActContext,
    along?: WriteAlong<OneTimeLink>,
    options?: { isAskedFor: boolean },
  ): Promise<OneTimeLink>
  /**
   * Creates an account without a password, and the link with which its owner chooses one, in one
   * transaction.
   *
   * @throws {AppError} `already_exists`, `parameter_invalid` about `email` or `name`
   */
  invite(
    input: { email: string; name?: string | undefined; role?: Account['role'] | undefined },
    issuer: string,
    context?: ActContext,
    along?: WriteAlong<Invited>,
  ): Promise<Invited>
  /** Returns what a link is for, without spending it. */
  findLink(token: string): Promise<LinkPurpose | undefined>
  /**
   * Spends a setup link on the first admin.
   *
   * @throws {AppError} `link_invalid`; `already_exists`, `parameter_invalid` about `email`, `name`
   * or `password`, which leave the link as it is
   */
  setUp(
    token: string,
    input: { email: string; name: string; password: string },
    context?: ActContext,
  ): Promise<Account>
  /**
   * Spends a link on a password. Where there was one before, all login sessions and grants of the
   * account end with it, by a job written in the same transaction, with the reason
   * `password_changed`: a reset is what people ask for when somebody else got in. After a recovery
   * the grants stay, unless `disconnectApps` says otherwise: most people just forgot it.
   *
   * @returns the account, and whether such a job was written
   * @throws {AppError} `link_invalid`; `parameter_invalid` about `password`, which leaves the link
   * as it is
   */
  choosePassword(
    token: string,
    password: string,
    context?: ActContext,
    options?: { disconnectApps: boolean },
  ): Promise<{ account: Account; endsSessions: boolean }>
  /** Removes expired links. */
  removeExpired(): Promise<number>
}

/** Creates the links. */
export function createAccountLinks(deps: {
  store: AccountLinkStore
  findAccount: (id: string) => Promise<Account | undefined>
  passwords: Pick<Passwords, 'hash'>
  clock: Clock
  invalidation?: Pick<AccountInvalidation, 'publish'>
  events?: LinkEvents
  tellPasswordChanged?: TellPasswordChanged
}): AccountLinks {
  const { store, passwords, clock, invalidation, events } = deps
  const publisher = invalidation && createChangePublisher(invalidation, 'account')

  // What has no form of ours costs no I/O.
  const find = async (token: string): Promise<KeptLink | undefined> =>
    isLinkToken(token) ? store.find(sha256(token), dateNow(clock)) : undefined

  async function assertGood(token: string, isKind: (kind: LinkKind) => boolean): Promise<KeptLink> {
    const link = await find(token)
    if (link === undefined || !isKind(link.kind)) throw new AppError('link_invalid')
    return link
  }

  return {
    async makeSetup(issuer, context = {}) {
      const { kept, link } = createLink('setup', undefined, issuer, dateNow(clock))
      if (!(await store.insertSetup(kept))) return undefined
      events?.linkMade({ kind: 'setup' }, context)
      return link
    },

    async make(account, issuer, context = {}, along, { isAskedFor } = { isAskedFor: false }) {
      const { id, role, hasPassword } = account
      if (account.status !== 'active') throw new AppError('not_found', { detail: 'active account' })
      const kind = hasPassword ? (isAskedFor ? 'recovery' : 'reset') : 'invite'
      const { kept, link } = createLink(kind, id, issuer, dateNow(clock))
      const alongLink = along && ((transaction: OpenTransaction) => along(transaction, link))
      if (!(await store.replace({ ...kept, accountId: id }, role, alongLink)))
        throw new AppError('conflict')
      events?.linkMade({ kind, accountId: id }, context)
      return link
    },

    async invite({ email: emailText, name, role = 'member' }, issuer, context = {}, along) {
      const email = parseEmail(emailText)
      if (email === undefined) throw new AppError('parameter_invalid', { about: 'email' })
      const given = {
        email,
        name: name === undefined ? undefined : parseLine(name, 'name'),
        role,
        hasPassword: false,
      }
      const account = newAccount(given, dateNow(clock))
      const { kept, link } = createLink('invite', account.id, issuer, account.createdAt)
      const invited = { account, link }
      await store.insertInvited(
        { account, emailKey: emailKey(email), passwordHash: undefined },
        { ...kept, accountId: account.id },
        along && ((transaction) => along(transaction, invited)),
      )
      events?.accountCreated({ accountId: account.id, role }, context)
      events?.linkMade({ kind: 'invite', accountId: account.id }, context)
      return invited
    },

    async findLink(token) {
      const link = await find(token)
      if (link === undefined) return undefined
      const { kind, accountId } = link
      if (kind === 'setup') return { kind }
      const account = accountId === undefined ? undefined : await deps.findAccount(accountId)
      return account?.status === 'active' ? { kind, account } : undefined
    },

    async setUp(token, input, context = {}) {
      const email = parseEmail(input.email)
      if (email === undefined) throw new AppError('parameter_invalid', { about: 'email' })
      const name = parseLine(input.name, 'name')
      assertPassword(input.password)
      // Before the slow hash: strangers cannot make us do it.
      const { hash, kind } = await assertGood(token, (found) => found === 'setup')
      const given = { email, name, role: 'admin' as const, hasPassword: true }
      const account = newAccount(given, dateNow(clock))
      const passwordHash = await passwords.hash(input.password)
      const toInsert = { account, emailKey: emailKey(email), passwordHash }
      if (!(await store.spendOnSetup(hash, toInsert, dateNow(clock))))
        throw new AppError('link_invalid')
      const { id: accountId, role } = account
      const byOwner = { ...context, actor: accountId }
      events?.accountCreated({ accountId, role }, byOwner)
      events?.linkUsed({ accountId, kind }, byOwner)
      return account
    },

    async choosePassword(token, password, context = {}, options = { disconnectApps: false }) {
      assertPassword(password)
      const link = await assertGood(token, (kind) => kind !== 'setup')
      const passwordHash = await passwords.hash(password)
      const now = dateNow(clock)
      const keepsApps = link.kind === 'recovery' && !options.disconnectApps
      const spent = await store.spendOnPassword(
        link.hash,
        { passwordHash, keepsApps, jobReason: PASSWORD_PURGE_REASON },
        now,
        async (transaction, changed) => deps.tellPasswordChanged?.(transaction, changed, context),
      )
      if (spent === undefined) throw new AppError('link_invalid')
      const { kind, account, hadPassword } = spent
      const byOwner = { ...context, actor: account.id }
      events?.linkUsed({ kind, accountId: account.id }, byOwner)
      events?.accountChanged({ accountId: account.id, diff: { password: 'changed' } }, byOwner)
      await publisher?.publish(account.id)
      return { account, endsSessions: hadPassword }
    },

    removeExpired: () => store.removeExpired(dateNow(clock)),
  }
}

/** Makes a link, and what is kept of it. */
function createLink(
  kind: LinkKind,
  accountId: string | undefined,
  issuer: string,
  createdAt: Date,
): { kept: KeptLink; link: OneTimeLink } {
  const token = newLinkToken()
  const expiresAt = new Date(createdAt.getTime() + LIFE_MILLIS[kind])
  const kept: KeptLink = { hash: sha256(token), kind, accountId, createdAt, expiresAt }
  const path = kind === 'recovery' ? RESET_PATH : WELCOME_PATH
  return { kept, link: { url: new Secret(`${issuer}${path}/${token}`), expiresAt } }
}
