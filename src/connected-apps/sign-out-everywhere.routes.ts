// A user signs out everywhere: in all browsers, this one included, and on request of all apps too.
// Invariants: only the user who is signed in is signed out, nothing in an address or a form says
// who is meant; and the answer is sent when no sign-in counts any more.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { Account } from '../model/account.ts'
import type { Events } from '../audit/events.ts'
import type { Csrf } from '../http/csrf.ts'
import { outcomeToShow, redirectToOutcome } from '../http/form-outcome.ts'
import { limitPages } from '../http/limit-pages.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { sendPage } from '../http/send-page.ts'
import type { Views } from '../http/views.ts'
import type { ConnectedAppsFolderPage } from './pages.ts'

export interface SignOutEverywhereDeps {
  issuer: string
  /** Returns the account that is signed in in this browser. */
  findUser: (ctx: Context) => Promise<Account | undefined>
  /** Where somebody signs in who is not. */
  signInUrl: string
  /** Ends all sign-ins of the account, and with `apps` what apps hold. */
  endAll: (accountId: string, options: { apps: boolean }) => Promise<void>
  /** Lets this browser forget its session. */
  signOut: (ctx: Context) => Promise<void>
  csrf: Csrf
  views: Views<ConnectedAppsFolderPage>
  events: Pick<Events, 'sessionEnded' | 'grantsRevoked'>
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
}

/** Where the question is. */
const SIGN_OUT_EVERYWHERE_PATH = '/connected-apps/sign-out-everywhere'
const PATH = SIGN_OUT_EVERYWHERE_PATH

/** Creates the router. */
export function createSignOutEverywhereRouter(deps: SignOutEverywhereDeps): Router {
  const { csrf, views, events } = deps
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)

  router.get(PATH, limited, async function askToSignOutEverywhere(ctx: Context) {
    const user = await deps.findUser(ctx)
    if (user === undefined) {
      const done = outcomeToShow(ctx, deps.issuer) as { apps?: unknown } | undefined
      if (done !== undefined) {
        sendPage(ctx, views, {
          kind: 'signed-out-everywhere',
          areAppsDisconnected: done.apps === true,
        })
        return
      }
      ctx.status = 303
      ctx.set('Cache-Control', 'no-store')
      ctx.redirect(deps.signInUrl)
      return
    }
    sendPage(ctx, views, {
      kind: 'sign-out-everywhere',
      account: { email: user.email, name: user.name },
      action: PATH,
      csrf: csrf.token(bindingOf(user.id)),
    })
  })

  router.post(PATH, limited, async function signOutEverywhere(ctx: Context) {
    const user = await deps.findUser(ctx)
    // The second click of two: the first has signed this browser out.
    if (user === undefined) {
      sendPage(ctx, views, { kind: 'signed-out' })
      return
    }
    const form = await csrf.readForm(ctx, bindingOf(user.id))
    const apps = form.get('apps') === 'on'
    await deps.endAll(user.id, { apps })
    const context = { ...requestFacts(ctx), actor: user.id }
    events.sessionEnded({ accountId: user.id, reason: 'signed_out_everywhere' }, context)
    if (apps) events.grantsRevoked({ accountId: user.id, reason: 'user' }, context)
    await deps.signOut(ctx)
    redirectToOutcome(ctx, deps.issuer, PATH, { apps })
  })

  return router
}

/**
 * A signed cookie ties the session to the browser, and this ties the form to the session's user.
 */
const bindingOf = (accountId: string): string => `sign-out-everywhere ${accountId}`
