// A Node that is too old ends with a sentence and not with a crash of a library.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'

const run = promisify(execFile)
const pretend = (version: string) =>
  run(process.execPath, [
    '--input-type=module',
    '-e',
    `Object.defineProperty(process.versions, 'node', { value: '${version}' }); await import('./src/require-node.ts'); console.log('went on')`,
  ])

it('is turned away with the version that is needed', async () => {
  expect(existsSync('src/require-node.ts')).toBe(true)
  await expect(pretend('20.19.0')).rejects.toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/needs Node 22 or newer, and this is 20\.19\.0/),
  })
})

it('is let through from there on', async () => {
  expect((await pretend('22.0.0')).stdout).toBe('went on\n')
})
