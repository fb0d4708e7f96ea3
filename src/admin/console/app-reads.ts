// What the console reads of one app beyond the registry.
import type { AppRegistry } from '../../apps/app-registry.ts'
import type { App } from '../../model/app.ts'
import { AppError } from '../../shared/errors.ts'

/** Creates the look-up of apps that can be changed. It throws `not_found` for deleted apps too. */
export const createGetChangeable =
  (apps: Pick<AppRegistry, 'get'>) =>
  async (appId: string): Promise<App> => {
    const app = await apps.get(appId)
    if (app.status === 'deleted') throw new AppError('not_found', { detail: 'app' })
    return app
  }
