// The first start as an operator sees it: a server process offers a link with which the first admin
// is created, on a terminal or in a file. Once there is an admin, it offers none.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBrowser } from '../support/browser-flow.ts'
import { embeddedTemplate } from '../support/embedded-template.ts'
import { findFreePort } from '../support/ports.ts'
import { waitUntil } from '../support/server-process.ts'

const PASSWORD = 'correct horse battery staple'

let dataDir: string
let port: number
/** Ends what runs and returns all that it printed. */
let stopAndRead: (() => Promise<string>) | undefined
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'otesse-test-start-'))
  await cp(embeddedTemplate(), dataDir, { recursive: true })
  port = await findFreePort()
})
afterAll(async () => {
  await stop()
  await rm(dataDir, { recursive: true, force: true })
})

/** Starts the server and waits until it answers. */
async function start({ directory = dataDir, onTerminal = false } = {}): Promise<void> {
  const command = [process.execPath, 'src/main.ts']
  // script(1) gives a program a terminal, and passes on what it prints.
  const [program = '', ...args] = onTerminal
    ? ['script', '--quiet', '--return', '--command', `exec ${command.join(' ')}`, '/dev/null']
    : command
  const started = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      OTESSE_ISSUER: `http://127.0.0.1:${port}`,
      OTESSE_PORT: String(port),
      OTESSE_DATA_DIR: directory,
      OTESSE_SHUTDOWN_GRACE_SECONDS: '0',
    },
  })
  let text = ''
  const ended = once(started, 'exit')
  stopAndRead = async () => {
    started.kill('SIGTERM')
    await ended
    return text
  }
  started.stdout.on('data', (part: Buffer) => (text += part.toString()))
  await waitUntil('the server to be ready', () => {
    if (started.exitCode !== null) throw new Error(`it ended with ${started.exitCode}: ${text}`)
    return Promise.resolve(text.includes('"msg":"ready"'))
  })
  await waitUntil('the server to answer', async () =>
    fetch(`http://127.0.0.1:${port}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
}

async function stop(): Promise<string> {
  const text = await stopAndRead?.()
  stopAndRead = undefined
  return text ?? ''
}

const LINK = /http:\/\/127\.0\.0\.1:\d+\/welcome\/otesse_ln_[0-9A-Za-z]{49}/g

const linksIn = (text: string): string[] => text.match(LINK) ?? []
const setupFile = (): string => join(dataDir, 'setup-link')

test('a server without an admin keeps the link for it out of what is logged, and offers none later', async () => {
  await start()
  const printed = await stop()
  expect(linksIn(printed)).toEqual([])
  const lines = printed.trim().split('\n')
  expect(lines.every((line) => line.startsWith('{'))).toBe(true)
  expect(lines.some((line) => line.includes('"event":"link.made"'))).toBe(true)
  expect(printed).toContain(setupFile())
  expect((await stat(setupFile())).mode & 0o777).toBe(0o600)
  const [url = '', ...more] = linksIn(await readFile(setupFile(), 'utf8'))
  expect(more).toEqual([])

  // The link is stored with the accounts. It works after a restart, beside the one of that start.
  await start()
  const [newer] = linksIn(await readFile(setupFile(), 'utf8'))
  expect(newer).not.toBe(url)
  const server = { url: `http://127.0.0.1:${port}`, issuer: `http://127.0.0.1:${port}` }
  const browser = createBrowser(server)
  const page = await browser.open(url)
  const fields = { name: 'Ada', email: 'ada@example.com', password: PASSWORD, again: PASSWORD }
  await browser.submit(page, url.slice(-20), fields)
  expect((await browser.open(`${server.url}/connected-apps`)).html).toContain('ada@example.com')
  await stop()

  await start()
  expect(await stop()).not.toContain(setupFile())
  await expect(stat(setupFile())).rejects.toMatchObject({ code: 'ENOENT' })
}, 180_000)

test('on a terminal the link is printed, and no file is written', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'otesse-test-terminal-'))
  try {
    await cp(embeddedTemplate(), directory, { recursive: true })
    await start({ directory, onTerminal: true })
    const printed = await stop()
    expect(linksIn(printed)).toHaveLength(1)
    expect(printed).toContain('There is no admin yet.')
    await expect(stat(join(directory, 'setup-link'))).rejects.toMatchObject({ code: 'ENOENT' })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}, 60_000)
