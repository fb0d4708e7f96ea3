// The pages on an app's way through us: sign in, choose an account, allow or deny. Invariants:
// what is asked and allowed comes from the engine's interaction, never from a form; and no form is
// answered with a redirect that leads away from us. Browsers apply form-action to the whole chain
// of redirects after a form, so a page that goes on by itself is what lets every page say "forms
// only to us".
import type { Scope } from '../model/scope.ts'
import Router from '@koa/router'
import type { Context, Next } from 'koa'
import type { Account } from '../model/account.ts'
import { parseEmail } from '../accounts/account-input.ts'
import { appCard } from '../apps/app-card.ts'
import { type App, remembersConsent } from '../model/app.ts'
import type { PendingInteraction } from '../model/pending-interaction.ts'
import type { BrowserCookie } from '../http/browser-cookie.ts'
import type { Csrf } from '../http/csrf.ts'
import { limitPages } from '../http/limit-pages.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { webAddress } from '../http/safe-links.ts'
import { sendPage } from '../http/send-page.ts'
import type { Views } from '../http/views.ts'
import { deviceFamily } from '../shared/device-family.ts'
import { AppError } from '../shared/errors.ts'
import { consentQuestion, recipientOf } from './consent.ts'
import { appOfPage, nameAppOnErrorPage, rememberAppOfPage } from './app-of-page.ts'
import { failureToShow, redirectToFailure, type ShownAttempt } from './failed-attempt.ts'
import type { Login } from './login.ts'
import type {
  FindAccount,
  FindApp,
  Interactions,
  RememberedConsents,
  SignInEvents,
  TellConnected,
} from './ports.ts'
import type { SignInFolderPage } from './pages.ts'
import type { FindUser } from './session.ts'

export interface SignInDeps {
  issuer: string
  interactions: Interactions
  login: Login
  browserCookie: BrowserCookie
  accounts: FindAccount
  /** Returns the account that is signed in in this browser. */
  findUser: FindUser
  findApp: FindApp
  consents: RememberedConsents
  tellConnected: TellConnected
  /** Every scope that exists now. */
  catalogue: () => ReadonlyMap<string, Scope>
  csrf: Csrf
  views: Views<SignInFolderPage>
  events: Pick<SignInEvents, 'sessionEnded' | 'consentGranted' | 'consentDenied'>
  /** Where somebody goes who forgot the password; absent where no mail is sent. */
  forgotUrl: string | undefined
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
}

type Visit = Context & { params: { uid: string } }

const PATH = '/interaction/:uid'

/** Creates the router of /interaction/:uid and its forms. */
export function createSignInRouter(deps: SignInDeps): Router {
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)
  router.use((ctx, next) => nameAppOfStalePage(deps, ctx, next))
  router.get(PATH, limited, (ctx: Visit) => showInteraction(deps, ctx))
  router.post(`${PATH}/login`, limited, (ctx: Visit) => signIn(deps, ctx))
  router.post(`${PATH}/select`, limited, (ctx: Visit) => select(deps, ctx))
  router.post(`${PATH}/approve`, limited, (ctx: Visit) => approve(deps, ctx))
  router.post(`${PATH}/deny`, limited, (ctx: Visit) => deny(deps, ctx))
  router.post(`${PATH}/switch`, limited, (ctx: Visit) => switchAccount(deps, ctx))
  return router
}

/** Whoever comes back to a step that is over is told at which app to start again. */
async function nameAppOfStalePage(deps: SignInDeps, ctx: Context, next: Next): Promise<void> {
  try {
    await next()
  } catch (error) {
    if (error instanceof AppError && STALE.has(error.code)) {
      const appId = appOfPage(ctx, deps.issuer)
      const app = appId === undefined ? undefined : await deps.findApp(appId)
      if (app?.status === 'active') nameAppOnErrorPage(ctx, appCard(app))
    }
    throw error
  }
}

const STALE: ReadonlySet<string> = new Set(['interaction_expired', 'interaction_foreign'])

async function showInteraction(deps: SignInDeps, ctx: Visit): Promise<void> {
  const pending = await deps.interactions.get(ctx, ctx.params.uid)
  rememberAppOfPage(ctx, deps.issuer, pathOf(pending.uid), pending.appId)
  if (pending.prompt === 'consent') await showConsent(deps, ctx, pending)
  else if (pending.prompt === 'select_account') await showSelectAccount(deps, ctx, pending)
  // Signed in in another tab since this one asked: the engine looks again at who is there.
  else if (pending.accountId === undefined && (await deps.findUser(ctx)) !== undefined)
    goOn(deps, ctx, await deps.interactions.lookAgain(ctx))
  else await showSignIn(deps, ctx, pending)
}

