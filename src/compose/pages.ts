// The pages that users see: sign-in, consent, one-time links, connected apps, sign-out, and the
// style and pictures of all pages.
import { join } from 'node:path'
import type Router from '@koa/router'
import { ACCOUNT_PATH } from '../account-page/account.routes.ts'
import { ACCOUNT_PAGES, type AccountFolderPage } from '../account-page/pages.ts'
import { CONSOLE_PATH } from '../admin/console/console.routes.ts'
import {
  CONNECTED_APPS_PATH,
  createConnectedAppsRouter,
} from '../connected-apps/connected-apps.routes.ts'
import { createFindAnyApp } from '../connected-apps/connections.ts'
import { CONNECTED_APPS_PAGES, type ConnectedAppsFolderPage } from '../connected-apps/pages.ts'
import { CONNECTIONS_PATH } from '../connections/connect/connect.routes.ts'
import { CONNECT_PAGES, type ConnectFolderPage } from '../connections/connect/pages.ts'
import { createSignOutEverywhereRouter } from '../connected-apps/sign-out-everywhere.routes.ts'
import { createRevocationEvents } from '../background-jobs.ts'
import { createDisconnect } from '../grants/disconnect.ts'
import { createAssetsRouter } from '../http/assets.routes.ts'
import { createErrorReferenceRouter } from '../http/error-reference.routes.ts'
import { createBrowserCookie } from '../http/browser-cookie.ts'
import { type Csrf, createCsrf } from '../http/csrf.ts'
import type { BatchedLimit, RateLimiter } from '../http/rate-limit.ts'
import { compileTemplates, createViews, type Templates, type Views } from '../http/views.ts'
import type { Infrastructure } from '../infrastructure.ts'
import { FORM_ANSWER_PAGES, type FormAnswerPage } from '../oauth/authorize/form-answer.ts'
import type { EngineInteractions } from '../oauth/authorize/interactions.ts'
import type { Services } from '../services.ts'
import { createDirectSignInRouter, signInAddress } from '../sign-in/direct-sign-in.routes.ts'
import {
  createForgotRouter,
  createMailLimits,
  FORGOT_PATH,
  type ForgotDeps,
} from '../sign-in/forgot.routes.ts'
import { resetRequest } from '../sign-in/reset-request.ts'
import { createHasEnded } from '../sign-in/ended-sessions.ts'
import { BROWSER_MEMORY_MILLIS, createKnownPlaces } from '../sign-in/known-places.ts'
import { createFindUser } from '../sign-in/session.ts'
import { createLogin } from '../sign-in/login.ts'
import { createLoginLimits } from '../sign-in/login-limits.ts'
import { SIGN_IN_PAGES, type SignInFolderPage } from '../sign-in/pages.ts'
import { createSignInRouter } from '../sign-in/sign-in.routes.ts'
import { createSignOutRouter } from '../sign-in/sign-out.routes.ts'
import { createOneTimeLinkRouter } from '../sign-in/one-time-link.routes.ts'
import type { Limits } from '../http/limits.ts'
import { withDatabase } from '../storage/database.ts'
import { createAccountPages } from './account-page.ts'

const VIEWS = join(import.meta.dirname, '../../views')

/** What people see, and not admins. */
type PageOfPeople =
  | FormAnswerPage
  | SignInFolderPage
  | AccountFolderPage
  | ConnectedAppsFolderPage
  | ConnectFolderPage

/** What all pages share. */
export interface PageParts {
  templates: Templates
  views: Views<PageOfPeople>
  csrf: Csrf
  perAddress: BatchedLimit
}

/** Compiles the templates, in the name of the configured service, and creates the rest. */
export function createPageParts({ config, serverKeys }: Infrastructure, limits: Limits): PageParts {
  const templates = compileTemplates(VIEWS, { serviceName: config.pages.serviceName })
  return {
    templates,
    views: createViews<PageOfPeople>(templates, {
      ...FORM_ANSWER_PAGES,
      ...SIGN_IN_PAGES,
      ...ACCOUNT_PAGES,
      ...CONNECTED_APPS_PAGES,
      ...CONNECT_PAGES,
    }),
    csrf: createCsrf(serverKeys),
    perAddress: limits.authorizePerAddress,
  }
}

