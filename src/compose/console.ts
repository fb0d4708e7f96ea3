// The admin console plugged into what the server knows.
import type Router from '@koa/router'
import { createUsedForms } from '../admin/console/used-forms.store.ts'
import { createConsoleRouter } from '../admin/console/console.routes.ts'
import { createUsageStore } from '../audit/usage.store.ts'
import type { Foundation } from '../foundation.ts'
import { createCsrf } from '../http/csrf.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import type { Templates } from '../http/views.ts'
import type { EngineInteractions } from '../oauth/authorize/interactions.ts'
import { AppError } from '../shared/errors.ts'
import { signInAddress } from '../sign-in/direct-sign-in.routes.ts'
import { createAdminServices } from './admin-services.ts'
import { createPreviewActs } from './previews.ts'

/** How far the authorizations of one app are counted: it is read in one go. */
const COUNTED_GRANTS = 1000

/** Creates the routers of /admin. */
export function createConsole(
  foundation: Foundation,
  deps: { interactions: EngineInteractions; templates: Templates; perAddress: BatchedLimit },
): Router[] {
  const { config, clock, serverKeys, accounts, apps, scopes, keyRing, audit, db } = foundation
  const router = createConsoleRouter({
    issuer: config.server.issuer,
    apps,
    async getChangeable(appId) {
      const app = await apps.get(appId)
      if (app.status === 'deleted') throw new AppError('not_found', { detail: 'app' })
      return app
    },
    scopes,
    catalogue: () => scopes.current().scopes,
    accounts,
    keyRing,
    eventStore: foundation.eventStore,
    usage: createUsageStore(db),
    async countGrants(appId) {
      const listed = await foundation.grants.listOfApp(appId, 0, COUNTED_GRANTS + 1)
      const count = Math.min(listed.length, COUNTED_GRANTS)
      return { count, isMore: listed.length > COUNTED_GRANTS }
    },
    acts: createAdminServices(foundation),
    previews: createPreviewActs(foundation),
    usedForms: createUsedForms(db, clock),
    lifetimes: config.tokens,
    clock,
    lastSignIn: (ctx) => deps.interactions.lastSignIn(ctx),
    signInUrl: signInAddress,
    templates: deps.templates,
    csrf: createCsrf(serverKeys),
    events: audit.events,
    perAddress: deps.perAddress,
  })
  return [router]
}
