// The end of one connection, of an account with an app, while the person waits. Invariant: when it
// returns, no token of the connection is good any more and nothing is remembered; when it fails
// halfway, the rest is written down and the purger carries it out. Called by connected-apps/.
import type { Consents } from './consents.ts'
import type { Grant } from './grant.ts'
import type { Grants } from './grants.ts'
import type { PurgeJobStore } from './purge-job.store.ts'
import { batchesOf } from './purge-batches.ts'

/**
 * Ends a connection at once and for all devices; also one that has ended already.
 *
 * @param reason the reason code that each revoked grant carries
 * @returns how many grants were alive
 * @throws {AppError} `temporarily_unavailable`
 */
export type Disconnect = (accountId: string, appId: string, reason: string) => Promise<number>

/** Creates the function that ends connections. */
export function createDisconnect(deps: {
  consents: Pick<Consents, 'forget'>
  grants: Pick<Grants, 'walkOfAccount' | 'walkOfApp' | 'revoke'>
  jobs: Pick<PurgeJobStore, 'remove'>
  audit: {
    /** Records the end of one grant; never throws. */
    grantRevoked: (grant: Grant, reason: string) => void
  }
}): Disconnect {
  const { consents, grants, jobs, audit } = deps
  return async function disconnect(accountId, appId, reason) {
    const { jobId, generation } = await consents.forget(accountId, appId, reason)
    // Not left to the purger: it may be busy with a larger job, or in another process, and the
    // person was told "at once".
    let count = 0
    const task = { kind: 'connection', accountId, appId, reason } as const
    for await (const { meant } of batchesOf(grants, task, generation)) {
      const revoked = await Promise.all(
        meant.map((found) => grants.revoke(found.grantId, found, reason)),
      )
      for (const grant of revoked) {
        if (grant === undefined) continue
        count += 1
        audit.grantRevoked(grant, reason)
      }
    }
    // Left behind, the job could end what the person connects anew in the meantime.
    await jobs.remove(jobId)
    return count
  }
}
