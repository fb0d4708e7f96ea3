// The package @otesse/resource-server as an API gets it: packed, installed in an empty project, and
// used against a running server.
import { jest } from '@jest/globals'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startTestApp } from '../support/app.ts'
import { createScopes, registerApp } from '../support/builders.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')

jest.setTimeout(180_000)

let project: string
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'otesse-test-package-'))
  const source = join(ROOT, 'packages/resource-server')
  await run('npm', ['pack', source, '--pack-destination', project], { cwd: project })
  const [tarball = ''] = (await readdir(project)).filter((name) => name.endsWith('.tgz'))
  await writeFile(join(project, 'package.json'), '{ "name": "api", "private": true }')
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${tarball}`], {
    cwd: project,
  })
})
afterAll(() => rm(project, { recursive: true, force: true }))

it('brings its own files, a licence and a readme, and nothing of the server', async () => {
  expect(await readdir(join(project, 'node_modules'))).toEqual(['.package-lock.json', '@otesse'])
  const installed = join(project, 'node_modules/@otesse/resource-server')
  expect((await readdir(installed)).sort()).toEqual([
    'LICENSE',
    'README.md',
    'dist',
    'package.json',
  ])
})

const USE = `
const verifier = createVerifier({ issuer, clientId, clientSecret, stream: false })
verifier.verify(token).then((answer) => {
  console.log(answer.kind, answer.token?.clientId, typeof requireToken({ verifier, scopes: [] }).koa)
  verifier.close()
})`
const READ = 'const [, , issuer, clientId, clientSecret, token] = process.argv\n'
const LOADERS = {
  'api.mjs': `import { createVerifier, requireToken } from '@otesse/resource-server'\n`,
  'api.cjs': `const { createVerifier, requireToken } = require('@otesse/resource-server')\n`,
}

it.each(Object.entries(LOADERS))('verifies a live token from %s', async (file, load) => {
  await using app = await startTestApp({ backend: 'embedded' })
  await createScopes(app)
  const api = await registerApp(app, { type: 'resource_server' })
  const machine = await registerApp(app, { type: 'machine', scopes: ['bookings:read'] })
  const answer = await fetch(`${app.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: machine.id,
      client_secret: machine.secret ?? '',
    }),
  })
  const { access_token: token } = (await answer.json()) as { access_token: string }
  await writeFile(join(project, file), load + READ + USE)
  const { stdout } = await run(process.execPath, [file, app.url, api.id, api.secret ?? '', token], {
    cwd: project,
  })
  expect(stdout.trim()).toBe(`active ${machine.id} function`)
})

it('has types for both kinds of modules', async () => {
  const text = `import { createVerifier, type Verification } from '@otesse/resource-server'
export const check = (): Promise<Verification> =>
  createVerifier({ issuer: 'https://auth.example.com', clientId: 'a', clientSecret: 'b' }).verify('t')
// @ts-expect-error -- a number is no token
export const wrong = () => createVerifier({ clientId: 'a', clientSecret: 'b' }).verify(1)
`
  await writeFile(join(project, 'use.mts'), text)
  await writeFile(join(project, 'use.cts'), text)
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const types = join(ROOT, 'node_modules/@types')
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022']
  await run(
    process.execPath,
    [compiler, ...options, '--types', 'node', '--typeRoots', types, 'use.mts', 'use.cts'],
    { cwd: project },
  )
})
