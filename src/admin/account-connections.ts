// The live authorizations of one account: which app, since when, used and refreshed when, until
// when. Bounded work, whatever an account has gathered. Called by the console and the admin API.
import type { AppRegistry } from '../apps/app-registry.ts'
import type { GrantFigures } from '../grants/grant-figures.ts'
import type { Grant } from '../grants/grant.ts'
import type { Grants } from '../grants/grants.ts'
import { type Clock, SECOND } from '../shared/clock.ts'

/** One live authorization. */
export interface AccountConnection {
  grantId: string
  appId: string
  /** Absent where the app is gone. */
  appName: string | undefined
  scopes: readonly string[]
  since: Date
  lastUsedAt: Date | undefined
  lastRefreshedAt: Date | undefined
  /** When it ends unless it is refreshed. */
  endsAt: Date
}

interface ConnectionsDeps {
  grants: Pick<Grants, 'listOfAccount' | 'find'>
  figures: Pick<GrantFigures, 'timesOf'>
  apps: Pick<AppRegistry, 'find'>
  clock: Clock
}

/** More than a page shows with sense. */
const MOST = 200

/** Creates the list; the newest first. `isMore` where an account has more than are looked at. */
export const createAccountConnections =
  (deps: ConnectionsDeps) =>
  async (accountId: string): Promise<{ connections: AccountConnection[]; isMore: boolean }> => {
    const listed = await deps.grants.listOfAccount(accountId, 0, MOST + 1)
    const found = await Promise.all(
      listed.slice(0, MOST).map(({ grantId }) => deps.grants.find(grantId)),
    )
    const byApp = new Map<string, Grant[]>()
    for (const grant of found)
      if (grant !== undefined) byApp.set(grant.appId, [...(byApp.get(grant.appId) ?? []), grant])
    const connections = await Promise.all(
      [...byApp].map(([appId, grants]) => connectionsOf(deps, appId, grants)),
    )
    return {
      connections: connections
        .flat()
        .sort((left, right) => right.since.getTime() - left.since.getTime()),
      isMore: listed.length > MOST,
    }
  }

export type ListAccountConnections = ReturnType<typeof createAccountConnections>

async function connectionsOf(
  { figures, apps, clock }: ConnectionsDeps,
  appId: string,
  grants: readonly Grant[],
): Promise<AccountConnection[]> {
  const [app, times] = await Promise.all([apps.find(appId), figures.timesOf(appId, grants)])
  return grants.flatMap(({ id, scopes, createdAt }, at) => {
    const { lastUsedAt, lastRefreshedAt, endsAt } = times[at] ?? {}
    // The grant outlives its refresh token by a while.
    if (endsAt === undefined || endsAt.getTime() <= clock()) return []
    return [
      {
        grantId: id,
        appId,
        appName: app?.name,
        scopes,
        since: new Date(createdAt * SECOND),
        lastUsedAt,
        lastRefreshedAt,
        endsAt,
      },
    ]
  })
}
