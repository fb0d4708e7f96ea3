// The short run of the harness of faults (bench/faults), against what is built here: its most valuable faults with short settings. Everything
// that it looks at has to have been looked at often enough: a run that finds nothing because it did nothing fails.
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { jest } from '@jest/globals'
import type { TrialResult } from '../../bench/faults/trial.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')

jest.setTimeout(480_000)

let image: string
beforeAll(async () => {
  image = await mkdtemp(join(tmpdir(), 'otesse-test-faults-'))
  const out = join(image, 'dist')
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', out])
  await cp(join(ROOT, 'views'), join(out, 'views'), { recursive: true })
  await cp(join(ROOT, 'package.json'), join(image, 'package.json'))
  await symlink(join(ROOT, 'node_modules'), join(image, 'node_modules'))
})
afterAll(() => rm(image, { recursive: true, force: true }))

it('survives the most valuable faults, and was really asked', async () => {
  const json = join(image, 'results.json')
  const flags = ['--short', '--dist', join(image, 'dist'), '--json', json]
  const outcome = await run(process.execPath, ['bench/faults/run.ts', ...flags], {
    cwd: ROOT,
  }).then(
    () => 'held',
    (error: unknown) => {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      return `${stderr}${stdout}`
    },
  )
  expect(outcome).toBe('held')

  const results = JSON.parse(await readFile(json, 'utf8')) as TrialResult[]
  expect(new Set(results.map(({ fault }) => fault))).toEqual(new Set(['F19', 'F1', 'F5', 'F16']))
  for (const { variant, operations, findings } of results) {
    const succeeded = Object.entries(operations).map(([action, outcomes]) => [
      action,
      outcomes.ok ?? 0,
    ])
    const few = succeeded.filter(([, count]) => Number(count) < 3)
    expect({ variant, actions: succeeded.length, few }).toEqual({ variant, actions: 7, few: [] })
    for (const invariant of ['I1', 'I2', 'I3', 'I4', 'I5', 'I8'] as const)
      expect(findings[invariant].checked).toBeGreaterThan(10)
  }
})
