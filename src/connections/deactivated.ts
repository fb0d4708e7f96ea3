// Ends the connections of accounts that were deactivated. Invariants: an account that was
// deactivated while no process listened is found within the hour; nothing here fails anything.
import { type Clock, dateNow, HOUR } from '../shared/clock.ts'
import type { ConnectionOfDeactivated, EndingStore } from './ending.store.ts'

export interface DeactivatedDeps {
  endings: Pick<EndingStore, 'endOfDeactivated'>
  onEnded: (connection: ConnectionOfDeactivated) => void
  clock: Clock
}

/** Looks for connections of deactivated accounts. */
export interface Deactivated {
  /** Says that an account has changed. */
  look: (accountId: string) => void
  /** Ends what is to be ended. @throws {AppError} `temporarily_unavailable` */
  end: () => Promise<void>
}

const BATCH = 100
/** Changed accounts that are remembered; where there are more, all are looked at. */
const MOST_CHANGED = 1000

/** Creates it; the first look is at all accounts. */
export function createDeactivated({ endings, onEnded, clock }: DeactivatedDeps): Deactivated {
  const changed = new Set<string>()
  let lookedAtAll = Number.NEGATIVE_INFINITY

  async function end(): Promise<void> {
    const now = clock()
    const isAll = now - lookedAtAll >= HOUR || changed.size > MOST_CHANGED
    if (!isAll && changed.size === 0) return
    const ids = [...changed]
    for (let count = BATCH; count === BATCH;) {
      const ended = await endings.endOfDeactivated(isAll ? undefined : ids, BATCH, dateNow(clock))
      for (const connection of ended) onEnded(connection)
      count = ended.length
    }
    for (const id of ids) changed.delete(id)
    if (isAll) lookedAtAll = now
  }
  return { look: (accountId) => void changed.add(accountId), end }
}
