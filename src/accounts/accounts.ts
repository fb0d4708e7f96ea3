// People who can sign in. Invariants: every rejected login costs the same work and differs only in
// the reason kept for the event log; an account that was deactivated is written down first, then
// forgotten by every process, and its tokens and sessions are purged by the job written with it.
// Called by sign-in/, oauth/ (is the account active?), admin/ and the command line.
import { dateNow, epochSeconds, SECOND, type Clock } from '../shared/clock.ts'
import { AppError, isUnavailable } from '../shared/errors.ts'
import type { OpenTransaction, WriteAlong } from '../storage/database.ts'
import { createChangePublisher } from '../model/change-publisher.ts'
import { diffOf } from '../model/diff.ts'
import { createLoadingCache } from '../model/loading-cache.ts'
import { assertPassword, emailKey, parseEmail, parseLine } from './account-input.ts'
import type { AccountOrder, AccountStore } from './account.store.ts'
import { type Account, type AccountChange, newAccount } from '../model/account.ts'
import type { MatchCount } from '../model/list-order.ts'
import type { QueuePlace } from './fair-queue.ts'
import type { Passwords } from './passwords.ts'

/** The reason code of the tokens and sessions that end with their account. */
const PURGE_REASON = 'account_deactivated'

/** The reason code of those that the person ended. */
const PERSON_PURGE_REASON = 'user'

/** The reason code of those that end because their password was replaced. */
export const PASSWORD_PURGE_REASON = 'password_changed'

/** Who does something, from where. */
export interface ActContext {
  requestId?: string | undefined
  address?: string | undefined
  actor?: string | undefined
}

/** Tells the owner, in the transaction of the change. */
export type TellPasswordChanged = (
  transaction: OpenTransaction,
  account: Account,
  context: ActContext,
) => Promise<void>

/** What is told to the event log. */
export interface AccountEvents {
  accountCreated(facts: { accountId: string; role: string }, context: ActContext): void
  accountChanged(
    facts: { accountId: string; diff: Record<string, unknown> },
    context: ActContext,
  ): void
  accountDeactivated(facts: { accountId: string; statusReason: string }, context: ActContext): void
}

/** Tells all processes what changed. */
export interface AccountInvalidation {
  publish(topic: 'account', id: string): Promise<void>
  on(topic: 'account', listener: (id: string) => void): void
  onGap(listener: () => void): void
}

export interface NewAccount {
  email: string
  name?: string | undefined
  /** None for an account that is only invited: nobody can sign in to it yet. */
  password?: string | undefined
  role?: Account['role'] | undefined
}

/** How an edit went. */
export type AccountUpdate =
  | { kind: 'updated'; account: Account }
  /** Somebody else changed it first: `account` is how it is now. */
  | { kind: 'conflict'; account: Account }

/** How a login went; the reason is for the event log and must not be shown. */
export type Authentication =
  | {
      kind: 'authenticated'
      account: Account
      /** The account's generation as it was read together with the password's hash. */
      generation: number
      /** When the check began, in seconds since the epoch. */
      checkedAt: number
    }
  | {
      kind: 'rejected'
      reason: 'account_unknown' | 'password_wrong' | 'account_deactivated' | 'password_unset'
      /** The account that was tried, where there is one. */
      accountId: string | undefined
    }

/** What to list. */
export interface AccountQuery {
  /** Part of the e-mail or the name, or a whole id. */
  search?: string | undefined
  /** Both when absent. */
  status?: Account['status'] | undefined
  /** Both when absent. */
  role?: Account['role'] | undefined
  /** By e-mail when absent. */
  order?: AccountOrder | undefined
  /** The `next` of the page before, in the same order. */
  cursor?: string | undefined
  /** From 1 to 200, 50 when absent. */
  limit?: number | undefined
}

export interface AccountPage {
  accounts: Account[]
  /** The cursor of the next page; absent on the last. */
  next: string | undefined
}

