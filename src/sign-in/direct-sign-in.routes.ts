// Signing in without an app, on the way to a page of ours, or once more before something that matters. Invariants: it leads to the paths that it
// was given and nowhere else; limits, events and words are those of the sign-in on an app's way; who is signed in afterwards has a session under
// a new identifier.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { Account } from '../model/account.ts'
import type { BrowserCookie } from '../http/browser-cookie.ts'
import type { Csrf } from '../http/csrf.ts'
import { limitPages } from '../http/limit-pages.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { sendPage } from '../http/send-page.ts'
import type { Views } from '../http/views.ts'
import { AppError } from '../shared/errors.ts'
import { createFormKeys } from '../http/form-key.ts'
import { type Login, problemOf } from './login.ts'
import type { Interactions, People, SignInEvents } from './ports.ts'
import type { SignInFolderPage } from './pages.ts'

/** A page of ours that people may sign in for. */
export interface Destination {
  path: string
  /** Whether the pages below the path are destinations too, those under the given segments excepted. */
  below?: { except: readonly string[] }
  /** Completes "Use your account to …". */
  purpose: string
}

export interface DirectSignInDeps {
  issuer: string
  interactions: Pick<Interactions<Context>, 'signedIn' | 'signInDirectly'>
  login: Login
  browserCookie: BrowserCookie
  people: People
  csrf: Csrf
  views: Views<SignInFolderPage>
  events: Pick<SignInEvents, 'sessionEnded'>
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
  /** All that there are; the first is for whoever names none. */
  destinations: readonly [Destination, ...Destination[]]
}

/** Where it is; `to` names one of the destinations; `mode` says what is asked of somebody who is signed in already: see SignInMode. */
const DIRECT_SIGN_IN_PATH = '/sign-in'
const PATH = DIRECT_SIGN_IN_PATH

/** `again` asks the same person for the password once more, `other` asks for another account; else, who is signed in goes on. */
export type SignInMode = 'again' | 'other' | undefined

/** Where a request wants to go, and how. */
interface Errand {
  /** A destination's path, or one below it. */
  path: string
  purpose: string
  mode: SignInMode
}

/** Creates the router of /sign-in. */
export function createDirectSignInRouter(deps: DirectSignInDeps): Router {
  const { interactions, people, csrf, views, events, destinations } = deps
  const formKeys = createFormKeys(deps.issuer)
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)

  router.get(PATH, limited, async function askWhoIsThere(ctx: Context) {
    const errand = errandOf(ctx)
    const person = await activePerson(ctx)
    if (person === undefined || errand.mode !== undefined) showSignIn(ctx, errand, person)
    else goOn(ctx, errand)
  })

  router.post(PATH, limited, async function signIn(ctx: Context) {
    const errand = errandOf(ctx)
    const form = await csrf.readForm(ctx, bindingOf(formKeys.held(ctx)))
    const person = await activePerson(ctx)
    // Who is asked again is who is signed in, whatever the form says.
    const email = asksAgain(errand, person) ? person.email : (form.get('email') ?? '')
    const password = form.get('password') ?? ''
    const facts = requestFacts(ctx)
    const browser = deps.browserCookie.read(ctx)
    const outcome = await deps.login({ email, password, appId: undefined, browser, ...facts })
    if (outcome.kind === 'signed-in') {
      const { accountId } = outcome
      deps.browserCookie.write(ctx, outcome.browser)
      const before = await interactions.signedIn(ctx)
      await interactions.signInDirectly(ctx, outcome)
      if (before !== undefined && before !== accountId)
        events.sessionEnded(
          { accountId: before, reason: 'account_switched' },
          { ...facts, actor: before },
        )
      goOn(ctx, errand)
      return
    }
    const { status, problem, retryAfterSeconds } = problemOf(outcome)
    if (retryAfterSeconds !== undefined) ctx.set('Retry-After', String(retryAfterSeconds))
    showSignIn(ctx, errand, person, { status, email, problem })
  })

  function errandOf(ctx: Context): Errand {
    const query = new URLSearchParams(ctx.querystring)
    const asked = new Set(query.getAll('to'))
    const [first] = destinations
    const [to = first.path] = asked
    const found = asked.size > 1 ? undefined : destinations.find((each) => leadsTo(each, to))
    if (found === undefined) throw new AppError('parameter_invalid', { about: 'to' })
    return { path: to, purpose: found.purpose, mode: MODES.get(query.get('mode')) }
  }

  async function activePerson(ctx: Context): Promise<Account | undefined> {
    const accountId = await interactions.signedIn(ctx)
    const account = accountId === undefined ? undefined : await people.find(accountId)
    return account?.status === 'active' ? account : undefined
  }

  function showSignIn(
    ctx: Context,
    errand: Errand,
    person: Account | undefined,
    attempt: { status: number; email: string; problem: string | undefined } = {
      status: 200,
      email: '',
      problem: undefined,
    },
  ): void {
    const { status, email, problem } = attempt
    const isAgain = asksAgain(errand, person)
    sendPage(
      ctx,
      views,
      {
        kind: 'sign-in',
        app: undefined,
        action: signInAddress(errand.path, errand.mode),
        csrf: csrf.token(bindingOf(formKeys.hold(ctx))),
        email: isAgain ? person.email : email,
        problem,
        cancelAction: undefined,
        reauthenticate: isAgain,
        switchAction: undefined,
        purpose: errand.purpose,
      },
      { status },
    )
  }

  /** To an address of ours, so that form-action 'self' covers the redirect too. */
  function goOn(ctx: Context, { path }: Errand): void {
    ctx.status = 303
    ctx.set('Cache-Control', 'no-store')
    ctx.redirect(path)
  }

  return router
}

/** Returns the address of the sign-in page on the way to one of its destinations. */
export const signInAddress = (path: string, mode?: SignInMode): string =>
  `${PATH}?to=${encodeURIComponent(path)}${mode === undefined ? '' : `&mode=${mode}`}`

const MODES: ReadonlyMap<string | null, SignInMode> = new Map([
  ['again', 'again'],
  ['other', 'other'],
])

const asksAgain = ({ mode }: Errand, person: Account | undefined): person is Account =>
  mode === 'again' && person !== undefined

// A segment has no dot at its beginning, also not an escaped one: browsers would read it as "up". Nothing here can begin another origin.
const SEGMENT = /^(?!\.|%2[Ee])(?:[A-Za-z0-9._~:-]|%[0-9A-Fa-f]{2}){1,300}$/

/** Compares whole paths with a closed list: there is no way of writing another origin that this could misread. */
function leadsTo({ path, below }: Destination, to: string): boolean {
  if (to === path) return true
  if (below === undefined || !to.startsWith(`${path}/`)) return false
  const segments = to.slice(path.length + 1).split('/')
  const isExcepted = below.except.includes(segments[0] ?? '')
  return !isExcepted && segments.length <= 6 && segments.every((segment) => SEGMENT.test(segment))
}

const bindingOf = (key: string): string => `sign-in ${key}`
