// Where one-time links lead: the first admin, an invitation, a password reset. Invariants: GET
// shows and spends nothing, because mail scanners and previews open links too; only the form
// spends, once; the token of the link is in no log, event or page but its own form's address.
import Router from '@koa/router'
import type { Context } from 'koa'
import {
  type AccountLinks,
  type LinkPurpose,
  RESET_PATH,
  WELCOME_PATH,
} from '../accounts/account-links.ts'
import type { Account } from '../model/account.ts'
import { assertPassword, parseEmail, parseLine } from '../accounts/account-input.ts'
import { PASSWORD_RULE } from '../accounts/passwords.ts'
import type { Csrf } from '../http/csrf.ts'
import { outcomeToShow, redirectToOutcome } from '../http/form-outcome.ts'
import { limitPages } from '../http/limit-pages.ts'
import type { Parameters } from '../http/parameters.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { sendPage } from '../http/send-page.ts'
import type { Views } from '../http/views.ts'
import { type Clock, epochSeconds } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { createFormKeys, type FormKeys } from '../http/form-key.ts'
import type { HasEnded } from './ended-sessions.ts'
import type { Interactions, SignInEvents } from './ports.ts'
import { startSession } from './session.ts'
import type { OneTimeLinkPage, SignInFolderPage } from './pages.ts'

export interface OneTimeLinkDeps {
  issuer: string
  links: Pick<AccountLinks, 'findLink' | 'setUp' | 'choosePassword'>
  interactions: Pick<Interactions, 'signedIn' | 'signInDirectly'>
  csrf: Csrf
  views: Views<SignInFolderPage>
  events: Pick<SignInEvents, 'sessionEnded' | 'loginSucceeded'>
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
  /** Resolves when what was signed in with the old password has ended. */
  hasEnded: HasEnded
  clock: Clock
  /** Where users go on to. */
  redirects: { member: string; console: string; signIn: (to: string) => string }
}

type Problems = OneTimeLinkPage['problems']

/** A form that was refused, without its passwords, until its page shows what was wrong. */
interface KeptForm {
  typed: { email: string; name: string }
  problems: Problems
}

const EMPTY_FORM: KeptForm = { typed: { email: '', name: '' }, problems: {} }

const PATHS = [WELCOME_PATH, RESET_PATH].map((path) => `${path}/:token`)

/** Creates the router of /welcome and /reset. */
export function createOneTimeLinkRouter(deps: OneTimeLinkDeps): Router {
  const formKeys = createFormKeys(deps.issuer)
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)
  for (const path of PATHS) {
    router.get(path, limited, async function showLink(ctx: Context) {
      const kept = outcomeToShow(ctx, deps.issuer) as KeptForm | undefined
      show(deps, formKeys, ctx, await purposeOf(deps, ctx), kept ?? EMPTY_FORM)
    })
    router.post(path, limited, (ctx: Context) => useLink(deps, formKeys, ctx))
  }
  return router
}

async function useLink(deps: OneTimeLinkDeps, formKeys: FormKeys, ctx: Context): Promise<void> {
  const token = tokenOf(ctx)
  const form = await deps.csrf.readForm(ctx, bindingOf(formKeys.held(ctx), token))
  const purpose = await purposeOf(deps, ctx)
  const typed = { email: form.get('email') ?? '', name: form.get('name') ?? '' }
  try {
    const problems = problemsIn(form, purpose)
    if (Object.keys(problems).length > 0) throw new InputRefused(problems)
    await goOn(deps, ctx, await spend(deps, ctx, token, purpose, form))
  } catch (error) {
    const kept: KeptForm = { typed, problems: problemsOf(error) }
    const less: KeptForm = { ...kept, typed: EMPTY_FORM.typed }
    redirectToOutcome(ctx, deps.issuer, ctx.path, kept, less)
  }
}

/** Does what the link is for. @returns the account, and whether something of it has to end first */
async function spend(
  { links }: OneTimeLinkDeps,
  ctx: Context,
  token: string,
  purpose: LinkPurpose,
  form: Parameters,
): Promise<{ account: Account; endsSessions: boolean }> {
  const password = form.get('password') ?? ''
  if (purpose.kind !== 'setup')
    return links.choosePassword(token, password, requestFacts(ctx), {
      disconnectApps: form.get('apps') === 'on',
    })
  const input = { email: form.get('email') ?? '', name: form.get('name') ?? '', password }
  return { account: await links.setUp(token, input, requestFacts(ctx)), endsSessions: false }
}

