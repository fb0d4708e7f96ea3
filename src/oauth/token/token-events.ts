// What the token endpoint writes to the event log, and to the server's log where a token may have
// been copied.
import type { App } from '../../model/app.ts'
import type { Events } from '../../audit/events.ts'
import type { Issued, NotIssued } from '../../grants/issue.ts'
import type { RequestFacts } from '../../http/request-context.ts'
import type { Logger } from '../../shared/logger.ts'
import type { GrantTypeName } from './grant-types.ts'

/** Where it is written. */
export interface TokenRecord {
  events: Pick<Events, 'tokenIssued' | 'tokenRefreshed' | 'grantRevoked'>
  logger: Logger
}

/** Records tokens that were issued. */
export function recordIssued(
  { events, logger }: TokenRecord,
  issued: Issued,
  { id: appId }: App,
  grantType: GrantTypeName,
  request: RequestFacts,
): void {
  const { accountId, id: grantId } = issued.grant
  const { refresh } = issued
  if (refresh === undefined) {
    events.tokenIssued({ appId, accountId, grantId, grantType }, request)
    return
  }
  const isFromElsewhere = issued.isFromElsewhere === true
  if (isFromElsewhere)
    logger.warn(
      { appId, grantId, requestId: request.requestId },
      'a replaced refresh token came back from another network: somebody may have copied it',
    )
  events.tokenRefreshed(
    {
      appId,
      accountId,
      grantId,
      rotated: refresh === 'rotated',
      grace: refresh === 'repeated',
      ...(isFromElsewhere && { elsewhere: true }),
    },
    request,
  )
}

/** Records a grant that ended because of what was presented. */
export function recordReuse(
  { events, logger }: TokenRecord,
  { revoked, because }: NotIssued,
  { id: appId }: App,
  request: RequestFacts,
): void {
  if (revoked === undefined) return
  const { accountId, id: grantId } = revoked
  const reason = because ?? 'refresh_reuse'
  logger.warn(
    { appId, grantId, requestId: request.requestId, reason },
    'a code or a refresh token was used again, and its authorization ended: somebody may have copied it',
  )
  events.grantRevoked({ appId, accountId, grantId, reason }, request)
}
