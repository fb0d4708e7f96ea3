// Commits to Redis that happen in time or not at all: each carries a deadline by the clock of
// Redis, which is earlier than the moment at which its caller is told that Redis is away. Without
// it, a command that waited in a Redis that stood still would be carried out after the caller was
// told so.
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../shared/errors.ts'
import { COMMIT_PATIENCE_MILLIS, type RedisClock } from '../storage/redis-clock.ts'
import { withRedis } from '../storage/redis.ts'
import type { FamilyChange, FamilyStore } from './family-store.ts'
import { createLostAnswers } from './lost-answers.ts'

/** By when, after its call, a commit that failed is answered, whatever is left to take back. */
const ANSWER_BY_MILLIS = 1800

/**
 * What became of a commit and when: four times the time of Redis, in milliseconds since the epoch,
 * plus one of the outcomes. One number, because a list costs the client several times as much.
 */
export type CommitAnswer = number
const DONE = 0
const LATE = 2
const outcomeOf = (answer: CommitAnswer): number => answer % 4
const timeOf = (answer: CommitAnswer): number => Math.floor(answer / 4)

interface TimelyCommitDeps {
  clock: RedisClock
  /**
   * Carries a change out.
   *
   * @param deadline milliseconds since the epoch, by the clock of Redis
   */
  carryOut: (
    family: string,
    change: FamilyChange,
    deadline: number,
    isUndo: boolean,
  ) => Promise<CommitAnswer>
}

/** Creates the commits. */
export function createTimelyCommits({
  clock,
  carryOut,
}: TimelyCommitDeps): Pick<FamilyStore, 'commit' | 'takeBack' | 'settled'> {
  const lost = createLostAnswers(async (family, undo) =>
    timeOf(await carryOut(family, undo, FOREVER, true)),
  )

  return {
    async commit(family, change) {
      const calledAt = performance.now()
      const waitsUntil = calledAt + COMMIT_PATIENCE_MILLIS
      const offset = clock.offset()
      let deadline =
        waitsUntil + (typeof offset === 'number' ? offset : await withRedis(() => offset))
      try {
        let answer = await carryOut(family, change, Math.floor(deadline), false)
        if (outcomeOf(answer) === LATE && performance.now() < waitsUntil) {
          // It was not late: the clock of Redis was set, or is that of another machine.
          const time = timeOf(answer)
          clock.correct(time)
          deadline = time + waitsUntil - performance.now()
          answer = await carryOut(family, change, Math.floor(deadline), false)
        }
        // Also one that was carried out in time can be late, when the connection sends it once
        // more.
        if (outcomeOf(answer) === LATE) throw late()
        return outcomeOf(answer) === DONE
      } catch (error) {
        if (change.undo !== undefined && error instanceof AppError)
          await Promise.race([
            lost.takeBack(family, change.undo(), deadline),
            sleep(Math.max(0, calledAt + ANSWER_BY_MILLIS - performance.now()), undefined, UNHELD),
          ])
        throw error
      }
    },
    takeBack: (family, undo) =>
      Promise.race([lost.takeBack(family, undo, 0), sleep(ANSWER_BY_MILLIS, undefined, UNHELD)]),
    settled: (family) => lost.settled(family),
  }
}

const UNHELD = { ref: false }
const FOREVER = Number.MAX_SAFE_INTEGER

const late = (): AppError =>
  new AppError('temporarily_unavailable', {
    detail: 'redis carried a commit out too late',
    retryAfterSeconds: 2,
  })
