// Whether this process can serve: its stores answer and it is not on its way out.
import type { Foundation } from '../foundation.ts'
import type { Readiness } from '../http/ops.routes.ts'
import { isUnavailable } from '../shared/errors.ts'
import { pingDatabase } from '../storage/database.ts'

/** Asks the stores. */
export async function checkReadiness(
  { store, db }: Foundation,
  isDraining: boolean,
): Promise<Readiness> {
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
  const checks = { grants, database, ...(isDraining ? { process: 'draining' } : {}) }
  return { ready: !isDraining && grants === 'ok' && database === 'ok', checks }
}
