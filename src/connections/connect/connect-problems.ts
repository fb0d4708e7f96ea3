// What people read when connecting did not work: what happened, and what they can do; and what the
// app is told whose link it was. Invariant: each way of failing has words and a way on, and none of
// them repeats what a stranger can write.
import type { ReturnedError } from './connect-session.ts'

/** A way of failing. */
export type ConnectProblem =
  | 'expired'
  | 'state_missing'
  | 'malformed'
  | 'mixed_up'
  | 'foreign'
  | 'denied'
  | 'scopes_unknown'
  | 'provider_refused'
  | 'code_refused'
  | 'misconfigured'
  | 'outage'
  | 'busy'
  | 'not_working'
  | 'scopes_missing'
  | 'value_refused'
  | 'taken'
  | 'choice_over'
  | 'not_saved'
  | 'left_there'
  | 'link_over'
  | 'link_used'
  | 'other_account'

export interface ConnectProblemWords {
  status: number
  title: string
  /** `{name}` is the system's name, `{detail}` a code or a list of permissions. */
  what: string
  next: string
  /** Whether trying again makes sense. */
  mayRetry: boolean
  /** What the app is told. */
  error: ReturnedError
}

const words = (
  status: number,
  title: string,
  what: string,
  next: string,
  mayRetry = true,
  error: ReturnedError = ERROR_OF[status] ?? 'attempt_failed',
): ConnectProblemWords => ({ status, title, what, next, mayRetry, error })

const ERROR_OF: Readonly<Record<number, ReturnedError>> = {
  200: 'access_denied',
  502: 'provider_refused',
  503: 'temporarily_unavailable',
}

const AGAIN = 'Nothing was changed. You can try again.'
const FOR_ADMINS =
  'You cannot fix this yourself. Tell the people who run this service, and try again later.'

export const CONNECT_PROBLEMS: Readonly<Record<ConnectProblem, ConnectProblemWords>> = {
  expired: words(
    400,
    'This attempt is over',
    'You came back from {name} later than 10 minutes after you started, or this page was already used.',
    'If {name} is not in your list yet, connect it again.',
  ),
  state_missing: words(
    400,
    'We do not know this attempt',
    '{name} sent you back without saying which attempt to connect this was.',
    'Start from here: connect {name} again.',
  ),
  malformed: words(
    400,
    'We did not understand {name}',
    '{name} sent you back with an answer that is incomplete or contradicts itself.',
    AGAIN,
  ),
  mixed_up: words(
    400,
    'This answer is from another system',
    'The answer that brought you here does not come from the system that you wanted to connect. For your safety, we stopped here.',
    AGAIN,
  ),
  foreign: words(
    400,
    'This was started somewhere else',
    'It was started in another browser, before you signed in again, or by somebody else. For your safety, nothing was connected.',
    'If you want to connect {name}, start again in this browser. If somebody sent you a link to this page, close it.',
  ),
  denied: words(
    200,
    '{name} was not connected',
    'You did not allow it at {name}, so nothing was connected.',
    'If that was a mistake, connect it again.',
  ),
  scopes_unknown: words(
    502,
    '{name} does not know what we asked for',
    '{name} refused the permissions that this service asks for.',
    FOR_ADMINS,
    false,
    'integration_misconfigured',
  ),
  provider_refused: words(
    502,
    '{name} refused',
    '{name} refused to connect you. It gave this reason: {detail}.',
    AGAIN,
  ),
  code_refused: words(
    502,
    '{name} did not complete the connection',
    '{name} did not accept its own answer any more. It gave this reason: {detail}.',
    AGAIN,
  ),
  misconfigured: words(
    502,
    '{name} cannot be connected at the moment',
    'This service is not set up correctly for {name}. The reason is: {detail}.',
    FOR_ADMINS,
    false,
    'integration_misconfigured',
  ),
  outage: words(
    503,
    '{name} does not answer',
    'We could not reach {name}, or it has a problem of its own.',
    'Nothing was changed. Try again in a few minutes.',
  ),
  busy: words(
    503,
    '{name} is busy',
    '{name} does not accept more requests at the moment.',
    'Nothing was changed. Try again in a few minutes.',
  ),
  not_working: words(
    502,
    'The connection does not work',
    '{name} gave us access, but then refused our first request. So nothing was connected.',
    'Check that your account at {name} may use its API, then try again.',
  ),
  scopes_missing: words(
    200,
    'Some permissions are missing',
    'You did not allow everything at {name} that is needed. Missing: {detail}. So nothing was connected.',
    'Connect again and allow all that {name} shows.',
    true,
    'provider_refused',
  ),
  value_refused: words(
    502,
    'We did not understand {name}',
    '{name} named an address that does not belong to it. For your safety, we stopped here.',
    FOR_ADMINS,
    false,
  ),
  taken: words(
    409,
    'This account is connected already',
    'The account that you chose at {name} is connected here separately, so it cannot replace another one.',
    'Nothing was changed. Disconnect the one that you do not need.',
    false,
  ),
  choice_over: words(
    400,
    'This question is over',
    'It was answered already, or was left open for more than 10 minutes.',
    'If {name} is not in your list as you want it, connect it again.',
  ),
  not_saved: words(
    503,
    'The connection could not be saved',
    '{name} allowed it, but we could not save it. We have withdrawn the access there.',
    'Try again in a few minutes.',
  ),
  left_there: words(
    503,
    'The connection could not be saved',
    '{name} allowed it, but we could not save it, and could not withdraw the access there. Nobody can use it: we kept nothing.',
    'Try again in a few minutes. You can also withdraw the access in your account at {name}.',
  ),
  link_over: words(
    400,
    'This link is over',
    'It was used already, or it is more than 10 minutes old.',
    'Go back to the app that sent you here, and start there again.',
    false,
  ),
  link_used: words(
    409,
    '{name} was connected already',
    'This link connects one account, and it was used a moment ago, perhaps in another tab.',
    'If {name} is in your list, all is well.',
    false,
  ),
  other_account: words(
    403,
    'This link is for another account',
    'The app that sent you here asked for another account than the one you are signed in with.',
    'Sign in with the account that you use in the app. If somebody sent you the link, close this page.',
    false,
  ),
}
