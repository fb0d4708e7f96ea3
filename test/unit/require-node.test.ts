// A Node that is too old ends with a sentence and not with a crash of a library.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'

const run = promisify(execFile)
const pretend = (version: string) =>
  run(process.execPath, [
    '--input-type=module',
    '-e',
    `Object.defineProperty(process.versions, 'node', { value: '${version}' }); await import('./src/require-node.ts'); console.log('went on')`,
  ])

it.each(['20.19.0', '22.23.3'])(
  '%s is turned away with the version that is needed',
  async (version) => {
    expect(existsSync('src/require-node.ts')).toBe(true)
    await expect(pretend(version)).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`needs Node 24 or newer, and this is ${version}`),
    })
  },
)

it('is let through from there on', async () => {
  expect((await pretend('24.0.0')).stdout).toBe('went on\n')
})

it('the constant, package.json, its lock, the README and this very Node agree', () => {
  const read = (path: string): string => readFileSync(path, 'utf8')
  const engines = (path: string): unknown =>
    (JSON.parse(read(path)) as { engines?: { node: string } }).engines?.node
  const lock = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { engines?: { node: string } }>
  }
  expect(read('src/require-node.ts')).toMatch(/OLDEST_MAJOR = 24$/m)
  expect(engines('package.json')).toBe('>=24')
  expect(lock.packages['']?.engines?.node).toBe('>=24')
  expect(read('README.md')).toContain('TypeScript on Node 24')
  expect(process.versions.node).toMatch(/^24\./)
})
