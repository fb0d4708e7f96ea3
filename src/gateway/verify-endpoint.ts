// Verify (/oauth/verify): a gateway asks about one API call, in a sub-request of its own, and gets
// a yes with the identity behind the token or a no that it can hand to its client. The hottest path
// beside introspection: one store round trip, no database, no router. Invariants: only a proven
// gateway learns anything; a yes always carries every identity header, so that a copy which the
// client sent is always overwritten.
import type { HttpCall } from '../http/http-call.ts'
import type { FastRoute, FindFastRoute } from '../http/fast-path.ts'
import { requestFacts } from '../http/request-context.ts'
import { errorUri } from '../http/error-boundary.ts'
import { type ErrorCode, errorPageOf, ERRORS } from '../shared/errors.ts'
import { readBearer } from '../http/bearer.ts'
import type { ActiveToken, InspectToken } from '../model/token-status.ts'
import { createProver, type Prove, type ProverDeps, type Unproven } from './caller.ts'
import { challengeFor } from './challenge.ts'
import { type Caller, decide, type Decision, deny, type Requirement } from './decision.ts'
import { type GatewayPreset, presetOf, type Question } from './presets.ts'
import { createRequirementReader, type ReadRequirement } from './requirement.ts'
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
  issuer: string
  inspect: InspectToken
  headers: IdentityHeaders
  ruleSets: Readonly<Record<string, readonly Rule[]>>
  resourceMetadata: string | undefined
  limits: { perGateway: HotLimit }
  /** Counts a question whose gateway did not prove itself. */
  countUnproven: (address: string, appId: string | undefined) => ReturnType<HotLimit['hit']>
  /**
   * Counts an answer for the app whose token it was; the app is empty where the token is of none.
   */
  onVerified: (appId: string, outcome: string) => void
  /** Records what an admin should be able to look up: the reason, and the app where it is known. */
  onRefused: (call: HttpCall, reason: ErrorCode, appId: string | undefined) => void
  /** Records why a gateway itself was refused; for the operator. */
  onGatewayRefused: (facts: { reason: string; address: string; requestId: string }) => void
}

/** What verify is made of. */
interface Verify extends VerifyDeps {
  prove: Prove
  readRequirement: ReadRequirement
  /** The pages that explain refusals. */
  errorUris: Readonly<Record<ErrorCode, string>>
}

/**
 * Creates the routes of verify. Their addresses are read by preset, whatever the method, because
 * some gateways pass the client's own on.
 */
export function createVerifyRoutes(deps: VerifyDeps): FindFastRoute {
  const parts: Verify = {
    ...deps,
    prove: createProver(deps),
    readRequirement: createRequirementReader(deps.ruleSets),
    errorUris: errorUrisBelow(deps.issuer),
  }
  const routes = new Map<GatewayPreset, FastRoute>()
  return function findVerifyRoute(_method, url) {
    const preset = presetOf(url)
    if (preset === undefined) return undefined
    let route = routes.get(preset)
    if (route === undefined) {
      route = {
        name: `/oauth/verify (${preset.name})`,
        endpoint: (call) => verify(parts, call, preset),
      }
      routes.set(preset, route)
    }
    return route
  }
}

function errorUrisBelow(issuer: string): Readonly<Record<ErrorCode, string>> {
  const codes = Object.keys(ERRORS) as ErrorCode[]
  return Object.fromEntries(
    codes.map((code) => [code, errorUri(issuer, { page: errorPageOf(code) })]),
  ) as Record<ErrorCode, string>
}

