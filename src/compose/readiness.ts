// Whether this process can serve: its stores answer and it is not on its way out.
import type { Foundation } from '../foundation.ts'
import type { Readiness } from '../http/ops.routes.ts'
import { isUnavailable } from '../shared/errors.ts'
import { pingDatabase } from '../storage/database.ts'

// How long a good answer of the stores counts: a flood of questions costs ten looks a second, and
// no orchestrator notices.
const SHARED_MILLIS = 100

/**
 * Creates the check. However many ask, the stores are looked at by one of them at a time, and a
 * good answer counts for a moment; that
 * a store is away is asked anew each time, so that the process is back as soon as it is.
 */
export function createReadiness(
  foundation: Foundation,
  isDraining: () => boolean,
): () => Promise<Readiness> {
  let look: Promise<StoreChecks> | undefined
  let isUnderWay = false
  let goodUntil = 0

  async function takeALook(): Promise<StoreChecks> {
    isUnderWay = true
    const stores = await checkStores(foundation)
    isUnderWay = false
    goodUntil = isGood(stores) ? performance.now() + SHARED_MILLIS : 0
    return stores
  }

  return async function isReady() {
    if (look === undefined || (!isUnderWay && performance.now() >= goodUntil)) look = takeALook()
    const { grants, database } = await look
    const checks = { grants, database, ...(isDraining() ? { process: 'draining' } : {}) }
    return { ready: isGood(checks) && !isDraining(), checks }
  }
}

interface StoreChecks {
  grants: string
  database: string
}

const isGood = ({ grants, database }: StoreChecks): boolean => grants === 'ok' && database === 'ok'

/** Asks the stores. Never rejects. */
async function checkStores({ store, db }: Foundation): Promise<StoreChecks> {
  const check = async (work: () => Promise<unknown>): Promise<string> => {
    try {
      await work()
      return 'ok'
    } catch (error) {
      return isUnavailable(error) ? 'away' : 'failing'
    }
  }
  const [grants, database] = await Promise.all([
    check(() => store.ping()),
    check(() => pingDatabase(db)),
  ])
  return { grants, database }
}
