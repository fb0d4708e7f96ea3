// Registered apps: register, find, change, shut down, and check their secrets. The one set of
// functions behind the console, the admin API and the command line. Invariant: a change is in the
// database before anybody hears of it, and after the call returns this process no longer acts on
// the state before it; other processes follow within a second. The token endpoints live on find()
// and checkSecret(): no I/O on a hit.
import { isScopeName } from '../model/scope.ts'
import {
  freezeApp,
  isHandle,
  isClientId,
  isConfidential,
  type App,
  type AppChange,
  type AppInput,
  type AppSecret,
  type AppStatus,
  type AppType,
} from '../model/app.ts'
import { countUpTo, type MatchCount } from '../model/list-order.ts'
import { DAY, dateNow, type Clock } from '../shared/clock.ts'
import type { ServerKeys } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import { newClientId, newSecretId } from '../shared/ids.ts'
import type { Secret } from '../shared/secret.ts'
import { createChangePublisher } from '../model/change-publisher.ts'
import type { WriteAlong } from '../storage/database.ts'
import type { Invalidation } from '../storage/invalidation.ts'
import { isStorable } from '../storage/timestamps.ts'
import { createAppCache } from './app-cache.ts'
import { settingsOf } from './app-settings.ts'
import type { AppOrder, AppStore } from './app-persistence.ts'
import { DEFAULT_LIFETIME_BOUNDS, type LifetimeBounds } from './app-rules.ts'
import { checkAppInput, type AppVerdict } from './client-metadata.ts'
import {
  createSecretFinder,
  isLive,
  makeClientSecret,
  type NewClientSecret,
  renewedHash,
  secretHashes,
} from './client-secret.ts'
import { checkLogo, type Logo } from './logo.ts'
import { createLogoCache } from './logo-cache.ts'
import { isPlainText, lengthOf } from '../model/plain-text.ts'
import type { Refused } from '../model/problem.ts'
import type { ScopeSnapshot } from './scope-catalogue.ts'
import { createScopeUse } from './scope-use.ts'
import { createSecretUsage } from './secret-usage.ts'

const MAX_LIVE_SECRETS = 2
const FORGET_EXPIRED_SECRETS_AFTER = 30 * DAY
const DEFAULT_PAGE = 50
const MAX_PAGE = 200

export interface RegisteredApp {
  readonly kind: 'registered'
  readonly app: App
  /** To be shown once; absent for public apps, which cannot keep one (RFC 8252 §8.5). */
  readonly secret: Secret<string> | undefined
}

export type RegisterOutcome = RegisteredApp | Refused

export type UpdateOutcome =
  | { readonly kind: 'updated'; readonly app: App }
  /** Somebody else changed it first: `app` is how it is now. */
  | { readonly kind: 'conflict'; readonly app: App }
  | Refused

export interface CreatedSecret {
  readonly kind: 'created'
  readonly app: App
  readonly secretId: string
  /** To be shown once. */
  readonly secret: Secret<string>
}

export type CreateSecretOutcome = CreatedSecret | Refused

export type SecretVerdict = 'valid' | 'wrong' | 'expired'

/** What to list. */
export interface AppQuery {
  /** Part of the name, or the beginning of the client id or handle. */
  search?: string | undefined
  type?: AppType | undefined
  /** All but the deleted ones when absent. */
  status?: AppStatus | undefined
  /** Only apps that may ask for this one. */
  scope?: string | undefined
  /** Newest first when absent. */
  order?: AppOrder | undefined
  /** The `next` of the page before, in the same order. */
  cursor?: string | undefined
  /** From 1 to 200, 50 when absent. */
  limit?: number | undefined
}

export interface AppPage {
  readonly apps: readonly App[]
  /** The cursor of the next page; absent on the last. */
  readonly next: string | undefined
}

/**
 * The registry. AdminServices on an app that does not exist, or was deleted, throw `not_found`; a
 * database that is away throws `temporarily_unavailable`. Disposing writes the last uses of secrets
 * down.
 */
