// Checks a page with axe and against our own rules for narrow screens. Used by
// accessibility.test.ts.
import { readFileSync } from 'node:fs'
import type { AxeResults, CheckResult } from 'axe-core'
import type { Page } from 'playwright-core'
import { LAPTOP, PHONE, photograph } from '../support/browser-page.ts'

const AXE = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

/** A phone of today, and a laptop at 200 %. */
const WIDE_PHONE = { width: 390, height: 844 }
const ZOOMED = { width: 640, height: 450 }

/** In which colours and sizes every page is looked at. */
const LOOKS = [
  { scheme: 'light', size: LAPTOP },
  { scheme: 'dark', size: LAPTOP },
  { scheme: 'dark', size: PHONE },
  { scheme: 'light', size: PHONE },
  { scheme: 'light', size: WIDE_PHONE },
  { scheme: 'dark', size: ZOOMED },
] as const

/**
 * Checks the page in every look, with everything unfolded. Returns the problems, one line each.
 *
 * @param name of the screenshots, where screenshots are wanted
 */
export async function problemsOf(page: Page, name: string): Promise<string[]> {
  const problems: string[] = []
  for (const { scheme, size } of LOOKS) {
    await page.emulateMedia({ colorScheme: scheme })
    await page.setViewportSize(size)
    await photograph(page, `${name}-${scheme}-${size.width}`)
  }
  await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true
  })
  // Inside the evaluation, the page's policy does not apply: nothing is loosened for the test.
  await page.evaluate(AXE)
  for (const { scheme, size } of LOOKS) {
    await page.emulateMedia({ colorScheme: scheme })
    await page.setViewportSize(size)
    await page.evaluate(standInForGradient)
    await page.evaluate(unstick)
    const look = `${name}, ${scheme}, ${size.width} px`
    problems.push(...(await axeProblems(page)).map((problem) => `${look}: ${problem}`))
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    )
    if (overflow > 0) problems.push(`${look}: ${overflow} px wider than the window`)
  }
  return problems
}

/**
 * axe cannot judge text on a gradient, so the strongest colour of the gradient replaces it. Runs in
 * the page.
 */
function standInForGradient(): void {
  const { style } = document.body
  style.background = ''
  const [strongest] = /rgba?\([^)]*\)/.exec(getComputedStyle(document.body).backgroundImage) ?? []
  if (strongest !== undefined) style.background = strongest
}

/**
 * axe cannot judge text below a part that stays in view, or scrolled out of a row of links: the one
 * is put where it stands, the other is broken into lines. In the page.
 */
function unstick(): void {
  for (const row of document.querySelectorAll<HTMLElement>('.rail ul, .tabs ul'))
    row.style.flexWrap = 'wrap'
  for (const part of document.querySelectorAll<HTMLElement>('.choice-in-view'))
    part.style.position = 'static'
}

async function axeProblems(page: Page): Promise<string[]> {
  const { violations, incomplete } = await page.evaluate(() =>
    (window as unknown as { axe: { run(options: object): Promise<AxeResults> } }).axe.run({
      // What axe would fetch to read style sheets anew, the page's policy refuses.
      preload: false,
      resultTypes: ['violations', 'incomplete'],
      // WCAG 2.2 §2.5.8, which axe leaves off.
      rules: { 'target-size': { enabled: true } },
    }),
  )
  return [...violations, ...incomplete].flatMap(({ id, nodes }) =>
    nodes
      .filter(({ any }) => !any.some(isAboutNoText))
      .map(({ target, failureSummary }) => `${id} ${target.join(' ')} ${failureSummary ?? ''}`),
  )
}

/**
 * axe cannot judge the contrast of an arrow or an emoji. WCAG 2.2 §1.4.3 requires contrast of text
 * only.
 */
const isAboutNoText = ({ data }: CheckResult): boolean =>
  (data as { messageKey?: string } | null)?.messageKey === 'nonBmp'
