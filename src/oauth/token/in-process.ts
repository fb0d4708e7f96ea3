// What an app would get from the token endpoint, without asking it to prove itself: for previews,
// which run inside the server. The grants, the answer and its description are those of the
// endpoints. Invariant: the caller decides who may see the tokens, and ends them.
import { decodeJwt } from 'jose'
import type { App } from '../../model/app.ts'
import type { Issued, NotIssued } from '../../grants/issue.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { describeToken } from '../introspect/introspection-answer.ts'
import type { InspectToken } from '../../model/token-status.ts'
import { parseScopeList } from '../scope-list.ts'
import { authorizationCode, parseCode } from './authorization-code.ts'
import { clientCredentials } from './client-credentials.ts'
import type { GrantDeps } from './grant-type.ts'
import type { IssueIdToken } from './id-token.ts'
import { tokenAnswer } from './token-answer.ts'
import { assertMayUse } from './token-endpoint.ts'

/** Tokens as an app would get them. */
export interface IssuedInProcess {
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

/** The outcome; refused for the reason for which the endpoint would have refused. */
export type InProcessOutcome = IssuedInProcess | { kind: 'refused'; reason: ErrorCode }

/** Issues tokens in process. Each throws where a store is away. */
export interface TokensInProcess {
  redeemCode(
    app: App,
    request: { code: string; redirectUri: string; verifier: string },
  ): Promise<InProcessOutcome>
  issueToApp(app: App, scopes: readonly string[]): Promise<InProcessOutcome>
}

interface InProcessDeps extends GrantDeps {
  issueIdToken: IssueIdToken
  inspect: InspectToken
  issuer: string
}

/** Creates the functions that issue in process. */
export const createTokensInProcess = (deps: InProcessDeps): TokensInProcess => ({
  redeemCode: (app, { code, ...request }) =>
    describeOutcome(app, deps, () => {
      assertMayUse(authorizationCode, app)
      return authorizationCode.issue({ app }, { ...request, code: parseCode(code) }, deps)
    }),
  issueToApp: (app, scopes) =>
    describeOutcome(app, deps, () => {
      assertMayUse(clientCredentials, app)
      const asked = parseScopeList(scopes.join(' '))
      return clientCredentials.issue({ app }, { scopes: asked, audiences: undefined }, deps)
    }),
})

async function describeOutcome(
  app: App,
  deps: InProcessDeps,
  grant: () => Promise<Issued | NotIssued>,
): Promise<InProcessOutcome> {
  let outcome: Issued | NotIssued
  try {
    outcome = await grant()
  } catch (error) {
    if (error instanceof AppError && error.status < 500)
      return { kind: 'refused', reason: error.code }
    throw error
  }
  if (outcome.kind === 'refused') return { kind: 'refused', reason: outcome.reason }
  const answer = await tokenAnswer(outcome, app, deps.issueIdToken)
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
