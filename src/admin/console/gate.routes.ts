// The door of the console. Invariants: behind it is only who is signed in as an active admin at this moment; what is dangerous also needs a
// password given a short while ago; a form that comes too late is kept for its sender; and a form counts only if it was made for this admin, this act and this target.
import type { Context, Middleware } from 'koa'
import type { Account } from '../../model/account.ts'
import type { Events } from '../../audit/events.ts'
import type { Csrf } from '../../http/csrf.ts'
import { limitPages } from '../../http/limit-pages.ts'
import type { UploadedFile } from '../../http/multipart.ts'
import type { Parameters } from '../../http/parameters.ts'
import type { BatchedLimit } from '../../http/rate-limit.ts'
import { requestFacts } from '../../http/request-context.ts'
import { sendHtml } from '../../http/send-page.ts'
import type { Templates } from '../../http/views.ts'
import { type Clock, epochSeconds, MINUTE, SECOND } from '../../shared/clock.ts'
import { ALL_ADMIN_SCOPES, type Operator } from '../operator.ts'
import { type ConsolePage, createConsoleViews } from './console-views.ts'
import { createHoldForm } from './held-form.routes.ts'

/** The page that sends people back to the tab in which their form waits. */
export const CONFIRMED_PATH = '/admin/confirmed'

/** How old a sign-in may be when a dangerous page is opened. */
const FRESH_SECONDS = (10 * MINUTE) / SECOND
/** How long after that its form is still taken: it was being filled in. */
const FORM_GRACE_SECONDS = (5 * MINUTE) / SECOND

/** A request to a page with parameters in its path. */
export type Visit = Context & { params: Record<string, string> }

/** The admin who asks. */
export interface Admin {
  account: Account
  by: Operator
  /** Whether the password was given lately enough for a form that is dangerous. */
  isFresh: boolean
}

export type Handler = (visit: Visit, admin: Admin) => Promise<void> | void

export interface GateDeps {
  /** Returns who is signed in in this browser, and since when in seconds since the epoch. */
  lastSignIn: (ctx: Context) => Promise<{ accountId: string; at: number } | undefined>
  /** At most a second behind a change anywhere. */
  people: { find(accountId: string): Promise<Account | undefined> }
  /** Where people sign in on the way to a path of ours: `again` asks for the password once more, `other` for another account. */
  signInUrl: (path: string, mode?: 'again' | 'other') => string
  templates: Templates
  csrf: Csrf
  events: Pick<Events, 'requestRefused'>
  perAddress: Pick<BatchedLimit, 'hit'>
  clock: Clock
}

/** What the routes of the console stand on. */
export interface Gate {
  /** Lets active admins through. */
  admins(handler: Handler): Middleware[]
  /** Lets active admins through who gave their password lately, and asks the others for it. */
  confirmed(handler: Handler): Middleware[]
  /** The same for a form that is worth keeping: its handler looks at `isFresh` itself. */
  signInAgainUrl(path: string): string
  show(visit: Visit, admin: Admin, page: ConsolePage, status?: number): void
  /** Makes the token of a form: of this admin, for this act on this target. */
  token(admin: Admin, act: string): string
  readForm(visit: Visit, admin: Admin, act: string): Promise<Parameters>
  readUpload(
    visit: Visit,
    admin: Admin,
    act: string,
    maxFileBytes: number,
  ): Promise<{ fields: Parameters; files: ReadonlyMap<string, UploadedFile> }>
}

/** Creates the gate. */
export function createGate(deps: GateDeps): Gate {
  const { people, csrf, events, clock, signInUrl } = deps
  const render = createConsoleViews(deps.templates)
  const limited = limitPages(deps.perAddress)
  const hold = createHoldForm(deps.templates)
  const bindingOf = ({ account }: Admin, act: string): string => `console ${account.id} ${act}`

  function guard(handler: Handler, needsFresh: boolean): Middleware[] {
    return [
      limited,
      async function letAdminsIn(ctx: Context) {
        const login = await deps.lastSignIn(ctx)
        const account = login === undefined ? undefined : await people.find(login.accountId)
        if (login === undefined || account?.status !== 'active') {
          if (!(await hold(ctx, signInUrl(CONFIRMED_PATH)))) goTo(ctx, signInUrl(ctx.path))
          return
        }
        const facts = requestFacts(ctx)
        if (account.role !== 'admin') {
          const { id: accountId } = account
          const context = { ...facts, actor: accountId }
          events.requestRefused({ accountId, reason: 'admin_needed', endpoint: 'admin' }, context)
          turnAway(ctx, account)
          return
        }
        const age = epochSeconds(clock) - login.at
        const isForm = ctx.method === 'POST'
        const isFresh = age <= FRESH_SECONDS + (isForm ? FORM_GRACE_SECONDS : 0)
        if (needsFresh && !isFresh) {
          if (!(await hold(ctx, signInUrl(CONFIRMED_PATH, 'again'))))
            goTo(ctx, signInUrl(ctx.path, 'again'))
          return
        }
        const by: Operator = { id: account.id, scopes: ALL_ADMIN_SCOPES, ...facts }
        await handler(ctx as Visit, { account, by, isFresh })
      },
    ]
  }

  function turnAway(ctx: Context, { email, name }: Account): void {
    const html = deps.templates.render('console/turned-away', {
      account: { email, name },
      otherUrl: signInUrl('/admin', 'other'),
    })
    sendHtml(ctx, html, { status: 403 })
  }

  return {
    admins: (handler) => guard(handler, false),
    confirmed: (handler) => guard(handler, true),
    signInAgainUrl: (path) => signInUrl(path, 'again'),
    show(visit, { account }, page, status = 200) {
      sendHtml(visit, render(page, account), { status, runsScripts: true })
    },
    token: (admin, act) => csrf.token(bindingOf(admin, act)),
    readForm: (visit, admin, act) => csrf.readForm(visit, bindingOf(admin, act)),
    readUpload: (visit, admin, act, maxFileBytes) =>
      csrf.readUpload(visit, bindingOf(admin, act), maxFileBytes),
  }
}

/** Sends the browser to an address of ours, by GET. */
export function goTo(ctx: Context, url: string): void {
  ctx.status = 303
  ctx.set('Cache-Control', 'no-store')
  ctx.redirect(url)
}
