// POST /oauth/revoke (RFC 7009): an app ends its own token. An access token ends alone; a refresh token takes the whole family with it.
import type { App } from '../model/app.ts'
import { isConfidential } from '../model/app.ts'
import type { Grants, LiveAccess } from '../grants/grants.ts'
import type { HttpCall } from '../http/http-call.ts'
import type { Endpoint } from '../http/fast-path.ts'
import { getParameter } from '../http/parameters.ts'
import { requestFacts } from '../http/request-context.ts'
import { AppError } from '../shared/errors.ts'
import { parseToken } from '../shared/token-format.ts'
import { answer, type IntakeDeps, refuse, takeIn } from './back-channel.ts'
import type { ClientDirectory } from './client-authentication.ts'
import type { TokenEvents } from './token.routes.ts'

/** What the revocation endpoint tells the event log. */
export type RevocationEvents = Pick<TokenEvents, 'familyRevoked'> & {
  accessRevoked(facts: {
    appId: string
    accountId: string | undefined
    grantId: string
    requestId: string
    address: string
  }): void
}

interface RevocationDeps {
  grants: Grants
  clients: ClientDirectory
  limits: Omit<IntakeDeps, 'clients'>
  events: RevocationEvents
}

/** Creates the revocation endpoint. */
export function createRevocation(deps: RevocationDeps): Endpoint {
  const intake = { clients: deps.clients, ...deps.limits }
  return async function revokeToken(call) {
    const { app, parameters } = await takeIn(call, intake)
    try {
      await revoke(call, app, getParameter(parameters, 'token'), deps)
    } catch (error) {
      throw error instanceof AppError ? refuse(error, app) : error
    }
    // RFC 7009 §2.2: 200 also for a token that is unknown; an empty object, because generic clients parse every answer as JSON.
    answer(call, {})
  }
}

async function revoke(
  call: HttpCall,
  app: App,
  token: string,
  deps: RevocationDeps,
): Promise<void> {
  const presented = parseToken(token)
  if (presented === undefined || presented.kind === 'code') return
  const live =
    presented.kind === 'access'
      ? await deps.grants.findAccess(presented)
      : await deps.grants.findRefresh(presented)
  if (live === undefined) {
    // An earlier revocation may have failed before everybody was told of it.
    await deps.grants.repeatRevocation(presented)
    return
  }
  const { grant } = live
  if (grant.appId !== app.id) {
    // RFC 7009 §2.1: a token of another client is refused; a public app proves nothing, so it is told nothing.
    if (isConfidential(app)) throw new AppError('revocation_not_allowed')
    return
  }
  const facts = {
    appId: app.id,
    accountId: grant.accountId,
    grantId: grant.id,
    ...requestFacts(call),
  }
  if (presented.kind === 'access') {
    await deps.grants.revokeAccess(presented, 'client', expiryOf(live))
    deps.events.accessRevoked(facts)
  } else {
    await deps.grants.revoke(grant.id, undefined, 'client')
    deps.events.familyRevoked({ ...facts, reason: 'client' })
  }
}

/** When the access token ends by itself, seconds since the epoch. */
const expiryOf = (live: object & Partial<LiveAccess>): number | undefined => live.access?.expiresAt
