// Reads that come up in one turn of the event loop share one command: under load a server looks
// many tokens up at once, and a command costs its client more than its keys do. Invariant: each
// caller gets exactly its own values, of one moment; a failure is everybody's who waited for it.
// Called by the Redis store; not for a Cluster, where the keys of two families may not meet in one
// command.

/** Reads values by their keys, in order; `null` where there is none. */
export type ReadKeys = (keys: string[]) => Promise<(string | null)[]>

interface Waiting {
  /** How many of the keys are its own. */
  count: number
  resolve: (values: (string | undefined)[]) => void
  reject: (error: unknown) => void
}

/** Beyond it a command would keep the server busy for long enough that others notice. */
const MOST_KEYS = 256

/** Creates the reader that asks for each caller apart. @param read one command for many keys */
export const createSingleReads =
  (read: ReadKeys) =>
  async (own: readonly string[]): Promise<(string | undefined)[]> =>
    (await read([...own])).map((value) => value ?? undefined)

/** Creates the reader. @param read one command for many keys */
export function createBatchedReads(read: ReadKeys) {
  let keys: string[] = []
  let waiting: Waiting[] = []

  function flush(): void {
    if (waiting.length === 0) return
    const [asked, callers] = [keys, waiting]
    keys = []
    waiting = []
    read(asked).then(
      (values) => {
        let from = 0
        for (const { count, resolve } of callers) {
          const own: (string | undefined)[] = []
          for (let at = from; at < from + count; at += 1) own.push(values[at] ?? undefined)
          from += count
          resolve(own)
        }
      },
      (error: unknown) => {
        for (const { reject } of callers) reject(error)
      },
    )
  }

  /** Reads the keys together with whatever else is read in this turn. */
  return function readBatched(own: readonly string[]): Promise<(string | undefined)[]> {
    return new Promise((resolve, reject) => {
      // After the turn's I/O: the requests that arrived together are all there then.
      if (waiting.length === 0) setImmediate(flush)
      keys.push(...own)
      waiting.push({ count: own.length, resolve, reject })
      if (keys.length >= MOST_KEYS) flush()
    })
  }
}
