// Remembers in memory when secrets were last used and writes it down in the background, all of them
// in one statement. Invariant: a request never waits for it, a secret is written at most once a
// minute, and what could not be written is tried again with the next batch.
import { MINUTE, dateNow, type Clock } from '../shared/clock.ts'

/** Where uses are written. */
export interface SecretUsageStore {
  /** @param uses when each secret was last used */
  noteSecretUses(uses: ReadonlyMap<string, Date>): Promise<void>
  /**
   * Replaces hashes, where they are still those; no version goes up, because nothing that anybody
   * sees changes.
   */
  replaceSecretHashes(renewals: readonly HashRenewal[]): Promise<void>
}

/**
 * A secret that was recognised under an older server key, or under one that was not recorded, with
 * its hash under the current one.
 */
export interface HashRenewal {
  readonly id: string
  readonly before: string
  readonly after: string
  readonly keyId: string | undefined
}

/** Notes uses of secrets; disposing writes what is still in memory. */
export interface SecretUsage extends AsyncDisposable {
  note(secretId: string): void
  /** Has a hash replaced with the next batch. */
  renew(renewal: HashRenewal): void
  flush(): Promise<void>
}

/** Creates the notebook; its timer only runs while something waits to be written. */
export function createSecretUsage(deps: { store: SecretUsageStore; clock: Clock }): SecretUsage {
  const { store, clock } = deps
  let waiting = new Map<string, Date>()
  let renewals = new Map<string, HashRenewal>()
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  async function write(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    await writeRenewals()
    if (waiting.size === 0) return
    const batch = waiting
    waiting = new Map()
    try {
      await store.noteSecretUses(batch)
    } catch {
      // The date of a last use is no reason to fail anything: it goes into the next batch unless
      // something newer is there.
      for (const [id, at] of batch) if (!waiting.has(id)) waiting.set(id, at)
      schedule()
    }
  }
  async function writeRenewals(): Promise<void> {
    if (renewals.size === 0) return
    const batch = renewals
    renewals = new Map()
    try {
      await store.replaceSecretHashes([...batch.values()])
    } catch {
      // The older key still recognises it, and the next batch tries again.
      renewals = new Map([...batch, ...renewals])
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
    renew(renewal) {
      renewals.set(renewal.id, renewal)
      schedule()
    },
    flush,
    async [Symbol.asyncDispose]() {
      await flush()
      clearTimeout(timer)
    },
  }
}
