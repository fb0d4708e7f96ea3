// POST /oauth/revoke (RFC 7009): an app ends its own token. An access token ends alone; a refresh
// token takes the whole family with it.
import { isConfidential } from '../../model/app.ts'
import type { Events } from '../../audit/events.ts'
import type { LiveAccess } from '../../grants/find-token.ts'
import type { Grants } from '../../grants/grants.ts'
import type { Endpoint } from '../../http/fast-path.ts'
import type { HttpCall } from '../../http/http-call.ts'
import { getParameter } from '../../http/parameters.ts'
import { requestFacts } from '../../http/request-context.ts'
import { AppError } from '../../shared/errors.ts'
import { parseToken } from '../../shared/token-format.ts'
import {
  answerJson,
  type ClientPhases,
  type ClientRequest,
  createClientEndpoint,
} from '../client-endpoint.ts'

interface RevocationDeps {
  phases: ClientPhases
  grants: Grants
  events: Pick<Events, 'grantRevoked' | 'tokenRevoked'>
}

/** Creates the revocation endpoint. */
export const createRevocationEndpoint = (deps: RevocationDeps): Endpoint =>
  createClientEndpoint(
    deps.phases,
    () => undefined,
    async (call, request) => {
      await revoke(call, request, deps)
      // RFC 7009 §2.2: 200 also for a token that is unknown; an empty object, because generic
      // clients parse every answer as JSON.
      answerJson(call, {})
    },
  )

async function revoke(
  call: HttpCall,
  { app, parameters }: ClientRequest<undefined>,
  { grants, events }: RevocationDeps,
): Promise<void> {
  const presented = parseToken(getParameter(parameters, 'token'))
  if (presented === undefined || presented.kind === 'code') return
  const live =
    presented.kind === 'access'
      ? await grants.findAccess(presented)
      : await grants.findRefresh(presented)
  if (live === undefined) {
    // An earlier revocation may have failed before it was published.
    await grants.repeatRevocation(presented)
    return
  }
  const { grant } = live
  if (grant.appId !== app.id) {
    // RFC 7009 §2.1: a token of another client is refused; a public app proves nothing, so it is
    // told nothing.
    if (isConfidential(app)) throw new AppError('revocation_not_allowed')
    return
  }
  const facts = {
    appId: app.id,
    accountId: grant.accountId,
    grantId: grant.id,
    reason: 'client',
  } as const
  if (presented.kind === 'access') {
    await grants.revokeAccess(presented, 'client', expiryOf(live))
    events.tokenRevoked(facts, requestFacts(call))
  } else {
    await grants.revoke(grant.id, undefined, 'client')
    events.grantRevoked(facts, requestFacts(call))
  }
}

/** When the access token ends by itself, seconds since the epoch. */
const expiryOf = (live: object & Partial<LiveAccess>): number | undefined => live.access?.expiresAt
