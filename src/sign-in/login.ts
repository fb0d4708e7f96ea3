// One attempt to sign in: limits, password, events. Invariants: a try counts before the password is looked at, so that parallel guesses do not
// slip through; a right password gives back what it counted, so that only failures add up; and nobody can lock another person out, because
// what one address uses up is not missing at another. Called by the routes of both sign-in pages.
import { emailKey, parseEmail } from '../accounts/account-input.ts'
import type { Authentication } from '../accounts/accounts.ts'
import { limitKey } from '../http/client-address.ts'
import type { StrictLimit } from '../http/rate-limit.ts'
import { durationInWords } from '../http/views.ts'
import type { SignInEvents } from './ports.ts'

/** What was typed, where, on the way to which app. */
export interface LoginAttempt {
  email: string
  password: string
  appId: string | undefined
  address: string
  requestId: string
}

/** How it went. Why it was rejected is in the event log only. */
export type LoginOutcome =
  | { kind: 'signed-in'; accountId: string }
  | { kind: 'rejected' }
  | { kind: 'throttled'; retryAfterSeconds: number }

/** What the page says of an attempt that failed: one thing of every rejection, whatever its reason. */
export function problemOf(outcome: Exclude<LoginOutcome, { kind: 'signed-in' }>): {
  status: number
  problem: string
  retryAfterSeconds: number | undefined
} {
  if (outcome.kind === 'rejected')
    return {
      status: 422,
      problem: 'That e-mail address and password do not match.',
      retryAfterSeconds: undefined,
    }
  const { retryAfterSeconds } = outcome
  const problem = `Too many attempts. Wait ${durationInWords(retryAfterSeconds)}, then try again.`
  return { status: 429, problem, retryAfterSeconds }
}

/** The limits of failed attempts. */
export interface LoginLimits {
  perAddress: StrictLimit
  perAccountAddress: StrictLimit
  perAccount: StrictLimit
}

/** Tries to sign somebody in. @throws {AppError} `temporarily_unavailable` */
export type Login = (attempt: LoginAttempt) => Promise<LoginOutcome>

/**
 * How often an address may try an account although that account's own limit is used up. Otherwise whoever guesses from many addresses would
 * keep its owner out for as long as they like.
 */
const TRIES_UNDER_ATTACK = 3

/** Creates the function that signs people in. */
export function createLogin(deps: {
  authenticate: (email: string, password: string) => Promise<Authentication>
  limits: LoginLimits
  events: Pick<SignInEvents, 'loginSucceeded' | 'loginFailed' | 'loginThrottled'>
}): Login {
  const { authenticate, limits, events } = deps
  return async function login({ email, password, appId, address, requestId }) {
    const context = { requestId, address }
    const keys = keysOf(email, address)
    const retryAfterSeconds = await countTry(limits, keys)
    if (retryAfterSeconds !== undefined) {
      events.loginThrottled({ appId }, context)
      return { kind: 'throttled', retryAfterSeconds }
    }
    const outcome = await authenticate(email, password)
    if (outcome.kind === 'rejected') {
      const { reason, accountId } = outcome
      events.loginFailed({ reason, accountId, appId }, context)
      return { kind: 'rejected' }
    }
    await Promise.all([
      limits.perAddress.reward(keys.address),
      limits.perAccountAddress.reward(keys.accountAddress),
      limits.perAccount.reward(keys.account),
    ])
    const accountId = outcome.account.id
    events.loginSucceeded({ accountId, appId }, { ...context, actor: accountId })
    return { kind: 'signed-in', accountId }
  }
}

interface Keys {
  address: string
  account: string
  accountAddress: string
}

/** What is counted: the account by its e-mail, whether or not there is one, so that the limits do not tell. */
function keysOf(email: string, address: string): Keys {
  const account = emailKey(parseEmail(email) ?? email.trim())
  const network = limitKey(address)
  return { address: network, account, accountAddress: `${network} ${account}` }
}

/** Counts the try, an address's own limits first, and returns the seconds to wait where one is used up. */
async function countTry(limits: LoginLimits, keys: Keys): Promise<number | undefined> {
  const ofAddress = await limits.perAddress.consume(keys.address)
  if (!ofAddress.allowed) return ofAddress.retryAfterSeconds
  const ofPair = await limits.perAccountAddress.consume(keys.accountAddress)
  if (!ofPair.allowed) return ofPair.retryAfterSeconds
  const ofAccount = await limits.perAccount.consume(keys.account)
  if (ofAccount.allowed) return undefined
  const { points } = limits.perAccountAddress.size
  const isEarly = points > 0 && points - ofPair.remaining <= TRIES_UNDER_ATTACK
  return isEarly ? undefined : ofAccount.retryAfterSeconds
}
