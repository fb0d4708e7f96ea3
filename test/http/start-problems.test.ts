// What keeps the server from starting, or ends it, and is the operator's to mend: one sentence and
// exit code 1, never a stack trace.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { SECRETS, startMain } from '../support/main-process.ts'

const EMBEDDED = { OTESSE_DATA_DIR: 'memory' }

async function startInVain(settings: Record<string, string>) {
  const child = spawn(process.execPath, ['src/main.ts'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      ...SECRETS,
      OTESSE_ISSUER: 'http://localhost:1',
      ...settings,
    },
  })
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  expect(out + err).not.toMatch(/^\s+at /m)
  return { code, words: out + err }
}

it.each([
  ['203.0.113.7', '0', 'this machine has no such address'],
  ['no-such-host.invalid', '0', /can(not)? be resolved/],
  ['[no address]', '0', /can(not)? be resolved/],
])('OTESSE_HOST=%s', async (host, port, words) => {
  const { code, words: told } = await startInVain({
    ...EMBEDDED,
    OTESSE_HOST: host,
    OTESSE_PORT: port,
  })
  expect(code).toBe(1)
  expect(told).toContain(`The server cannot listen on ${host}:${port}: `)
  expect(told).toMatch(words)
})

it.each([
  ['postgres://u:hunter2@127.0.0.1:9/x', 'Postgres cannot be used: nothing listens at 127.0.0.1:9'],
  ['postgres://u:hunter2@127.0.0.1/x?schema=y', 'OTESSE_DATABASE_URL: ?schema= is not read'],
])('a database that cannot be used: %s', async (url, words) => {
  const { code, words: told } = await startInVain({
    OTESSE_DATABASE_URL: url,
    OTESSE_REDIS_URL: 'redis://127.0.0.1:9',
  })
  expect(code).toBe(1)
  expect(told).toContain(words)
  expect(told).not.toContain('hunter2')
})

it('a port that another process has', async () => {
  using first = await startMain(EMBEDDED)
  const { port } = new URL(first.url)
  const settings = { ...EMBEDDED, OTESSE_HOST: '127.0.0.1', OTESSE_PORT: port }
  const { code, words } = await startInVain(settings)
  expect({ code, words }).toMatchObject({
    code: 1,
    words: expect.stringContaining('uses the port'),
  })
})

it('an IPv6 address may be in brackets', async () => {
  using server = await startMain({ ...EMBEDDED, OTESSE_HOST: '[::1]' })
  expect(server.output()).toContain('"listening":"http://[::1]:')
})

it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s drains', async (signal) => {
  using server = await startMain(EMBEDDED)
  const ended = once(server.child, 'exit')
  server.child.kill(signal)
  expect(await ended).toEqual([0, null])
  expect(server.output()).toContain('"msg":"stopped"')
})

it('embedded, nothing that it keeps can be read or written by others, nor in a directory that was open', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'otesse-test-open-'))
  try {
    await chmod(directory, 0o755)
    using server = await startMain({
      OTESSE_DATA_DIR: directory,
      OTESSE_SECRET_KEY: '',
      OTESSE_ENCRYPTION_KEY: '',
    })
    expect(server.child.exitCode).toBeNull()
    // PGlite's own files may be open: what counts is that others do not get to them.
    for (const [name, mode] of [
      ['.', 0o700],
      ['database', 0o700],
      ['secrets', 0o600],
    ] as const)
      expect({ name, mode: (await stat(join(directory, name))).mode & 0o777 }).toEqual({
        name,
        mode,
      })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

it('embedded, a directory that everybody shares is refused', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'otesse-test-shared-'))
  try {
    await chmod(directory, 0o1777)
    const { code, words } = await startInVain({ OTESSE_DATA_DIR: directory })
    expect({ code, words }).toMatchObject({
      code: 1,
      words: expect.stringContaining('is shared by'),
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
