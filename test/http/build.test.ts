// The compiled server, run as the image runs it. The other tests run the sources, and the compiler
// may write an import that does not resolve.
import { jest } from '@jest/globals'
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type BuiltImage, buildImage } from '../support/built-image.ts'

const run = promisify(execFile)

jest.setTimeout(300_000)

let built: BuiltImage
let image: string
beforeAll(async () => {
  built = await buildImage()
  image = built.directory
})
afterAll(() => built[Symbol.asyncDispose]())

const otesse = (...args: string[]) =>
  run(process.execPath, ['dist/src/cli.js', ...args], {
    cwd: image,
    env: { PATH: process.env['PATH'], OTESSE_DATA_DIR: join(image, '.data') },
  })

it('imports no file that only the sources have', async () => {
  const files = (await readdir(join(image, 'dist'), { recursive: true })).filter((name) =>
    name.endsWith('.js'),
  )
  expect(files.length).toBeGreaterThan(100)
  const wrong: string[] = []
  for (const name of files) {
    const text = await readFile(join(image, 'dist', name), 'utf8')
    if (/(?:\bfrom|\bimport\s*\(?)\s*(['"])\.[^'"\n]*\.ts\1/.test(text)) wrong.push(name)
  }
  expect(wrong).toEqual([])
})

it('has the catalogue of providers', async () => {
  expect((await otesse('provider', 'list')).stdout).toContain('zendesk')
})

it('migrates, and runs commands on the stores', async () => {
  expect((await otesse('migrate')).stdout).toContain('0001_accounts')
  expect((await otesse('migrate', '--check')).stdout).toBe('The database is up to date.\n')
  await otesse('scope', 'create', 'bookings:read', '--group', 'Bookings', '--sentence', 'See them')
  expect((await otesse('scope', 'list')).stdout).toContain('bookings:read')
  expect((await otesse('export')).stdout).toContain('bookings:read')
})
