// A forgotten password: a page that takes an address and says the same of each. Invariants: the
// answer and its time do not tell whether there is an account; nobody's mailbox can be filled by
// strangers; and the address is in no URL and no log.
import Router from '@koa/router'
import type { Context } from 'koa'
import { emailKey, parseEmail } from '../accounts/account-input.ts'
import { limitKey } from '../http/client-address.ts'
import type { Csrf } from '../http/csrf.ts'
import { createFormKeys, type FormKeys } from '../http/form-key.ts'
import { outcomeToShow, redirectToOutcome } from '../http/form-outcome.ts'
import { limitPages } from '../http/limit-pages.ts'
import type { LimitSize } from '../http/limit.ts'
import type { BatchedLimit, RateLimiter } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { sendPage } from '../http/send-page.ts'
import { newTryId, type StrictLimit } from '../http/strict-limit.ts'
import { durationInWords, type Views } from '../http/views.ts'
import type { SignInFolderPage } from './pages.ts'
import type { ResetAsker } from './reset-request.ts'

/** The limits of mails that strangers can cause. */
export interface MailLimits {
  /** Of one mailbox, whoever asks. */
  perRecipient: StrictLimit
  /** Of whoever asks, whatever the mailbox. */
  perAddress: StrictLimit
}

/** Creates the limits. */
export const createMailLimits = (
  limiter: Pick<RateLimiter, 'createStrictLimit'>,
  sizes: Record<'mailPerRecipient' | 'mailPerAddress', LimitSize>,
): MailLimits => ({
  perRecipient: limiter.createStrictLimit('mail-recipient', sizes.mailPerRecipient),
  perAddress: limiter.createStrictLimit('mail-address', sizes.mailPerAddress),
})

/** Counts a mail that somebody causes; returns whether it may be sent. */
export async function admitMail(
  limits: MailLimits,
  email: string,
  address: string,
): Promise<boolean> {
  const tryId = newTryId()
  const outcomes = await Promise.all([
    limits.perAddress.consume(limitKey(address), tryId),
    limits.perRecipient.consume(emailKey(email), tryId),
  ])
  return outcomes.every(({ allowed }) => allowed)
}

export interface ForgotDeps {
  issuer: string
  /** Writes the request down; the mail comes later, if there is an account. */
  ask: (email: string, asker: ResetAsker) => Promise<void>
  limits: MailLimits
  csrf: Csrf
  views: Views<SignInFolderPage>
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
}

/** Where it is. */
export const FORGOT_PATH = '/forgot'
const PATH = FORGOT_PATH

/** What came of the form before. */
type Outcome =
  | { kind: 'sent'; email: string }
  | { kind: 'invalid'; email: string }
  | { kind: 'limited'; email: string; retryAfterSeconds: number }

/** Creates the router. */
export function createForgotRouter(deps: ForgotDeps): Router {
  const formKeys = createFormKeys(deps.issuer)
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)
  router.get(PATH, limited, (ctx: Context) => show(deps, formKeys, ctx))
  router.post(PATH, limited, async function askForLink(ctx: Context) {
    const form = await deps.csrf.readForm(ctx, bindingOf(formKeys.held(ctx)))
    const outcome = await ask(deps, ctx, (form.get('email') ?? '').trim())
    redirectToOutcome(ctx, deps.issuer, PATH, outcome, { ...outcome, email: '' })
  })
  return router
}

async function ask(
  { ask: write, limits }: ForgotDeps,
  ctx: Context,
  typed: string,
): Promise<Outcome> {
  const email = parseEmail(typed)
  if (email === undefined) return { kind: 'invalid', email: typed }
  const asker = requestFacts(ctx)
  const tryId = newTryId()
  const [ofAddress, ofRecipient] = await Promise.all([
    limits.perAddress.consume(limitKey(asker.address), tryId),
    limits.perRecipient.consume(emailKey(email), tryId),
  ])
  if (!ofAddress.allowed)
    return { kind: 'limited', email, retryAfterSeconds: ofAddress.retryAfterSeconds }
  // Said of a mailbox that had enough mails, too: whether it has an account is nobody's business.
  if (ofRecipient.allowed) await write(email, asker)
  return { kind: 'sent', email }
}

function show({ issuer, csrf, views }: ForgotDeps, formKeys: FormKeys, ctx: Context): void {
  const outcome = outcomeToShow(ctx, issuer) as Outcome | undefined
  if (outcome?.kind === 'sent') {
    sendPage(ctx, views, { kind: 'forgot-sent', email: outcome.email, againUrl: PATH })
    return
  }
  if (outcome?.kind === 'limited') ctx.set('Retry-After', String(outcome.retryAfterSeconds))
  sendPage(
    ctx,
    views,
    {
      kind: 'forgot',
      action: PATH,
      csrf: csrf.token(bindingOf(formKeys.hold(ctx))),
      email: outcome?.email ?? '',
      problem: outcome && problemOf(outcome),
    },
    { status: outcome === undefined ? 200 : outcome.kind === 'limited' ? 429 : 422 },
  )
}

const problemOf = (outcome: Exclude<Outcome, { kind: 'sent' }>): string =>
  outcome.kind === 'limited'
    ? `Too many requests. Wait ${durationInWords(outcome.retryAfterSeconds)}, then try again.`
    : 'Enter an e-mail address such as ada@example.com.'

const bindingOf = (key: string): string => `forgot ${key}`
