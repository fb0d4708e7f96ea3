// Remembers in memory when secrets were last used and writes it down in the background, all of them in one statement. Invariant: a request
// never waits for it, a secret is written at most once a minute, and what could not be written is tried again with the next batch.
import { MINUTE, dateNow, type Clock } from '../shared/clock.ts'

/** Where uses are written. */
export interface SecretUsageStore {
  /** @param uses when each secret was last used */
  noteSecretUses(uses: ReadonlyMap<string, Date>): Promise<void>
}

/** Notes uses of secrets; disposing writes what is still in memory. */
export interface SecretUsage extends AsyncDisposable {
  note(secretId: string): void
  flush(): Promise<void>
}

/** Creates the notebook; its timer only runs while something waits to be written. */
export function createSecretUsage(deps: { store: SecretUsageStore; clock: Clock }): SecretUsage {
  const { store, clock } = deps
  let waiting = new Map<string, Date>()
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  async function write(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    if (waiting.size === 0) return
    const batch = waiting
    waiting = new Map()
    try {
      await store.noteSecretUses(batch)
    } catch {
      // The date of a last use is no reason to fail anything: it goes into the next batch unless something newer is there.
      for (const [id, at] of batch) if (!waiting.has(id)) waiting.set(id, at)
      schedule()
    }
  }
  const flush = (): Promise<void> => (writing = writing.then(write))
  function schedule(): void {
    timer ??= setTimeout(() => void flush(), MINUTE).unref()
  }
  return {
    note(secretId) {
      waiting.set(secretId, dateNow(clock))
      schedule()
    },
    flush,
    async [Symbol.asyncDispose]() {
      await flush()
      clearTimeout(timer)
    },
  }
}
