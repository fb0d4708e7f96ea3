// Verify (/oauth/verify): a gateway asks about one API call, in a sub-request of its own, and gets a yes with the identity behind the token or a no that
// it can hand to its client. The hottest path beside introspection: one store round trip, no database, no router. Invariants: only a proven
// gateway learns anything; a yes always carries every identity header, so that a copy which the client sent is always overwritten.
import type { Context, Middleware, Next } from 'koa'
import { requestFacts } from '../http/request-context.ts'
import { type ErrorCode, ERRORS } from '../shared/errors.ts'
import { readBearer } from '../http/bearer.ts'
import { type Authenticate, createProver, CREDENTIALS_HEADER } from './caller.ts'
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

export interface VerifyDeps {
  inspect: InspectToken
  authenticate: Authenticate
  isTrusted: (address: string) => boolean
  headers: IdentityHeaders
  ruleSets: Readonly<Record<string, readonly Rule[]>>
  resourceMetadata: string | undefined
  limits: { perGateway: HotLimit; perStranger: HotLimit }
  /** Counts an answer for the app whose token it was; the app is empty where the token told none. */
  onVerified: (appId: string, outcome: string) => void
  /** Told of what an admin should be able to look up: the reason, and the app where it is known. */
  onRefused: (ctx: Context, reason: ErrorCode, appId: string | undefined) => void
  /** Told why a gateway itself was refused; for the operator. */
  onGatewayRefused: (facts: { reason: string; address: string; requestId: string }) => void
}

/** Creates the route: a middleware and no router, because this path pays for every layer on each API call. */
export function createVerifyRoute(deps: VerifyDeps): Middleware {
  const prove = createProver(deps)
  const readRequirement = createRequirementReader(deps.ruleSets)

  async function verify(ctx: Context, dialect: Dialect): Promise<void> {
    const { address, requestId } = requestFacts(ctx)
    const { headers, rawHeaders, socket } = ctx.req
    const proof = await prove({
      address,
      remoteAddress: socket.remoteAddress,
      credentials: headers[CREDENTIALS_HEADER],
      rawHeaders,
    })
    if (proof.kind === 'unproven') {
      const verdict = deps.limits.perStranger.hit(address)
      if (!verdict.allowed) {
        tooMany(ctx, dialect, verdict.retryAfterSeconds)
        return
      }
      deps.onGatewayRefused({ reason: proof.reason, address, requestId })
      deps.onRefused(ctx, 'gateway_unproven', undefined)
      refuse(ctx, dialect, 'gateway_unproven')
      return
    }
    const verdict = deps.limits.perGateway.hit(proof.caller.key)
    if (!verdict.allowed) {
      tooMany(ctx, dialect, verdict.retryAfterSeconds)
      return
    }
    const question = dialect.read({ method: ctx.method, url: ctx.req.url ?? '', headers })
    const requirement =
      question.requirement === undefined ? undefined : readRequirement(question.requirement)
    const decision =
      requirement === undefined
        ? deny('gateway_misconfigured')
        : await judge(ctx, question, requirement, proof.caller)
    answer(ctx, dialect, decision, requirement?.resourceMetadata)
  }

  async function judge(
    ctx: Context,
    { original }: Question,
    requirement: Requirement,
    caller: Caller,
  ): Promise<Decision> {
    const { headers, rawHeaders } = ctx.req
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
    ctx: Context,
    dialect: Dialect,
    decision: Decision,
    ownMetadata: string | undefined,
  ): void {
    if (decision.kind === 'allow') {
      deps.onVerified(decision.token.app.id, 'allowed')
      allow(ctx, dialect, decision.token, deps.headers)
      return
    }
    const { reason, appId, scopes } = decision
    deps.onVerified(appId ?? '', reason)
    if (reason === 'gateway_misconfigured') {
      const { address, requestId } = requestFacts(ctx)
      deps.onGatewayRefused({ reason, address, requestId })
    }
    // Dead and missing tokens are everyday life; the others tell a developer what to ask for, and an operator what to mend.
    if (appId !== undefined || reason === 'gateway_misconfigured')
      deps.onRefused(ctx, reason, appId)
    const challenge = challengeFor(reason, scopes, ownMetadata ?? deps.resourceMetadata)
    if (challenge !== undefined) ctx.res.setHeader('WWW-Authenticate', challenge)
    refuse(ctx, dialect, reason)
  }

  return async function verifyRoute(ctx: Context, next: Next) {
    const dialect = dialectOf(ctx.req.url ?? '')
    if (dialect === undefined) {
      await next()
      return
    }
    // What the router would say, for the metrics.
    ;(ctx as { _matchedRoute?: unknown })._matchedRoute = `/oauth/verify (${dialect.name})`
    await verify(ctx, dialect)
  }
}

function allow(ctx: Context, dialect: Dialect, token: LiveToken, names: IdentityHeaders): void {
  const { res } = ctx
  ctx.status = dialect.allowStatus
  res.setHeader('Cache-Control', 'no-store')
  res.setHeader(names.subject, token.accountId ?? token.app.id)
  res.setHeader(names.client, token.app.id)
  res.setHeader(names.scope, token.scopes.join(' '))
  res.setHeader(names.expires, token.expiresAt)
  res.setHeader(names.grant, token.grantId)
  if (dialect.allowStatus === 200) ctx.body = ''
}

function refuse(ctx: Context, dialect: Dialect, reason: ErrorCode): void {
  const { res } = ctx
  const { status, error, sentence } = ERRORS[reason]
  ctx.status = dialect.denyStatus(status)
  res.setHeader('Cache-Control', 'no-store')
  if (dialect.name === 'nginx') {
    // nginx sees 401 or 403 and no body; from these a recipe makes the answer that the client should have got.
    res.setHeader('X-Otesse-Status', status)
    res.setHeader('X-Otesse-Error', error)
  }
  ctx.body = {
    error,
    error_description: sentence,
    request_id: requestFacts(ctx).requestId,
  }
}

function tooMany(ctx: Context, dialect: Dialect, retryAfterSeconds: number): void {
  ctx.res.setHeader('Retry-After', String(Math.max(1, Math.ceil(retryAfterSeconds))))
  refuse(ctx, dialect, 'rate_limited')
}