export interface AppRegistry extends AsyncDisposable {
  /** Tells what register() would say of the input, and changes nothing. @param previous the app, where it is one that changes */
  check(input: object, previous?: App): AppVerdict
  /**
   * Registers an app with its logo, in one transaction, or tells all problems of the input, which
   * may be of any type.
   */
  register(
    input: AppInput,
    logo?: Logo,
    along?: WriteAlong<RegisteredApp>,
  ): Promise<RegisterOutcome>
  /**
   * Finds an app by its client id for a request: from memory for up to 30 s, suspended ones too,
   * deleted ones never. An id that is not of our form costs no I/O.
   */
  find(clientId: string): Promise<App | undefined>
  /** Finds the app of a handle in the database; deleted ones have none any more. */
  findByHandle(handle: string): Promise<App | undefined>
  /**
   * Finds whose secret a text is, for reports of leaks: in the database, and without a word about
   * its use. Text that is no secret of ours costs no I/O.
   */
  findBySecret(
    text: string,
  ): Promise<
    { readonly app: App; readonly secret: AppSecret; readonly isLive: boolean } | undefined
  >
  /** Reads an app from the database, deleted ones too. @throws {AppError} `not_found` */
  get(id: string): Promise<App>
  /**
   * Checks a client secret (RFC 6749 §2.3.1) in constant time, without I/O, and notes its use. The
   * status of the app is the caller's to check.
   */
  checkSecret(app: App, presented: string): SecretVerdict
  /** Changes settings if `version` is still the app's version; keys that are not there stay, `undefined` empties a setting. */
  update(id: string, version: number, change: AppChange): Promise<UpdateOutcome>
  /** Suspends an app: requests are refused and a job that kills its tokens is written. @param reason shown to admins */
  suspend(id: string, reason: string): Promise<App>
  /** Lets a suspended app work again; its old tokens stay dead. */
  activate(id: string): Promise<App>
  /** Deletes an app for good: the row stays for the reason and the audit log, a job that kills its tokens is written. */
  remove(id: string, reason: string): Promise<App>
  /** Adds a second secret, so that the app can change over without a pause. At most two are live at a time. */
  createSecret(
    id: string,
    options?: { expiresAt?: Date | undefined; along?: WriteAlong<CreatedSecret> | undefined },
  ): Promise<CreateSecretOutcome>
  /**
   * Revokes a secret at once; with `endOwn`, the tokens that the app got for itself are of no worth
   * from then on.
   *
   * @throws {AppError} `not_found` where the app has no such secret
   */
  revokeSecret(id: string, secretId: string, options?: { endOwn?: boolean }): Promise<App>
  /** @throws {AppError} `parameter_invalid` for a cursor that is not ours */
  list(query?: AppQuery): Promise<AppPage>
  /** Counts what the list has on all pages. */
  count(query?: Pick<AppQuery, 'search' | 'type' | 'status' | 'scope'>): Promise<MatchCount>
  /** Counts the apps that may ask for each scope, deleted ones left out; scopes that none has are not there; see scope-use.ts for how old it may be. */
  countByScope(): Promise<ReadonlyMap<string, number>>
  /** Counts the apps that may ask for a scope, deleted ones left out. */
  countOfScope(scope: string): Promise<number>
  /** Checks an uploaded logo by its content and gives it to the app. */
  setLogo(
    id: string,
    bytes: Uint8Array,
    contentType: string,
  ): Promise<{ readonly kind: 'updated'; readonly app: App } | Refused>
  removeLogo(id: string): Promise<App>
  /** The app, where it is in memory: `find` for the hot paths. */
  known(clientId: string): App | undefined
  /** Says whether `find` costs no query now. */
  isAtHand(clientId: string): boolean
  /** Finds a logo by its id, which is the SHA-256 of its bytes: what comes back may be cached for ever. */
  findLogo(logoId: string): Promise<Logo | undefined>
}

const HANDLE_TAKEN: Refused = Object.freeze({
  kind: 'refused',
  problems: [
    { field: 'handle', rule: 'handle-taken', sentence: 'Another app already has this handle.' },
  ],
})

const notFound = (): AppError => new AppError('not_found', { detail: 'app' })

const CURSOR = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (app_[0-9A-Za-z]{20})$/

const toCursor = (app: App): string =>
  Buffer.from(`${app.createdAt.toISOString()} ${app.id}`).toString('base64url')

function parseCursor(cursor: string): { createdAt: string; id: string } {
  const [, createdAt, id] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (createdAt === undefined || id === undefined || !isStorable(new Date(createdAt)))
    throw new AppError('parameter_invalid', { about: 'cursor' })
  return { createdAt, id }
}

