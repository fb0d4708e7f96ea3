// Last uses of secrets: in memory, written at most once a minute, never lost to a failure.
import { jest } from '@jest/globals'
import { createSecretUsage } from '../../../src/apps/secret-usage.ts'

beforeEach(() => void jest.useFakeTimers({ now: 1_700_000_000_000 }))
afterEach(() => void jest.useRealTimers())

function setUp() {
  const written: (readonly [string, number])[][] = []
  let isAway = false
  const usage = createSecretUsage({
    clock: () => Date.now(),
    store: {
      replaceSecretHashes: () => Promise.resolve(),
      noteSecretUses(uses) {
        if (isAway)
          return new Promise((_, reject) => setTimeout(() => reject(new Error('away')), 1000))
        written.push([...uses].map(([id, at]) => [id, at.getTime() - 1_700_000_000_000] as const))
        return Promise.resolve()
      },
    },
  })
  return { usage, written, goAway: (away: boolean) => void (isAway = away) }
}

test('a thousand uses of two secrets are one write a minute later, with the newest times', async () => {
  const { usage, written } = setUp()
  for (let at = 0; at < 1000; at += 1) usage.note(at % 2 === 0 ? 'sec_a' : 'sec_b')
  await jest.advanceTimersByTimeAsync(10_000)
  usage.note('sec_a')
  await jest.advanceTimersByTimeAsync(49_999)
  expect(written).toEqual([])
  await jest.advanceTimersByTimeAsync(1)
  expect(written).toEqual([
    [
      ['sec_a', 10_000],
      ['sec_b', 0],
    ],
  ])
  // Without uses there is no timer.
  expect(jest.getTimerCount()).toBe(0)
})

test('what could not be written comes with the next batch, unless something newer is there', async () => {
  const { usage, written, goAway } = setUp()
  usage.note('sec_a')
  usage.note('sec_b')
  goAway(true)
  await jest.advanceTimersByTimeAsync(60_000)
  // While the write that is going to fail is still on its way.
  usage.note('sec_b')
  await jest.advanceTimersByTimeAsync(1000)
  goAway(false)
  await jest.advanceTimersByTimeAsync(60_000)
  expect(new Map(written[0])).toEqual(
    new Map([
      ['sec_a', 0],
      ['sec_b', 60_000],
    ]),
  )
})

test('closing writes what is left and leaves no timer', async () => {
  const { usage, written } = setUp()
  usage.note('sec_a')
  await usage[Symbol.asyncDispose]()
  expect(written).toEqual([[['sec_a', 0]]])
  expect(jest.getTimerCount()).toBe(0)
})
