// The short run of the faults: built servers on real stores, two nodes, under load, while Postgres
// is lost, a server is killed, and answers are lost. `npm run faults` is the whole table.
import { jest } from '@jest/globals'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { buildImage } from '../support/built-image.ts'

const ROOT = join(import.meta.dirname, '../..')

// Two worlds are opened and judged; other tests run beside it. A run that does not end is killed,
// so that the test fails with what it printed.
const RUN_TIMEOUT_MILLIS = 400_000
jest.setTimeout(RUN_TIMEOUT_MILLIS + 100_000)

it('nothing is lost and nothing lives again under the faults of the short run', async () => {
  await using image = await buildImage()
  const child = spawn(
    process.execPath,
    [
      ...['bench/faults/run.ts', '--short', '--dist', join(image.directory, 'dist')],
      // Times are not what this run is about, and the machine has other work.
      ...['--lenience', '5'],
    ],
    {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: RUN_TIMEOUT_MILLIS,
      killSignal: 'SIGKILL',
    },
  )
  const [out, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  expect({ code, broken: code === 0 ? '' : `${errors}\n${out}` }).toEqual({ code: 0, broken: '' })
  // Each cell counts looks: a run that looked at nothing holds nothing.
  for (const row of out.split('\n').filter((line) => line.includes(' short ')))
    expect(
      row
        .match(/\d+/g)
        ?.slice(0, 6)
        .every((count) => Number(count) > 0),
    ).toBe(true)
})
