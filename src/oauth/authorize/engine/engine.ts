// The running engine: built from the current scope catalogue and keys, swapped for a new one when
// either changes. Its authorizations go to the event log.
import type { Context } from 'koa'
import type { JWK } from 'oidc-provider'
import type Provider from 'oidc-provider'
import type { EventContext, Events } from '../../../audit/events.ts'
import { requestFacts } from '../../../http/request-context.ts'
import type { Views } from '../../../http/views.ts'
import type { Logger } from '../../../shared/logger.ts'
import { AppError } from '../../../shared/errors.ts'
import { createProvider, type ProviderDeps } from './configuration.ts'
import { answerByForm, type FormAnswerPage } from '../form-answer.ts'
import { redirectAsItCame } from '../redirect-as-it-came.ts'
import { tellApp } from '../refused-by-redirect.ts'
import { cameIn, detailOf, isOrdinary, isSentByRedirect, refusalOf } from './errors.ts'
import { runProvider } from './internals.ts'

/** The engine of now. */
export interface Engine {
  current(): Provider
  /** Builds a new engine from the scopes and keys of now and swaps it in. */
  rebuild(): void
  /**
   * Runs the engine on the outer app's context, so that both share cookies, body and error
   * boundary.
   *
   * @throws what the engine failed with, which it does not throw for its JSON endpoints
   */
  run(ctx: Context): Promise<void>
}

export interface EngineDeps extends ProviderDeps {
  scopes: () => readonly string[]
  jwks: () => readonly JWK[]
  events: Pick<Events, 'codeIssued' | 'requestRefused'>
  logger: Logger
  views: Views<FormAnswerPage>
}

interface EngineState {
  engineFailure?: Error
  /** What the app is told by redirect. */
  refusal?: AppError
}

/** Creates the first engine. */
export function createEngine(deps: EngineDeps): Engine {
  const build = (): Provider => {
    const provider = createProvider(deps, deps.scopes(), deps.jwks())
    recordAuthorizations(provider, deps)
    provider.on('server_error', (ctx, error) => {
      ;(ctx.state as EngineState).engineFailure = error
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
    async run(ctx) {
      await runProvider(provider, ctx)
      const { engineFailure, refusal } = ctx.state as EngineState
      if (engineFailure !== undefined) throw engineFailure
      redirectAsItCame(ctx)
      if (refusal !== undefined) tellApp(ctx, refusal, deps.issuer)
      answerByForm(ctx, deps.views)
    },
  }
}

function recordAuthorizations(provider: Provider, { events, previews }: EngineDeps): void {
  const contextOf = (ctx: Context, redirectUri: unknown): EventContext => ({
    ...requestFacts(ctx),
    isPreview: previews.isPreview(redirectUri),
  })
  provider.on('authorization.success', (ctx) => {
    const { client, account, entities, params } = ctx.oidc
    const grantId = entities.Grant?.jti
    if (client !== undefined && account !== undefined && grantId !== undefined)
      events.codeIssued(
        { appId: client.clientId, accountId: account.accountId, grantId },
        contextOf(ctx, params?.['redirect_uri']),
      )
  })
  provider.on('authorization.error', (ctx, error) => {
    if (!isSentByRedirect(ctx, error)) return
    const refusal = refusalOf(error, cameIn(ctx))
    ;(ctx.state as EngineState).refusal = refusal
    if (isOrdinary(refusal)) return
    events.requestRefused(
      {
        appId: ctx.oidc.client?.clientId,
        reason: refusal.code,
        endpoint: 'authorize',
        received: refusal.came,
      },
      contextOf(ctx, ctx.oidc.params?.['redirect_uri']),
    )
  })
}
