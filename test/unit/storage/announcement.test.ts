// A change that is saved is announced whatever the channel does. Each user of the announcer is
// tested here with the same channel that is away: apps and scopes in test/contract/apps.test.ts.
import { jest } from '@jest/globals'
import { createAnnouncer } from '../../../src/storage/announcement.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

function createChannel() {
  const channel = {
    isAway: false,
    published: [] as string[],
    attempts: 0,
    publish(topic: string, id: string): Promise<void> {
      channel.attempts += 1
      if (channel.isAway) return Promise.reject(new Error('the channel is away'))
      channel.published.push(`${topic} ${id}`)
      return Promise.resolve()
    },
  }
  return channel
}

test('an announcement that fails is no failure of the change, and is sent again until it succeeds', async () => {
  const channel = createChannel()
  const failures: unknown[] = []
  using announcer = createAnnouncer(channel, 'account', (error) => failures.push(error))
  channel.isAway = true
  await announcer.announce('acc_1')
  await announcer.announce('acc_2')
  await announcer.announce('acc_1')
  expect(channel.published).toEqual([])
  await jest.advanceTimersByTimeAsync(10_000)
  channel.isAway = false
  await jest.advanceTimersByTimeAsync(31_000)
  expect(channel.published).toEqual(['account acc_1', 'account acc_2'])
  expect(failures.length).toBeGreaterThan(3)
  const { attempts } = channel
  await jest.advanceTimersByTimeAsync(300_000)
  expect(channel.attempts).toBe(attempts)
})

test('the pauses between attempts grow, so that a channel that is away for long is not flooded', async () => {
  const channel = createChannel()
  using announcer = createAnnouncer(channel, 'app')
  channel.isAway = true
  await announcer.announce('app_1')
  await jest.advanceTimersByTimeAsync(600_000)
  expect(channel.attempts).toBeLessThan(30)
})

test('an announcer that was disposed of leaves no timer behind', async () => {
  const channel = createChannel()
  const announcer = createAnnouncer(channel, 'scopes')
  channel.isAway = true
  await announcer.announce('bookings:read')
  announcer[Symbol.dispose]()
  await announcer.announce('bookings:read')
  expect(jest.getTimerCount()).toBe(0)
})
