// A change that is saved is published whatever the channel does. Each user of the publisher is
// tested here with the same channel that is away: apps and scopes in test/contract/apps.test.ts.
import { jest } from '@jest/globals'
import { createChangePublisher } from '../../../src/model/change-publisher.ts'

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

test('a publication that fails is no failure of the change, and is sent again until it succeeds', async () => {
  const channel = createChannel()
  const failures: unknown[] = []
  using publisher = createChangePublisher(channel, 'account', (error) => failures.push(error))
  channel.isAway = true
  await publisher.publish('acc_1')
  await publisher.publish('acc_2')
  await publisher.publish('acc_1')
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
  using publisher = createChangePublisher(channel, 'app')
  channel.isAway = true
  await publisher.publish('app_1')
  await jest.advanceTimersByTimeAsync(600_000)
  expect(channel.attempts).toBeLessThan(30)
})

test('a publisher that was disposed of leaves no timer behind', async () => {
  const channel = createChannel()
  const publisher = createChangePublisher(channel, 'scopes')
  channel.isAway = true
  await publisher.publish('bookings:read')
  publisher[Symbol.dispose]()
  await publisher.publish('bookings:read')
  expect(jest.getTimerCount()).toBe(0)
})
