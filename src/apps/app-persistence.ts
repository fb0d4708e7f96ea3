// What the registry asks of its database, and where its answers come from. Deleted apps are found,
// but no longer change.
import type { App, AppSecret, AppSettings, AppStatus, AppType } from '../model/app.ts'
import type { ListOrder, MatchCount } from '../model/list-order.ts'
import type { Database, WriteAlong } from '../storage/database.ts'
import type { Logo } from './logo.ts'
import type { HashRenewal } from './secret-usage.ts'

/** A page of a list, newest first. */
export interface AppPageQuery {
  /**
   * Part of the name, or the beginning of the client id or handle; fewer than three characters are
   * the beginning of the name, or a whole handle.
   */
  readonly search?: string | undefined
  readonly type?: AppType | undefined
  readonly statuses: readonly AppStatus[]
  /** Only apps that may ask for this one. */
  readonly scope?: string | undefined
  readonly order: AppOrder
  /** The app with which the page before ended. */
  readonly after?: { readonly createdAt: string; readonly id: string } | undefined
  readonly limit: number
}

/** In which order apps are listed. */
export type AppOrder = ListOrder<'created' | 'name'>

/** What adding a secret came to. */
export type AddSecretOutcome =
  /** `app` is how it was when the transaction ended. */
  { readonly kind: 'added'; readonly app: App } | 'too-many' | 'unknown-app'

/** The database as the registry needs it. Deleted apps are found, but no longer change. */
export interface AppStore {
  /** Returns `false` when another app has the handle. */
  insert(app: App, logo?: Logo, along?: WriteAlong<App>): Promise<boolean>
  findByHandle(handle: string): Promise<App | undefined>
  /** Finds the app that has a secret of one of these keyed hashes; deleted ones too. */
  findBySecretHash(hashes: readonly string[]): Promise<App | undefined>
  find(id: string): Promise<App | undefined>
  list(query: AppPageQuery): Promise<App[]>
  /** Counts what the list has on all pages. */
  count(query: Omit<AppPageQuery, 'order' | 'after' | 'limit'>): Promise<MatchCount>
  /** Counts the apps that are not deleted by the scopes that they may ask for; scopes that none has are not there. */
  countByScope(): Promise<ReadonlyMap<string, number>>
  countOfScope(scope: string): Promise<number>
  /** Writes the settings if the version is still that one. */
  updateSettings(
    id: string,
    version: number,
    settings: AppSettings,
    at: Date,
  ): Promise<'updated' | 'conflict' | 'handle-taken'>
  /** Sets the status; with `purge`, also writes the job that kills all tokens. Returns whether there was such an app. */
  changeStatus(
    id: string,
    change: { status: AppStatus; reason: string | undefined; purge: boolean; at: Date },
  ): Promise<boolean>
  /** Adds a secret unless as many live ones are there; secrets that expired before `forgetBefore` are removed on the way. */
  addSecret(
    appId: string,
    secret: AppSecret,
    limits: { live: number; now: Date; forgetBefore: Date; along?: WriteAlong<App> | undefined },
  ): Promise<AddSecretOutcome>
  /** Removes a secret; with `endOwn`, the tokens that the app got for itself end as well. */
  removeSecret(
    appId: string,
    secretId: string,
    options: { endOwn: boolean; at: Date },
  ): Promise<boolean>
  /**
   * Ends all tokens, and writes the job that removes them; the app can get new ones. Returns
   * whether there is such an app.
   */
  endAll(id: string, reason: string, at: Date): Promise<boolean>
  noteSecretUses(uses: ReadonlyMap<string, Date>): Promise<void>
  replaceSecretHashes(renewals: readonly HashRenewal[]): Promise<void>
  /**
   * Counts the live secrets of living apps by the key that made their hash; `undefined` for those
   * made before that was recorded.
   */
  countSecretsByKey(now: Date): Promise<Map<string | undefined, number>>
  setLogo(appId: string, logo: Logo | undefined, at: Date): Promise<boolean>
  /** Finds those that there are. */
  findLogos(ids: readonly string[]): Promise<Logo[]>
}

/** A function of the store with the database as its first argument. */
export type OnDatabase<Name extends keyof AppStore> = (
  db: Database,
  ...args: Parameters<AppStore[Name]>
) => ReturnType<AppStore[Name]>
