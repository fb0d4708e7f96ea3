// The queue of events: bounded, in order, one write at a time, and never delays the end of the
// process.
import { jest } from '@jest/globals'
import { openEventQueue } from '../../../src/audit/event-queue.ts'
import { createLogger } from '../../../src/shared/logger.ts'

const logger = createLogger('silent')

// Time is virtual; a write takes one turn of the event loop.
beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] }))
afterEach(() => void jest.useRealTimers())
const oneTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * Lets the time pass, millisecond by millisecond, and lets writes that it starts come to an end.
 */
async function pass(millis: number): Promise<void> {
  for (let passed = 0; passed < millis; passed += 1) {
    await jest.advanceTimersByTimeAsync(1)
    await oneTurn()
  }
  await oneTurn()
}

/** A queue over a database that the test can stop and start. */
function setUp(options: Partial<Parameters<typeof openEventQueue<number>>[0]> = {}) {
  const database = { isAway: false, written: [] as number[][], attempts: 0, atOnce: 0, most: 0 }
  const seen = { dropped: 0, size: 0 }
  const queue = openEventQueue<number>({
    async write(batch) {
      database.attempts += 1
      database.atOnce += 1
      database.most = Math.max(database.most, database.atOnce)
      await oneTurn()
      database.atOnce -= 1
      if (database.isAway) throw new Error('away')
      database.written.push([...batch])
    },
    logger,
    dropped: { inc: (count) => (seen.dropped += count) },
    size: { set: (count) => (seen.size = count) },
    flushEveryMillis: 20,
    ...options,
  })
  const push = (from: number, count: number): void => {
    for (let number = from; number < from + count; number += 1) queue.push(number)
  }
  return { queue, database, seen, push }
}

const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, at) => from + at)

test('Events are written together, in order, after a moment', async () => {
  const { queue, database, push } = setUp()
  push(0, 10)
  expect(database.attempts).toBe(0)
  await pass(60)
  expect(database.written).toEqual([range(0, 10)])
  push(10, 1)
  await pass(60)
  expect(database.written).toEqual([range(0, 10), [10]])
  await queue[Symbol.asyncDispose]()
})

test('A full batch does not wait for the moment', async () => {
  const { queue, database, push } = setUp({ flushEveryMillis: 60_000 })
  push(0, 999)
  await pass(30)
  expect(database.attempts).toBe(0)
  push(999, 1)
  await pass(30)
  expect(database.written.map((batch) => batch.length)).toEqual([1000])
  await queue[Symbol.asyncDispose]()
})

test('A burst is written in batches of 1 000, one at a time', async () => {
  const { queue, database, push } = setUp()
  push(0, 2500)
  expect(await queue.flush()).toBe(true)
  expect(database.written.map((batch) => batch.length)).toEqual([1000, 1000, 500])
  expect(database.written.flat()).toEqual(range(0, 2500))
  expect(database.most).toBe(1)
  await queue[Symbol.asyncDispose]()
})

test('Flushes at once share their writes, and each covers what was pushed before it', async () => {
  const { queue, database, push } = setUp()
  push(0, 5)
  const first = queue.flush()
  push(5, 5)
  const second = queue.flush()
  const third = queue.flush()
  expect(await Promise.all([first, second, third])).toEqual([true, true, true])
  expect(database.written).toEqual([range(0, 5), range(5, 5)])
  expect(database.most).toBe(1)
  await queue[Symbol.asyncDispose]()
})

test('A burst of 2 000 while the database is away stays within 500; the oldest go and are counted; the rest arrives later', async () => {
  const { queue, database, seen, push } = setUp({ queueSize: 500, batchSize: 100 })
  database.isAway = true
  push(0, 300)
  expect(await queue.flush()).toBe(false)
  expect(seen).toEqual({ dropped: 0, size: 300 })
  push(300, 1700)
  expect(seen.dropped).toBe(1500)
  expect(await queue.flush()).toBe(false)
  expect(seen.size).toBe(500)
  database.isAway = false
  await pass(700)
  expect(database.written.flat()).toEqual(range(1500, 500))
  expect(seen).toEqual({ dropped: 1500, size: 0 })
  await queue[Symbol.asyncDispose]()
})

test('What comes during a write counts towards the bound and is not mixed into it', async () => {
  let finish: () => void = () => undefined
  const written: number[][] = []
  const { queue, seen, push } = setUp({
    queueSize: 10,
    batchSize: 10,
    async write(batch) {
      await new Promise<void>((resolve) => (finish = resolve))
      written.push([...batch])
    },
  })
  push(0, 6)
  const flushed = queue.flush()
  push(6, 8)
  // 6 are being written and cannot be taken back: of the 8 others the newest 4 fit.
  expect(seen.dropped).toBe(4)
  finish()
  await flushed
  const rest = queue.flush()
  await oneTurn()
  finish()
  await rest
  expect(written).toEqual([range(0, 6), range(10, 4)])
  await queue[Symbol.asyncDispose]()
})

test('When everything is being written, it is the newcomer that does not fit', async () => {
  let finish: () => void = () => undefined
  const { queue, seen, push } = setUp({
    queueSize: 3,
    write: () => new Promise<void>((resolve) => (finish = resolve)),
  })
  push(0, 3)
  const flushed = queue.flush()
  push(3, 2)
  expect(seen.dropped).toBe(2)
  finish()
  expect(await flushed).toBe(true)
  await queue[Symbol.asyncDispose]()
})

test('A batch that fills up after a failure waits for its turn', async () => {
  const { queue, database, push } = setUp({ batchSize: 10 })
  database.isAway = true
  push(0, 5)
  expect(await queue.flush()).toBe(false)
  push(5, 10)
  await pass(100)
  expect(database.attempts).toBe(1)
  database.isAway = false
  await queue[Symbol.asyncDispose]()
})

test('A database that is away is asked less and less often, not with every event', async () => {
  const { queue, database, push } = setUp({ batchSize: 10 })
  database.isAway = true
  for (let millis = 0; millis < 500; millis += 1) {
    push(0, 10)
    await pass(1)
  }
  // At once and after 200 ms; the next one comes 400 ms later.
  expect(database.attempts).toBe(2)
  database.isAway = false
  await queue[Symbol.asyncDispose]()
})

test('Disposing writes what waits, and what comes later is counted as dropped', async () => {
  const { queue, database, seen, push } = setUp({ flushEveryMillis: 60_000 })
  push(0, 1500)
  await queue[Symbol.asyncDispose]()
  expect(database.written.flat()).toEqual(range(0, 1500))
  push(1500, 2)
  expect(seen.dropped).toBe(2)
  await queue[Symbol.asyncDispose]()
})

test('Disposing waits for a database that comes back in time', async () => {
  const { queue, database, seen, push } = setUp()
  database.isAway = true
  push(0, 10)
  const disposed = queue[Symbol.asyncDispose]()
  await pass(100)
  database.isAway = false
  await pass(100)
  await disposed
  expect(database.written.flat()).toEqual(range(0, 10))
  expect(seen.dropped).toBe(0)
})

test('Disposing ends by its deadline and counts what was lost, whether the database refuses or hangs', async () => {
  for (const write of [
    () => Promise.reject(new Error('away')),
    () => new Promise<void>(() => undefined),
  ]) {
    const { queue, seen, push } = setUp({ write, closeWithinMillis: 150 })
    push(0, 10)
    let isDisposed = false
    const disposed = queue[Symbol.asyncDispose]().then(() => (isDisposed = true))
    await pass(140)
    expect(isDisposed).toBe(false)
    await pass(20)
    await disposed
    expect(seen.dropped).toBe(10)
  }
})
