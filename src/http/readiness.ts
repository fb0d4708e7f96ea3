// Whether this process can serve: its stores answer and it is not on its way out. However many ask,
// the stores are asked by one of them at a time, and a good answer counts for a moment; that a
// store is away is asked anew each time, so that the process is back as soon as it is.
import { isUnavailable } from '../shared/errors.ts'
import type { Readiness } from './ops.routes.ts'

// How long a good answer of the stores counts: a flood of questions costs ten looks a second, and
// no orchestrator notices.
const SHARED_MILLIS = 100

/** Asks one store; rejects where it is away or fails. */
type Ping = () => Promise<unknown>

/**
 * Creates the check.
 *
 * @param pings one for each store, by the name that it is reported under
 */
export function createReadiness(
  pings: Readonly<Record<string, Ping>>,
  isDraining: () => boolean,
): () => Promise<Readiness> {
  let look: Promise<Readonly<Record<string, string>>> | undefined
  let isUnderWay = false
  let goodUntil = 0

  async function takeALook(): Promise<Readonly<Record<string, string>>> {
    isUnderWay = true
    const stores = await checkAll(pings)
    isUnderWay = false
    goodUntil = isGood(stores) ? performance.now() + SHARED_MILLIS : 0
    return stores
  }

  return async function isReady() {
    if (look === undefined || (!isUnderWay && performance.now() >= goodUntil)) look = takeALook()
    const stores = await look
    const checks = { ...stores, ...(isDraining() ? { process: 'draining' } : {}) }
    return { ready: isGood(checks), checks }
  }
}

const isGood = (checks: Readonly<Record<string, string>>): boolean =>
  Object.values(checks).every((check) => check === 'ok')

/** Asks all stores at once. Never rejects. */
async function checkAll(pings: Readonly<Record<string, Ping>>): Promise<Record<string, string>> {
  const checks = Object.entries(pings).map(async ([name, ping]) => [name, await check(ping)])
  return Object.fromEntries(await Promise.all(checks)) as Record<string, string>
}

async function check(ping: Ping): Promise<string> {
  try {
    await ping()
    return 'ok'
  } catch (error) {
    return isUnavailable(error) ? 'away' : 'failing'
  }
}
