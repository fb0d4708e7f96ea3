// One attempt to sign in: limits, password, events. Invariants: a try counts before the password is
// looked at, so that parallel guesses do not slip through; what was not judged, or was right, is
// given back, so that only failures add up and an outage counts against nobody; strangers together
// have a bounded number of guesses at one account, and cannot use up those of the places that have
// signed it in before.
import { emailKey, parseEmail } from '../accounts/account-input.ts'
import type { Authentication } from '../accounts/accounts.ts'
import type { QueuePlace } from '../accounts/fair-queue.ts'
import { limitKey, networkKey } from '../http/client-address.ts'
import type { LimitOutcome } from '../http/limit.ts'
import { newTryId, type StrictLimit } from '../http/strict-limit.ts'
import type { LoginLimits } from './login-limits.ts'
import { durationInWords } from '../http/views.ts'
import type { KnownPlaces } from './known-places.ts'
import type { Proof, SignInEvents, TellNewPlace } from './ports.ts'

/** What was typed, where, on the way to which app. */
export interface LoginAttempt {
  email: string
  password: string
  appId: string | undefined
  address: string
  /** The kind of browser, in words. */
  device: string
  /** The cookie of a browser that signed somebody in before (known-places.ts). */
  browser: string | undefined
  requestId: string
}

/** How it went. Why it was rejected is in the event log only. */
export type LoginOutcome =
  /** `browser` is the browser's cookie from now on. */
  | (Proof & { kind: 'signed-in'; browser: string })
  | { kind: 'rejected' }
  | { kind: 'throttled'; retryAfterSeconds: number }

/**
 * What the page says of an attempt that failed: one thing of every rejection, whatever its reason.
 *
 * @param isAgain only the password was asked for
 */
export function problemOf(
  outcome: Exclude<LoginOutcome, { kind: 'signed-in' }>,
  isAgain = false,
): {
  status: number
  problem: string
  retryAfterSeconds: number | undefined
} {
  if (outcome.kind === 'rejected')
    return {
      status: 422,
      problem: isAgain
        ? 'That password is not correct.'
        : 'That e-mail address and password do not match.',
      retryAfterSeconds: undefined,
    }
  const { retryAfterSeconds } = outcome
  const problem = `Too many attempts. Wait ${durationInWords(retryAfterSeconds)}, then try again.`
  return { status: 429, problem, retryAfterSeconds }
}

/** Tries to sign somebody in. @throws {AppError} `temporarily_unavailable` */
export type Login = (attempt: LoginAttempt) => Promise<LoginOutcome>

/** Creates the function that signs users in. */
export function createLogin(deps: {
  authenticate: (email: string, password: string, place: QueuePlace) => Promise<Authentication>
  limits: LoginLimits
  places: KnownPlaces
  events: Pick<SignInEvents, 'loginSucceeded' | 'loginFailed' | 'loginThrottled'>
  tellNewPlace: TellNewPlace
}): Login {
  const { authenticate, limits, places, events, tellNewPlace } = deps
  return async function login({ email, password, appId, address, device, browser, requestId }) {
    const context = { requestId, address }
    const keys = keysOf(email, address)
    const tries = createTries()
    let outcome: Authentication
    try {
      const admission = await admit(limits, places, keys, browser, tries)
      if (admission.kind === 'throttled') {
        events.loginThrottled({ appId }, context)
        await tries.giveBack()
        return admission
      }
      const place = { group: keys.network, isKnown: admission.isKnown }
      outcome = await authenticate(email, password, place)
    } catch (error) {
      // Nobody judged the password: the store, or the queue, has no room for it now.
      await tries.giveBack()
      throw error
    }
    if (outcome.kind === 'rejected') {
      const { reason, accountId } = outcome
      events.loginFailed({ reason, accountId, appId }, context)
      return { kind: 'rejected' }
    }
    const [cookie] = await Promise.all([
      places.remember(browser, keys.address, keys.account),
      tries.giveBack(),
    ])
    const accountId = outcome.account.id
    if (places.browserOf(browser, keys.account) === undefined)
      await tellNewPlace(accountId, { address, device })
    events.loginSucceeded({ accountId, appId }, { ...context, actor: accountId })
    const { generation, checkedAt } = outcome
    return { kind: 'signed-in', accountId, generation, checkedAt, browser: cookie }
  }
}

interface Keys {
  address: string
  network: string
  account: string
  accountAddress: string
}

/**
 * What is counted: the account by its e-mail, whether or not there is one, so that the limits do
 * not show it.
 */
function keysOf(email: string, address: string): Keys {
  const account = emailKey(parseEmail(email) ?? email.trim())
  const subscriber = limitKey(address)
  return {
    address: subscriber,
    network: networkKey(address),
    account,
    accountAddress: `${subscriber} ${account}`,
  }
}

type Admission =
  { kind: 'admitted'; isKnown: boolean } | { kind: 'throttled'; retryAfterSeconds: number }

/**
 * Counts the try, what is the sender's own first, and says whether the password may be looked at.
 */
async function admit(
  limits: LoginLimits,
  places: KnownPlaces,
  keys: Keys,
  cookie: string | undefined,
  tries: Tries,
): Promise<Admission> {
  const browser = places.browserOf(cookie, keys.account)
  // What others do at its address, in its network or to its account does not concern it; its own
  // tries are few.
  if (browser !== undefined)
    return admissionOf([await tries.count(limits.perBrowser, `${browser} ${keys.account}`)], true)
  const [ofAddress, ofPair, ofNetwork, isKnown] = await Promise.all([
    tries.count(limits.perAddress, keys.address),
    tries.count(limits.perAccountAddress, keys.accountAddress),
    tries.count(limits.perNetwork, keys.network),
    places.isKnownNetwork(keys.address, keys.account),
  ])
  const own = admissionOf(isKnown ? [ofAddress, ofPair] : [ofAddress, ofPair, ofNetwork], isKnown)
  // A known address has as many tries as it has at this account; a stranger needs room among all
  // strangers too.
  if (own.kind === 'throttled' || isKnown) return own
  return admissionOf(
    await Promise.all([
      tries.count(limits.perAccount, keys.account),
      tries.count(limits.everywhere, EVERYWHERE),
    ]),
    false,
  )
}

/** The one key of a count of the whole server. */
const EVERYWHERE = 'all'

function admissionOf(outcomes: readonly LimitOutcome[], isKnown: boolean): Admission {
  const waits = outcomes.flatMap((outcome) => (outcome.allowed ? [] : [outcome.retryAfterSeconds]))
  return waits.length === 0
    ? { kind: 'admitted', isKnown }
    : { kind: 'throttled', retryAfterSeconds: Math.max(...waits) }
}

interface Tries {
  count(limit: StrictLimit, key: string): Promise<LimitOutcome>
  /** Gives back all that was counted. Never rejects. */
  giveBack(): Promise<void>
}

/** Remembers what one attempt was counted by. */
function createTries(): Tries {
  const id = newTryId()
  const counted: (() => Promise<void>)[] = []
  return {
    count(limit, key) {
      counted.push(() => limit.giveBack(key, id))
      return limit.consume(key, id)
    },
    async giveBack() {
      await Promise.all(counted.map((undo) => undo()))
    },
  }
}
