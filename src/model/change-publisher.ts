// Publishes a change that is already in the database to all processes: the one way for apps,
// scopes, accounts, one-time links and keys. Invariant: a change that was saved is never reported
// as failed because the channel was away. This process has dropped the old state when the call
// returns; the others drop it as soon as the channel is back.
import { SECOND } from '../shared/clock.ts'

const LONGEST_PAUSE_MILLIS = 30 * SECOND

/** Publishes changes; disposing stops the retries. */
export interface ChangePublisher extends Disposable {
  /** Never rejects: what the channel refuses is sent again in the background. */
  publish(id: string): Promise<void>
}

/**
 * Creates the publisher of one topic.
 *
 * @param onFailed hears why a change has to be published again
 */
export function createChangePublisher<T extends string>(
  channel: { publish(topic: T, id: string): Promise<void> },
  topic: T,
  onFailed?: (error: unknown) => void,
): ChangePublisher {
  const pending = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let pauseMillis = SECOND
  let isDisposed = false

  async function publish(id: string): Promise<void> {
    try {
      await channel.publish(topic, id)
      pending.delete(id)
      if (pending.size === 0) pauseMillis = SECOND
    } catch (error) {
      onFailed?.(error)
      if (isDisposed) return
      pending.add(id)
      timer ??= setTimeout(tryAgain, pauseMillis).unref()
    }
  }
  function tryAgain(): void {
    timer = undefined
    pauseMillis = Math.min(2 * pauseMillis, LONGEST_PAUSE_MILLIS)
    for (const id of pending) void publish(id)
  }
  return {
    publish,
    [Symbol.dispose]() {
      isDisposed = true
      clearTimeout(timer)
    },
  }
}
