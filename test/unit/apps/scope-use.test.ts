// A count that is cheap is always fresh; one that is dear is a minute old at the most.
import { createScopeUse } from '../../../src/apps/scope-use.ts'

function setUp(tookMillis: number) {
  let now = 0
  let reads = 0
  const { count, forget } = createScopeUse(
    () => {
      now += tookMillis
      reads += 1
      return Promise.resolve(new Map([['a', reads]]))
    },
    () => now,
  )
  return {
    ask: async () => (await count()).get('a'),
    both: async () => Promise.all([count(), count()]),
    wait: (millis: number) => (now += millis),
    reads: () => reads,
    forget,
  }
}

it('counts anew each time where that is cheap', async () => {
  const { ask } = setUp(5)
  expect([await ask(), await ask()]).toEqual([1, 2])
})

it('remembers what was dear, renews it in the background, and forgets it after a minute', async () => {
  const { ask, wait } = setUp(300)
  expect([await ask(), await ask()]).toEqual([1, 1])
  wait(6000)
  expect(await ask()).toBe(1)
  await Promise.resolve()
  expect(await ask()).toBe(2)
  wait(61_000)
  expect(await ask()).toBe(3)
})

it('counts once for all who ask at the same moment', async () => {
  const { both, reads } = setUp(5)
  await both()
  expect(reads()).toBe(1)
})

it('counts anew after a change, however dear that is, also where a count was under way', async () => {
  const { ask, forget } = setUp(300)
  expect(await ask()).toBe(1)
  forget()
  const before = ask()
  forget()
  expect([await before, await ask(), await ask()]).toEqual([2, 3, 3])
})