function checkReason(reason: string): string {
  const text = reason.trim()
  if (text === '' || lengthOf(text) > 500 || !isPlainText(text))
    throw new AppError('parameter_invalid', { about: 'reason' })
  return text
}

/** What the functions of the registry work with. */
interface Registry {
  readonly store: AppStore
  readonly catalogue: { current(): Pick<ScopeSnapshot, 'scopes'> }
  readonly serverKeys: ServerKeys
  readonly clock: Clock
  readonly bounds: LifetimeBounds
  readonly usage: ReturnType<typeof createSecretUsage>
  readonly publisher: ReturnType<typeof createChangePublisher>
  readonly findSecret: ReturnType<typeof createSecretFinder>
  /** The secrets that this process has hashed anew, or tried to. */
  readonly renewed: WeakSet<AppSecret>
}

type Functions = Omit<AppRegistry, typeof Symbol.asyncDispose>

/** A function of the registry with the registry as its first argument. */
type OnRegistry<Name extends keyof Functions> = (
  registry: Registry,
  ...args: Parameters<Functions[Name]>
) => ReturnType<Functions[Name]>

/** Creates the registry. @param deps.lifetimes the server's bounds for lifetimes of apps */
export function createAppRegistry(
  deps: Pick<Registry, 'store' | 'catalogue' | 'serverKeys' | 'clock'> & {
    invalidation: Invalidation
    lifetimes?: LifetimeBounds
  },
): AppRegistry {
  const { store, serverKeys, clock, invalidation } = deps
  const registry: Registry = {
    ...deps,
    bounds: deps.lifetimes ?? DEFAULT_LIFETIME_BOUNDS,
    usage: createSecretUsage({ store, clock }),
    publisher: createChangePublisher(invalidation, 'app'),
    findSecret: createSecretFinder(serverKeys),
    renewed: new WeakSet(),
  }
  const cache = createAppCache({
    load: async (id) => {
      const app = await store.find(id)
      return app?.status === 'deleted' ? undefined : app
    },
    clock,
    invalidation,
  })
  const logos = createLogoCache((ids) => store.findLogos(ids))
  const scopeUse = createScopeUse(() => store.countByScope())
  const counted = <Result>(change: Promise<Result>): Promise<Result> =>
    change.finally(() => scopeUse.forget())
  return {
    check: (input, previous) => check(registry, input, previous),
    register: (input, logo, along) => counted(register(registry, input, logo, along)),
    known: (clientId) => cache.known(clientId),
    find: (clientId) => cache.find(clientId),
    isAtHand: (clientId) => cache.isAtHand(clientId),
    findByHandle: (handle) =>
      isHandle(handle) ? store.findByHandle(handle) : Promise.resolve(undefined),
    get: (id) => get(registry, id),
    findBySecret: (text) => findBySecret(registry, text),
    checkSecret: (app, presented) => checkSecret(registry, app, presented),
    update: (id, version, change) => counted(update(registry, id, version, change)),
    suspend: async (id, reason) =>
      counted(changeStatus(registry, id, 'suspended', checkReason(reason))),
    activate: (id) => counted(changeStatus(registry, id, 'active')),
    remove: async (id, reason) =>
      counted(changeStatus(registry, id, 'deleted', checkReason(reason))),
    createSecret: (id, options) => createSecret(registry, id, options),
    revokeSecret: (id, secretId, options) => revokeSecret(registry, id, secretId, options),
    list: (query) => list(registry, query),
    count: (query) => count(registry, query),
    countByScope: () => scopeUse.count(),
    countOfScope: (scope) => (isScopeName(scope) ? store.countOfScope(scope) : Promise.resolve(0)),
    setLogo: (id, bytes, contentType) => setLogo(registry, id, bytes, contentType),
    removeLogo: (id) => removeLogo(registry, id),
    findLogo: (logoId) => logos.find(logoId),

    async [Symbol.asyncDispose]() {
      registry.publisher[Symbol.dispose]()
      await registry.usage[Symbol.asyncDispose]()
    },
  }
}

/** Has a secret that an older server key made hashed under the current one, in the background. */
function renewIfOld(registry: Registry, secret: AppSecret, presented: string): void {
  if (registry.renewed.has(secret)) return
  registry.renewed.add(secret)
  const after = renewedHash(registry.serverKeys, secret, presented)
  if (after === undefined) return
  const { hash, keyId } = after
  registry.usage.renew({ id: secret.id, before: secret.hash, after: hash, keyId })
}

