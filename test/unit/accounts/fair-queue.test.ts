// Who waits for a check of a password, and who gives way: a flood waits behind itself.
import { createFairQueue, type QueuePlace } from '../../../src/accounts/fair-queue.ts'

/** A queue with one worker that the test lets go on. */
function aQueue(maxWaiting: number) {
  const inTurn = createFairQueue(1, maxWaiting, () => undefined)
  const started: string[] = []
  const refused: string[] = []
  const gates: (() => void)[] = []
  const add = (name: string, place?: QueuePlace): void => {
    inTurn(async () => {
      started.push(name)
      await new Promise<void>((resolve) => gates.push(resolve))
    }, place).catch(() => refused.push(name))
  }
  const goOn = async (): Promise<void> => {
    gates.shift()?.()
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { add, goOn, started, refused }
}
const stranger = (group: string): QueuePlace => ({ group, isKnown: false })
const known = (group: string): QueuePlace => ({ group, isKnown: true })

it('serves a known place before a queue that strangers have filled', async () => {
  const { add, goOn, started, refused } = aQueue(200)
  for (let at = 0; at < 230; at += 1) add(`s${at}`, stranger(`net ${at}`))
  add('owner', known('home'))
  await goOn()
  await goOn()
  expect(started).toContain('owner')
  expect(refused).not.toContain('owner')
  expect(refused).toHaveLength(29)
})

it('lets networks take turns, so that one with many tries waits behind itself', async () => {
  const { add, goOn, started, refused } = aQueue(100)
  for (let at = 0; at < 101; at += 1) add(`flood ${at}`, stranger('2001:db8::/48'))
  add('somebody', stranger('192.0.2.0/24'))
  add('another', stranger('198.51.100.0/24'))
  for (let at = 0; at < 4; at += 1) await goOn()
  expect(started).toEqual(['flood 0', 'flood 1', 'somebody', 'another', 'flood 2'])
  // The longest gave way, with its newest.
  await goOn()
  expect(refused).toEqual(['flood 100', 'flood 99'])
})

it('leaves strangers a turn while known places keep it busy', async () => {
  const { add, goOn, started } = aQueue(100)
  add('first')
  add('stranger', stranger('a'))
  for (let at = 0; at < 9; at += 1) add(`known ${at}`, known('b'))
  for (let at = 0; at < 3; at += 1) await goOn()
  expect(started).toContain('stranger')
})

it('bounds known places too, whose lane is short', async () => {
  const { add, goOn, refused } = aQueue(8)
  add('first')
  for (let at = 0; at < 5; at += 1) add(`known ${at}`, known('b'))
  await goOn()
  expect(refused).toHaveLength(3)
})
