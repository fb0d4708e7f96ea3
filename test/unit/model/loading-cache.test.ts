// The cache over loads: one load for many callers, no old value after a change, and none older than
// its bound.
import { createLoadingCache } from '../../../src/model/loading-cache.ts'

interface Thing {
  version: number
}

/** A cache over loads that end when the test says so. */
function setUp(
  bounds: Parameters<typeof createLoadingCache>[2] = { max: 100, maxAgeMillis: 30_000 },
) {
  let now = 1_700_000_000_000
  const loads: { id: string; finish: (thing: Thing | undefined) => void; fail: () => void }[] = []
  const cache = createLoadingCache<Thing>(
    (id) =>
      new Promise((resolve, reject) =>
        loads.push({ id, finish: resolve, fail: () => reject(new Error('away')) }),
      ),
    () => now,
    bounds,
  )
  return { cache, loads, pass: (millis: number) => (now += millis) }
}

test('Many who ask for one id at once share one load', async () => {
  const { cache, loads } = setUp()
  const asked = Array.from({ length: 100 }, () => cache.find('a'))
  expect(loads).toHaveLength(1)
  loads[0]!.finish({ version: 1 })
  expect(await Promise.all(asked)).toEqual(Array(100).fill({ version: 1 }))
  expect(await cache.find('a')).toEqual({ version: 1 })
  expect(loads).toHaveLength(1)
})

test('A load that began before a change does not fill the cache after it', async () => {
  const { cache, loads } = setUp()
  const before = cache.find('a')
  cache.forget('a')
  loads[0]!.finish({ version: 1 })
  expect(await before).toEqual({ version: 1 })
  const after = cache.find('a')
  expect(loads).toHaveLength(2)
  loads[1]!.finish({ version: 2 })
  expect(await after).toEqual({ version: 2 })
  expect(await cache.find('a')).toEqual({ version: 2 })
})

test('Who asks after a change does not join a load of before it, and a late old load does not overwrite the new one', async () => {
  const { cache, loads } = setUp()
  const before = cache.find('a')
  cache.forget('a')
  const after = cache.find('a')
  expect(loads).toHaveLength(2)
  loads[1]!.finish({ version: 2 })
  expect(await after).toEqual({ version: 2 })
  loads[0]!.finish({ version: 1 })
  expect(await before).toEqual({ version: 1 })
  expect(await cache.find('a')).toEqual({ version: 2 })
  expect(loads).toHaveLength(2)
})

test('An old load that ends while the new one is under way does not make others load again', async () => {
  const { cache, loads } = setUp()
  const before = cache.find('a')
  cache.forget('a')
  const after = cache.find('a')
  loads[0]!.finish({ version: 1 })
  await before
  const third = cache.find('a')
  loads[1]!.finish({ version: 2 })
  expect(await Promise.all([after, third])).toEqual([{ version: 2 }, { version: 2 }])
  expect(loads).toHaveLength(2)
})

test('A gap in the channel forgets everything, loads under way included', async () => {
  const { cache, loads } = setUp()
  const known = cache.find('known')
  loads[0]!.finish({ version: 1 })
  await known
  const underWay = cache.find('under way')
  cache.forgetAll()
  loads[1]!.finish({ version: 1 })
  await underWay
  void cache.find('known')
  void cache.find('under way')
  expect(loads.map(({ id }) => id)).toEqual(['known', 'under way', 'known', 'under way'])
})

test('A change of one does not disturb another', async () => {
  const { cache, loads } = setUp()
  const asked = cache.find('a')
  cache.forget('b')
  loads[0]!.finish({ version: 1 })
  await asked
  await cache.find('a')
  expect(loads).toHaveLength(1)
})

test('After 30 s it is read again', async () => {
  const { cache, loads, pass } = setUp()
  const first = cache.find('a')
  loads[0]!.finish({ version: 1 })
  await first
  pass(29_999)
  await cache.find('a')
  expect(loads).toHaveLength(1)
  pass(2)
  void cache.find('a')
  expect(loads).toHaveLength(2)
})

test('A failed load and an unknown id are not remembered', async () => {
  const { cache, loads } = setUp()
  const failing = cache.find('a')
  loads[0]!.fail()
  await expect(failing).rejects.toThrow('away')
  const unknown = cache.find('a')
  loads[1]!.finish(undefined)
  expect(await unknown).toBeUndefined()
  const found = cache.find('a')
  loads[2]!.finish({ version: 1 })
  expect(await found).toEqual({ version: 1 })
})

test('With a bound for them, ids that do not exist are remembered apart, and forgotten like others', async () => {
  const { cache, loads, pass } = setUp({
    max: 1,
    maxAgeMillis: 30_000,
    absent: { max: 2, maxAgeMillis: 5_000 },
  })
  const real = cache.find('real')
  loads[0]!.finish({ version: 1 })
  await real
  for (const id of ['a', 'b']) {
    const unknown = cache.find(id)
    loads.at(-1)!.finish(undefined)
    expect(await unknown).toBeUndefined()
  }
  expect(['real', 'a', 'b', 'c'].map((id) => cache.isAtHand(id))).toEqual([true, true, true, false])
  expect(await cache.find('a')).toBeUndefined()
  expect(loads).toHaveLength(3)
  cache.forget('a')
  expect(cache.isAtHand('a')).toBe(false)
  pass(5_001)
  expect(cache.isAtHand('b')).toBe(false)
  expect(cache.isAtHand('real')).toBe(true)
})