async function verify(parts: Verify, call: HttpCall, preset: GatewayPreset): Promise<void> {
  const { address } = requestFacts(call)
  const { headers, rawHeaders, socket } = call.req
  const proving = parts.prove({
    address,
    remoteAddress: socket.remoteAddress,
    headers,
    rawHeaders,
  })
  const proof = proving instanceof Promise ? await proving : proving
  if (proof.kind === 'unproven') {
    refuseGateway(parts, call, preset, proof)
    return
  }
  const limit = parts.limits.perGateway.hit(proof.caller.key)
  if (!limit.allowed) {
    tooMany(parts, call, preset, limit.retryAfterSeconds)
    return
  }
  const question = preset.read({ method: call.req.method ?? '', url: call.req.url ?? '', headers })
  const requirement =
    question.requirement === undefined ? undefined : parts.readRequirement(question.requirement)
  const decision =
    requirement === undefined
      ? deny('gateway_misconfigured')
      : await decideCall(parts, call, question, requirement, proof.caller)
  answer(parts, call, preset, decision, requirement?.resourceMetadata)
}

function refuseGateway(
  parts: Verify,
  call: HttpCall,
  preset: GatewayPreset,
  { reason, appId }: Unproven,
): void {
  const { address, requestId } = requestFacts(call)
  const { onGatewayRefused, countUnproven, onRefused } = parts
  // Logged in any case: a gateway that is set up wrongly is soon at the limit.
  onGatewayRefused({ reason, address, requestId })
  const limit = countUnproven(address, appId)
  if (!limit.allowed) {
    tooMany(parts, call, preset, limit.retryAfterSeconds)
    return
  }
  onRefused(call, 'gateway_unproven', undefined)
  refuse(parts, call, preset, 'gateway_unproven')
}

async function decideCall(
  { inspect }: Verify,
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
      return decide(await inspect(presented.token), requirement, caller, original)
  }
}

function answer(
  parts: Verify,
  call: HttpCall,
  preset: GatewayPreset,
  decision: Decision,
  ownMetadata: string | undefined,
): void {
  const { onVerified, onGatewayRefused, onRefused, headers, resourceMetadata } = parts
  if (decision.kind === 'allow') {
    onVerified(decision.token.app.id, 'allowed')
    allow(call, preset, decision.token, headers)
    return
  }
  const { reason, appId, scopes } = decision
  onVerified(appId ?? '', reason)
  if (reason === 'gateway_misconfigured') {
    const { address, requestId } = requestFacts(call)
    onGatewayRefused({ reason, address, requestId })
  }
  // Dead and missing tokens are everyday life; the others show a developer what to ask for, and an
  // operator what to mend.
  if (appId !== undefined || reason === 'gateway_misconfigured') onRefused(call, reason, appId)
  const metadata = ownMetadata ?? resourceMetadata
  const challenge = challengeFor(reason, scopes, metadata, parts.errorUris[reason])
  if (challenge !== undefined) call.set('WWW-Authenticate', challenge)
  refuse(parts, call, preset, reason)
}

function allow(
  call: HttpCall,
  preset: GatewayPreset,
  token: ActiveToken,
  names: IdentityHeaders,
): void {
  call.status = preset.allowStatus
  call.set('Cache-Control', 'no-store')
  call.set(names.subject, token.accountId ?? token.app.id)
  call.set(names.client, token.app.id)
  call.set(names.scope, token.scopes.join(' '))
  call.set(names.expires, String(token.expiresAt))
  call.set(names.grant, token.grantId)
  if (preset.allowStatus === 200) call.body = ''
}

function refuse(
  { errorUris }: Verify,
  call: HttpCall,
  preset: GatewayPreset,
  reason: ErrorCode,
): void {
  const { status, error, sentence } = ERRORS[reason]
  call.status = preset.denyStatus(status)
  call.set('Cache-Control', 'no-store')
  if (preset.name === 'nginx') {
    // nginx sees 401 or 403 and no body; from these a recipe makes the answer that the client
    // should have got.
    call.set('X-Otesse-Status', String(status))
    call.set('X-Otesse-Error', error)
  }
  call.body = {
    error,
    error_description: sentence,
    error_uri: errorUris[reason],
    request_id: requestFacts(call).requestId,
  }
}

function tooMany(
  parts: Verify,
  call: HttpCall,
  preset: GatewayPreset,
  retryAfterSeconds: number,
): void {
  call.set('Retry-After', String(Math.max(1, Math.ceil(retryAfterSeconds))))
  refuse(parts, call, preset, 'rate_limited')
}
