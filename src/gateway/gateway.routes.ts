// Verify (/oauth/verify): a gateway asks about one API call, in a sub-request of its own, and gets a yes with the identity behind the token or a no that
// it can hand to its client. The hottest path beside introspection: one store round trip, no database, no router. Invariants: only a proven
// gateway learns anything; a yes always carries every identity header, so that a copy which the client sent is always overwritten.
import type { Exchange } from '../http/exchange.ts'
import type { Lane } from '../http/hot-lane.ts'
import { requestFacts } from '../http/request-context.ts'
import { type ErrorCode, ERRORS } from '../shared/errors.ts'
import { readBearer } from '../http/bearer.ts'
import { createProver, type ProverDeps } from './caller.ts'
import { challengeFor } from './challenge.ts'
import {
  type Caller,
  decide,
  type Decision,
  deny,
  type InspectToken,
  type LiveToken,
  type Requirement,
} from './decision.ts'
import { type Dialect, dialectOf, type Question } from './dialects.ts'
import { createRequirementReader } from './requirement.ts'
import type { Rule } from './rules.ts'

/** A limit that counts at once, without waiting. */
interface HotLimit {
  hit(key: string): { allowed: true } | { allowed: false; retryAfterSeconds: number }
}

/** The names of the identity headers. */
export interface IdentityHeaders {
  /** The account, or the app where it acts for itself. */
  readonly subject: string
  readonly client: string
  readonly scope: string
  /** Seconds since the epoch. */
  readonly expires: string
  readonly grant: string
}

export interface VerifyDeps extends ProverDeps {
  inspect: InspectToken
  headers: IdentityHeaders
  ruleSets: Readonly<Record<string, readonly Rule[]>>
  resourceMetadata: string | undefined
  limits: { perGateway: HotLimit }
  /** Counts a question whose gateway did not prove itself. */
  countUnproven: (address: string, appId: string | undefined) => ReturnType<HotLimit['hit']>
  /** Counts an answer for the app whose token it was; the app is empty where the token told none. */
  onVerified: (appId: string, outcome: string) => void
  /** Told of what an admin should be able to look up: the reason, and the app where it is known. */
  onRefused: (exchange: Exchange, reason: ErrorCode, appId: string | undefined) => void
  /** Told why a gateway itself was refused; for the operator. */
  onGatewayRefused: (facts: { reason: string; address: string; requestId: string }) => void
}

/** Creates the lane of verify: its addresses are read by dialect, whatever the method, because some gateways pass the client's own on. */
export function createVerifyLane(deps: VerifyDeps): Lane {
  const prove = createProver(deps)
  const readRequirement = createRequirementReader(deps.ruleSets)

  async function verify(exchange: Exchange, dialect: Dialect): Promise<void> {
    const { address, requestId } = requestFacts(exchange)
    const { headers, rawHeaders, socket } = exchange.req
    const proof = await prove({
      address,
      remoteAddress: socket.remoteAddress,
      headers,
      rawHeaders,
    })
    if (proof.kind === 'unproven') {
      // Told to the operator in any case: a gateway that is set up wrongly is soon at the limit.
      deps.onGatewayRefused({ reason: proof.reason, address, requestId })
      const verdict = deps.countUnproven(address, proof.appId)
      if (!verdict.allowed) {
        tooMany(exchange, dialect, verdict.retryAfterSeconds)
        return
      }
      deps.onRefused(exchange, 'gateway_unproven', undefined)
      refuse(exchange, dialect, 'gateway_unproven')
      return
    }
    const verdict = deps.limits.perGateway.hit(proof.caller.key)
    if (!verdict.allowed) {
      tooMany(exchange, dialect, verdict.retryAfterSeconds)
      return
    }
    const question = dialect.read({
      method: exchange.req.method ?? '',
      url: exchange.req.url ?? '',
      headers,
    })
    const requirement =
      question.requirement === undefined ? undefined : readRequirement(question.requirement)
    const decision =
      requirement === undefined
        ? deny('gateway_misconfigured')
        : await judge(exchange, question, requirement, proof.caller)
    answer(exchange, dialect, decision, requirement?.resourceMetadata)
  }

  async function judge(
    exchange: Exchange,
    { original }: Question,
    requirement: Requirement,
    caller: Caller,
  ): Promise<Decision> {
    const { headers, rawHeaders } = exchange.req
    const presented = readBearer(headers.authorization, rawHeaders, original?.uri)
    switch (presented.kind) {
      case 'missing':
        return deny('token_missing')
      case 'malformed':
        return deny('token_malformed')
      case 'twice':
        return deny('token_sent_twice')
      case 'token':
        return decide(await deps.inspect(presented.token), requirement, caller, original)
    }
  }

  function answer(
    exchange: Exchange,
    dialect: Dialect,
    decision: Decision,
    ownMetadata: string | undefined,
  ): void {
    if (decision.kind === 'allow') {
      deps.onVerified(decision.token.app.id, 'allowed')
      allow(exchange, dialect, decision.token, deps.headers)
      return
    }
    const { reason, appId, scopes } = decision
    deps.onVerified(appId ?? '', reason)
    if (reason === 'gateway_misconfigured') {
      const { address, requestId } = requestFacts(exchange)
      deps.onGatewayRefused({ reason, address, requestId })
    }
    // Dead and missing tokens are everyday life; the others tell a developer what to ask for, and an operator what to mend.
    if (appId !== undefined || reason === 'gateway_misconfigured')
      deps.onRefused(exchange, reason, appId)
    const challenge = challengeFor(reason, scopes, ownMetadata ?? deps.resourceMetadata)
    if (challenge !== undefined) exchange.set('WWW-Authenticate', challenge)
    refuse(exchange, dialect, reason)
  }

  const routes = new Map<Dialect, ReturnType<Lane>>()
  return function verifyLane(_method, url) {
    const dialect = dialectOf(url)
    if (dialect === undefined) return undefined
    let route = routes.get(dialect)
    if (route === undefined) {
      route = {
        name: `/oauth/verify (${dialect.name})`,
        endpoint: (exchange) => verify(exchange, dialect),
      }
      routes.set(dialect, route)
    }
    return route
  }
}

function allow(
  exchange: Exchange,
  dialect: Dialect,
  token: LiveToken,
  names: IdentityHeaders,
): void {
  exchange.status = dialect.allowStatus
  exchange.set('Cache-Control', 'no-store')
  exchange.set(names.subject, token.accountId ?? token.app.id)
  exchange.set(names.client, token.app.id)
  exchange.set(names.scope, token.scopes.join(' '))
  exchange.set(names.expires, String(token.expiresAt))
  exchange.set(names.grant, token.grantId)
  if (dialect.allowStatus === 200) exchange.body = ''
}

function refuse(exchange: Exchange, dialect: Dialect, reason: ErrorCode): void {
  const { status, error, sentence } = ERRORS[reason]
  exchange.status = dialect.denyStatus(status)
  exchange.set('Cache-Control', 'no-store')
  if (dialect.name === 'nginx') {
    // nginx sees 401 or 403 and no body; from these a recipe makes the answer that the client should have got.
    exchange.set('X-Otesse-Status', String(status))
    exchange.set('X-Otesse-Error', error)
  }
  exchange.body = {
    error,
    error_description: sentence,
    request_id: requestFacts(exchange).requestId,
  }
}

function tooMany(exchange: Exchange, dialect: Dialect, retryAfterSeconds: number): void {
  exchange.set('Retry-After', String(Math.max(1, Math.ceil(retryAfterSeconds))))
  refuse(exchange, dialect, 'rate_limited')
}