export interface Accounts {
  /**
   * Creates an account.
   *
   * @throws {AppError} `already_exists`; `parameter_invalid` about `email`, `name` or `password`
   * (its detail says what to do better)
   */
  create(input: NewAccount, context?: ActContext, along?: WriteAlong<Account>): Promise<Account>
  /** Checks an e-mail and a password. @throws {AppError} `temporarily_unavailable` when too many checks wait */
  authenticate(email: string, password: string, place?: QueuePlace): Promise<Authentication>
  /** Finds by id, at most 30 s old and never older than a published change. */
  find(id: string): Promise<Account | undefined>
  /** Returns whether the account exists and is active, from the same cache. */
  isActive: (id: string) => Promise<boolean>
  /**
   * Returns whether the account is active and grants of that generation count, from the same cache.
   */
  admitsGrant: (id: string, generation: number) => boolean | Promise<boolean>
  /** Reads from the database. @throws {AppError} `not_found` */
  get(id: string): Promise<Account>
  findByEmail(email: string): Promise<Account | undefined>
  /** Lists accounts by e-mail. @throws {AppError} `parameter_invalid` for a cursor that is not ours */
  list(query?: AccountQuery): Promise<AccountPage>
  /** Counts what the list has on all pages. */
  count(query?: Pick<AccountQuery, 'search' | 'status' | 'role'>): Promise<MatchCount>
  /**
   * Changes name or role, if the account is still of that version. All processes act on another
   * role at once, and links that were made for the account before end with the change.
   *
   * @throws {AppError} `not_found`; `last_admin`; `parameter_invalid` about `name`
   */
  update(
    id: string,
    version: number,
    change: AccountChange,
    context?: ActContext,
  ): Promise<AccountUpdate>
  /**
   * Replaces the password. The person is signed out everywhere and all their tokens are revoked, by
   * a job that is written in the same transaction: whoever knew the old password may have used it.
   *
   * @param options.keepsApps only signs the person out
   * @throws {AppError} `not_found`; `parameter_invalid` about `password`
   */
  setPassword(
    id: string,
    password: string,
    context?: ActContext,
    options?: { keepsApps: boolean },
  ): Promise<Account>
  /**
   * Signs the person out everywhere, from the end of the call on; with `apps`, all that apps hold
   * and may ask for ends as well.
   *
   * @throws {AppError} `not_found`
   */
  signOutEverywhere(id: string, options: { apps: boolean }): Promise<void>
  /** Deactivates, and lets a job revoke all tokens and sessions; repeating it is harmless. @throws {AppError} `not_found`, `last_admin` */
  deactivate(id: string, reason: string, context?: ActContext): Promise<void>
  /** Lets the person sign in again; tokens and sessions of before stay revoked. @throws {AppError} `not_found` */
  reactivate(id: string, context?: ActContext): Promise<void>
  /** Returns whether an admin can sign in: one who is active and has a password. */
  hasAdmin(): Promise<boolean>
}

// An id of another shape is nobody's, and NUL would be an error of the database.
const ID = /^[\x21-\x7E]{1,100}$/

const CACHE_BOUNDS = { max: 20_000, maxAgeMillis: 30 * SECOND }
const DEFAULT_PAGE = 50
const MAX_PAGE = 200

/** Reads a cursor, which is the key of the last e-mail of the page before. */
function parseCursor(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString()
  if (parseEmail(key) !== key) throw new AppError('parameter_invalid', { about: 'cursor' })
  return key
}

interface AccountsDeps {
  store: AccountStore
  passwords: Passwords
  clock: Clock
  invalidation?: AccountInvalidation
  events?: AccountEvents
  tellPasswordChanged?: TellPasswordChanged
}

