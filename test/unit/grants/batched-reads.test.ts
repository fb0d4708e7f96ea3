// Reads of one turn share a command, and nobody gets another's values.
import { createBatchedReads } from '../../../src/grants/batched-reads.ts'

function setUp(stored: Record<string, string>) {
  const commands: string[][] = []
  const read = createBatchedReads((keys) => {
    commands.push(keys)
    return Promise.resolve(keys.map((key) => stored[key] ?? null))
  })
  return { commands, read }
}

it('reads what is asked in one turn by one command, and gives each caller its own', async () => {
  const { commands, read } = setUp({ a: '1', b: '2', d: '4' })
  const answers = await Promise.all([read(['a', 'b']), read(['c']), read([]), read(['d', 'a'])])
  expect(answers).toEqual([['1', '2'], [undefined], [], ['4', '1']])
  expect(commands).toEqual([['a', 'b', 'c', 'd', 'a']])
})

it('reads anew in the next turn', async () => {
  const { commands, read } = setUp({ a: '1' })
  expect(await read(['a'])).toEqual(['1'])
  expect(await read(['b'])).toEqual([undefined])
  expect(commands).toEqual([['a'], ['b']])
})

it('does not wait for more than one command can carry', async () => {
  const { commands, read } = setUp({ k299: 'x' })
  const answers = await Promise.all(Array.from({ length: 300 }, (_, at) => read([`k${at}`])))
  expect(commands.map(({ length }) => length)).toEqual([256, 44])
  expect(answers[299]).toEqual(['x'])
})

it('fails everybody who waited, and nobody after', async () => {
  let fails = true
  const read = createBatchedReads((keys) =>
    fails ? Promise.reject(new Error('away')) : Promise.resolve(keys.map(() => 'here')),
  )
  const outcomes = await Promise.allSettled([read(['a']), read(['b'])])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  fails = false
  expect(await read(['a'])).toEqual(['here'])
})
