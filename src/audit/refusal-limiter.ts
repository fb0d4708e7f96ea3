// Keeps a flood of refused requests from pushing everybody else's events out of the queue. Called
// by events.ts for request.refused only.
import { SECOND, type Clock } from '../shared/clock.ts'

/**
 * Creates a limiter that lets `perSecond` through in each second for each source.
 *
 * @returns whether one more of the source may pass; a source is an app or an address
 */
export function createRefusalLimiter(clock: Clock, perSecond: number): (source: string) => boolean {
  let seen = new Map<string, number>()
  let second = Number.NaN
  return function isLetThrough(source) {
    const now = Math.floor(clock() / SECOND)
    if (now !== second) {
      second = now
      seen = new Map()
    }
    const count = (seen.get(source) ?? 0) + 1
    seen.set(source, count)
    return count <= perSecond
  }
}