/** Creates the accounts. */
export function createAccounts(deps: AccountsDeps): Accounts {
  const { store, passwords, clock, invalidation, events } = deps
  const cache = createLoadingCache(
    async (id) => Object.freeze(ID.test(id) ? await store.find(id) : undefined),
    clock,
    CACHE_BOUNDS,
  )
  invalidation?.on('account', (id) => cache.forget(id))
  invalidation?.onGap(() => cache.forgetAll())

  const publisher = invalidation && createChangePublisher(invalidation, 'account')
  async function publishChange(id: string): Promise<void> {
    cache.forget(id)
    await publisher?.publish(id)
  }

  async function get(id: string): Promise<Account> {
    const account = ID.test(id) ? await store.find(id) : undefined
    if (account === undefined) throw new AppError('not_found', { detail: 'account' })
    return account
  }

  return {
    async create(input, context = {}, along) {
      const email = parseEmail(input.email)
      if (email === undefined) throw new AppError('parameter_invalid', { about: 'email' })
      const name = input.name === undefined ? undefined : parseLine(input.name, 'name')
      if (input.password !== undefined) assertPassword(input.password)
      const given = {
        email,
        name,
        role: input.role ?? 'member',
        hasPassword: input.password !== undefined,
      }
      const account = newAccount(given, dateNow(clock))
      const passwordHash =
        input.password === undefined ? undefined : await passwords.hash(input.password)
      await store.insert({ account, emailKey: emailKey(email), passwordHash }, along)
      events?.accountCreated({ accountId: account.id, role: account.role }, context)
      return account
    },

    authenticate: authenticate.bind(undefined, deps),
    find: (id) => cache.find(id),
    isActive: async (id) => (await cache.find(id))?.status === 'active',
    admitsGrant(id, generation) {
      const known = cache.known(id)
      if (known !== undefined) return countsFor(known, generation)
      return cache.find(id).then((account) => countsFor(account, generation))
    },
    get,
    hasAdmin: () => store.hasAdmin(),

    async findByEmail(emailText) {
      const email = parseEmail(emailText)
      return email === undefined
        ? undefined
        : (await store.findByEmailKey(emailKey(email)))?.account
    },

    list: listAccounts.bind(undefined, deps),
    count: (query = {}) => store.count(matchingOf(query)),

    async setPassword(id, password, context, options) {
      assertPassword(password)
      await get(id)
      const account = await writeNewPassword(deps, id, password, context, options)
      await publishChange(id)
      return account
    },

    async update(id, version, change, context = {}) {
      const parsed: AccountChange = { ...change }
      if (change.name !== undefined) parsed.name = parseLine(change.name, 'name')
      const edit = ID.test(id) ? await store.update(id, version, parsed, dateNow(clock)) : undefined
      if (edit === undefined) throw new AppError('not_found', { detail: 'account' })
      if (edit.kind === 'conflict') return edit
      const { account, before } = edit
      const diff = diffOf(before, account, ['name', 'role'])
      if (Object.keys(diff).length > 0) events?.accountChanged({ accountId: id, diff }, context)
      // Also when nothing changed: the publication of the change that did it may have failed.
      await publishChange(id)
      return { kind: 'updated', account }
    },

    async signOutEverywhere(id, { apps }) {
      const at = dateNow(clock)
      const wasThere = apps
        ? await store.endAll(id, PERSON_PURGE_REASON, at)
        : await store.endSessions(id, at)
      if (!wasThere) throw new AppError('not_found', { detail: 'account' })
      await publishChange(id)
    },

    async deactivate(id, reasonText, context = {}) {
      const statusReason = parseLine(reasonText, 'reason')
      if (statusReason === undefined) throw new AppError('parameter_missing', { about: 'reason' })
      await get(id)
      if (await store.deactivate(id, statusReason, PURGE_REASON, dateNow(clock)))
        events?.accountDeactivated({ accountId: id, statusReason }, context)
      // Also when it was deactivated before: the publication of that time may have failed.
      await publishChange(id)
    },

    async reactivate(id, context = {}) {
      await get(id)
      if (await store.reactivate(id, dateNow(clock)))
        events?.accountChanged(
          { accountId: id, diff: { status: ['deactivated', 'active'] } },
          context,
        )
      await publishChange(id)
    },
  }
}

