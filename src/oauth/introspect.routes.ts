// POST /oauth/introspect (RFC 7662): a resource server, or the app itself, asks what a token is worth. The hottest path of all: one store
// round trip, no database, and no engine. Invariant: whoever may not see a token gets the same answer as for one that does not exist.
import type { App } from '../apps/app.ts'
import type { Endpoint } from '../http/hot-lane.ts'
import { getParameter } from '../http/parameters.ts'
import { answer, type HotLimit, takeIn } from './back-channel.ts'
import type { ClientDirectory } from './client-authentication.ts'
import type { ActiveToken, InspectToken } from './token-inspector.ts'

interface IntrospectionDeps {
  inspect: InspectToken
  clients: ClientDirectory
  issuer: string
  limits: { perAddress: HotLimit; perClient: HotLimit }
  /** Counts an introspection of a token of the app, by outcome. */
  onIntrospected: (appId: string, outcome: 'active' | 'inactive') => void
}

/** Creates the introspection endpoint. */
export function createIntrospection(deps: IntrospectionDeps): Endpoint {
  const intake = { clients: deps.clients, ...deps.limits }
  return async function introspectToken(exchange) {
    const { app, parameters } = await takeIn(exchange, intake)
    const inspection = await deps.inspect(getParameter(parameters, 'token'))
    const visible = inspection.active && maySee(app, inspection)
    deps.onIntrospected(app.id, visible ? 'active' : 'inactive')
    // RFC 7662 §2.2: nothing but `active` about a token that the caller may not know of.
    answer(exchange, visible ? describe(inspection, deps.issuer, app) : { active: false })
  }
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

/** RFC 7662 §2.2: the members of the answer. */
const describe = (token: ActiveToken, issuer: string, caller: App) => ({
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
