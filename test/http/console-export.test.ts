// The activity as a file over HTTP, with a log longer than memory: it is read no faster than the
// client takes it, stops when the client leaves, and never looks complete where it broke off. The
// content of the file is in test/unit/admin/console/export.test.ts and console.test.ts.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventPage } from '../../src/audit/event.store.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser } from '../support/browser-flow.ts'
import { createAccount, PASSWORD } from '../support/builders.ts'

let server: TestApp
let browser: Browser
let cookie: string
let real: TestApp['services']['stores']['events']['list']

beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  real = server.services.stores.events.list.bind(server.services.stores.events)
  const { email } = await createAccount(server, { password: PASSWORD, role: 'admin' })
  browser = createBrowser(server)
  const page = await browser.open(`${server.issuer}/sign-in?to=/admin/apps`)
  await browser.submit(page, 'to=%2Fadmin%2Fapps', { email, password: PASSWORD })
  await server.services.audit.flush()
  cookie = [...browser.jar].map(([key, { value }]) => `${key.split(' ')[0]!}=${value}`).join('; ')
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

/** Puts a log of our own in the place of the real one. */
function pretend(list: () => Promise<EventPage>): AsyncDisposable {
  server.services.stores.events.list = list
  return {
    [Symbol.asyncDispose]() {
      server.services.stores.events.list = real
      return Promise.resolve()
    },
  }
}

/** Waits until the count stands still, and returns it. */
async function settled(count: () => number): Promise<number> {
  for (;;) {
    const before = count()
    await sleep(500)
    if (count() === before) return before
  }
}

describe.each(['csv', 'ndjson'])('the export as %s', (format) => {
  const url = () => `${server.issuer}/admin/activity/export?format=${format}`

  it('is read no faster than somebody takes it, and no further than they stay', async () => {
    const [event] = (await real({})).events
    const events = Array.from({ length: 100 }, () => ({
      ...event!,
      data: { text: 'x'.repeat(5000) },
    }))
    let pages = 0
    await using _ = pretend(() => {
      pages += 1
      return Promise.resolve({ events, nextCursor: 'more' })
    })
    const from = server.log.length
    const leave = new AbortController()
    const answer = await fetch(url(), { headers: { cookie }, signal: leave.signal })
    const reader = answer.body!.getReader()
    await reader.read()
    // Half a megabyte a page: the buffers on the way fill up soon, and then reading pauses.
    const held = await settled(() => pages)
    expect(held).toBeLessThan(100)
    while (pages === held) await reader.read()
    leave.abort()
    const left = await settled(() => pages)
    expect(left).toBeLessThan(held + 100)
    const logged = server.log.slice(from).map((line) => JSON.parse(line) as { level: string })
    expect(logged.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('breaks off for everybody to see where the log cannot be read to its end', async () => {
    const page = await real({})
    const answers = [Promise.resolve({ ...page, nextCursor: 'more' })]
    await using _ = pretend(
      () => answers.pop() ?? Promise.reject(new Error('the database went away')),
    )
    await expect(browser.request(url())).rejects.toThrow()
  })
})
