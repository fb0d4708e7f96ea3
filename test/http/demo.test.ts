// The demo as its users start it: one process with a server, an app and an API. The test plays the
// browser over HTTP.
import { execFile, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { approveInBrowser, createBrowser } from '../support/browser-flow.ts'
import { startDemo } from '../support/cli-process.ts'
import { embeddedTemplate } from '../support/embedded-template.ts'
import { findFreePort } from '../support/ports.ts'
import { waitUntil } from '../support/server-process.ts'

const run = promisify(execFile)

interface Facts {
  server: string
  app: string
  api: string
  mail: string
  account: { email: string; password: string }
  admin: { email: string; password: string }
  machine: { clientId: string; clientSecret: string }
  curl: string
  startedInMillis: number
}

let dataDir: string
let ports: string[]
let child: ChildProcess | undefined

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'otesse-test-demo-'))
  // The first start is then as quick as any later one.
  await cp(embeddedTemplate(), dataDir, { recursive: true })
  const [server, app, api] = [await findFreePort(), await findFreePort(), await findFreePort()]
  ports = ['--port', String(server), '--app-port', String(app), '--api-port', String(api)]
})
afterAll(async () => {
  await stop('SIGKILL')
  await rm(dataDir, { recursive: true, force: true })
})

async function start(...flags: string[]): Promise<Facts> {
  const started = startDemo(['--json', '--data-dir', dataDir, ...ports, ...flags])
  child = started
  let [out, err] = ['', '']
  started.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()))
  return new Promise((resolve, reject) => {
    started.once('exit', (code) => reject(new Error(`the demo ended with ${code}: ${out} ${err}`)))
    started.stdout!.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      if (out.endsWith('}\n')) resolve(JSON.parse(out) as Facts)
    })
  })
}

async function stop(signal: NodeJS.Signals): Promise<number | null> {
  if (child === undefined) return null
  const ended = once(child, 'exit') as Promise<[number | null]>
  child.kill(signal)
  child = undefined
  return (await ended)[0]
}

/** The person's browser at the app: one cookie, no redirects followed. */
function createVisitor(app: string) {
  let cookie = ''
  return async function visit(path: string, form?: Record<string, string>) {
    const answer = await fetch(app + path, {
      redirect: 'manual',
      headers: { cookie, ...(form && { origin: app }) },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    })
    cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
    return { answer, location: answer.headers.get('location') ?? '', html: await answer.text() }
  }
}

async function allow(visit: ReturnType<typeof createVisitor>, facts: Facts, path: string) {
  const { location } = await visit(path)
  return finish(visit, facts, location)
}

/** Comes back to the app with what it began at that address. */
async function finish(visit: ReturnType<typeof createVisitor>, facts: Facts, location: string) {
  const server = { url: facts.server, issuer: facts.server }
  const back = await approveInBrowser(server, location, facts.account)
  expect(back.href.startsWith(`${facts.app}/callback?`)).toBe(true)
  expect((await visit(back.pathname + back.search)).location).toBe('/')
  return (await visit('/')).html
}

test('one connects, reads, is refused, allows more, outlives a crash, disconnects', async () => {
  let facts = await start()
  const visit = createVisitor(facts.app)
  expect((await visit('/')).html).toContain('Connect your account')
  expect(await allow(visit, facts, '/connect')).toMatch(/Connected[^]*Amara Okafor/)

  // Two tabs: each comes back to what it began.
  const tabs = [(await visit('/connect')).location, (await visit('/connect')).location]
  for (const tab of tabs) expect(await finish(visit, facts, tab)).toContain('Connected')

  await visit('/cancel', { id: 'bok_1041' })
  expect((await visit('/')).html).toContain('error=&#34;insufficient_scope&#34;')
  expect(await allow(visit, facts, '/connect?more=bookings:write')).toContain('bookings:write')
  await visit('/cancel', { id: 'bok_1041' })
  expect((await visit('/')).html).toContain('The booking bok_1041 is cancelled.')
  await visit('/refresh', {})
  expect((await visit('/')).html).toContain('New access token')

  await stop('SIGKILL')
  const before = facts
  facts = await start()
  expect(facts.machine.clientId).toBe(before.machine.clientId)
  expect((await visit('/')).html).toContain('Amara Okafor')

  await visit('/disconnect', {})
  const { html } = await visit('/')
  expect(html).toContain('Disconnected, and the API refuses')
  expect(html).toContain('error=&#34;invalid_token&#34;')
  expect(html).toContain('Connect your account')

  // The line that was printed before the crash still works: two secrets are live.
  for (const { curl } of [before, facts]) {
    const [program = '', ...args] = curl.split(' ')
    const { stdout } = await run(program, ['-s', ...args])
    const { access_token } = JSON.parse(stdout) as { access_token: string }
    const answer = await fetch(`${facts.api}/v1/bookings`, {
      headers: { authorization: `Bearer ${access_token}` },
    })
    expect(answer.status).toBe(200)
  }
  expect(await stop('SIGINT')).toBe(0)
}, 120_000)

