// A failed attempt to sign in, on its way from the form to the page that shows it. Invariant: only
// the outcome and the e-mail address travel, never the password. Called by the routes of sign-in.
import type { Context } from 'koa'
import { outcomeToShow, redirectToOutcome } from '../http/form-outcome.ts'
import { type LoginOutcome, problemOf } from './login.ts'

/** What the page of a sign-in says of the attempt before. */
export interface ShownAttempt {
  status: number
  email: string
  problem: string | undefined
}

type Failure = Exclude<LoginOutcome, { kind: 'signed-in' }>

/** Sends the browser to the page at `url`, which shows what was wrong. */
export function redirectToFailure(
  ctx: Context,
  issuer: string,
  url: string,
  { outcome, email }: { outcome: Failure; email: string },
): void {
  redirectToOutcome(ctx, issuer, url, { outcome, email }, { outcome, email: '' })
}

/**
 * Returns what the page shows of the attempt before, if there was one; a wait is also said in the
 * headers.
 *
 * @param isAgain the page asks for the password alone
 */
export function failureToShow(
  ctx: Context,
  issuer: string,
  isAgain: boolean,
): ShownAttempt | undefined {
  const kept = outcomeToShow(ctx, issuer) as { outcome?: Failure; email?: unknown } | undefined
  const { outcome, email } = kept ?? {}
  if (outcome === undefined || typeof email !== 'string') return undefined
  const { status, problem, retryAfterSeconds } = problemOf(outcome, isAgain)
  if (retryAfterSeconds !== undefined) ctx.set('Retry-After', String(retryAfterSeconds))
  return { status, email, problem }
}