/** Creates the routers. */
export function createPageRouters(
  infrastructure: Infrastructure,
  services: Services,
  interactions: EngineInteractions,
  limiter: RateLimiter,
  { templates, views, csrf, perAddress }: PageParts,
  { readsPerAddress }: Limits,
): Router[] {
  const { config, clock } = infrastructure
  const { accounts, accountLinks, apps, scopes, grants, consents, audit, stores } = services
  const { issuer } = config.server
  const { events } = audit
  const { signedIn, signOut } = interactions
  const findUser = createFindUser(signedIn, accounts)
  const shared = { issuer, interactions, accounts, findUser, csrf, views, events, perAddress }
  const catalogue = () => scopes.current().scopes
  const signIn = {
    ...createSignInParts(infrastructure, services, limiter),
    forgotUrl: services.deliveries.mailbox.isSetUp ? FORGOT_PATH : undefined,
  }
  return [
    createSignInRouter({
      ...shared,
      ...signIn,
      findApp: (appId) => apps.find(appId),
      consents,
      catalogue,
      tellConnected: services.notices.connected,
    }),
    createDirectSignInRouter({
      ...shared,
      ...signIn,
      destinations: [
        { path: CONNECTED_APPS_PATH, purpose: 'see your connected apps' },
        { path: ACCOUNT_PATH, below: { except: [] }, purpose: 'see your account' },
        ...(config.connections.enabled ? [CONNECTIONS] : []),
        { path: CONSOLE_PATH, below: { except: ['api'] }, purpose: 'open the admin console' },
      ],
    }),
    ...createAccountPages(infrastructure, services, interactions, limiter, shared),
    createConnectedAppsRouter({
      ...shared,
      signInUrl: signInAddress,
      sources: {
        consents,
        grants,
        findApp: createFindAnyApp(apps),
        scopeExists: scopes.exists,
        timesOf: services.grantFigures.timesOf,
      },
      catalogue,
      connectionsUrl: config.connections.enabled ? CONNECTIONS_PATH : undefined,
      disconnect: createDisconnect({
        consents,
        grants,
        jobs: stores.purgeJobs,
        audit: createRevocationEvents(events),
      }),
    }),
    createSignOutEverywhereRouter({
      ...shared,
      signInUrl: signInAddress(CONNECTED_APPS_PATH),
      endAll: (accountId, options) => accounts.signOutEverywhere(accountId, options),
      signOut,
    }),
    createOneTimeLinkRouter({
      ...shared,
      clock,
      links: accountLinks,
      hasEnded: createHasEnded(stores.purgeJobs),
      redirects: { member: CONNECTED_APPS_PATH, console: CONSOLE_PATH, signIn: signInAddress },
    }),
    ...createForgottenPassword(infrastructure, services, limiter, shared),
    createSignOutRouter(shared),
    createErrorReferenceRouter(templates, readsPerAddress),
    createAssetsRouter({
      directory: VIEWS,
      findLogo: (id) => apps.findLogo(id),
      perAddress: readsPerAddress,
    }),
  ]
}

/** Without mail there is no such page. */
function createForgottenPassword(
  { db, clock, config }: Infrastructure,
  { deliveries: { mailbox, deliverer } }: Services,
  limiter: RateLimiter,
  shared: Pick<ForgotDeps, 'issuer' | 'csrf' | 'views' | 'perAddress'>,
): Router[] {
  if (!mailbox.isSetUp) return []
  const router = createForgotRouter({
    ...shared,
    limits: createMailLimits(limiter, config.limits),
    async ask(email, asker) {
      await withDatabase(() => mailbox.write(db, resetRequest(email, asker, clock())))
      void deliverer.deliver()
    },
  })
  return [router]
}

const CONNECTIONS = {
  path: CONNECTIONS_PATH,
  below: { except: ['callback', 'choice'] },
  purpose: 'connect other systems',
}

function createSignInParts(
  { config, serverKeys, store }: Infrastructure,
  { accounts, audit, notices }: Services,
  limiter: RateLimiter,
) {
  return {
    login: createLogin({
      authenticate: (email, password, place) => accounts.authenticate(email, password, place),
      limits: createLoginLimits(limiter, config.limits),
      places: createKnownPlaces(serverKeys.all('known-place'), store),
      events: audit.events,
      tellNewPlace: notices.newPlace,
    }),
    browserCookie: createBrowserCookie(config.server.issuer, BROWSER_MEMORY_MILLIS),
  }
}
