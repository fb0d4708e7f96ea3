// The queue of slow work, such as a check of a password. Invariants: little runs at once and little
// waits; groups (networks) take turns, so that one that sends a flood waits behind itself; where
// the queue is full the longest group gives way, not whoever comes last; and known places have a
// lane of their own, which strangers can neither fill nor hold up.
import { AppError } from '../shared/errors.ts'

/** From where a piece of work is asked for. */
export interface QueuePlace {
  /** Whoever shares a group shares its turns. */
  group: string
  /** Whether this account was signed in from there before. */
  isKnown: boolean
}

/**
 * Runs a piece of work in its turn. @throws {AppError} `temporarily_unavailable` when too many wait
 */
export type InTurn = <T>(work: () => Promise<T>, place?: QueuePlace) => Promise<T>

const RETRY_AFTER_SECONDS = 5
const NOWHERE: QueuePlace = { group: '', isKnown: false }
// Of so many turns strangers have one, also while known places wait: neither lane stands still.
const TURNS_PER_STRANGER = 3

interface Waiter {
  start: () => void
  refuse: (error: AppError) => void
}

/**
 * Creates the queue: `concurrency` works run and at most `maxWaiting` wait; of known places a
 * quarter of that waits beside them.
 */
export function createFairQueue(
  concurrency: number,
  maxWaiting: number,
  onWaiting: (count: number) => void,
): InTurn {
  const strangers = createLane(maxWaiting)
  const known = createLane(Math.ceil(maxWaiting / 4))
  let running = 0
  let turns = 0

  const report = (): void => onWaiting(strangers.size() + known.size())

  function next(): Waiter | undefined {
    turns += 1
    const isStrangersTurn = turns % TURNS_PER_STRANGER === 0
    return isStrangersTurn
      ? (strangers.shift() ?? known.shift())
      : (known.shift() ?? strangers.shift())
  }

  function wait({ group, isKnown }: QueuePlace): Promise<void> {
    return new Promise((resolve, reject) => {
      const lane = isKnown ? known : strangers
      lane.push(group, { start: resolve, refuse: reject })?.refuse(tooMany())
      report()
    })
  }

  return async function inTurn(work, place = NOWHERE) {
    if (running < concurrency) running += 1
    else await wait(place)
    try {
      return await work()
    } finally {
      const waiter = next()
      // The place is handed on, not given up: nobody who comes now can slip in before the one who
      // waited.
      if (waiter === undefined) running -= 1
      else {
        report()
        waiter.start()
      }
    }
  }
}

const tooMany = (): AppError =>
  new AppError('temporarily_unavailable', {
    detail: 'too many password checks wait',
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  })

/** Groups that take turns; within one it is first come, first served. */
function createLane(max: number) {
  // In the order of their turns: who was served goes to the end.
  const groups = new Map<string, Waiter[]>()
  let size = 0

  function remove(group: string, list: readonly Waiter[]): void {
    size -= 1
    if (list.length === 0) groups.delete(group)
  }

  return {
    size: () => size,
    /** @returns whoever has to give way, where the lane is full */
    push(group: string, waiter: Waiter): Waiter | undefined {
      const own = groups.get(group) ?? []
      let refused: Waiter | undefined
      if (size >= max) {
        const longest = [...groups].reduce<[string, Waiter[]] | undefined>(
          (most, each) => (most === undefined || each[1].length > most[1].length ? each : most),
          undefined,
        )
        // The newest of the longest; that is the newcomer itself where its own group is no shorter.
        if (longest === undefined || longest[1].length <= own.length + 1) return waiter
        refused = longest[1].pop()
        remove(...longest)
      }
      own.push(waiter)
      groups.set(group, own)
      size += 1
      return refused
    },
    shift(): Waiter | undefined {
      for (const [group, list] of groups) {
        const waiter = list.shift()
        groups.delete(group)
        if (list.length > 0) groups.set(group, list)
        if (waiter !== undefined) {
          size -= 1
          return waiter
        }
      }
      return undefined
    },
  }
}
