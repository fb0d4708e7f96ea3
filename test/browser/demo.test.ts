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
  const ports = [await findFreePort(), await findFreePort(), await findFreePort()].map(String)
  const flags = ['--port', '--app-port', '--api-port'].flatMap((flag, at) => [flag, ports[at]!])
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
