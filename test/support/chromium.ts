// The real browser of the browser tests: Debian's Chromium, driven by playwright-core. Invariant:
// it reaches 127.0.0.1 and localhost only, so a page that asks another host for anything fails its
// test.
import { chromium, type Browser, type LaunchOptions } from 'playwright-core'
import { getBinary } from './binaries.ts'

/**
 * Starts a headless Chromium; `await using` closes it. @throws {Error} when Chromium is not
 * installed
 */
export const launchChromium = (): Promise<Browser> => chromium.launch(chromiumOptions())

/** Returns how Chromium is started, for tests that need a profile of their own. */
export function chromiumOptions(): LaunchOptions {
  const isRoot = process.getuid?.() === 0
  return {
    executablePath: getBinary('chromium', 'chromium'),
    args: [
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
      '--disable-dev-shm-usage',
      // Chromium's sandbox does not start for root, which is what tests run as in a container.
      ...(isRoot ? ['--no-sandbox'] : []),
    ],
  }
}
