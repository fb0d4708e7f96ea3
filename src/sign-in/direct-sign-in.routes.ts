// Signing in without an app, on the way to a page of ours. Invariants: it leads to the paths that it was given and nowhere else; limits, events
// and words are those of the sign-in on an app's way; who is signed in afterwards has a session under a new identifier.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { Csrf } from '../http/csrf.ts'
import { limitPages } from '../http/limit-pages.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { sendPage } from '../http/send-page.ts'
import type { Views } from '../http/views.ts'
import { DAY } from '../shared/clock.ts'
import { randomBase62 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { type Login, problemOf } from './login.ts'
import type { Interactions, People, SignInEvents } from './ports.ts'

/** A page of ours that people may sign in for. */
export interface Destination {
  path: string
  /** Completes "Use your account to …". */
  purpose: string
}

export interface DirectSignInDeps {
  issuer: string
  interactions: Pick<Interactions<Context>, 'signedIn' | 'signInDirectly'>
  login: Login
  people: People
  csrf: Csrf
  views: Views
  events: Pick<SignInEvents, 'sessionEnded'>
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
  /** All that there are; the first is for whoever names none. */
  destinations: readonly [Destination, ...Destination[]]
}

/** Where it is; `to` names one of the destinations. */
export const DIRECT_SIGN_IN_PATH = '/sign-in'
const PATH = DIRECT_SIGN_IN_PATH
const FORM_COOKIE_MILLIS = DAY

/** Creates the router of /sign-in. */
export function createDirectSignInRouter(deps: DirectSignInDeps): Router {
  const { interactions, people, csrf, views, events, destinations } = deps
  const isSecure = deps.issuer.startsWith('https:')
  const formCookie = `${isSecure ? '__Host-' : ''}otesse_form`
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)

  router.get(PATH, limited, async function askWhoIsThere(ctx: Context) {
    const destination = destinationOf(ctx)
    if ((await activePerson(ctx)) === undefined) showSignIn(ctx, destination)
    else goOn(ctx, destination)
  })

  router.post(PATH, limited, async function signIn(ctx: Context) {
    const destination = destinationOf(ctx)
    const form = await csrf.readForm(ctx, bindingOf(heldKey(ctx) ?? newKey()))
    const email = form.get('email') ?? ''
    const password = form.get('password') ?? ''
    const facts = requestFacts(ctx)
    const outcome = await deps.login({ email, password, appId: undefined, ...facts })
    if (outcome.kind === 'signed-in') {
      const { accountId } = outcome
      const before = await interactions.signedIn(ctx)
      await interactions.signInDirectly(ctx, accountId)
      if (before !== undefined && before !== accountId)
        events.sessionEnded(
          { accountId: before, reason: 'account_switched' },
          { ...facts, actor: before },
        )
      goOn(ctx, destination)
      return
    }
    const { status, problem, retryAfterSeconds } = problemOf(outcome)
    if (retryAfterSeconds !== undefined) ctx.set('Retry-After', String(retryAfterSeconds))
    showSignIn(ctx, destination, { status, email, problem })
  })

  /** Compares whole paths with a closed list: there is no way of writing another origin that this could misread. */
  function destinationOf(ctx: Context): Destination {
    const asked = new URLSearchParams(ctx.querystring).getAll('to')
    const [first] = destinations
    const found =
      asked.length === 0 ? first : destinations.find(({ path }) => asked.every((to) => to === path))
    if (found === undefined) throw new AppError('parameter_invalid', { about: 'to' })
    return found
  }

  async function activePerson(ctx: Context): Promise<string | undefined> {
    const accountId = await interactions.signedIn(ctx)
    const account = accountId === undefined ? undefined : await people.find(accountId)
    return account?.status === 'active' ? account.id : undefined
  }

  function showSignIn(
    ctx: Context,
    { path, purpose }: Destination,
    again: { status: number; email: string; problem: string | undefined } = {
      status: 200,
      email: '',
      problem: undefined,
    },
  ): void {
    const { status, email, problem } = again
    const key = holdKey(ctx)
    sendPage(
      ctx,
      views,
      {
        kind: 'sign-in',
        app: undefined,
        action: `${PATH}?to=${encodeURIComponent(path)}`,
        csrf: csrf.token(bindingOf(key)),
        email,
        problem,
        cancelAction: undefined,
        reauthenticate: false,
        switchAction: undefined,
        purpose,
      },
      { status },
    )
  }

  /** To an address of ours, so that form-action 'self' covers the redirect too. */
  function goOn(ctx: Context, { path }: Destination): void {
    ctx.status = 303
    ctx.set('Cache-Control', 'no-store')
    ctx.redirect(path)
  }

  // Why an anonymous form has a token at all: without one a foreign page could sign somebody in to the attacker's account, who would then connect
  // their apps to it. Nobody is signed in here to whom the token could be bound, so it is bound to the browser: to a random key in a cookie that
  // only we can sign and only this host can set (__Host-). A foreign page can make the browser send the cookie, but cannot read the token that
  // goes with it; csrf.ts looks at Sec-Fetch-Site besides. The key opens nothing, so it is no secret that ends with the sign-in: a second click
  // of two, and a second tab, still fit.
  const heldKey = (ctx: Context): string | undefined =>
    ctx.cookies.get(formCookie, { signed: true })

  function holdKey(ctx: Context): string {
    const key = heldKey(ctx) ?? newKey()
    const maxAge = FORM_COOKIE_MILLIS
    const attributes = { httpOnly: true, sameSite: 'lax', signed: true, path: '/' } as const
    ctx.cookies.set(formCookie, key, { ...attributes, maxAge })
    return key
  }

  return router
}

const newKey = (): string => randomBase62(22)

const bindingOf = (key: string): string => `sign-in ${key}`
