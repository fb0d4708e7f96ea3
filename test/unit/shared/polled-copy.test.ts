// The refresher of copies: never two reads at once, and a refresh returns what was there when it
// was requested, or newer.
import { jest } from '@jest/globals'
import { createPolledCopy } from '../../../src/shared/polled-copy.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

/** A copy whose reads end when the test says so. */
function setUp() {
  const reads: { finish: () => void; fail: (error: Error) => void }[] = []
  const failures: unknown[] = []
  const copy = createPolledCopy({
    read: () => new Promise((finish, fail) => reads.push({ finish, fail })),
    everyMillis: 30_000,
    onFailed: (error) => failures.push(error),
  })
  return { copy, reads, failures }
}
const settled = () => jest.advanceTimersByTimeAsync(0)

test('ten who ask while a read is running wait for one more read, that begins after it', async () => {
  const { copy, reads } = setUp()
  const first = copy.refresh()
  let later = 0
  for (let at = 0; at < 10; at += 1) void copy.refresh().then(() => (later += 1))
  expect(reads).toHaveLength(1)
  reads[0]!.finish()
  await first
  await settled()
  expect([reads.length, later]).toEqual([2, 0])
  reads[1]!.finish()
  await settled()
  expect([reads.length, later]).toEqual([2, 10])
  await copy[Symbol.asyncDispose]()
})

test('a failed read is told to who asked, and those who wait still get theirs', async () => {
  const { copy, reads, failures } = setUp()
  const first = copy.refresh()
  const second = copy.refresh()
  reads[0]!.fail(new Error('away'))
  await expect(first).rejects.toThrow('away')
  await settled()
  reads[1]!.finish()
  await expect(second).resolves.toBeUndefined()
  expect(failures).toEqual([])
  await copy[Symbol.asyncDispose]()
})

test('it reads at intervals until it is closed; failures in the background are reported', async () => {
  const { copy, reads, failures } = setUp()
  await jest.advanceTimersByTimeAsync(29_999)
  expect(reads).toHaveLength(0)
  await jest.advanceTimersByTimeAsync(1)
  reads[0]!.fail(new Error('away'))
  await settled()
  expect(failures).toEqual([new Error('away')])
  await jest.advanceTimersByTimeAsync(30_000)
  expect(reads).toHaveLength(2)
  const closing = copy[Symbol.asyncDispose]()
  reads[1]!.finish()
  await closing
  await jest.advanceTimersByTimeAsync(300_000)
  expect(reads).toHaveLength(2)
  expect(jest.getTimerCount()).toBe(0)
})