const check: OnRegistry<'check'> = ({ catalogue, bounds }, input, previous) =>
  checkAppInput(input, { scopes: catalogue.current().scopes, bounds, previous })

async function get(registry: Registry, id: string): Promise<App> {
  const app = isClientId(id) ? await registry.store.find(id) : undefined
  if (app === undefined) throw notFound()
  return app
}

async function getChangeable(registry: Registry, id: string): Promise<App> {
  const app = await get(registry, id)
  if (app.status === 'deleted') throw notFound()
  return app
}

/** Announces a change that has been saved and returns the app as it is now. */
async function changed(registry: Registry, id: string, wasThere: boolean): Promise<App> {
  if (!wasThere) throw notFound()
  await registry.publisher.publish(id)
  return get(registry, id)
}

async function changeStatus(
  registry: Registry,
  id: string,
  status: AppStatus,
  reason?: string,
): Promise<App> {
  await getChangeable(registry, id)
  const purge = status !== 'active'
  const at = dateNow(registry.clock)
  return changed(registry, id, await registry.store.changeStatus(id, { status, reason, purge, at }))
}

const register: OnRegistry<'register'> = async (registry, input, logo, along) => {
  const verdict = check(registry, input)
  if (verdict.kind === 'refused') return verdict
  const now = dateNow(registry.clock)
  const made = isConfidential(verdict.settings) ? makeClientSecret(registry.serverKeys) : undefined
  const secrets: AppSecret[] = made === undefined ? [] : [newSecretEntry(made, now, undefined)]
  const app = freezeApp({
    ...verdict.settings,
    id: newClientId(),
    logoId: logo?.id,
    status: 'active',
    statusReason: undefined,
    version: 1,
    generation: 0,
    grantsFrom: 0,
    ownFrom: 0,
    createdAt: now,
    updatedAt: now,
    secrets,
  })
  const outcome = { kind: 'registered', app, secret: made?.secret } as const
  const isWritten = await registry.store.insert(app, logo, along && ((trx) => along(trx, outcome)))
  return isWritten ? outcome : HANDLE_TAKEN
}

const findBySecret: OnRegistry<'findBySecret'> = async (registry, text) => {
  const hashes = secretHashes(text, registry.serverKeys)
  const app = hashes.length === 0 ? undefined : await registry.store.findBySecretHash(hashes)
  // Looked for once more: it may have been revoked between the two readings.
  const secret = app?.secrets.find(({ hash }) => hashes.includes(hash))
  if (app === undefined || secret === undefined) return undefined
  return { app, secret, isLive: app.status !== 'deleted' && isLive(secret, registry.clock()) }
}

const checkSecret: OnRegistry<'checkSecret'> = (registry, app, presented) => {
  const secret = registry.findSecret(app, presented)
  if (secret === undefined) return 'wrong'
  if (!isLive(secret, registry.clock())) return 'expired'
  registry.usage.note(secret.id)
  renewIfOld(registry, secret, presented)
  return 'valid'
}

const update: OnRegistry<'update'> = async (registry, id, version, change) => {
  const previous = await getChangeable(registry, id)
  if (previous.version !== version) return { kind: 'conflict', app: previous }
  const verdict = check(registry, { ...settingsOf(previous), ...change }, previous)
  if (verdict.kind === 'refused') return verdict
  const at = dateNow(registry.clock)
  const outcome = await registry.store.updateSettings(id, version, verdict.settings, at)
  if (outcome === 'handle-taken') return HANDLE_TAKEN
  if (outcome === 'conflict') return { kind: 'conflict', app: await getChangeable(registry, id) }
  return { kind: 'updated', app: await changed(registry, id, true) }
}

