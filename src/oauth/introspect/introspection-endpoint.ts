// POST /oauth/introspect (RFC 7662): a resource server, or the app itself, asks for the status of a
// token. The hottest path of all: one store round trip, no database, and no engine. Invariant: a
// client that may not see a token gets the same answer as for one that does not exist.
import { type App, isConfidential } from '../../model/app.ts'
import type { Endpoint } from '../../http/fast-path.ts'
import type { HttpCall } from '../../http/http-call.ts'
import { getParameter, type Parameters } from '../../http/parameters.ts'
import { type Clock, epochSeconds } from '../../shared/clock.ts'
import { AppError } from '../../shared/errors.ts'
import {
  answerJson,
  challengeByBasic,
  type ClientPhases,
  type ClientRequest,
  createClientEndpoint,
} from '../client-endpoint.ts'
import type { Sign } from '../signer.ts'
import { describeToken, maySee } from './introspection-answer.ts'
import type { InspectToken } from '../../model/token-status.ts'

interface IntrospectionDeps {
  phases: ClientPhases
  inspect: InspectToken
  issuer: string
  sign: Sign
  clock: Clock
  /** Counts an introspection by the app, by outcome. */
  onIntrospected: (appId: string, outcome: 'active' | 'inactive') => void
}

/** Creates the introspection endpoint. */
export const createIntrospectionEndpoint = (deps: IntrospectionDeps): Endpoint =>
  createClientEndpoint(deps.phases, selectNothing, (call, request) =>
    introspect(call, request, deps),
  )

const selectNothing = (_parameters: Parameters): void => undefined

async function introspect(
  call: HttpCall,
  { app, parameters }: ClientRequest<void>,
  deps: IntrospectionDeps,
): Promise<void> {
  // RFC 7662 §2.1: the endpoint MUST require authorization. A client_id alone is none: somebody who
  // copied a refresh token could learn when it is replaced.
  if (!isConfidential(app)) {
    if (call.req.headers.authorization !== undefined) challengeByBasic(call)
    throw new AppError('introspection_not_allowed')
  }
  const inspection = await deps.inspect(getParameter(parameters, 'token'))
  const isVisible = inspection.active && maySee(app, inspection)
  deps.onIntrospected(app.id, isVisible ? 'active' : 'inactive')
  // RFC 7662 §2.2: nothing but `active` about a token that the caller may not know of.
  const described = isVisible ? describeToken(inspection, deps.issuer, app) : INACTIVE
  if (wantsJwt(call)) await answerSigned(call, described, app, deps)
  else answerJson(call, described)
}

const INACTIVE = { active: false }

const SIGNED_TYPE = 'token-introspection+jwt'
/** As the metadata says (RFC 9701 §7). */
export const SIGNED_ALG = 'ES256'

/** RFC 9701 §4: the caller asks for a signed answer by its Accept header. */
const wantsJwt = ({ req }: HttpCall): boolean =>
  req.headers.accept?.includes(`application/${SIGNED_TYPE}`) === true

/**
 * RFC 9701 §5: the answer as a JWT that is evidence for this caller alone; neither `sub` nor `exp`,
 * or it could be taken for a token.
 */
async function answerSigned(
  call: HttpCall,
  described: object,
  caller: App,
  { issuer, sign, clock }: IntrospectionDeps,
): Promise<void> {
  const jwt = await sign(
    { iss: issuer, aud: caller.id, iat: epochSeconds(clock), token_introspection: described },
    SIGNED_TYPE,
    SIGNED_ALG,
  )
  call.status = 200
  call.set('Cache-Control', 'no-store')
  call.set('Content-Type', `application/${SIGNED_TYPE}`)
  call.vary('Accept')
  call.body = jwt
}