async function signIn(deps: SignInDeps, ctx: Visit): Promise<void> {
  const form = await deps.csrf.readForm(ctx, bindingOf(ctx.params.uid))
  const pending = await getPending(deps, ctx, 'login')
  // A user who must confirm who they are does so for their own account, whatever the form says.
  const email = (await findActiveAccount(deps, pending))?.email ?? form.get('email') ?? ''
  const password = form.get('password') ?? ''
  const { appId } = pending
  const browser = deps.browserCookie.read(ctx)
  const device = deviceFamily(ctx.get('user-agent'))
  const outcome = await deps.login({
    email,
    password,
    appId,
    browser,
    device,
    ...requestFacts(ctx),
  })
  if (outcome.kind === 'signed-in') {
    deps.browserCookie.write(ctx, outcome.browser)
    goOn(deps, ctx, await deps.interactions.signIn(ctx, outcome))
    return
  }
  redirectToFailure(ctx, deps.issuer, pathOf(pending.uid), { outcome, email })
}

async function select(deps: SignInDeps, ctx: Visit): Promise<void> {
  const form = await deps.csrf.readForm(ctx, bindingOf(ctx.params.uid))
  await getPending(deps, ctx, 'select_account')
  // It counts if it is still signed in.
  const accountId = form.get('account') ?? ''
  goOn(deps, ctx, await deps.interactions.selectAccount(ctx, accountId))
}

async function approve(deps: SignInDeps, ctx: Visit): Promise<void> {
  const { csrf, interactions, consents, events } = deps
  await csrf.readForm(ctx, bindingOf(ctx.params.uid))
  const pending = await getPending(deps, ctx, 'consent')
  const account = await findActiveAccount(deps, pending)
  if (account === undefined) return askToSignIn(deps, ctx, pending)
  const app = await getApp(deps, pending.appId)
  const scopes = [...pending.scopes]
  const remembered = await consents.find(account.id, app.id)
  if (remembersConsent(app, pending.isPreview)) await consents.remember(account.id, app.id, scopes)
  const url = await interactions.approve(ctx, { accountId: account.id, scopes })
  events.consentGranted(
    { accountId: account.id, appId: app.id, scopes },
    contextOf(ctx, account.id, pending),
  )
  if (!pending.isPreview) await tellOfSensitive(deps, account, app, scopes, remembered ?? [])
  goOn(deps, ctx, url, returnsTo(app, pending))
}

/** Tells the owner of sensitive permissions that the app did not have before. */
async function tellOfSensitive(
  { catalogue, tellConnected }: SignInDeps,
  { id }: Account,
  { name: appName }: App,
  scopes: readonly string[],
  remembered: readonly string[],
): Promise<void> {
  const permissions = scopes.flatMap((scope) => {
    const known = remembered.includes(scope) ? undefined : catalogue().get(scope)
    return known?.sensitive === true ? [known.sentence] : []
  })
  if (permissions.length > 0) await tellConnected(id, { appName, permissions })
}

async function deny(deps: SignInDeps, ctx: Visit): Promise<void> {
  const { csrf, interactions, events } = deps
  await csrf.readForm(ctx, bindingOf(ctx.params.uid))
  const pending = await interactions.get(ctx, ctx.params.uid)
  const { prompt, accountId, appId } = pending
  const app = await deps.findApp(appId)
  const url = await interactions.deny(ctx)
  if (prompt === 'consent' && accountId !== undefined)
    events.consentDenied({ accountId, appId }, contextOf(ctx, accountId, pending))
  goOn(deps, ctx, url, returnsTo(app, pending))
}

async function switchAccount(deps: SignInDeps, ctx: Visit): Promise<void> {
  await deps.csrf.readForm(ctx, bindingOf(ctx.params.uid))
  const pending = await deps.interactions.get(ctx, ctx.params.uid)
  const accountId = pending.accountId ?? (await deps.interactions.signedIn(ctx))
  await askToSignIn(deps, ctx, { ...pending, accountId })
}

async function getPending(
  { interactions }: SignInDeps,
  ctx: Visit,
  prompt: PendingInteraction['prompt'],
): Promise<PendingInteraction> {
  const pending = await interactions.get(ctx, ctx.params.uid)
  if (pending.prompt !== prompt)
    throw new AppError('interaction_expired', { detail: `waits for ${pending.prompt}` })
  return pending
}

async function getApp({ findApp }: SignInDeps, appId: string): Promise<App> {
  const app = await findApp(appId)
  if (app?.status !== 'active') throw new AppError('authorize_app_unknown', { detail: appId })
  return app
}

/** Returns the account that is signed in, unless it was shut down meanwhile. */
async function findActiveAccount(
  { accounts }: SignInDeps,
  { accountId }: PendingInteraction,
): Promise<Account | undefined> {
  const account = accountId === undefined ? undefined : await accounts.find(accountId)
  return account?.status === 'active' ? account : undefined
}

