// What the login and consent pages may ask of the engine, in their own words. Invariant: an interaction belongs to the browser that began it
// (a signed cookie on its own path) and to the person who is signed in there.
import type { Context } from 'koa'
import { errors } from 'oidc-provider'
import type Provider from 'oidc-provider'
import { AppError } from '../shared/errors.ts'
import type { Engine } from './engine.ts'
import {
  endLoginSession,
  type LoginProof,
  SESSION_COOKIE,
  startLoginSession,
  untieInteraction,
} from './engine-internals.ts'
import type { Approval } from './existing-grant.ts'
import { parseScopeList } from './scope-list.ts'
import { cookieNames } from './provider.ts'

/** What the engine waits for. */
export interface PendingInteraction {
  uid: string
  prompt: 'login' | 'consent'
  appId: string
  /** Who is signed in in this browser; at a login prompt: who must sign in again. */
  accountId: string | undefined
  scopes: string[]
  redirectUri: string
  state: string | undefined
  loginHint: string | undefined
}

/** The engine's side of the pages. Each answer returns the URL at which the browser goes on. */
export interface Interactions {
  /** @throws {AppError} `interaction_expired`, `interaction_foreign` */
  get(ctx: Context, uid: string): Promise<PendingInteraction>
  signIn(ctx: Context, proof: LoginProof): Promise<string>
  approve(ctx: Context, approval: Approval): Promise<string>
  deny(ctx: Context): Promise<string>
  /** Signs the person out and asks anew who is there. */
  switchAccount(ctx: Context): Promise<string>
  /** Signs a person in who did not come from an app; see startLoginSession. */
  signInDirectly(ctx: Context, proof: LoginProof): Promise<void>
  /** Returns who is signed in in this browser. */
  signedIn(ctx: Context): Promise<string | undefined>
  /** Returns that, and when the person proved it with their password, in seconds since the epoch. */
  lastSignIn(ctx: Context): Promise<{ accountId: string; at: number } | undefined>
  signOut(ctx: Context): Promise<void>
}

type Session = InstanceType<Provider['Session']>

/** Creates the engine's side of the pages. */
export function createInteractions(
  engine: Engine,
  issuer: string,
  sessionTtlSeconds: number,
): Interactions {
  // It may end between the look at a form and its answer, by another tab or by its time: the engine
  // looks each time.
  const whileOpen = async <T>(work: () => Promise<T>): Promise<T> => {
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
  const sessionOf = (ctx: Context): Promise<Session> => engine.current().Session.get(ctx)
  const finish = (
    ctx: Context,
    result: Record<string, unknown>,
    isFresh = false,
  ): Promise<string> =>
    whileOpen(() =>
      engine
        .current()
        .interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: !isFresh }),
    )
  const forgetCookie = (ctx: Context): void => {
    ctx.cookies.set(cookieNames(issuer).session, null, SESSION_COOKIE)
  }

  /**
   * Ends the session of the person who leaves, and lets the interaction go on in the next one. An
   * emptied session would not do: a request of that person that is under way writes it back as it
   * was.
   */
  async function leave(ctx: Context, session: Session): Promise<void> {
    await untieInteraction(
      await whileOpen(() => engine.current().interactionDetails(ctx.req, ctx.res)),
    )
    await endLoginSession(session)
    forgetCookie(ctx)
  }

  return {
    async get(ctx, uid) {
      const interaction = await whileOpen(() =>
        engine.current().interactionDetails(ctx.req, ctx.res),
      )
      // The cookie's path already ties it to this address; a cookie that was set by hand is caught here.
      if (interaction.uid !== uid) throw new AppError('interaction_foreign')
      const { params, prompt, session } = interaction
      const text = (name: string): string | undefined => {
        const value = params[name]
        return typeof value === 'string' ? value : undefined
      }
      return {
        uid,
        prompt: prompt.name === 'consent' ? 'consent' : 'login',
        appId: text('client_id') ?? '',
        accountId: session?.accountId,
        scopes: parseScopeList(text('scope') ?? ''),
        redirectUri: text('redirect_uri') ?? '',
        state: text('state'),
        loginHint: text('login_hint'),
      }
    },
    async signIn(ctx, { accountId, generation, checkedAt }) {
      const login = { accountId, generation, ts: checkedAt, remember: true }
      const onward = await finish(ctx, { login }, true)
      const session = await sessionOf(ctx)
      // The engine answers a change of person with a page of its own that needs JavaScript; without the old person there is no change.
      if (session.accountId !== undefined && session.accountId !== accountId)
        await leave(ctx, session)
      return onward
    },
    // `consent` tells the engine that a requested prompt=consent is done; what was allowed is read by existing-grant.ts.
    approve: (ctx, approval) => finish(ctx, { consent: {}, approval }),
    deny: (ctx) =>
      finish(
        ctx,
        { error: 'access_denied', error_description: 'The user denied the request.' },
        true,
      ),
    async switchAccount(ctx) {
      const onward = await finish(ctx, {}, true)
      const session = await sessionOf(ctx)
      if (session.accountId !== undefined) await leave(ctx, session)
      return onward
    },
    signInDirectly: (ctx, proof) =>
      startLoginSession(engine.current(), ctx, proof, {
        name: cookieNames(issuer).session,
        ttlSeconds: sessionTtlSeconds,
      }),
    async signedIn(ctx) {
      return (await sessionOf(ctx)).accountId
    },
    async lastSignIn(ctx) {
      const { accountId, loginTs } = await sessionOf(ctx)
      return accountId === undefined ? undefined : { accountId, at: loginTs ?? 0 }
    },
    async signOut(ctx) {
      const session = await sessionOf(ctx)
      if (session.accountId !== undefined) await endLoginSession(session)
      forgetCookie(ctx)
    },
  }
}
