// What an app would get from the token endpoint, without asking it to prove itself: for previews, which run inside the server. Redemption, answer and
// description are those of the endpoints. Invariant: whoever calls this decides who may see the tokens, and ends them.
import { decodeJwt } from 'jose'
import type { App } from '../model/app.ts'
import { AppError, type ErrorCode } from '../shared/errors.ts'
import { describeToken } from './introspect.routes.ts'
import type { InspectToken } from '../model/token-status.ts'
import { redeem, type RedemptionDeps, tokenAnswer, type TokenRouteDeps } from './token.routes.ts'

/** Tokens as an app would get them. */
export interface Exchanged {
  kind: 'issued'
  grantId: string
  accessToken: string
  /** The members of the token answer. */
  answer: Readonly<Record<string, unknown>>
  /** What introspection tells the app of its access token. */
  introspection: Readonly<Record<string, unknown>>
  /** Where there is an id_token. */
  idTokenClaims: Readonly<Record<string, unknown>> | undefined
}

/** Why the endpoint would have refused. */
export interface ExchangeRefused {
  kind: 'refused'
  reason: ErrorCode
}

/** What an app can present. */
export type Presented =
  | { grantType: 'authorization_code'; code: string; redirectUri: string; verifier: string }
  | { grantType: 'client_credentials'; scopes: readonly string[] }

/** Exchanges what an app would present. @throws {AppError} where a store is away */
export type ExchangeInProcess = (
  app: App,
  presented: Presented,
) => Promise<Exchanged | ExchangeRefused>

/** Creates the call. */
export function createExchangeInProcess(
  deps: RedemptionDeps &
    Pick<TokenRouteDeps, 'issueIdToken'> & { inspect: InspectToken; issuer: string },
): ExchangeInProcess {
  return async function exchangeInProcess(app, presented) {
    const outcome = await orRefused(() =>
      redeem(presented.grantType, { app, parameters: parametersOf(presented) }, deps),
    )
    if (outcome.kind === 'refused') return { kind: 'refused', reason: outcome.reason }
    const answer = await tokenAnswer(outcome, app, deps)
    const inspection = await deps.inspect(outcome.accessToken)
    const idToken = 'id_token' in answer ? answer.id_token : undefined
    return {
      kind: 'issued',
      grantId: outcome.grant.id,
      accessToken: outcome.accessToken,
      answer,
      introspection: inspection.active
        ? describeToken(inspection, deps.issuer, app)
        : { active: false },
      idTokenClaims: typeof idToken === 'string' ? decodeJwt(idToken) : undefined,
    }
  }
}

/** Returns a refusal of the request as the value that a refusal of the store is. */
async function orRefused<T>(act: () => Promise<T>): Promise<T | ExchangeRefused> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof AppError && error.status < 500)
      return { kind: 'refused', reason: error.code }
    throw error
  }
}

function parametersOf(presented: Presented): ReadonlyMap<string, string> {
  if (presented.grantType === 'authorization_code')
    return new Map([
      ['code', presented.code],
      ['redirect_uri', presented.redirectUri],
      ['code_verifier', presented.verifier],
    ])
  return new Map([['scope', presented.scopes.join(' ')]])
}
