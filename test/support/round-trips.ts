// Watches every command that reaches a Redis, by MONITOR, and every statement that leaves this
// process for PostgreSQL. For tests that keep a request within its budget of round trips.
import { Redis } from 'ioredis'
import pg from 'pg'

export interface CommandCounter extends AsyncDisposable {
  /**
   * Returns the names of the commands that the work caused, in order. Commands inside scripts are
   * part of their script.
   */
  during(work: () => Promise<void>): Promise<string[]>
}

/** Starts watching a Redis that nobody else uses. */
export async function watchRedis(url: string): Promise<CommandCounter> {
  const speaker = new Redis(url)
  const monitor = await speaker.monitor()
  let seen: string[] = []
  let sync: { mark: string; resolve: () => void } | undefined
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    const [name = '', first = ''] = args
    if (sync !== undefined && first === sync.mark) sync.resolve()
    else if (source !== 'lua') seen.push(name.toLowerCase())
  })
  /** Resolves when everything that was sent before has been seen. */
  async function settle(): Promise<void> {
    const mark = `mark-${Math.random()}`
    const reached = new Promise<void>((resolve) => (sync = { mark, resolve }))
    await speaker.echo(mark)
    await reached
    sync = undefined
  }
  return {
    async during(work) {
      await settle()
      seen = []
      await work()
      await settle()
      return seen
    },
    [Symbol.asyncDispose]() {
      monitor.disconnect()
      speaker.disconnect()
      return Promise.resolve()
    },
  }
}

/** Counts the statements that this process sends to PostgreSQL while the work is done. */
export async function countQueries(work: () => Promise<void>): Promise<string[]> {
  const statements: string[] = []
  const prototype = pg.Client.prototype as unknown as { query: (...args: unknown[]) => unknown }
  const original = prototype.query
  prototype.query = function query(this: unknown, ...args) {
    const [statement] = args
    statements.push(
      typeof statement === 'string' ? statement : (statement as { text: string }).text,
    )
    return original.apply(this, args)
  }
  try {
    await work()
  } finally {
    prototype.query = original
  }
  return statements
}
