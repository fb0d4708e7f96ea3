// Tells all processes about a change that is already in the database. Invariant: a change that was saved is never reported as failed because
// the channel was away for a moment; this process has forgotten the old state at once, the others are told as soon as it is back.
import { SECOND } from '../shared/clock.ts'
import type { Invalidation, InvalidationTopic } from '../storage/invalidation.ts'

/** Announces changes; disposing stops trying. */
export interface Announcer extends Disposable {
  announce(id: string): Promise<void>
}

/** Creates an announcer of one topic. */
export function createAnnouncer(
  invalidation: Pick<Invalidation, 'publish'>,
  topic: InvalidationTopic,
): Announcer {
  const untold = new Set<string>()
  let timer: NodeJS.Timeout | undefined

  async function announce(id: string): Promise<void> {
    try {
      await invalidation.publish(topic, id)
      untold.delete(id)
    } catch {
      untold.add(id)
      timer ??= setTimeout(tryAgain, SECOND).unref()
    }
  }
  function tryAgain(): void {
    timer = undefined
    for (const id of untold) void announce(id)
  }
  return { announce, [Symbol.dispose]: () => clearTimeout(timer) }
}
