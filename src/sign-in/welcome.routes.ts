// Where one-time links lead: the first admin, an invitation, a new password. Invariants: GET shows and spends nothing, because mail scanners and previews
// open links too; only the form spends, once; the token of the link is in no log, event or page but its own form's address.
import Router from '@koa/router'
import type { Context } from 'koa'
import { WELCOME_PATH, type AccountLinks, type LinkPurpose } from '../accounts/account-links.ts'
import type { Account } from '../model/account.ts'
import { PASSWORD_RULE } from '../accounts/passwords.ts'
import type { Csrf } from '../http/csrf.ts'
import { limitPages } from '../http/limit-pages.ts'
import type { Parameters } from '../http/parameters.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { sendPage } from '../http/send-page.ts'
import type { Views } from '../http/views.ts'
import { type Clock, epochSeconds } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { createFormKeys } from '../http/form-key.ts'
import type { Interactions, SignInEvents } from './ports.ts'
import type { OneTimeLinkPage, SignInFolderPage } from './pages.ts'

export interface WelcomeDeps {
  issuer: string
  links: Pick<AccountLinks, 'look' | 'setUp' | 'choosePassword'>
  interactions: Pick<Interactions<Context>, 'signedIn' | 'signInDirectly'>
  csrf: Csrf
  views: Views<SignInFolderPage>
  events: Pick<SignInEvents, 'sessionEnded' | 'loginSucceeded'>
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
  /** Resolves when what was signed in with the old password has ended; false where that takes longer than a person waits. */
  hasEnded: (accountId: string) => Promise<boolean>
  clock: Clock
  /** Where people go on to. */
  onward: { member: string; admin: string; signIn: (to: string) => string }
}

type Problems = OneTimeLinkPage['problems']

const PATH = `${WELCOME_PATH}/:token`

/** Creates the router of /welcome. */
export function createWelcomeRouter(deps: WelcomeDeps): Router {
  const { links, interactions, csrf, views, events, onward } = deps
  const formKeys = createFormKeys(deps.issuer)
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)

  router.get(PATH, limited, async function showWelcome(ctx: Context) {
    show(ctx, await purposeOf(ctx), { email: '', name: '' }, {})
  })

  router.post(PATH, limited, async function useLink(ctx: Context) {
    const token = tokenOf(ctx)
    const form = await csrf.readForm(ctx, bindingOf(formKeys.held(ctx), token))
    const purpose = await purposeOf(ctx)
    const typed = { email: form.get('email') ?? '', name: form.get('name') ?? '' }
    const again = form.get('again') === form.get('password') ? {} : { again: NOT_THE_SAME }
    try {
      if (Object.keys(again).length > 0) throw new Unfit(again)
      await goOn(ctx, await spend(ctx, token, purpose, form))
    } catch (error) {
      show(ctx, purpose, typed, { ...problemsOf(error) })
    }
  })

  /** Does what the link is for. @returns who it is, and whether something of theirs has to end first */
  async function spend(
    ctx: Context,
    token: string,
    purpose: LinkPurpose,
    form: Parameters,
  ): Promise<{ account: Account; endsSessions: boolean }> {
    const password = form.get('password') ?? ''
    if (purpose.kind !== 'setup') return links.choosePassword(token, password, requestFacts(ctx))
    const input = { email: form.get('email') ?? '', name: form.get('name') ?? '', password }
    return { account: await links.setUp(token, input, requestFacts(ctx)), endsSessions: false }
  }

  /** Signs in whoever chose the password, under a new session, and sends them to their first page. */
  async function goOn(
    ctx: Context,
    { account, endsSessions }: { account: Account; endsSessions: boolean },
  ): Promise<void> {
    const to = onward[account.role]
    ctx.status = 303
    ctx.set('Cache-Control', 'no-store')
    // A session that begins before the old ones have ended would end with them.
    if (endsSessions && !(await deps.hasEnded(account.id))) {
      ctx.redirect(onward.signIn(to))
      return
    }
    const facts = requestFacts(ctx)
    const before = await interactions.signedIn(ctx)
    await interactions.signInDirectly(ctx, {
      accountId: account.id,
      generation: account.generation,
      checkedAt: epochSeconds(deps.clock),
    })
    if (before !== undefined && before !== account.id)
      events.sessionEnded(
        { accountId: before, reason: 'account_switched' },
        { ...facts, actor: before },
      )
    events.loginSucceeded({ accountId: account.id }, { ...facts, actor: account.id })
    // To an address of ours, so that form-action 'self' covers the redirect too.
    ctx.redirect(to)
  }

  /** @throws {AppError} `link_invalid` */
  async function purposeOf(ctx: Context): Promise<LinkPurpose> {
    const purpose = await links.look(tokenOf(ctx))
    if (purpose === undefined) throw new AppError('link_invalid')
    return purpose
  }

  function show(
    ctx: Context,
    purpose: LinkPurpose,
    typed: { email: string; name: string },
    problems: Problems,
  ): void {
    const token = tokenOf(ctx)
    sendPage(
      ctx,
      views,
      {
        kind: 'one-time-link',
        purpose: purpose.kind,
        action: `${WELCOME_PATH}/${encodeURIComponent(token)}`,
        csrf: csrf.token(bindingOf(formKeys.hold(ctx), token)),
        email: purpose.kind === 'setup' ? typed.email : purpose.account.email,
        name: typed.name,
        passwordRule: PASSWORD_RULE,
        problems,
      },
      { status: Object.keys(problems).length > 0 ? 422 : 200 },
    )
  }

  return router
}

/** What was typed cannot be used. */
class Unfit extends Error {
  readonly problems: Problems
  constructor(problems: Problems) {
    super('unfit')
    this.problems = problems
  }
}

const NOT_THE_SAME = 'The two passwords are not the same: type both anew.'

/** Returns what to say beside the fields. Throws on what no field is to blame for. */
function problemsOf(error: unknown): Problems {
  if (error instanceof Unfit) return error.problems
  if (!(error instanceof AppError)) throw error
  const { code, about, detail } = error
  if (code === 'already_exists') return { email: 'There is an account with this address already.' }
  if (code !== 'parameter_invalid') throw error
  switch (about) {
    case 'email':
      return { email: 'This is not an e-mail address, like ada@example.com.' }
    case 'name':
      return { name: 'A name is one line of at most 200 characters.' }
    case 'password':
      return { password: detail ?? PASSWORD_RULE }
    default:
      throw error
  }
}

const tokenOf = (ctx: Context): string =>
  String((ctx as Context & { params: Record<string, unknown> }).params['token'])

const bindingOf = (key: string, token: string): string => `welcome ${key} ${sha256(token)}`
