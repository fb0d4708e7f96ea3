// Verify (/oauth/verify): a gateway asks about one API call, in a sub-request of its own, and gets a yes with the identity behind the token or a no that
// it can hand to its client. The hottest path beside introspection: one store round trip, no database, no router. Invariants: only a proven
// gateway learns anything; a yes always carries every identity header, so that a copy which the client sent is always overwritten.
import type { HttpCall } from '../http/http-call.ts'
import type { FastRoute, FindFastRoute } from '../http/fast-path.ts'
import { requestFacts } from '../http/request-context.ts'
import { type ErrorCode, ERRORS } from '../shared/errors.ts'
import { readBearer } from '../http/bearer.ts'
import type { ActiveToken, InspectToken } from '../model/token-status.ts'
import { createProver, type ProverDeps } from './caller.ts'
import { challengeFor } from './challenge.ts'
import { type Caller, decide, type Decision, deny, type Requirement } from './decision.ts'
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
  onRefused: (call: HttpCall, reason: ErrorCode, appId: string | undefined) => void
  /** Told why a gateway itself was refused; for the operator. */
  onGatewayRefused: (facts: { reason: string; address: string; requestId: string }) => void
}

/** Creates the routes of verify: their addresses are read by dialect, whatever the method, because some gateways pass the client's own on. */
export function createVerifyRoutes(deps: VerifyDeps): FindFastRoute {
  const prove = createProver(deps)
  const readRequirement = createRequirementReader(deps.ruleSets)

  async function verify(call: HttpCall, dialect: Dialect): Promise<void> {
    const { address, requestId } = requestFacts(call)
    const { headers, rawHeaders, socket } = call.req
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
        tooMany(call, dialect, verdict.retryAfterSeconds)
        return
      }
      deps.onRefused(call, 'gateway_unproven', undefined)
      refuse(call, dialect, 'gateway_unproven')
      return
    }
    const verdict = deps.limits.perGateway.hit(proof.caller.key)
    if (!verdict.allowed) {
      tooMany(call, dialect, verdict.retryAfterSeconds)
      return
    }
    const question = dialect.read({
      method: call.req.method ?? '',
      url: call.req.url ?? '',
      headers,
    })
    const requirement =
      question.requirement === undefined ? undefined : readRequirement(question.requirement)
    const decision =
      requirement === undefined
        ? deny('gateway_misconfigured')
        : await judge(call, question, requirement, proof.caller)
    answer(call, dialect, decision, requirement?.resourceMetadata)
  }

  async function judge(
    call: HttpCall,
    { original }: Question,
    requirement: Requirement,
    caller: Caller,
  ): Promise<Decision> {
    const { headers, rawHeaders } = call.req
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
    call: HttpCall,
    dialect: Dialect,
    decision: Decision,
    ownMetadata: string | undefined,
  ): void {
    if (decision.kind === 'allow') {
      deps.onVerified(decision.token.app.id, 'allowed')
      allow(call, dialect, decision.token, deps.headers)
      return
    }
    const { reason, appId, scopes } = decision
    deps.onVerified(appId ?? '', reason)
    if (reason === 'gateway_misconfigured') {
      const { address, requestId } = requestFacts(call)
      deps.onGatewayRefused({ reason, address, requestId })
    }
    // Dead and missing tokens are everyday life; the others tell a developer what to ask for, and an operator what to mend.
    if (appId !== undefined || reason === 'gateway_misconfigured')
      deps.onRefused(call, reason, appId)
    const challenge = challengeFor(reason, scopes, ownMetadata ?? deps.resourceMetadata)
    if (challenge !== undefined) call.set('WWW-Authenticate', challenge)
    refuse(call, dialect, reason)
  }

  const routes = new Map<Dialect, FastRoute>()
  return function findVerifyRoute(_method, url) {
    const dialect = dialectOf(url)
    if (dialect === undefined) return undefined
    let route = routes.get(dialect)
    if (route === undefined) {
      route = {
        name: `/oauth/verify (${dialect.name})`,
        endpoint: (call) => verify(call, dialect),
      }
      routes.set(dialect, route)
    }
    return route
  }
}

function allow(call: HttpCall, dialect: Dialect, token: ActiveToken, names: IdentityHeaders): void {
  call.status = dialect.allowStatus
  call.set('Cache-Control', 'no-store')
  call.set(names.subject, token.accountId ?? token.app.id)
  call.set(names.client, token.app.id)
  call.set(names.scope, token.scopes.join(' '))
  call.set(names.expires, String(token.expiresAt))
  call.set(names.grant, token.grantId)
  if (dialect.allowStatus === 200) call.body = ''
}

function refuse(call: HttpCall, dialect: Dialect, reason: ErrorCode): void {
  const { status, error, sentence } = ERRORS[reason]
  call.status = dialect.denyStatus(status)
  call.set('Cache-Control', 'no-store')
  if (dialect.name === 'nginx') {
    // nginx sees 401 or 403 and no body; from these a recipe makes the answer that the client should have got.
    call.set('X-Otesse-Status', String(status))
    call.set('X-Otesse-Error', error)
  }
  call.body = {
    error,
    error_description: sentence,
    request_id: requestFacts(call).requestId,
  }
}

function tooMany(call: HttpCall, dialect: Dialect, retryAfterSeconds: number): void {
  call.set('Retry-After', String(Math.max(1, Math.ceil(retryAfterSeconds))))
  refuse(call, dialect, 'rate_limited')
}
