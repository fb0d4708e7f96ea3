// What the page of an account shows of its connections: the live ones with their times, those that
// ended and why, the last sign-ins.
import type { Account } from '../../model/account.ts'
import type { RecordedEvent } from '../../audit/event.store.ts'
import { DAY } from '../../shared/clock.ts'
import { may, type Operator } from '../operator.ts'
import { accountPath } from './account-facts.ts'
import { appPath } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { linkWith } from './paging.ts'
import { reasonMessage } from './reason-messages.ts'

const ENDED_MILLIS = 90 * DAY
const ENDED_SHOWN = 20
const SIGN_INS_SHOWN = 10

/** What the page of an account shows of its connections. */
export async function connectionsModel(deps: ConsoleDeps, { id }: Account, by: Operator) {
  const mayAudit = may(by, 'admin:audit:read')
  const from = new Date(deps.clock() - ENDED_MILLIS)
  const [live, ended, signIns, failed] = await Promise.all([
    deps.accountConnections(id),
    mayAudit ? listEvents(deps, id, 'grant.revoked', ENDED_SHOWN, from) : [],
    mayAudit ? listEvents(deps, id, 'login.succeeded', SIGN_INS_SHOWN) : [],
    mayAudit ? listEvents(deps, id, 'login.failed', SIGN_INS_SHOWN) : [],
  ])
  return {
    connections: live.connections.map(({ grantId, appId, appName, ...each }) => ({
      ...each,
      name: appName ?? appId,
      href: appPath(appId),
      endUrl: accountPath({ id }, `/connections/${encodeURIComponent(grantId)}/end`),
    })),
    isMore: live.isMore,
    ended: await Promise.all(
      ended.map(async ({ at, appId = '', reason = '' }) => ({
        at,
        name: (await deps.apps.find(appId))?.name ?? appId,
        why: reasonMessage('grant.revoked', reason).what,
      })),
    ),
    signIns: [...signIns, ...failed]
      .sort((left, right) => right.at.getTime() - left.at.getTime())
      .slice(0, SIGN_INS_SHOWN)
      .map(({ at, name, reason = '', address }) => ({
        at,
        what: name === 'login.succeeded' ? 'Signed in' : reasonMessage(name, reason).what,
        address,
      })),
    signInsUrl: linkWith('/admin/activity', { account: id, event: 'login.succeeded' }),
    endedUrl: linkWith('/admin/activity', { account: id, event: 'grant.revoked' }),
  }
}

const listEvents = async (
  { eventStore }: ConsoleDeps,
  accountId: string,
  name: string,
  limit: number,
  from?: Date,
): Promise<RecordedEvent[]> => (await eventStore.list({ accountId, name, limit, from })).events
