// The hourly sample when its process stops: it is given up, and another process can make it.
import { once } from 'node:events'
import { expect, it } from '@jest/globals'
import { startGaugeSampler } from '../../../src/audit/gauge-sampler.ts'

it('gives a sample up when it is disposed, without a warning, and releases the hour', async () => {
  const released: Date[] = []
  const warnings: unknown[] = []
  const asked: string[] = []
  const sampler = startGaugeSampler({
    gauges: {
      claim: () => Promise.resolve(true),
      release(at) {
        released.push(at)
        return Promise.resolve()
      },
      add: () => Promise.resolve(),
      latest: () => Promise.resolve([]),
    },
    async *appIds() {
      yield* [['app_a', 'app_b']]
      await Promise.resolve()
    },
    sampleApp: () =>
      Promise.resolve({ live: 0, accountIds: new Set(), used: 0, lastUsedAt: undefined }),
    // As long as there are grants to read.
    async makeTrue(appId, signal) {
      asked.push(appId)
      await once(signal, 'abort')
      signal.throwIfAborted()
    },
    metrics: { grantsLive: { set: () => undefined }, peopleConnected: { set: () => undefined } },
    clock: () => Date.UTC(2026, 2, 14, 12, 30),
    logger: { warn: (...words: unknown[]) => warnings.push(words) } as never,
  })
  const sampled = sampler.sampleDue()
  await new Promise(setImmediate)
  await sampler[Symbol.asyncDispose]()
  expect(await sampled).toBe(false)
  expect(asked).toEqual(['app_a'])
  expect(released).toEqual([new Date(Date.UTC(2026, 2, 14, 12))])
  expect(warnings).toEqual([])
})