async function askToSignIn(
  deps: SignInDeps,
  ctx: Context,
  { accountId }: PendingInteraction,
): Promise<void> {
  const url = await deps.interactions.switchAccount(ctx)
  if (accountId !== undefined)
    deps.events.sessionEnded(
      { accountId, reason: 'account_switched' },
      { ...requestFacts(ctx), actor: accountId },
    )
  goOn(deps, ctx, url)
}

async function showSignIn(
  deps: SignInDeps,
  ctx: Context,
  pending: PendingInteraction,
): Promise<void> {
  const [app, account] = await Promise.all([
    getApp(deps, pending.appId),
    findActiveAccount(deps, pending),
  ])
  const { status, email, problem } =
    failureToShow(ctx, deps.issuer, account !== undefined) ?? firstAttempt(pending)
  const base = pathOf(pending.uid)
  sendPage(
    ctx,
    deps.views,
    {
      kind: 'sign-in',
      app: appCard(app),
      action: `${base}/login`,
      csrf: deps.csrf.token(bindingOf(pending.uid)),
      email: account?.email ?? email,
      problem,
      cancelAction: `${base}/deny`,
      forgotUrl: deps.forgotUrl,
      reauthenticate: account !== undefined,
      switchAction: account === undefined ? undefined : `${base}/switch`,
    },
    { status, keepsOpener: true, runsScripts: true },
  )
}

async function showSelectAccount(
  deps: SignInDeps,
  ctx: Context,
  pending: PendingInteraction,
): Promise<void> {
  const [app, account] = await Promise.all([getApp(deps, pending.appId), deps.findUser(ctx)])
  // Another tab signed out since this one asked.
  if (account === undefined) {
    goOn(deps, ctx, await deps.interactions.lookAgain(ctx))
    return
  }
  const base = pathOf(pending.uid)
  sendPage(
    ctx,
    deps.views,
    {
      kind: 'select-account',
      app: appCard(app),
      account: { id: account.id, email: account.email, name: account.name },
      selectAction: `${base}/select`,
      switchAction: pending.isPreview ? undefined : `${base}/switch`,
      cancelAction: `${base}/deny`,
      csrf: deps.csrf.token(bindingOf(pending.uid)),
    },
    { keepsOpener: true },
  )
}

const firstAttempt = ({ loginHint }: PendingInteraction): ShownAttempt => ({
  status: 200,
  email: parseEmail(loginHint ?? '') ?? '',
  problem: undefined,
})

async function showConsent(
  deps: SignInDeps,
  ctx: Context,
  pending: PendingInteraction,
): Promise<void> {
  const [app, account] = await Promise.all([
    getApp(deps, pending.appId),
    findActiveAccount(deps, pending),
  ])
  if (account === undefined) return askToSignIn(deps, ctx, pending)
  // A preview shows what a user sees who never allowed the app.
  const remembered = remembersConsent(app, pending.isPreview)
    ? await deps.consents.find(account.id, app.id)
    : undefined
  const base = pathOf(pending.uid)
  sendPage(
    ctx,
    deps.views,
    {
      kind: 'consent',
      app: appCard(app),
      account: { email: account.email, name: account.name },
      approveAction: `${base}/approve`,
      denyAction: `${base}/deny`,
      switchAction: pending.isPreview ? undefined : `${base}/switch`,
      csrf: deps.csrf.token(bindingOf(pending.uid)),
      ...consentQuestion(pending.scopes, deps.catalogue(), remembered ?? []),
      recipient: recipientOf(pending.redirectUri),
      isPreview: pending.isPreview,
    },
    { keepsOpener: true },
  )
}

/**
 * Answers a form: the browser goes on to an address of ours, from which the engine sends it to the
 * app.
 */
function goOn({ issuer, views }: SignInDeps, ctx: Context, url: string, appName?: string): void {
  const next = webAddress(url)
  if (next === undefined || new URL(next).origin !== new URL(issuer).origin)
    throw new AppError('server_error', { detail: 'the next step is not on our origin' })
  ctx.set('Refresh', `0;url=${url}`)
  sendPage(ctx, views, { kind: 'redirect', url: next, appName }, { keepsOpener: true })
}

const pathOf = (uid: string): string => `/interaction/${uid}`

/**
 * The engine's signed cookie ties the interaction to the browser, and this ties the form to the
 * interaction.
 */
const bindingOf = (uid: string): string => `interaction ${uid}`

/** The name of the app that the user returns to; a preview returns to the console. */
const returnsTo = (app: App | undefined, { isPreview }: PendingInteraction): string | undefined =>
  isPreview ? undefined : app?.name

const contextOf = (ctx: Context, actor: string, { isPreview }: PendingInteraction) => ({
  ...requestFacts(ctx),
  actor,
  isPreview,
})
