// Which apps an account has connected: those whose consent is remembered, and those that hold live
// grants without one (public apps are asked for anew each time). Invariant: bounded work, whatever
// an account has gathered; and what is cut off is said to be. Called by connected-apps.routes.ts.
import type { AppRegistry } from '../apps/app-registry.ts'
import type { App } from '../model/app.ts'
import type { RememberedConsent } from '../grants/consent.store.ts'
import type { Grant } from '../grants/grant.ts'
import { AppError } from '../shared/errors.ts'

/** One app and what it holds of an account. */
export interface AppConnection {
  appId: string
  /** Absent where the app is gone without a trace. */
  app: App | undefined
  scopes: string[]
  /** When it was first allowed, as far as is known. */
  since: Date
  /** How many grants are alive. */
  grants: number
  /** When one of them was used last, to five minutes; absent where none was. */
  lastUsedAt: Date | undefined
}

/** What connections are gathered from. */
export interface ConnectionSources {
  consents: {
    find(accountId: string, appId: string): Promise<readonly string[] | undefined>
    listOfAccount(accountId: string, limit: number): Promise<RememberedConsent[]>
  }
  grants: {
    listOfAccount(
      accountId: string,
      offset: number,
      limit: number,
    ): Promise<{ grantId: string; appId: string }[]>
    find(grantId: string): Promise<Grant | undefined>
  }
  findApp: (appId: string) => Promise<App | undefined>
  /** Returns whether a scope still is the one that the grant was given. */
  scopeExists: (scope: string, grant: Grant) => boolean
  /** Tells when grants of one app were used last. */
  timesOf: (
    appId: string,
    grants: readonly Grant[],
  ) => Promise<readonly { lastUsedAt: Date | undefined }[]>
}

/** How much is looked at; more than any user has. */
export interface ConnectionBounds {
  /** How many apps are shown. */
  apps: number
  /** How many grants are read. */
  grants: number
  /** How many grants are gone through for the apps that hold them. */
  listed: number
}

/** The most that one page shows. */
export const BOUNDS: ConnectionBounds = { apps: 200, grants: 2000, listed: 50_000 }

const BATCH = 1000

/** Finds an app, also after it was deleted: for pages that speak of what was. */
export const createFindAnyApp =
  (apps: Pick<AppRegistry, 'find' | 'get'>) =>
  async (appId: string): Promise<App | undefined> => {
    try {
      return (await apps.find(appId)) ?? (await apps.get(appId))
    } catch (error) {
      if (error instanceof AppError && error.code === 'not_found') return undefined
      throw error
    }
  }

/**
 * Lists an account's connections by name.
 *
 * @returns also whether there is more than was looked at
 */
export async function listConnections(
  sources: Pick<ConnectionSources, 'grants' | 'findApp' | 'scopeExists' | 'timesOf'> & {
    consents: Pick<ConnectionSources['consents'], 'listOfAccount'>
  },
  accountId: string,
  bounds = BOUNDS,
): Promise<{ connections: AppConnection[]; isCut: boolean }> {
  const [consents, granted] = await Promise.all([
    // One more than is shown tells whether there are more.
    sources.consents.listOfAccount(accountId, bounds.apps + 1),
    liveGrants(sources.grants, accountId, bounds),
  ])
  const held = new Map<string, Omit<AppConnection, 'app' | 'lastUsedAt'>>()
  const add = (appId: string, scopes: readonly string[], since: Date, grants: number): void => {
    const known = held.get(appId) ?? { appId, scopes: [], since, grants: 0 }
    held.set(appId, {
      appId,
      scopes: [...new Set([...known.scopes, ...scopes])],
      since: since < known.since ? since : known.since,
      grants: known.grants + grants,
    })
  }
  for (const { appId, scopes, createdAt } of consents) add(appId, scopes, createdAt, 0)
  for (const grant of granted.grants) {
    const scopes = grant.scopes.filter((scope) => sources.scopeExists(scope, grant))
    add(grant.appId, scopes, new Date(grant.createdAt * 1000), 1)
  }
  const shown = [...held.values()].slice(0, bounds.apps)
  const connections = await Promise.all(
    shown.map(async (each) => {
      const [app, lastUsedAt] = await Promise.all([
        sources.findApp(each.appId),
        lastUseOf(sources, each.appId, granted.grants),
      ])
      return { ...each, app, lastUsedAt }
    }),
  )
  return {
    connections: connections.sort(byName),
    isCut: granted.isCut || held.size > bounds.apps,
  }
}

async function lastUseOf(
  { timesOf }: Pick<ConnectionSources, 'timesOf'>,
  appId: string,
  grants: readonly Grant[],
): Promise<Date | undefined> {
  const own = grants.filter((grant) => grant.appId === appId)
  if (own.length === 0) return undefined
  const times = await timesOf(appId, own)
  const uses = times.flatMap(({ lastUsedAt }) => lastUsedAt?.getTime() ?? [])
  return uses.length === 0 ? undefined : new Date(Math.max(...uses))
}

/**
 * Finds what one app holds of an account. Where there is more than is looked at, an app that was
 * not met may be connected all the same: then the answer is not that it is missing.
 */
export async function findConnection(
  sources: Parameters<typeof listConnections>[0],
  accountId: string,
  appId: string,
): Promise<Pick<AppConnection, 'appId' | 'app' | 'grants'> | undefined> {
  const { connections, isCut } = await listConnections(sources, accountId)
  const met = connections.find((each) => each.appId === appId)
  if (met !== undefined || !isCut) return met
  const app = await sources.findApp(appId)
  return app && { appId, app, grants: 0 }
}

async function liveGrants(
  grants: ConnectionSources['grants'],
  accountId: string,
  bounds: ConnectionBounds,
): Promise<{ grants: Grant[]; isCut: boolean }> {
  const byApp = new Map<string, string[]>()
  let listed = 0
  let isCut = true
  while (isCut && listed < bounds.listed) {
    const page = await grants.listOfAccount(accountId, listed, BATCH)
    for (const { grantId, appId } of page) {
      const known = byApp.get(appId)
      if (known === undefined) byApp.set(appId, [grantId])
      else known.push(grantId)
    }
    listed += page.length
    isCut = page.length === BATCH
  }
  const chosen = inTurns([...byApp.values()], bounds.grants)
  // The index also lists what ended by itself, for want of use.
  const live = await Promise.all(chosen.map((grantId) => grants.find(grantId)))
  return {
    grants: live.filter((grant) => grant !== undefined),
    isCut: isCut || chosen.length < listed,
  }
}

/**
 * Takes up to `limit` grants, the last ones first, of each app in turn: one that has many does not
 * hide the others.
 */
function inTurns(byApp: string[][], limit: number): string[] {
  const chosen: string[] = []
  for (let left = byApp; left.length > 0 && chosen.length < limit;) {
    for (const ids of left.slice(0, limit - chosen.length)) {
      const last = ids.pop()
      if (last !== undefined) chosen.push(last)
    }
    left = left.filter((ids) => ids.length > 0)
  }
  return chosen
}

const nameOf = ({ app, appId }: AppConnection): string => app?.name ?? appId

const byName = (left: AppConnection, right: AppConnection): number =>
  nameOf(left).localeCompare(nameOf(right), 'en') || (left.appId < right.appId ? -1 : 1)
