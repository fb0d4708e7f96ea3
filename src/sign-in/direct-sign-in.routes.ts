// Signing in without an app, on the way to a page of ours, or once more before something that
// matters. Invariants: it leads to the paths that it was given and nowhere else; limits, events and
// messages are those of the sign-in on an app's way; the user who is signed in afterwards has a
// session under a new identifier.
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
import { deviceFamily } from '../shared/device-family.ts'
import { AppError } from '../shared/errors.ts'
import { createFormKeys, type FormKeys } from '../http/form-key.ts'
import { failureToShow, redirectToFailure } from './failed-attempt.ts'
import type { Login } from './login.ts'
import type { Interactions, SignInEvents } from './ports.ts'
import { type FindUser, startSession } from './session.ts'
import type { SignInFolderPage } from './pages.ts'

/** A page of ours that users may sign in for. */
export interface Destination {
  path: string
  /**
   * Whether the pages below the path are destinations too, those under the given segments excepted.
   */
  below?: { except: readonly string[] }
  /** Completes "Use your account to …". */
  purpose: string
}

export interface DirectSignInDeps {
  issuer: string
  interactions: Pick<Interactions, 'signedIn' | 'signInDirectly'>
  findUser: FindUser
  login: Login
  browserCookie: BrowserCookie
  csrf: Csrf
  views: Views<SignInFolderPage>
  events: Pick<SignInEvents, 'sessionEnded'>
  /** Where somebody goes who forgot the password; absent where no mail is sent. */
  forgotUrl: string | undefined
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
  /** All that there are; the first is for a request that names none. */
  destinations: readonly [Destination, ...Destination[]]
}

/**
 * Where it is; `to` names one of the destinations; `mode` says what is asked of a user who is
 * signed in already: see SignInMode.
 */
const DIRECT_SIGN_IN_PATH = '/sign-in'
const PATH = DIRECT_SIGN_IN_PATH

/**
 * `again` asks the same user for the password once more, `other` asks for another account; without
 * either, a user who is signed in goes on.
 */
export type SignInMode = 'again' | 'other' | undefined

/** Where a request leads to, and how. */
interface SignInTask {
  /** The destination's own path. */
  top: string
  /** A destination's path, or one below it. */
  path: string
  purpose: string
  mode: SignInMode
}

/** Creates the router of /sign-in. */
export function createDirectSignInRouter(deps: DirectSignInDeps): Router {
  const formKeys = createFormKeys(deps.issuer)
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)
  router.get(PATH, limited, (ctx: Context) => askToSignIn(deps, formKeys, ctx))
  router.post(PATH, limited, (ctx: Context) => signIn(deps, formKeys, ctx))
  return router
}

async function askToSignIn(
  deps: DirectSignInDeps,
  formKeys: FormKeys,
  ctx: Context,
): Promise<void> {
  const task = taskOf(deps, ctx)
  const user = await deps.findUser(ctx)
  if (user === undefined || task.mode !== undefined) showSignIn(deps, formKeys, ctx, task, user)
  else goOn(ctx, task)
}

async function signIn(deps: DirectSignInDeps, formKeys: FormKeys, ctx: Context): Promise<void> {
  const task = taskOf(deps, ctx)
  const form = await deps.csrf.readForm(ctx, bindingOf(formKeys.held(ctx)))
  const user = await deps.findUser(ctx)
  // The user who is asked again is the one who is signed in, whatever the form says.
  const email = asksAgain(task, user) ? user.email : (form.get('email') ?? '')
  const outcome = await deps.login({
    email,
    password: form.get('password') ?? '',
    appId: undefined,
    browser: deps.browserCookie.read(ctx),
    device: deviceFamily(ctx.get('user-agent')),
    ...requestFacts(ctx),
  })
  if (outcome.kind === 'signed-in') {
    deps.browserCookie.write(ctx, outcome.browser)
    await startSession(deps, ctx, outcome)
    goOn(ctx, task)
    return
  }
  redirectToFailure(ctx, deps.issuer, signInAddress(task.path, task.mode), { outcome, email })
}

/** @throws {AppError} `parameter_invalid` where it leads to no destination */
function taskOf({ destinations }: DirectSignInDeps, ctx: Context): SignInTask {
  const query = new URLSearchParams(ctx.querystring)
  const asked = new Set(query.getAll('to'))
  const [first] = destinations
  const [to = first.path] = asked
  const found = asked.size > 1 ? undefined : destinations.find((each) => leadsTo(each, to))
  if (found === undefined) throw new AppError('parameter_invalid', { about: 'to' })
  return { top: found.path, path: to, purpose: found.purpose, mode: MODES.get(query.get('mode')) }
}

function showSignIn(
  deps: DirectSignInDeps,
  formKeys: FormKeys,
  ctx: Context,
  task: SignInTask,
  user: Account | undefined,
): void {
  const { issuer, views, csrf } = deps
  const isAgain = asksAgain(task, user)
  const { status, email, problem } = failureToShow(ctx, issuer, isAgain) ?? FIRST_ATTEMPT
  sendPage(
    ctx,
    views,
    {
      kind: 'sign-in',
      app: undefined,
      action: signInAddress(task.path, task.mode),
      csrf: csrf.token(bindingOf(formKeys.hold(ctx))),
      email: isAgain ? user.email : email,
      problem,
      cancelAction: undefined,
      // Without a user it would lead back here.
      cancelUrl: user === undefined ? undefined : task.top,
      forgotUrl: deps.forgotUrl,
      reauthenticate: isAgain,
      switchAction: undefined,
      purpose: task.purpose,
    },
    { status, runsScripts: true },
  )
}

const FIRST_ATTEMPT = { status: 200, email: '', problem: undefined }

/** To an address of ours, so that form-action 'self' covers the redirect too. */
function goOn(ctx: Context, { path }: SignInTask): void {
  ctx.status = 303
  ctx.set('Cache-Control', 'no-store')
  ctx.redirect(path)
}

/** Returns the address of the sign-in page on the way to one of its destinations. */
export const signInAddress = (path: string, mode?: SignInMode): string =>
  `${PATH}?to=${encodeURIComponent(path)}${mode === undefined ? '' : `&mode=${mode}`}`

const MODES: ReadonlyMap<string | null, SignInMode> = new Map([
  ['again', 'again'],
  ['other', 'other'],
])

const asksAgain = ({ mode }: SignInTask, user: Account | undefined): user is Account =>
  mode === 'again' && user !== undefined

// A segment has no dot at its beginning, also not an escaped one: browsers would read it as "up".
// Nothing here can begin another origin.
const SEGMENT = /^(?!\.|%2[Ee])(?:[A-Za-z0-9._~:-]|%[0-9A-Fa-f]{2}){1,300}$/

/**
 * Compares whole paths with a closed list: there is no way of writing another origin that this
 * could misread.
 */
function leadsTo({ path, below }: Destination, to: string): boolean {
  if (to === path) return true
  if (below === undefined || !to.startsWith(`${path}/`)) return false
  const segments = to.slice(path.length + 1).split('/')
  const isExcepted = below.except.includes(segments[0] ?? '')
  return !isExcepted && segments.length <= 6 && segments.every((segment) => SEGMENT.test(segment))
}

const bindingOf = (key: string): string => `sign-in ${key}`
