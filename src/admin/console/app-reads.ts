// What the console reads of one app beyond the registry.
import type { AppRegistry } from '../../apps/app-registry.ts'
import type { App } from '../../model/app.ts'
import type { Grants } from '../../grants/grants.ts'
import { AppError } from '../../shared/errors.ts'

/** Creates the look-up of apps that can be changed. It throws `not_found` for deleted apps too. */
export const createGetChangeable =
  (apps: Pick<AppRegistry, 'get'>) =>
  async (appId: string): Promise<App> => {
    const app = await apps.get(appId)
    if (app.status === 'deleted') throw new AppError('not_found', { detail: 'app' })
    return app
  }

/** How far the authorizations of one app are counted: they are read in one go. */
const COUNTED_GRANTS = 1000

/** Creates the count of an app's authorizations; `isMore` where counting stopped. */
export const createCountGrants =
  (grants: Pick<Grants, 'listOfApp'>) =>
  async (appId: string): Promise<{ count: number; isMore: boolean }> => {
    const listed = await grants.listOfApp(appId, 0, COUNTED_GRANTS + 1)
    const count = Math.min(listed.length, COUNTED_GRANTS)
    return { count, isMore: listed.length > COUNTED_GRANTS }
  }
