// The first start as an operator sees it: a server process prints a link with which the first admin
// is created. The next start prints none.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
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
async function start(): Promise<void> {
  const started = spawn(process.execPath, ['src/main.ts'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      OTESSE_ISSUER: `http://127.0.0.1:${port}`,
      OTESSE_PORT: String(port),
      OTESSE_DATA_DIR: dataDir,
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

test('a server without an admin prints a link that makes one, apart from its log, and later none', async () => {
  await start()
  const printed = await stop()
  const [url, ...more] = printed.match(LINK) ?? []
  expect(url).toBeDefined()
  expect(more).toEqual([])
  expect(printed).toContain('There is no admin yet.')
  const logged = printed.split('\n').filter((line) => line.startsWith('{'))
  expect(logged.some((line) => line.includes('"event":"link.made"'))).toBe(true)
  expect(logged.join('\n')).not.toContain('/welcome/')

  // The link is stored with the accounts. It works after a restart, beside the one that is printed
  // then.
  await start()
  const server = { url: `http://127.0.0.1:${port}`, issuer: `http://127.0.0.1:${port}` }
  const browser = createBrowser(server)
  const page = await browser.open(url!)
  const fields = { name: 'Ada', email: 'ada@example.com', password: PASSWORD, again: PASSWORD }
  await browser.submit(page, url!.slice(-20), fields)
  expect((await browser.open(`${server.url}/connected-apps`)).html).toContain('ada@example.com')
  await stop()

  await start()
  expect(await stop()).not.toMatch(LINK)
}, 180_000)
