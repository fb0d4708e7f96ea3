// POST /oauth/token: what a grant type presents in, tokens out (RFC 6749 §3.2). Ours and not the
// engine's, so that a redemption is one atomic commit and a request costs one to two store round
// trips (src/README.md, Decisions). The phases are the same for every grant type: those of
// client-endpoint.ts, then may the app use it, parsing, the grant, the account, the event, the
// answer. A grant type cannot leave one out.
import type { App } from '../../model/app.ts'
import type { Issued, NotIssued } from '../../grants/issue.ts'
import type { Endpoint } from '../../http/fast-path.ts'
import type { HttpCall } from '../../http/http-call.ts'
import type { Parameters } from '../../http/parameters.ts'
import { requestFacts } from '../../http/request-context.ts'
import { AppError } from '../../shared/errors.ts'
import {
  answerJson,
  type ClientPhases,
  type ClientRequest,
  createClientEndpoint,
} from '../client-endpoint.ts'
import type { GrantDeps, GrantType, TokenClient } from './grant-type.ts'
import { grantTypeOf, type NamedGrantType } from './grant-types.ts'
import type { IssueIdToken } from './id-token.ts'
import { tokenAnswer } from './token-answer.ts'
import { recordIssued, recordReuse, type TokenRecord } from './token-events.ts'

/** Exchanges a token of ours for one of another system (RFC 8693). @returns the answer's members */
export type ExchangeToken = (
  app: App,
  parameters: Parameters,
  context: ReturnType<typeof requestFacts>,
) => Promise<object>

export interface TokenEndpointDeps extends GrantDeps, TokenRecord {
  /** Absent where it is not offered. */
  exchange?: ExchangeToken | undefined
  phases: ClientPhases
  /** Returns whether an account is active and its grants of that generation count. */
  admitsGrant: (accountId: string, generation: number) => boolean | Promise<boolean>
  issueIdToken: IssueIdToken
}

/** Creates the token endpoint. */
export function createTokenEndpoint(deps: TokenEndpointDeps): Endpoint {
  const { exchange } = deps
  if (exchange === undefined)
    return createClientEndpoint(deps.phases, grantTypeOf, (call, request) =>
      issue(call, request, deps),
    )
  return createClientEndpoint(deps.phases, grantTypeOrExchange, (call, request) =>
    isExchange(request)
      ? answerExchange(call, request, exchange)
      : issue(call, request as ClientRequest<NamedGrantType>, deps),
  )
}

/** RFC 8693 §2.1. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const EXCHANGE = { name: TOKEN_EXCHANGE } as const

const grantTypeOrExchange = (parameters: Parameters): NamedGrantType | typeof EXCHANGE =>
  parameters.get('grant_type') === EXCHANGE.name ? EXCHANGE : grantTypeOf(parameters)

const isExchange = ({ selected }: ClientRequest<NamedGrantType | typeof EXCHANGE>): boolean =>
  selected.name === EXCHANGE.name

async function answerExchange(
  call: HttpCall,
  { app, parameters }: ClientRequest<unknown>,
  exchange: ExchangeToken,
): Promise<void> {
  answerJson(call, await exchange(app, parameters, requestFacts(call)))
}

async function issue(
  call: HttpCall,
  request: ClientRequest<NamedGrantType>,
  deps: TokenEndpointDeps,
): Promise<void> {
  const { app, selected } = request
  const facts = requestFacts(call)
  const outcome = await runGrant(selected.type, request, request.parameters, deps)
  if (outcome.kind === 'refused') {
    recordReuse(deps, outcome, app, facts)
    throw refusal(outcome, request.parameters)
  }
  const answer = await answerOrTakeBack(outcome, app, deps)
  recordIssued(deps, outcome, app, selected.name, facts)
  answerJson(call, answer)
}

function runGrant<Request>(
  type: GrantType<Request>,
  client: TokenClient,
  parameters: Parameters,
  deps: GrantDeps,
): Promise<Issued | NotIssued> {
  assertMayUse(type, client.app)
  return type.issue(client, type.parse(parameters), deps)
}

/** @throws {AppError} where the app may not use the grant type (RFC 6749 §5.2) */
export function assertMayUse<Request>(type: GrantType<Request>, app: App): void {
  const code = type.refusalFor(app)
  if (code !== undefined) throw new AppError(code)
}

const refusal = ({ reason, about }: NotIssued, parameters: Parameters): AppError =>
  new AppError(reason, {
    ...(about !== undefined && { about }),
    ...(reason === 'redirect_uri_mismatch' && { came: parameters.get('redirect_uri') }),
    ...(reason === 'temporarily_unavailable' && { retryAfterSeconds: 1 }),
  })

/**
 * Returns the members of the answer. Where they cannot be made now, what was issued is taken back:
 * the app will try again, and must not find that its code was used.
 *
 * @throws {AppError} `account_deactivated`, and what the stores throw
 */
async function answerOrTakeBack(issued: Issued, app: App, deps: TokenEndpointDeps) {
  const { accountId, id: grantId, accountGeneration = 0 } = issued.grant
  try {
    // Checked after the commit and before the answer: tokens of an account that was shut down
    // meanwhile are never handed out.
    const isAdmitted =
      accountId === undefined || (await deps.admitsGrant(accountId, accountGeneration))
    if (isAdmitted) return await tokenAnswer(issued, app, deps.issueIdToken)
  } catch (error) {
    await deps.grants.takeBack(issued)
    throw error
  }
  await deps.grants.revoke(grantId)
  throw new AppError('account_deactivated')
}
