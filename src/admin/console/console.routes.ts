// The console: all its routes behind one gate. Called by compose/console.ts.
import type Router from '@koa/router'
import { createAccountRoutes } from './accounts.routes.ts'
import { createActivityRoutes } from './activity.routes.ts'
import { createAppStatusRoutes } from './app-status.routes.ts'
import { createAppRoutes } from './apps.routes.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { createCredentialRoutes } from './credentials.routes.ts'
import { createGate, type GateDeps } from './gate.routes.ts'
import { createKeyRoutes } from './keys.routes.ts'
import { createRegisterRoutes } from './register.routes.ts'
import { createScopeRoutes } from './scopes.routes.ts'
import { createTryRoutes } from './try.routes.ts'

/** Where the console is. */
export const CONSOLE_PATH = '/admin'

/** Creates the routers of the console, in the order in which they must be mounted. */
export function createConsoleRouters(deps: ConsoleDeps & GateDeps): Router[] {
  const gate = createGate(deps)
  return [
    createRegisterRoutes(deps, gate),
    createAppRoutes(deps, gate),
    createAppStatusRoutes(deps, gate),
    createCredentialRoutes(deps, gate),
    createTryRoutes(deps, gate),
    createActivityRoutes(deps, gate),
    createScopeRoutes(deps, gate),
    createAccountRoutes(deps, gate),
    createKeyRoutes(deps, gate),
  ]
}
