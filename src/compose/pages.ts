// The pages plugged into what the server knows: sign-in, consent, connected apps, sign-out, errors, style and pictures.
import { join } from 'node:path'
import type Router from '@koa/router'
import { CONSOLE_PATH } from '../admin/console/console.routes.ts'
import type { App as RegisteredApp } from '../model/app.ts'
import type { AppRegistry } from '../apps/app-registry.ts'
import {
  CONNECTED_APPS_PATH,
  createConnectedAppsRouter,
} from '../connected-apps/connected-apps.routes.ts'
import { createSignOutEverywhereRouter } from '../connected-apps/sign-out-everywhere.routes.ts'
import type { Foundation } from '../foundation.ts'
import { createDisconnect } from '../grants/disconnect.ts'
import { createPurgeJobStore } from '../grants/purge-job.store.ts'
import { createAssetsRouter } from '../http/assets.routes.ts'
import { createBrowserCookie } from '../http/browser-cookie.ts'
import { createCsrf } from '../http/csrf.ts'
import type { BatchedLimit, RateLimiter } from '../http/rate-limit.ts'
import { compileTemplates, type Templates, type Views } from '../http/views.ts'
import type { EngineInteractions } from '../oauth/authorize/interactions.ts'
import { AppError } from '../shared/errors.ts'
import { createDirectSignInRouter, signInAddress } from '../sign-in/direct-sign-in.routes.ts'
import { createLogin } from '../sign-in/login.ts'
import { BROWSER_MEMORY_MILLIS, createKnownPlaces } from '../sign-in/known-places.ts'
import { createSignInRouter } from '../sign-in/sign-in.routes.ts'
import { createSignOutRouter } from '../sign-in/sign-out.routes.ts'
import { revocationAudit } from '../upkeep.ts'
import { createLoginLimits } from './limits.ts'
import { createWelcome } from './welcome.ts'

const VIEWS = join(import.meta.dirname, '../../views')

/** Compiles the templates, in the name of the configured service. */
export const compileAllTemplates = ({ config }: Foundation): Templates =>
  compileTemplates(VIEWS, { serviceName: config.pages.serviceName })

/** Creates what people see: sign-in, consent, connected apps, sign-out, and the style and pictures of all pages. */
export function createPageRouters(
  foundation: Foundation,
  deps: {
    interactions: EngineInteractions
    views: Views
    limiter: RateLimiter
    perAddress: BatchedLimit
    readsPerAddress: BatchedLimit
  },
): Router[] {
  const { config, serverKeys, accounts, apps, scopes, grants, consents, audit, db } = foundation
  const { interactions, views, limiter, perAddress } = deps
  const shared = {
    issuer: config.server.issuer,
    interactions,
    people: accounts,
    csrf: createCsrf(serverKeys),
    views,
    events: audit.events,
  }
  const login = createLogin({
    authenticate: (email, password, place) => accounts.authenticate(email, password, place),
    limits: createLoginLimits(limiter, config.limits),
    places: createKnownPlaces(serverKeys.all('known-place'), foundation.store),
    events: audit.events,
  })
  const browserCookie = createBrowserCookie(config.server.issuer, BROWSER_MEMORY_MILLIS)
  return [
    createSignInRouter({
      ...shared,
      login,
      browserCookie,
      findApp: (appId) => apps.find(appId),
      consents,
      catalogue: () => scopes.current().scopes,
      perAddress,
    }),
    createDirectSignInRouter({
      ...shared,
      login,
      browserCookie,
      perAddress,
      destinations: [
        { path: CONNECTED_APPS_PATH, purpose: 'see your connected apps' },
        { path: CONSOLE_PATH, below: { except: ['api'] }, purpose: 'open the admin console' },
      ],
    }),
    createConnectedAppsRouter({
      ...shared,
      signedIn: (ctx) => interactions.signedIn(ctx),
      signInUrl: signInAddress,
      sources: {
        consents,
        grants,
        findApp: (appId) => findAnyApp(apps, appId),
        scopeExists: scopes.exists,
      },
      catalogue: () => scopes.current().scopes,
      disconnect: createDisconnect({
        consents,
        grants,
        jobs: createPurgeJobStore(db),
        audit: revocationAudit(audit),
      }),
      perAddress,
    }),
    createSignOutEverywhereRouter({
      ...shared,
      signedIn: (ctx) => interactions.signedIn(ctx),
      signInUrl: signInAddress(CONNECTED_APPS_PATH),
      endAll: (accountId, options) => accounts.signOutEverywhere(accountId, options),
      signOut: (ctx) => interactions.signOut(ctx),
      perAddress,
    }),
    createWelcome(foundation, {
      interactions,
      views,
      perAddress,
      onward: { member: CONNECTED_APPS_PATH, admin: CONSOLE_PATH, signIn: signInAddress },
    }),
    createSignOutRouter({ ...shared, perAddress }),
    createAssetsRouter({
      directory: VIEWS,
      findLogo: (id) => apps.findLogo(id),
      perAddress: deps.readsPerAddress,
    }),
  ]
}

/** Finds an app also after it was deleted: for pages that speak of what was. */
async function findAnyApp(apps: AppRegistry, appId: string): Promise<RegisteredApp | undefined> {
  try {
    return (await apps.find(appId)) ?? (await apps.get(appId))
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined
    throw error
  }
}
