// What the login and consent pages may ask of the engine, in their own words. Invariant: an
// interaction belongs to the browser that began it (a signed cookie on its own path) and to the
// user who is signed in there.
import type { PendingInteraction } from '../../model/pending-interaction.ts'
import type { Context } from 'koa'
import { errors } from 'oidc-provider'
import type Provider from 'oidc-provider'
import { AppError } from '../../shared/errors.ts'
import type { Engine } from './engine/engine.ts'
import {
  endLoginSession,
  type LoginProof,
  SESSION_COOKIE,
  startLoginSession,
  untieInteraction,
} from './engine/internals.ts'
import type { PreviewGuard } from './preview-guard.ts'
import type { Approval } from './prompt-policy.ts'
import { selected } from './select-account.ts'
import { parseScopeList } from '../scope-list.ts'
import { cookieNames } from './engine/configuration.ts'

/** The engine's side of the pages. Each answer returns the URL at which the browser goes on. */
export interface EngineInteractions {
  /** @throws {AppError} `interaction_expired`, `interaction_foreign`, `preview_over` */
  get(ctx: Context, uid: string): Promise<PendingInteraction>
  signIn(ctx: Context, proof: LoginProof): Promise<string>
  /** Goes on with that account, if it is still signed in; asks again otherwise. */
  selectAccount(ctx: Context, accountId: string): Promise<string>
  approve(ctx: Context, approval: Approval): Promise<string>
  deny(ctx: Context): Promise<string>
  /** Lets the engine look again at who is signed in. */
  lookAgain(ctx: Context): Promise<string>
  /** Signs the user out and asks anew who is there. */
  switchAccount(ctx: Context): Promise<string>
  /** Signs a user in who did not come from an app; see startLoginSession. */
  signInDirectly(ctx: Context, proof: LoginProof): Promise<void>
  /** Returns who is signed in in this browser. */
  signedIn: (ctx: Context) => Promise<string | undefined>
  /** Returns that, and when the user proved it with their password, in seconds since the epoch. */
  lastSignIn: (ctx: Context) => Promise<{ accountId: string; at: number } | undefined>
  /** Returns that, and the id of the login session, which stays until the session ends. */
  loginSession: (ctx: Context) => Promise<{ accountId: string; sessionId: string } | undefined>
  signOut: (ctx: Context) => Promise<void>
}

type Session = InstanceType<Provider['Session']>

/** What answering the pages needs. */
export interface InteractionDeps {
  engine: Engine
  issuer: string
  previews: Pick<PreviewGuard, 'isPreview' | 'assertOwnConsent'>
  sessionTtlSeconds: number
}

/** Creates the engine's side of the pages. */
export const createInteractions = (deps: InteractionDeps): EngineInteractions => ({
  get: (ctx, uid) => getPending(deps, ctx, uid),
  async signIn(ctx, { accountId, generation, checkedAt }) {
    const login = { accountId, generation, ts: checkedAt, remember: true }
    // Whoever signs in has chosen the account.
    const url = await finish(deps, ctx, { login, ...selected(accountId) }, true)
    const session = await sessionOf(deps, ctx)
    // The engine answers a change of user with a page of its own that needs JavaScript; without the
    // old user there is no change.
    if (session.accountId !== undefined && session.accountId !== accountId)
      await leave(deps, ctx, session)
    return url
  },
  selectAccount: (ctx, accountId) => finish(deps, ctx, selected(accountId)),
  // `consent` tells the engine that a requested prompt=consent is done; what was allowed is read by
  // prompt-policy.ts.
  approve: (ctx, approval) => finish(deps, ctx, { consent: {}, approval }),
  deny: (ctx) => finish(deps, ctx, DENIED, true),
  lookAgain: (ctx) => finish(deps, ctx, {}, true),
  async switchAccount(ctx) {
    const url = await finish(deps, ctx, {}, true)
    const session = await sessionOf(deps, ctx)
    if (session.accountId !== undefined) await leave(deps, ctx, session)
    return url
  },
  signInDirectly: (ctx, proof) =>
    startLoginSession(deps.engine.current(), ctx, proof, {
      name: cookieNames(deps.issuer).session,
      ttlSeconds: deps.sessionTtlSeconds,
    }),
  async signedIn(ctx) {
    return (await sessionOf(deps, ctx)).accountId
  },
  async lastSignIn(ctx) {
    const { accountId, loginTs } = await sessionOf(deps, ctx)
    return accountId === undefined ? undefined : { accountId, at: loginTs ?? 0 }
  },
  async loginSession(ctx) {
    const { accountId, uid } = await sessionOf(deps, ctx)
    return accountId === undefined ? undefined : { accountId, sessionId: uid }
  },
  async signOut(ctx) {
    const session = await sessionOf(deps, ctx)
    if (session.accountId !== undefined) await endLoginSession(session)
    forgetCookie(deps, ctx)
  },
})

const DENIED = { error: 'access_denied', error_description: 'The user denied the request.' }

async function getPending(
  { engine, previews }: InteractionDeps,
  ctx: Context,
  uid: string,
): Promise<PendingInteraction> {
  const interaction = await whileOpen(() => engine.current().interactionDetails(ctx.req, ctx.res))
  // The cookie's path already ties it to this address; a cookie that was set by hand is caught
  // here.
  if (interaction.uid !== uid) throw new AppError('interaction_foreign')
  const { params, prompt, session } = interaction
  const text = (name: string): string | undefined => {
    const value = params[name]
    return typeof value === 'string' ? value : undefined
  }
  const appId = text('client_id') ?? ''
  const accountId = session?.accountId
  const redirectUri = text('redirect_uri') ?? ''
  if (prompt.name === 'consent')
    await previews.assertOwnConsent({ redirectUri, state: text('state'), appId }, accountId)
  return {
    uid,
    prompt: prompt.name as PendingInteraction['prompt'],
    appId,
    accountId,
    scopes: parseScopeList(text('scope') ?? ''),
    redirectUri,
    loginHint: text('login_hint'),
    isPreview: previews.isPreview(redirectUri),
  }
}

/**
 * It may end between the look at a form and its answer, by another tab or by its time: the engine
 * looks each time.
 */
async function whileOpen<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof errors.SessionNotFound)
      throw new AppError('interaction_expired', {
        cause: error,
        detail: error.error_description ?? '',
      })
    throw error
  }
}

const sessionOf = ({ engine }: InteractionDeps, ctx: Context): Promise<Session> =>
  engine.current().Session.get(ctx)

const finish = (
  { engine }: InteractionDeps,
  ctx: Context,
  result: Record<string, unknown>,
  isFresh = false,
): Promise<string> =>
  whileOpen(() =>
    engine
      .current()
      .interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: !isFresh }),
  )

function forgetCookie({ issuer }: InteractionDeps, ctx: Context): void {
  ctx.cookies.set(cookieNames(issuer).session, null, SESSION_COOKIE)
}

/**
 * Ends the session of the user who leaves, and lets the interaction go on in the next one. An
 * emptied session would not do: a request of that user that is under way writes it back as it was.
 */
async function leave(deps: InteractionDeps, ctx: Context, session: Session): Promise<void> {
  await untieInteraction(
    await whileOpen(() => deps.engine.current().interactionDetails(ctx.req, ctx.res)),
  )
  await endLoginSession(session)
  forgetCookie(deps, ctx)
}
