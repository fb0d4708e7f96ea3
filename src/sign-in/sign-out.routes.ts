// The start page, and the way out: a page that asks, so that no foreign page can sign a user out.
// Ending the login session leaves connected apps alone.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { Csrf } from '../http/csrf.ts'
import { limitPages } from '../http/limit-pages.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { sendPage } from '../http/send-page.ts'
import type { Views } from '../http/views.ts'
import type { FindAccount, Interactions, SignInEvents } from './ports.ts'
import type { SignInFolderPage } from './pages.ts'

export interface SignOutDeps {
  issuer: string
  interactions: Pick<Interactions, 'signedIn' | 'signOut'>
  accounts: FindAccount
  csrf: Csrf
  views: Views<SignInFolderPage>
  events: Pick<SignInEvents, 'sessionEnded'>
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
}

const PATH = '/sign-out'

/** Creates the router of / and /sign-out. */
export function createSignOutRouter(deps: SignOutDeps): Router {
  const { issuer, interactions, accounts, csrf, views, events } = deps
  const router = new Router({ strict: true, sensitive: true })

  const limited = limitPages(deps.perAddress)

  router.get('/', limited, function showHome(ctx: Context) {
    const discoveryUrl = `${issuer}/.well-known/oauth-authorization-server`
    sendPage(ctx, views, { kind: 'home', issuer, discoveryUrl })
  })

  router.get(PATH, limited, async function askToSignOut(ctx: Context) {
    const accountId = await interactions.signedIn(ctx)
    if (accountId === undefined) {
      sendPage(ctx, views, { kind: 'signed-out' })
      return
    }
    const account = await accounts.find(accountId)
    sendPage(ctx, views, {
      kind: 'sign-out',
      action: PATH,
      csrf: csrf.token(bindingOf(accountId)),
      email: account?.email ?? accountId,
    })
  })

  router.post(PATH, limited, async function signOut(ctx: Context) {
    const accountId = await interactions.signedIn(ctx)
    // Signed out in another tab, or the second click of two: what was wanted is so.
    if (accountId !== undefined) {
      await csrf.readForm(ctx, bindingOf(accountId))
      await interactions.signOut(ctx)
      const context = { ...requestFacts(ctx), actor: accountId }
      events.sessionEnded({ accountId, reason: 'signed_out' }, context)
    }
    // The page says it where nobody is signed in, so that Back and reload repeat no form.
    ctx.status = 303
    ctx.set('Cache-Control', 'no-store')
    ctx.redirect(PATH)
  })
  return router
}

/**
 * A signed cookie ties the session to the browser, and this ties the form to the session's user.
 */
const bindingOf = (accountId: string): string => `sign-out ${accountId}`
