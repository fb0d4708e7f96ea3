// POST /oauth/introspect (RFC 7662): a resource server, or the app itself, asks what a token is worth. The hottest path of all: one store
// round trip, no database, and no engine. Invariant: whoever may not see a token gets the same answer as for one that does not exist.
import { type App, isConfidential } from '../model/app.ts'
import type { HttpCall } from '../http/http-call.ts'
import type { Endpoint } from '../http/fast-path.ts'
import { getParameter } from '../http/parameters.ts'
import { type Clock, epochSeconds } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { answer, type IntakeDeps, refuse, takeIn } from './back-channel.ts'
import type { ClientDirectory } from './client-authentication.ts'
import type { Sign } from './signer.ts'
import type { ActiveToken, InspectToken } from '../model/token-status.ts'

interface IntrospectionDeps {
  inspect: InspectToken
  clients: ClientDirectory
  issuer: string
  limits: Omit<IntakeDeps, 'clients'>
  sign: Sign
  clock: Clock
  /** Counts an introspection of a token of the app, by outcome. */
  onIntrospected: (appId: string, outcome: 'active' | 'inactive') => void
}

/** Creates the introspection endpoint. */
export function createIntrospection(deps: IntrospectionDeps): Endpoint {
  const intake = { clients: deps.clients, ...deps.limits }
  return async function introspectToken(call) {
    const { app, parameters } = await takeIn(call, intake)
    // RFC 7662 §2.1: the endpoint MUST require authorization. A client_id alone is none: whoever
    // copied a refresh token could learn when it is replaced.
    if (!isConfidential(app)) throw refuse(unproven(call), app)
    const inspection = await deps.inspect(getParameter(parameters, 'token'))
    const visible = inspection.active && maySee(app, inspection)
    deps.onIntrospected(app.id, visible ? 'active' : 'inactive')
    // RFC 7662 §2.2: nothing but `active` about a token that the caller may not know of.
    const described = visible ? describeToken(inspection, deps.issuer, app) : INACTIVE
    if (wantsJwt(call)) await answerSigned(call, described, app, deps)
    else answer(call, described)
  }
}

/**
 * RFC 6749 §5.2: a client that used the Authorization header is answered with the matching scheme.
 */
function unproven(call: HttpCall): AppError {
  if (call.req.headers.authorization !== undefined)
    call.set('WWW-Authenticate', 'Basic realm="otesse"')
  return new AppError('introspection_not_allowed')
}

const INACTIVE = { active: false }

const SIGNED_TYPE = 'token-introspection+jwt'

/** RFC 9701 §4: the caller asks for a signed answer by its Accept header. */
const wantsJwt = ({ req }: HttpCall): boolean =>
  req.headers.accept?.includes(`application/${SIGNED_TYPE}`) === true

/** RFC 9701 §5: the answer as a JWT that is evidence for this caller alone; neither `sub` nor `exp`, or it could be taken for a token. */
async function answerSigned(
  call: HttpCall,
  described: object,
  caller: App,
  { issuer, sign, clock }: IntrospectionDeps,
): Promise<void> {
  const jwt = await sign(
    { iss: issuer, aud: caller.id, iat: epochSeconds(clock), token_introspection: described },
    SIGNED_TYPE,
  )
  call.status = 200
  call.set('Cache-Control', 'no-store')
  call.set('Content-Type', `application/${SIGNED_TYPE}`)
  call.vary('Accept')
  call.body = jwt
}

/** RFC 7662 §4: who may introspect what. Refresh tokens concern only the app that holds them. */
function maySee(caller: App, token: ActiveToken): boolean {
  if (caller.id === token.app.id) return true
  if (caller.type !== 'resource_server' || token.kind !== 'access') return false
  // A token for named audiences is nobody else's business.
  return (
    token.audience === undefined || token.audience.some((name) => caller.audiences.includes(name))
  )
}

/** Returns the members of the answer about a token that is worth something (RFC 7662 §2.2), as that caller gets them. */
export const describeToken = (token: ActiveToken, issuer: string, caller: App) => ({
  active: true,
  scope: token.scopes.join(' '),
  client_id: token.app.id,
  ...(token.accountId === undefined ? { sub: token.app.id } : { sub: token.accountId }),
  ...(token.audience === undefined
    ? {}
    : { aud: token.audience.length === 1 ? token.audience[0] : token.audience }),
  iss: issuer,
  exp: token.expiresAt,
  ...(token.issuedAt === undefined ? {} : { iat: token.issuedAt }),
  ...(token.kind === 'access' ? { token_type: 'Bearer' } : {}),
  // An extension (RFC 7662 §2.2 allows them): by this id the stream of revocations names the family.
  ...(caller.type === 'resource_server' ? { grant_id: token.grantId } : {}),
})