const createSecret: OnRegistry<'createSecret'> = async (registry, id, options = {}) => {
  const app = await getChangeable(registry, id)
  const refuse = (field: string, rule: string, sentence: string): Refused => ({
    kind: 'refused',
    problems: [{ field, rule, sentence }],
  })
  if (!isConfidential(app))
    return refuse('secret', 'secret-of-public-app', 'Public apps have no secret: they use PKCE.')
  const now = dateNow(registry.clock)
  const { expiresAt, along } = options
  // `!(a > b)` and not `a <= b`: an invalid date compares as false with everything.
  if (expiresAt !== undefined && !(expiresAt.getTime() > now.getTime()))
    return refuse('expiresAt', 'secret-expiry-past', 'Choose a time in the future.')
  if (expiresAt !== undefined && !isStorable(expiresAt))
    return refuse('expiresAt', 'secret-expiry-far', 'Choose a time before the year 10000.')
  const made = makeClientSecret(registry.serverKeys)
  const entry = newSecretEntry(made, now, expiresAt)
  const outcomeOf = (app: App) =>
    ({ kind: 'created', app, secretId: entry.id, secret: made.secret }) as const
  let outcome
  try {
    outcome = await registry.store.addSecret(id, entry, {
      live: MAX_LIVE_SECRETS,
      now,
      forgetBefore: new Date(now.getTime() - FORGET_EXPIRED_SECRETS_AFTER),
      along: along && ((trx, app) => along(trx, outcomeOf(app))),
    })
  } catch (error) {
    // It may have happened all the same, and its answer be asked for again.
    await registry.publisher.publish(id)
    throw error
  }
  if (outcome === 'too-many')
    return refuse('secret', 'secret-too-many', 'Two secrets are live already: revoke one first.')
  if (outcome === 'unknown-app') throw notFound()
  // Answered from what the transaction wrote: nothing can fail between the commit and the answer.
  await registry.publisher.publish(id)
  return outcomeOf(outcome.app)
}

const revokeSecret: OnRegistry<'revokeSecret'> = async (
  registry,
  id,
  secretId,
  { endOwn = false } = {},
) => {
  const app = await getChangeable(registry, id)
  const isThere = app.secrets.some((secret) => secret.id === secretId)
  const at = dateNow(registry.clock)
  return changed(
    registry,
    id,
    isThere && (await registry.store.removeSecret(id, secretId, { endOwn, at })),
  )
}

const NEWEST_FIRST: AppOrder = { by: 'created', descending: true }

type Asked = Pick<AppQuery, 'search' | 'type' | 'status' | 'scope'>

const mayMatch = ({ scope }: Asked): boolean => scope === undefined || isScopeName(scope)

function matchingOf({ search, type, status, scope }: Asked): Parameters<AppStore['count']>[0] {
  // A NUL is the one character that Postgres takes in no text.
  const words = search?.replaceAll('\0', '').trim().slice(0, 200)
  return {
    search: words === '' ? undefined : words,
    type,
    statuses: status === undefined ? ['active', 'suspended'] : [status],
    scope,
  }
}

const count: OnRegistry<'count'> = async (registry, asked = {}) =>
  mayMatch(asked) ? registry.store.count(matchingOf(asked)) : countUpTo(0)

const list: OnRegistry<'list'> = async (
  registry,
  { order = NEWEST_FIRST, cursor, limit = DEFAULT_PAGE, ...asked } = {},
) => {
  const size = Math.min(Math.max(Math.trunc(limit) || 1, 1), MAX_PAGE)
  if (!mayMatch(asked)) return { apps: [], next: undefined }
  const found = await registry.store.list({
    ...matchingOf(asked),
    order,
    after: cursor === undefined ? undefined : parseCursor(cursor),
    // One more than asked for tells whether there is a next page.
    limit: size + 1,
  })
  const apps = found.slice(0, size)
  const last = apps.at(-1)
  return { apps, next: found.length > size && last !== undefined ? toCursor(last) : undefined }
}

const setLogo: OnRegistry<'setLogo'> = async (registry, id, bytes, contentType) => {
  const verdict = checkLogo(bytes, contentType)
  if (verdict.kind === 'refused') return verdict
  await getChangeable(registry, id)
  const wasThere = await registry.store.setLogo(id, verdict.logo, dateNow(registry.clock))
  return { kind: 'updated', app: await changed(registry, id, wasThere) }
}

const removeLogo: OnRegistry<'removeLogo'> = async (registry, id) => {
  await getChangeable(registry, id)
  return changed(registry, id, await registry.store.setLogo(id, undefined, dateNow(registry.clock)))
}

const newSecretEntry = (
  { hash, keyId, hint }: NewClientSecret,
  createdAt: Date,
  expiresAt: Date | undefined,
): AppSecret => ({
  ...{ id: newSecretId(), hash, keyId, hint },
  ...{ createdAt, expiresAt, lastUsedAt: undefined },
})
