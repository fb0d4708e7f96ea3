// The pages on which users see which apps may act for them, and end that. Invariants: only the user
// who is signed in is ever looked at or changed, nothing in an address or a form says whose apps
// are meant; and the answer to "disconnect" is sent when every token is dead.
import type { Scope } from '../model/scope.ts'
import Router from '@koa/router'
import type { Context } from 'koa'
import type { Account } from '../model/account.ts'
import { type AppCard, appCard } from '../apps/app-card.ts'
import type { App } from '../model/app.ts'
import { permissionGroups } from '../apps/permission-groups.ts'
import type { Events } from '../audit/events.ts'
import type { Disconnect } from '../grants/disconnect.ts'
import type { Csrf } from '../http/csrf.ts'
import { limitPages } from '../http/limit-pages.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { sendPage } from '../http/send-page.ts'
import type { Views } from '../http/views.ts'
import {
  type AppConnection,
  type ConnectionSources,
  findConnection,
  listConnections,
} from './connections.ts'
import type { ConnectedApp, ConnectedAppsFolderPage } from './pages.ts'

export interface ConnectedAppsDeps {
  /** Returns the account that is signed in in this browser. */
  findUser: (ctx: Context) => Promise<Account | undefined>
  /** Where users sign in on the way to a path of ours. */
  signInUrl: (path: string) => string
  sources: ConnectionSources
  /** Every scope that exists now. */
  catalogue: () => ReadonlyMap<string, Scope>
  /** Where the user's connections to other systems are; absent where they are switched off. */
  connectionsUrl: string | undefined
  disconnect: Disconnect
  csrf: Csrf
  views: Views<ConnectedAppsFolderPage>
  events: Pick<Events, 'consentWithdrawn'>
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
}

type Visit = Context & { params: { appId: string } }

/** Where the list is. */
export const CONNECTED_APPS_PATH = '/connected-apps'
const PATH = CONNECTED_APPS_PATH
const DISCONNECT_PATH = `${PATH}/:appId/disconnect`

/** Creates the router of /connected-apps. */
export function createConnectedAppsRouter(deps: ConnectedAppsDeps): Router {
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)
  /** Answers the user who is signed in. */
  const forUser =
    <Request extends Context>(
      answer: (deps: ConnectedAppsDeps, ctx: Request, user: Account) => Promise<void>,
    ) =>
    async (ctx: Request): Promise<void> => {
      const user = await deps.findUser(ctx)
      // To the list in any case: a form that was sent without a session is not repeated.
      if (user === undefined) redirect(ctx, deps.signInUrl(PATH))
      else await answer(deps, ctx, user)
    }
  router.get(PATH, limited, forUser(showConnectedApps))
  router.get(DISCONNECT_PATH, limited, forUser(askToDisconnect))
  router.post(DISCONNECT_PATH, limited, forUser(disconnect))
  return router
}

function redirect(ctx: Context, to: string): void {
  ctx.status = 303
  ctx.set('Cache-Control', 'no-store')
  ctx.redirect(to)
}

async function showConnectedApps(
  { sources, views, catalogue, connectionsUrl }: ConnectedAppsDeps,
  ctx: Context,
  { id, email, name }: Account,
): Promise<void> {
  const { connections, isCut } = await listConnections(sources, id)
  const disconnected = await justDisconnected(sources, ctx, connections)
  sendPage(ctx, views, {
    kind: 'connected-apps',
    account: { email, name },
    apps: connections.map((connection) => describe(connection, catalogue())),
    isCut,
    disconnected,
    connectionsUrl,
  })
}

async function askToDisconnect(
  { sources, views, csrf }: ConnectedAppsDeps,
  ctx: Visit,
  { id, email, name }: Account,
): Promise<void> {
  const { appId } = ctx.params
  const connection = await findConnection(sources, id, appId)
  // Back, or another tab, after it was disconnected: the list says what is left.
  if (connection === undefined) {
    redirect(ctx, PATH)
    return
  }
  sendPage(ctx, views, {
    kind: 'disconnect',
    account: { email, name },
    app: cardOf(connection),
    connections: connection.grants,
    action: disconnectUrl(appId),
    csrf: csrf.token(bindingOf(id, appId)),
  })
}

async function disconnect(
  { sources, csrf, events, ...deps }: ConnectedAppsDeps,
  ctx: Visit,
  { id: accountId }: Account,
): Promise<void> {
  const { appId } = ctx.params
  await csrf.readForm(ctx, bindingOf(accountId, appId))
  // Not looked up among the connections: one that ended a moment ago, by the first click of two, is
  // what was wanted.
  const remembered = await sources.consents.find(accountId, appId)
  const connections = await deps.disconnect(accountId, appId, 'user')
  if (connections > 0 || remembered !== undefined)
    events.consentWithdrawn(
      { accountId, appId, connections },
      { ...requestFacts(ctx), actor: accountId },
    )
  redirect(ctx, `${PATH}?disconnected=${encodeURIComponent(appId)}`)
}

/**
 * Returns the name of the app that the address says was disconnected; only where it is not
 * connected, because anybody can write an address.
 */
async function justDisconnected(
  sources: ConnectionSources,
  ctx: Context,
  connections: readonly AppConnection[],
): Promise<string | undefined> {
  const appId = new URLSearchParams(ctx.querystring).get('disconnected')
  if (appId === null || connections.some((each) => each.appId === appId)) return undefined
  return (await sources.findApp(appId))?.name
}

function describe(connection: AppConnection, catalogue: ReadonlyMap<string, Scope>): ConnectedApp {
  return {
    app: cardOf(connection),
    status: connection.app?.status ?? 'deleted',
    since: connection.since,
    lastUsedAt: connection.lastUsedAt,
    permissions: permissionGroups(connection.scopes, catalogue),
    connections: connection.grants,
    disconnectUrl: disconnectUrl(connection.appId),
  }
}

const disconnectUrl = (appId: string): string => `${PATH}/${encodeURIComponent(appId)}/disconnect`

/**
 * A signed cookie ties the session to the browser, and this ties the form to the session's user and
 * one app.
 */
const bindingOf = (accountId: string, appId: string): string => `disconnect ${accountId} ${appId}`

const cardOf = ({ app, appId }: Pick<AppConnection, 'app' | 'appId'>): AppCard =>
  app === undefined ? namelessCard(appId) : appCard(app)

const namelessCard = (appId: App['id']): AppCard => ({
  name: appId,
  description: undefined,
  logoUrl: undefined,
  homepage: undefined,
  privacyUrl: undefined,
  termsUrl: undefined,
})
