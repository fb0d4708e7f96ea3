// The living engine: built from the scope catalogue and the keys of the moment, swapped for a new one when either changes.
import type { JWK } from 'oidc-provider'
import type Provider from 'oidc-provider'
import type { Logger } from '../shared/logger.ts'
import { AppError, type ErrorCode } from '../shared/errors.ts'
import { detailOf, isToldByRedirect, reasonOf } from './engine-errors.ts'
import { createProvider, type ProviderDeps } from './provider.ts'
import type { Context } from 'koa'

/** What the front channel tells the event log. */
export interface FrontChannelEvents {
  codeIssued(
    ctx: Context,
    facts: { appId: string; accountId: string; grantId: string; redirectUri: string | undefined },
  ): void
  /** An error that the app was told by redirect. */
  authorizationRefused(
    ctx: Context,
    facts: { appId: string | undefined; reason: ErrorCode; redirectUri: string | undefined },
  ): void
}

/** Gives the engine of the moment. */
export interface Engine {
  current(): Provider
  /** Builds a new engine from what is true now and swaps it in. */
  rebuild(): void
  /** Returns why the engine failed on a request, which it does not throw for its JSON endpoints. */
  failureOf(ctx: Context): Error | undefined
}

/** Creates the first engine. */
export function createEngine(
  deps: ProviderDeps & {
    scopes: () => readonly string[]
    jwks: () => readonly JWK[]
    events: FrontChannelEvents
    logger: Logger
  },
): Engine {
  const failures = new WeakMap<object, Error>()
  const build = (): Provider => {
    const provider = createProvider(deps, deps.scopes(), deps.jwks())
    provider.on('authorization.success', (ctx) => {
      const { oidc } = ctx
      const appId = oidc.client?.clientId
      const accountId = oidc.account?.accountId
      const grantId = oidc.entities.Grant?.jti
      if (appId !== undefined && accountId !== undefined && grantId !== undefined)
        deps.events.codeIssued(ctx, {
          appId,
          accountId,
          grantId,
          redirectUri: redirectUriOf(oidc.params),
        })
    })
    provider.on('authorization.error', (ctx, error) => {
      const reason = isToldByRedirect(ctx, error) ? reasonOf(error) : undefined
      if (reason !== undefined)
        deps.events.authorizationRefused(ctx, {
          appId: ctx.oidc.client?.clientId,
          reason,
          redirectUri: redirectUriOf(ctx.oidc.params),
        })
    })
    provider.on('server_error', (ctx, error) => {
      failures.set(ctx.req, error)
      if (!(error instanceof AppError))
        deps.logger.error({ err: error, detail: detailOf(error) }, 'engine failed')
    })
    return provider
  }
  let provider = build()
  return {
    current: () => provider,
    rebuild() {
      provider = build()
    },
    failureOf: (ctx) => failures.get(ctx.req),
  }
}

function redirectUriOf(params: Record<string, unknown> | undefined): string | undefined {
  const value = params?.['redirect_uri']
  return typeof value === 'string' ? value : undefined
}
