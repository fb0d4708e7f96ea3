// A user at a real browser, who knows only what is visible: headings, labels, words on buttons. No
// style classes or ids, so a page may be laid out anew without touching a test, and a missing label
// is noticed. Used by test/browser.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'

/** Wide as a laptop, and narrow as the smallest phone that WCAG 2.2 §1.4.10 thinks of. */
export const LAPTOP = { width: 1280, height: 900 }
export const PHONE = { width: 320, height: 700 }

export interface Person {
  email: string
  password: string
}

/** One person's browser: cookies of its own, and a record of what happened in it. */
export interface Visitor extends AsyncDisposable {
  context: BrowserContext
  /** The first tab. */
  page: Page
  openTab(): Promise<Page>
  /** Every address that a page of this browser asked for. */
  requests: string[]
  /**
   * What the browser wrote to its console about our pages: blocked by a policy, broken, deprecated.
   */
  complaints: string[]
}

// Refusals that a test asks for, and a test that was in a field before the page's own autofocus.
const EXPECTED =
  /the server responded with a status of 4\d\d|^Autofocus processing was blocked because a document already has a focused element/

/** Opens a browser window without cookies, with reduced motion, so that pages stand still. */
export async function openVisitor(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<Visitor> {
  return visitorIn(
    await browser.newContext({ viewport: LAPTOP, reducedMotion: 'reduce', ...options }),
  )
}

/** Makes a visitor of a context that was opened elsewhere. */
export async function visitorIn(context: BrowserContext): Promise<Visitor> {
  const requests: string[] = []
  const complaints: string[] = []
  context.on('request', (request) => void requests.push(request.url()))
  context.on('console', (message) => {
    const text = message.text()
    // The status of a page of ours is asserted by what the page says.
    if (!EXPECTED.test(text)) complaints.push(text)
  })
  context.on('weberror', (error) => void complaints.push(String(error.error())))
  return {
    context,
    page: await context.newPage(),
    openTab: () => context.newPage(),
    requests,
    complaints,
    [Symbol.asyncDispose]: () => context.close(),
  }
}

/** Waits until the page's heading says that. */
export async function untilHeading(page: Page, words: string | RegExp): Promise<void> {
  await page.getByRole('heading', { level: 1, name: words }).waitFor()
}

/** Presses the button that says exactly that. */
export const press = (page: Page, words: string): Promise<void> =>
  page.getByRole('button', { name: words, exact: true }).click()

/** Fills in the sign-in page and sends it. */
export async function signIn(page: Page, { email, password }: Person): Promise<void> {
  await page.getByLabel('E-mail address').fill(email)
  await page.getByLabel('Password').fill(password)
  await press(page, 'Sign in')
}

/** Returns the words of the page's main part, as they can be seen, on one line. */
export async function wordsOn(page: Page): Promise<string> {
  return (await page.getByRole('main').innerText()).replaceAll(/\s+/g, ' ').trim()
}

/** Returns the permissions that a list on the page names, by the heading that they stand under. */
export async function permissionsUnder(
  page: Page,
  title: string,
): Promise<Record<string, string[]>> {
  const section = page.getByRole('region', { name: title })
  const groups: Record<string, string[]> = {}
  for (const heading of await section.getByRole('heading', { level: 3 }).all()) {
    const list = heading.locator('xpath=following-sibling::ul[1]').getByRole('listitem')
    groups[await heading.innerText()] = (await list.allInnerTexts()).map((text) => text.trim())
  }
  return groups
}

/** Takes a screenshot of the whole page if OTESSE_TEST_SCREENSHOTS names a directory. */
export async function photograph(page: Page, name: string): Promise<void> {
  const directory = process.env['OTESSE_TEST_SCREENSHOTS']
  if (directory === undefined) return
  await mkdir(directory, { recursive: true })
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true })
}
