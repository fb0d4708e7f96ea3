// Which grants a purge or a disconnection means, batch by batch. Invariant: an index is walked
// once, from place to place, so that what stays in it and what begins meanwhile costs a look and
// cannot keep a walk going. Called by purge.ts and disconnect.ts.
import type { IndexPlace } from './family-store.ts'
import type { Grants } from './grants.ts'
import type { Listed, WalkGrants } from './listing.ts'
import type { PurgeTask } from '../storage/purge-outbox.ts'

const BATCH = 100

/** A part of an index. */
export interface PurgeBatch {
  /** The grants that the task means, as far as the index tells. */
  meant: Listed[]
  /** How many were looked at. */
  looked: number
  /** The last one of them. */
  place: IndexPlace
}

/**
 * Yields the grants of a task, of which those stay that began with the job's generation or a later
 * one.
 *
 * @param behind where an earlier walk came to
 */
export async function* batchesOf(
  grants: Pick<Grants, 'walkOfAccount' | 'walkOfApp'>,
  task: PurgeTask,
  generation: number | undefined,
  behind?: IndexPlace,
): AsyncGenerator<PurgeBatch> {
  if (task.kind === 'app') {
    const before = generation === undefined ? {} : { before: { app: generation } }
    for await (const page of pages(grants.walkOfApp, task.appId, behind))
      yield { ...page, meant: page.found.map((each) => ({ ...each, ...before })) }
    return
  }
  const before = generation === undefined ? {} : { before: { account: generation } }
  for await (const page of pages(grants.walkOfAccount, task.accountId, behind)) {
    const meant = page.found.filter(({ appId }) => task.kind === 'account' || appId === task.appId)
    yield { ...page, meant: meant.map((each) => ({ ...each, ...before })) }
  }
}

async function* pages(
  walk: WalkGrants,
  ownerId: string,
  behind: IndexPlace | undefined,
): AsyncGenerator<{ found: Listed[]; looked: number; place: IndexPlace }> {
  for (let from = behind; ;) {
    const found = await walk(ownerId, from, BATCH)
    const last = found.at(-1)
    if (last === undefined) return
    from = last.place
    yield { found, looked: found.length, place: from }
    if (found.length < BATCH) return
  }
}
