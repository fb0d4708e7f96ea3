// How many apps name each scope. Counting reads every app, which is nothing for thousands of them and a quarter of a second for a hundred thousand:
// so an answer that took long is remembered for a minute and renewed behind the back of whoever asks; one that did not is always counted anew.
import { MINUTE, SECOND } from '../shared/clock.ts'

/** Scope → number of apps; a scope that no app names is absent. */
export type ScopeUse = ReadonlyMap<string, number>

const DEAR_MILLIS = 20
const RENEWED_AFTER_MILLIS = 5 * SECOND
const FORGOTTEN_AFTER_MILLIS = MINUTE

/** Creates the counter. @param now monotonic milliseconds */
export function createScopeUse(
  read: () => Promise<ScopeUse>,
  now: () => number = () => performance.now(),
): () => Promise<ScopeUse> {
  let known: { use: ScopeUse; at: number; tookMillis: number } | undefined
  let counting: Promise<ScopeUse> | undefined

  async function count(): Promise<ScopeUse> {
    const start = now()
    const use = await read()
    known = { use, at: now(), tookMillis: now() - start }
    return use
  }
  const countOnce = (): Promise<ScopeUse> =>
    (counting ??= count().finally(() => (counting = undefined)))

  return async function countByScope() {
    if (known === undefined || known.tookMillis < DEAR_MILLIS) return countOnce()
    const age = now() - known.at
    if (age > FORGOTTEN_AFTER_MILLIS) return countOnce()
    // What fails now is counted again by the next one who asks.
    if (age > RENEWED_AFTER_MILLIS) countOnce().catch(() => undefined)
    return known.use
  }
}