async function writeNewPassword(
  { store, passwords, clock, events, tellPasswordChanged }: AccountsDeps,
  id: string,
  password: string,
  context: ActContext = {},
  { keepsApps } = { keepsApps: false },
): Promise<Account> {
  const passwordHash = await passwords.hash(password)
  const account = await store.updatePassword(
    id,
    { passwordHash, keepsApps, jobReason: PASSWORD_PURGE_REASON },
    dateNow(clock),
    async (transaction, changed) => tellPasswordChanged?.(transaction, changed, context),
  )
  if (account === undefined) throw new AppError('not_found', { detail: 'account' })
  events?.accountChanged({ accountId: id, diff: { password: 'changed' } }, context)
  return account
}

/** Checks a login: every rejected one costs the same work. */
async function authenticate(
  { store, passwords, clock }: AccountsDeps,
  emailText: string,
  password: string,
  place?: QueuePlace,
): Promise<Authentication> {
  const email = parseEmail(emailText)
  const checkedAt = epochSeconds(clock)
  const found = email === undefined ? undefined : await store.findByEmailKey(emailKey(email))
  // Before any branch: whoever measures the time learns nothing about which accounts exist.
  const check = await passwords.check(password, found?.passwordHash, place)
  const accountId = found?.account.id
  const rejected = (reason: Extract<Authentication, { kind: 'rejected' }>['reason']) =>
    ({ kind: 'rejected', reason, accountId }) as const
  if (found === undefined) return rejected('account_unknown')
  if (found.passwordHash === undefined) return rejected('password_unset')
  if (check === 'wrong') return rejected('password_wrong')
  if (found.account.status !== 'active') return rejected('account_deactivated')
  if (check === 'outdated')
    await rehash({ store, passwords }, found.account.id, password, found.passwordHash, place)
  // The check may have waited for seconds. A password that was replaced meanwhile, or an account
  // that was deactivated, must not get in: the row tells, not the cache.
  const { generation } = found.account
  const account = await store.find(found.account.id)
  if (account?.status !== 'active') return rejected('account_deactivated')
  if (generation < account.sessionsFrom) return rejected('password_wrong')
  return { kind: 'authenticated', account, generation, checkedAt }
}

/** Hashes a right password anew where the stored hash is outdated. */
async function rehash(
  { store, passwords }: Pick<AccountsDeps, 'store' | 'passwords'>,
  id: string,
  password: string,
  oldHash: string,
  place: QueuePlace | undefined,
): Promise<void> {
  try {
    await store.replacePasswordHash(id, oldHash, await passwords.hash(password, place))
  } catch (error) {
    // The password was right: a store or a queue that is busy now does not undo that. The next
    // login tries again.
    if (!isUnavailable(error)) throw error
  }
}

const BY_EMAIL: AccountOrder = { by: 'email', descending: false }

function matchingOf({ search, status, role }: Pick<AccountQuery, 'search' | 'status' | 'role'>) {
  // A NUL is the one character that Postgres takes in no text.
  const words = search?.replaceAll('\0', '').trim().slice(0, 200)
  return { search: words === '' ? undefined : words, status, role }
}

async function listAccounts(
  { store }: AccountsDeps,
  { order = BY_EMAIL, cursor, limit = DEFAULT_PAGE, ...asked }: AccountQuery = {},
): Promise<AccountPage> {
  const size = Math.min(Math.max(Math.trunc(limit) || 1, 1), MAX_PAGE)
  const found = await store.list({
    ...matchingOf(asked),
    order,
    after: cursor === undefined ? undefined : parseCursor(cursor),
    // One more than asked for tells whether there is a next page.
    limit: size + 1,
  })
  const last = found.length > size ? found[size - 1] : undefined
  return {
    accounts: found.slice(0, size).map(({ account }) => account),
    next: last && Buffer.from(last.emailKey).toString('base64url'),
  }
}

const countsFor = (account: Account | undefined, generation: number): boolean =>
  account?.status === 'active' && generation >= account.grantsFrom
