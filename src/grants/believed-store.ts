// The store as it may be believed: an answer counts only if it came from a copy that knows what has
// ended, and no other copy can have given it. Costs no trip. Called by open-stores.ts.
import { AppError } from '../shared/errors.ts'
import type { ShortLivedStore } from './family-store.ts'

interface BelievedCopy {
  /** Another one once something that was acknowledged may have been lost. */
  readonly history: string
}

/** Tells which copy of the store is believed; see revocations/catch-up.ts. */
export interface Belief {
  /** Stands for the copy; another one where another copy may have taken over. */
  believed(): BelievedCopy | undefined
  /** Waits for one, for a moment. @throws {AppError} `temporarily_unavailable` */
  whenBelieved(): Promise<BelievedCopy>
}

const READS = 2

/** Creates the store over one whose answers may come from any copy. */
export function createBelievedStore(store: ShortLivedStore, belief: Belief): ShortLivedStore {
  async function readAgain(
    family: string,
    names: readonly string[],
  ): Promise<(string | undefined)[]> {
    for (let read = 0; read < READS; read += 1) {
      const copy = await belief.whenBelieved()
      const values = await store.read(family, names)
      if (belief.believed() === copy) return values
    }
    throw new AppError('temporarily_unavailable', {
      detail: 'redis: another copy at every attempt',
      retryAfterSeconds: 1,
    })
  }

  return {
    ...store,
    copy: () => belief.believed(),
    history: async () => (belief.believed() ?? (await belief.whenBelieved())).history,
    read(family, names) {
      const copy = belief.believed()
      if (copy === undefined) return readAgain(family, names)
      return store
        .read(family, names)
        .then((values) => (belief.believed() === copy ? values : readAgain(family, names)))
    },
    // What was carried out counts, wherever that was: a copy that took over meanwhile still ends
    // what has ended before anything that hangs on it is believed.
    commit(family, change) {
      if (belief.believed() !== undefined) return store.commit(family, change)
      return belief.whenBelieved().then(() => store.commit(family, change))
    },
    async ping() {
      await store.ping()
      await belief.whenBelieved()
    },
  }
}
