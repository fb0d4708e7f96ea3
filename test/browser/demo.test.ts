// The demo as its user meets it: one command, then connect, sign in, allow, see data, be asked for
// more, disconnect, and see the API refuse.
import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Browser } from 'playwright-core'
import {
  openVisitor,
  photograph,
  press,
  signIn,
  untilHeading,
  wordsOn,
} from '../support/browser-page.ts'
import { launchChromium } from '../support/chromium.ts'
import { startDemo } from '../support/cli-process.ts'
import { embeddedTemplate } from '../support/embedded-template.ts'
import { findFreePort } from '../support/ports.ts'
import { problemsOf } from './axe.ts'

interface Demo {
  app: string
  server: string
  account: { email: string; password: string }
}

let browser: Browser
let dataDir: string
let child: ChildProcess
let demo: Demo

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'otesse-test-demo-'))
  await cp(embeddedTemplate(), dataDir, { recursive: true })
  ;[browser, demo] = await Promise.all([launchChromium(), start()])
})

afterAll(async () => {
  if (child.exitCode === null) {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  await browser.close()
  await rm(dataDir, { recursive: true, force: true })
})

async function start(): Promise<Demo> {
  const names = ['--port', '--app-port', '--api-port', '--other-port']
  const ports: string[] = []
  for (const _name of names) ports.push(String(await findFreePort()))
  const flags = names.flatMap((flag, at) => [flag, ports[at]!])
  child = startDemo(['--json', '--data-dir', dataDir, ...flags])
  let [out, err] = ['', '']
  child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the demo ended with ${code}: ${out} ${err}`)))
    child.stdout!.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      if (out.endsWith('}\n')) resolve(JSON.parse(out) as Demo)
    })
  })
}

it('shows everything in a minute: connect, allow, data, more, disconnect, refused', async () => {
  await using visitor = await openVisitor(browser)
  const { page } = visitor
  await page.goto(demo.app)
  expect(await wordsOn(page)).toContain(demo.account.email)
  expect(await problemsOf(page, 'demo-welcome')).toEqual([])
  await page.getByRole('link', { name: 'Connect your account' }).click()
  await untilHeading(page, 'Sign in')
  await signIn(page, demo.account)
  await untilHeading(page, 'Bookings Dashboard wants access to your Otesse account')
  await photograph(page, 'demo-consent')
  await press(page, 'Allow')
  await page.getByRole('heading', { name: 'Connected', exact: true }).waitFor()
  expect(await wordsOn(page)).toContain('Amara Okafor')
  expect(await problemsOf(page, 'demo-connected')).toEqual([])

  await page
    .getByRole('button', { name: /^Cancel/ })
    .first()
    .click()
  await page.getByText('insufficient_scope').first().waitFor()
  await page.getByRole('link', { name: 'Ask me', exact: true }).click()
  await untilHeading(page, 'Bookings Dashboard wants more access to your Otesse account')
  await press(page, 'Allow')
  await page.getByRole('heading', { name: 'Connected', exact: true }).waitFor()

  await page.getByRole('button', { name: /^Disconnect/ }).click()
  await page.getByText('Disconnected, and the API refuses').waitFor()
  expect(await wordsOn(page)).toContain('invalid_token')
  expect(await problemsOf(page, 'demo-disconnected')).toEqual([])
  const origins = new Set(visitor.requests.map((url) => new URL(url).origin))
  expect([...origins].sort()).toEqual([demo.app, demo.server].sort())
})

it('another system is connected in under a minute, and the app uses it through the server', async () => {
  await using visitor = await openVisitor(browser)
  const { page } = visitor
  const heading = (name: string) => page.getByRole('heading', { name, exact: true }).waitFor()
  await page.goto(demo.app)
  await page.getByRole('link', { name: 'Connect your account' }).click()
  await untilHeading(page, 'Sign in')
  await signIn(page, demo.account)
  await untilHeading(page, /^Bookings Dashboard wants/)
  await press(page, 'Allow')
  await heading('Connected')

  const startedAt = performance.now()
  await page.getByRole('link', { name: 'Let it use them' }).click()
  await untilHeading(page, /^Bookings Dashboard wants/)
  expect(await wordsOn(page)).toContain('Use your connection to Noteboard')
  await press(page, 'Allow')
  await heading('Connected')
  await page.getByRole('link', { name: 'Connect Noteboard' }).click()
  await untilHeading(page, 'Connect Noteboard')
  expect(await wordsOn(page)).toContain('Bookings Dashboard asks you to do this')
  expect(await problemsOf(page, 'connect-for-app')).toEqual([])
  await press(page, 'Go on to Noteboard')
  await untilHeading(page, 'Let Otesse use your notes?')
  await photograph(page, 'demo-noteboard')
  await press(page, 'Allow')
  await heading('The other system is connected')
  expect(await wordsOn(page)).toContain('Call the piano tuner')
  await page.getByLabel('New note').fill('Written by the dashboard')
  await press(page, 'Write it there')
  await heading('Written at Noteboard')
  expect(await wordsOn(page)).toContain('Written by the dashboard')
  expect(performance.now() - startedAt).toBeLessThan(60_000)

  await press(page, 'Fetch a token instead')
  await heading('A token that works now')
  expect(await wordsOn(page)).toContain('nb_at_')

  await page.getByRole('link', { name: 'Connect Weather Desk' }).click()
  await untilHeading(page, 'Connect Weather Desk')
  await page.getByLabel('API key').fill('weather-desk-demo-key')
  await press(page, 'Try and save')
  await heading('The other system is connected')
  expect(await wordsOn(page)).toContain('Lisbon: 19 °C, clear')
  await photograph(page, 'demo-other-systems')
  expect(await problemsOf(page, 'demo-other-systems')).toEqual([])
})
