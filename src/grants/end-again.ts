// Ends what had ended before, in a copy of the store that does not know of it. Invariant: nothing
// else is touched; what another grant under the same id holds stays.
import type { Clock } from '../shared/clock.ts'
import { ENDED_MILLIS, endingOf, forbiddingBeginning, leaveIndexes, newMark } from './ended-mark.ts'
import type { FamilyStore, IndexStore } from './family-store.ts'
import { accessName, type Grant, GRANT, parseRecord } from './grant.ts'
import type { Ended } from './revoke-grant.ts'
import { LOST, retryCommit } from '../model/retry-commit.ts'

/** Creates what ends again; any number at once share their reads. */
export function createEndAgain(store: FamilyStore & IndexStore, clock: Clock) {
  async function endToken(family: string, token: string): Promise<void> {
    const name = accessName(token)
    const [text] = await store.read(family, [name])
    if (text !== undefined) await store.commit(family, { expect: [], remove: [name] })
  }

  async function endFamily({ family, epoch, endedAt }: Omit<Ended, 'token'>): Promise<void> {
    const grant = await retryCommit(async () => {
      const [text] = await store.read(family, [GRANT])
      if (text === undefined) {
        const mayBegin = epoch === undefined && clock() - endedAt < ENDED_MILLIS
        if (!mayBegin) return undefined
        return (await store.commit(family, forbiddingBeginning(newMark()))) ? undefined : LOST
      }
      const found = parseRecord<Grant>(text)
      if (found.epoch !== epoch) return undefined
      return (await store.commit(family, endingOf(text, found, newMark()))) ? found : LOST
    })
    if (grant !== undefined) await leaveIndexes(store, family, grant)
  }

  return async function endAgain(endings: readonly Ended[]): Promise<void> {
    await Promise.all(
      endings.map((ended) =>
        ended.token === undefined ? endFamily(ended) : endToken(ended.family, ended.token),
      ),
    )
  }
}
