// The environment of each test file: Node's, and the file fails if it leaves something open that
// keeps a process alive. Jest's own notice names no file, and comes too on a busy machine, where an
// ending worker needs more than its half second.
import { TestEnvironment as NodeEnvironment } from 'jest-environment-node'
import { setTimeout as sleep } from 'node:timers/promises'

/** What an ending connection or process may still need, on a busy machine too. */
const PATIENCE_MILLIS = 15_000
const LOOK_EVERY_MILLIS = 20

/** How many of each kind keep this process alive, by Node's names (`TCPSocketWrap`, `Timeout`). */
function countOpen(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

/** Node opens them when they are first used, and they stay open. */
const openStandardStreams = (): unknown => [process.stdout, process.stderr]

export class TidyEnvironment extends NodeEnvironment {
  #before = new Map<string, number>()
  #hasFailed = false

  /** A test that failed may leave something open, and its own message is the one to read. */
  handleTestEvent({ name, test }: { name: string; test?: { errors: readonly unknown[] } }): void {
    if (name === 'test_done' && test !== undefined && test.errors.length > 0) this.#hasFailed = true
  }

  override async setup(): Promise<void> {
    await super.setup()
    openStandardStreams()
    this.#before = countOpen()
  }

  override async teardown(): Promise<void> {
    const left = this.#hasFailed ? [] : await this.#waitUntilTidy()
    await super.teardown()
    if (left.length > 0) throw new Error(`The tests of this file left open: ${left.join(', ')}.`)
  }

  async #waitUntilTidy(): Promise<string[]> {
    const deadline = performance.now() + PATIENCE_MILLIS
    for (;;) {
      const left = [...countOpen()]
        .map(([kind, count]) => ({ kind, count: count - (this.#before.get(kind) ?? 0) }))
        .filter(({ count }) => count > 0)
        .map(({ kind, count }) => `${String(count)} ${kind}`)
      if (left.length === 0 || performance.now() > deadline) return left
      await sleep(LOOK_EVERY_MILLIS)
    }
  }
}

// eslint-disable-next-line no-restricted-syntax -- Jest takes the default export
export default TidyEnvironment
