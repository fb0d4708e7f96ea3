// How many calls of one lane are under way at once, in this process. A provider that hangs must not
// take all connections, and a burst of ours must not be what a provider blocks us for.
import { OutgoingError } from './failure.ts'

/** The lanes of this process. */
export interface Turns {
  /**
   * Waits for a turn.
   *
   * @returns what gives it back; calling it again does nothing
   * @throws {OutgoingError} `busy` where none is free in time or too many wait already
   */
  take(lane: string, timeoutMillis: number): Promise<() => void>
}

interface Lane {
  running: number
  /** In the order in which they came. */
  readonly waiting: Set<() => void>
}

/** Creates the lanes. @param atOnce of one lane; as many again may wait four times over */
export function createTurns(atOnce: number): Turns {
  const lanes = new Map<string, Lane>()

  function giveBack(name: string, lane: Lane): void {
    const [next] = lane.waiting
    if (next !== undefined) {
      // The turn goes on to who waits; it is never free in between.
      lane.waiting.delete(next)
      next()
      return
    }
    lane.running -= 1
    if (lane.running === 0) lanes.delete(name)
  }

  function turnOf(name: string, lane: Lane): () => void {
    let isGivenBack = false
    return () => {
      if (isGivenBack) return
      isGivenBack = true
      giveBack(name, lane)
    }
  }

  return {
    take(name, timeoutMillis) {
      const lane = lanes.get(name) ?? { running: 0, waiting: new Set() }
      lanes.set(name, lane)
      if (lane.running < atOnce) {
        lane.running += 1
        return Promise.resolve(turnOf(name, lane))
      }
      if (lane.waiting.size >= atOnce * MOST_WAITING)
        return Promise.reject(new OutgoingError('busy'))
      return new Promise((resolve, reject) => {
        const begin = (): void => {
          clearTimeout(timer)
          resolve(turnOf(name, lane))
        }
        const timer = setTimeout(() => {
          lane.waiting.delete(begin)
          reject(new OutgoingError('busy'))
        }, timeoutMillis)
        lane.waiting.add(begin)
      })
    },
  }
}

const MOST_WAITING = 4