/** Signs in the user who chose the password, under a new session, and leads to their first page. */
async function goOn(
  deps: OneTimeLinkDeps,
  ctx: Context,
  { account, endsSessions }: { account: Account; endsSessions: boolean },
): Promise<void> {
  const to = account.role === 'member' ? deps.redirects.member : deps.redirects.console
  ctx.status = 303
  ctx.set('Cache-Control', 'no-store')
  // A session that begins before the old ones have ended would end with them.
  if (endsSessions && !(await deps.hasEnded(account.id))) {
    ctx.redirect(deps.redirects.signIn(to))
    return
  }
  await startSession(deps, ctx, {
    accountId: account.id,
    generation: account.generation,
    checkedAt: epochSeconds(deps.clock),
  })
  deps.events.loginSucceeded({ accountId: account.id }, { ...requestFacts(ctx), actor: account.id })
  // To an address of ours, so that form-action 'self' covers the redirect too.
  ctx.redirect(to)
}

/** @throws {AppError} `link_invalid` */
async function purposeOf({ links }: OneTimeLinkDeps, ctx: Context): Promise<LinkPurpose> {
  const purpose = await links.findLink(tokenOf(ctx))
  if (purpose === undefined) throw new AppError('link_invalid')
  return purpose
}

function show(
  { views, csrf }: OneTimeLinkDeps,
  formKeys: FormKeys,
  ctx: Context,
  purpose: LinkPurpose,
  { typed, problems }: KeptForm,
): void {
  const token = tokenOf(ctx)
  sendPage(
    ctx,
    views,
    {
      kind: 'one-time-link',
      purpose: purpose.kind,
      action: ctx.path,
      csrf: csrf.token(bindingOf(formKeys.hold(ctx), token)),
      email: purpose.kind === 'setup' ? typed.email : purpose.account.email,
      name: typed.name,
      passwordRule: PASSWORD_RULE,
      problems,
    },
    { status: Object.keys(problems).length > 0 ? 422 : 200, runsScripts: true },
  )
}

/** What was typed cannot be used. */
class InputRefused extends Error {
  readonly problems: Problems
  constructor(problems: Problems) {
    super('input refused')
    this.problems = problems
  }
}

const NOT_THE_SAME = 'The passwords do not match. Type both again.'

/** Returns all that is wrong with what was typed, so that one round is enough to put it right. */
function problemsIn(form: Parameters, { kind }: LinkPurpose): Problems {
  const password = form.get('password') ?? ''
  const checks = [
    ...(kind === 'setup'
      ? [
          () => {
            if (parseEmail(form.get('email') ?? '') === undefined)
              throw new AppError('parameter_invalid', { about: 'email' })
          },
          () => parseLine(form.get('name') ?? '', 'name'),
        ]
      : []),
    () => assertPassword(password),
    () => {
      if (form.get('again') !== password) throw new InputRefused({ again: NOT_THE_SAME })
    },
  ]
  const problems: Problems = {}
  for (const check of checks)
    try {
      check()
    } catch (error) {
      Object.assign(problems, problemsOf(error))
    }
  return problems
}

/** Returns what to say beside the fields. Throws on what no field is to blame for. */
function problemsOf(error: unknown): Problems {
  if (error instanceof InputRefused) return error.problems
  if (!(error instanceof AppError)) throw error
  const { code, about, detail } = error
  if (code === 'already_exists') return { email: 'An account with this address already exists.' }
  if (code !== 'parameter_invalid') throw error
  switch (about) {
    case 'email':
      return { email: 'Enter an e-mail address such as ada@example.com.' }
    case 'name':
      return { name: 'Enter a name on a single line, of at most 200 characters.' }
    case 'password':
      return { password: detail ?? PASSWORD_RULE }
    default:
      throw error
  }
}

const tokenOf = (ctx: Context): string =>
  String((ctx as Context & { params: Record<string, unknown> }).params['token'])

const bindingOf = (key: string, token: string): string => `welcome ${key} ${sha256(token)}`
