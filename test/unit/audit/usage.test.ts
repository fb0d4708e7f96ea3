// Counters of the hour, never lost to a failed write, cheap.
import { jest } from '@jest/globals'
import { openUsage } from '../../../src/audit/usage.ts'
import type { HourCount } from '../../../src/audit/usage.store.ts'
import { HOUR } from '../../../src/shared/clock.ts'
import { createLogger } from '../../../src/shared/logger.ts'

const NOON = Date.UTC(2026, 1, 28, 12)

// Time is virtual; a write takes one turn of the event loop.
beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] }))
afterEach(() => void jest.useRealTimers())
const oneTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function pass(millis: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(millis)
  await oneTurn()
  await oneTurn()
}

function setUp(options: { flushEveryMillis?: number; closeWithinMillis?: number } = {}) {
  const time = { now: NOON }
  const database = { isAway: false, written: [] as HourCount[][] }
  const usage = openUsage({
    store: {
      async add(counts) {
        await oneTurn()
        if (database.isAway) throw new Error('away')
        database.written.push(counts.map((count) => ({ ...count })))
      },
    },
    logger: createLogger('silent'),
    clock: () => time.now,
    ...options,
  })
  return { usage, database, time }
}

test('Equal things are one counter; app, name and reason tell them apart', async () => {
  const { usage, database } = setUp()
  usage.count('token.issued', 'app_a')
  usage.count('token.issued', 'app_a')
  usage.count('token.issued', 'app_b')
  usage.count('request.refused', 'app_a', 'code_used')
  usage.count('login.failed')
  expect(await usage.flush()).toBe(true)
  const hour = '2026-02-28T12:00:00.000Z'
  expect(database.written).toEqual([
    [
      { hour, appId: 'app_a', name: 'token.issued', reason: '', count: 2 },
      { hour, appId: 'app_b', name: 'token.issued', reason: '', count: 1 },
      { hour, appId: 'app_a', name: 'request.refused', reason: 'code_used', count: 1 },
      { hour, appId: '', name: 'login.failed', reason: '', count: 1 },
    ],
  ])
})

test('The hour follows the clock forwards and backwards', async () => {
  const { usage, database, time } = setUp()
  const midnight = Date.UTC(2026, 2, 1)
  for (const now of [midnight - 1, midnight, midnight + HOUR - 1, midnight + HOUR, midnight - 1]) {
    time.now = now
    usage.count('token.issued', 'app_a')
  }
  await usage.flush()
  expect(database.written.flat().map(({ hour, count }) => [hour, count])).toEqual([
    ['2026-02-28T23:00:00.000Z', 2],
    ['2026-03-01T00:00:00.000Z', 2],
    ['2026-03-01T01:00:00.000Z', 1],
  ])
})

test('A failed write keeps the counts, together with what came meanwhile', async () => {
  const { usage, database } = setUp()
  database.isAway = true
  usage.count('token.issued', 'app_a')
  const failing = usage.flush()
  usage.count('token.issued', 'app_a')
  usage.count('token.refreshed', 'app_a')
  expect(await failing).toBe(false)
  database.isAway = false
  expect(await usage.flush()).toBe(true)
  expect(database.written.flat().map(({ name, count }) => [name, count])).toEqual([
    ['token.issued', 2],
    ['token.refreshed', 1],
  ])
  await usage.flush()
  expect(database.written).toHaveLength(1)
})

test('Counters are written by themselves, and again after a failure', async () => {
  const { usage, database } = setUp({ flushEveryMillis: 20 })
  database.isAway = true
  usage.count('token.issued', 'app_a')
  await pass(30)
  expect(database.written).toEqual([])
  database.isAway = false
  await pass(20)
  expect(database.written.flat()).toMatchObject([{ name: 'token.issued', count: 1 }])
})

test('Disposing writes what was counted, and does not wait for a database that hangs', async () => {
  const { usage, database } = setUp()
  usage.count('token.issued', 'app_a')
  await usage[Symbol.asyncDispose]()
  expect(database.written.flat()).toMatchObject([{ name: 'token.issued', count: 1 }])

  const hanging = openUsage({
    store: { add: () => new Promise(() => undefined) },
    logger: createLogger('silent'),
    clock: () => NOON,
    closeWithinMillis: 100,
  })
  hanging.count('token.issued')
  const disposed = hanging[Symbol.asyncDispose]()
  await pass(100)
  await disposed
})