test('the API refuses as RFC 6750 §3 says, the app refuses forms of other sites', async () => {
  const facts = await start()
  const ask = async (authorization?: string) => {
    const headers = authorization === undefined ? {} : { authorization }
    const answer = await fetch(`${facts.api}/v1/bookings`, { headers })
    return `${answer.status} ${answer.headers.get('www-authenticate') ?? ''}`
  }
  expect(await ask()).toBe('401 Bearer realm="bookings"')
  expect(await ask('Bearer otesse_at_nonsense')).toMatch(/^401 .*error="invalid_token"/)
  expect(await ask('Basic eDp5')).toMatch(/^400 .*error="invalid_request"/)
  const foreign = await fetch(`${facts.app}/disconnect`, {
    method: 'POST',
    headers: { origin: 'https://evil.example' },
  })
  expect(foreign.status).toBe(403)
  const second = startDemo(['--data-dir', dataDir, ...ports])
  const [code] = (await once(second, 'exit')) as [number]
  expect(code).toBe(1)
  await stop('SIGTERM')
}, 60_000)

test('a forgotten password: the link is on the page of mails, and the new one signs in', async () => {
  const facts = await start()
  const browser = createBrowser({ url: facts.server, issuer: facts.server })
  const page = await browser.open(`${facts.server}/forgot`)
  const { email } = facts.account
  await browser.submit(page, '/forgot', { email })
  let mails = ''
  await waitUntil('the mail to be there', async () => {
    mails = await (await fetch(facts.mail)).text()
    return mails.includes('/reset/')
  })
  expect(mails).toContain(`To ${email}`)
  const link = /<a href="([^"]*\/reset\/[^"]*)">/.exec(mails)?.[1]
  const chosen = { password: 'a password for the demo', again: 'a password for the demo' }
  const form = await browser.open(link ?? '')
  const done = await browser.submit(form, new URL(link ?? '').pathname, chosen)
  expect(done.html).toContain(email)
  await stop('SIGTERM')
}, 60_000)

test('--fresh forgets what the demo kept, and nothing else; its admin can open the console', async () => {
  const facts = await start()
  await stop('SIGTERM')
  const again = await start('--fresh')
  expect(again.machine.clientId).not.toBe(facts.machine.clientId)
  const browser = createBrowser({ url: again.server, issuer: again.server })
  const page = await browser.open(`${again.server}/admin`)
  const inside = await browser.submit(page, page.url.slice(again.server.length), again.admin)
  expect([inside.status, inside.url]).toEqual([
    200,
    expect.stringMatching(/\/admin\b(?!.*sign-in)/),
  ])
  expect(inside.html).toContain('Calendar Sync (sample)')
  const apps = await browser.open(`${again.server}/admin/apps`)
  expect(apps.html).toContain('Bookings Dashboard')
  await stop('SIGTERM')
  // There is mail where the notice of that sign-in was written before the end.
  const kept = (await readdir(dataDir)).filter((name) => name !== 'mail')
  expect(kept.sort()).toEqual(['bookings-dashboard', 'database', 'secrets'])
}, 120_000)
