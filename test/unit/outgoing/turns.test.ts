import { createTurns } from '../../../src/outgoing/turns.ts'

const LONG = 10_000

test('as many run at once as may, and the next one when a turn is given back', async () => {
  const turns = createTurns(2)
  const first = await turns.take('a', LONG)
  await turns.take('a', LONG)
  const begun: string[] = []
  const third = turns.take('a', LONG).then((turn) => (begun.push('third'), turn))
  await Promise.resolve()
  expect(begun).toEqual([])
  first()
  // Giving a turn back twice must not make another one.
  first()
  const fourth = turns.take('a', 1)
  await expect(fourth).rejects.toMatchObject({ reason: 'busy' })
  await third
  expect(begun).toEqual(['third'])
})

test('lanes do not wait for one another', async () => {
  const turns = createTurns(1)
  await turns.take('a', LONG)
  await expect(turns.take('b', 1)).resolves.toBeInstanceOf(Function)
})

test('who waits too long, or in too long a queue, is told so', async () => {
  const turns = createTurns(1)
  const turn = await turns.take('a', LONG)
  await expect(turns.take('a', 1)).rejects.toMatchObject({ reason: 'busy' })
  const waiting = [1, 2, 3, 4].map(() => turns.take('a', LONG))
  await expect(turns.take('a', LONG)).rejects.toMatchObject({ reason: 'busy' })
  // Who gave up does not get a turn that nobody would give back.
  turn()
  for (const next of waiting) (await next)()
  await expect(turns.take('a', 1)).resolves.toBeInstanceOf(Function)
})
