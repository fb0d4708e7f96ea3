// The catalogue of scopes, whole in memory: built-in ones and those of the database. Invariant:
// current() is an immutable snapshot that answers without I/O; a change on any node is in every
// node's snapshot within a second, and at the latest with the poll 30 s later.
import { isScopeName, type Scope } from '../model/scope.ts'
import { SECOND, dateNow, type Clock } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { createPolledCopy } from '../shared/polled-copy.ts'
import type { OpenTransaction, WriteAlong } from '../storage/database.ts'
import { createChangePublisher } from '../model/change-publisher.ts'
import type { Invalidation } from '../storage/invalidation.ts'
import type { Refused } from '../model/problem.ts'
import { BUILT_IN_SCOPES, checkScope, isBuiltInScope, type ScopeInput } from './scope.ts'
import { SCOPE_SETTING_NAMES } from './scope-settings.ts'
import type { ScopeStore, StoredScope } from './scope.store.ts'

const POLL_MILLIS = 30 * SECOND

/** The catalogue at one moment. */
export interface ScopeSnapshot {
  readonly scopes: ReadonlyMap<string, Scope>
  /** The incarnations of scopes whose name belonged to another scope before; all others are 0. */
  readonly incarnations: ReadonlyMap<string, number>
  /** Counts the changes that this process has seen; equal versions have equal scopes. */
  readonly version: number
}

export type ScopeOutcome = { readonly kind: 'saved'; readonly scope: Scope } | Refused

export type ScopeUpdateOutcome =
  | ScopeOutcome
  /** Somebody else changed it first: `scope` is how it is now. */
  | { readonly kind: 'conflict'; readonly scope: Scope }

/** The catalogue; disposing ends the polling. */
export interface ScopeCatalogue extends AsyncDisposable {
  /** Reads the catalogue for the first time; before it, only the built-in scopes are there. */
  load(): Promise<void>
  /** Reads the catalogue again and tells the listeners if it has changed. */
  refresh(): Promise<void>
  current(): ScopeSnapshot
  /**
   * Returns whether there is a scope of that name.
   *
   * @param holder what was given the scope, with the incarnations that it carries: then whether it
   * still is that scope
   */
  exists: (name: string, holder?: { incarnations?: Readonly<Record<string, number>> }) => boolean
  /** Calls the listener with each new snapshot, after current() gives it; returns what ends that. */
  onChange(listener: (snapshot: ScopeSnapshot) => void): () => void
  /** Reads a scope that an admin made, from the database. @throws {AppError} `not_found`, also for built-in scopes */
  get(name: string): Promise<Scope>
  /**
   * Creates a scope. Apps that named a removed scope of that name lose it: this is another scope.
   */
  create(input: ScopeInput, along?: WriteAlong<Scope>): Promise<ScopeOutcome>
  /** Replaces everything but the name, if `version` is still the scope's. @throws {AppError} `not_found` */
  update(input: ScopeInput, version: number): Promise<ScopeUpdateOutcome>
  /**
   * Takes a scope out: it can no longer be asked for. Apps that may ask for it keep naming it, to
   * no effect.
   *
   * @throws {AppError} `not_found`, also for built-in scopes
   */
  remove(name: string): Promise<void>
}

const isSameScope = (left: Scope | undefined, right: Scope): boolean =>
  left?.version === right.version && SCOPE_SETTING_NAMES.every((name) => left[name] === right[name])

const hasSameScopes = (left: ReadonlyMap<string, Scope>, right: ReadonlyMap<string, Scope>) =>
  left.size === right.size &&
  [...right].every(([name, scope]) => isSameScope(left.get(name), scope))

const incarnationsOf = (stored: readonly StoredScope[]): ReadonlyMap<string, number> =>
  new Map(
    stored
      .filter(({ incarnation }) => incarnation > 0)
      .map(({ scope, incarnation }) => [scope.name, incarnation]),
  )

const hasSameIncarnations = (
  left: ReadonlyMap<string, number>,
  right: ReadonlyMap<string, number>,
): boolean =>
  left.size === right.size &&
  [...right].every(([name, incarnation]) => left.get(name) === incarnation)

const nameTaken = (name: string): Refused => ({
  kind: 'refused',
  problems: [
    {
      field: 'name',
      value: name,
      rule: 'scope-name-taken',
      sentence: 'A scope with this name already exists.',
    },
  ],
})

/** Creates the catalogue. @param deps.onRefreshFailed hears why a reading in the background failed; the old snapshot stays */
export function createScopeCatalogue(deps: {
  store: ScopeStore
  clock: Clock
  invalidation: Invalidation
  onRefreshFailed?: (error: unknown) => void
}): ScopeCatalogue {
  const { store, clock, invalidation } = deps
  const listeners = new Set<(snapshot: ScopeSnapshot) => void>()
  const publisher = createChangePublisher(invalidation, 'scopes', deps.onRefreshFailed)
  const appPublisher = createChangePublisher(invalidation, 'app', deps.onRefreshFailed)
  let snapshot: ScopeSnapshot = Object.freeze({
    scopes: new Map(BUILT_IN_SCOPES.map((scope) => [scope.name, scope])),
    incarnations: new Map<string, number>(),
    version: 0,
  })

  const copy = createPolledCopy({
    async read() {
      const stored = await store.list()
      // Built-in ones last: a row that took such a name behind our back changes nothing.
      const scopes = new Map(
        [...stored.map(({ scope }) => scope), ...BUILT_IN_SCOPES].map((scope) => [
          scope.name,
          Object.freeze(scope),
        ]),
      )
      const incarnations = incarnationsOf(stored)
      if (
        hasSameScopes(snapshot.scopes, scopes) &&
        hasSameIncarnations(snapshot.incarnations, incarnations)
      )
        return
      snapshot = Object.freeze({ scopes, incarnations, version: snapshot.version + 1 })
      for (const listener of listeners) listener(snapshot)
    },
    everyMillis: POLL_MILLIS,
    onFailed: deps.onRefreshFailed,
  })
  invalidation.on('scopes', () => copy.refreshSoon())
  invalidation.onGap(() => copy.refreshSoon())

  function exists(
    name: string,
    holder?: { incarnations?: Readonly<Record<string, number>> },
  ): boolean {
    if (!snapshot.scopes.has(name)) return false
    // Most catalogues have no scope of a second incarnation: the hot paths pay nothing for them.
    if (holder === undefined || snapshot.incarnations.size === 0) return true
    const { incarnations } = holder
    const carried =
      incarnations !== undefined && Object.hasOwn(incarnations, name) ? incarnations[name] : 0
    return carried === (snapshot.incarnations.get(name) ?? 0)
  }

  /** Announces and takes over what was saved; a failure to read it again does not undo it. */
  async function saved(name: string): Promise<void> {
    await publisher.publish(name)
    await copy.refresh().catch((error: unknown) => deps.onRefreshFailed?.(error))
  }

  async function get(name: string): Promise<Scope> {
    const scope = isBuiltInScope(name) || !isScopeName(name) ? undefined : await store.find(name)
    if (scope === undefined) throw new AppError('not_found', { detail: 'scope' })
    return scope
  }

  return {
    load: () => copy.refresh(),
    refresh: () => copy.refresh(),
    current: () => snapshot,
    exists,
    get,
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },

    async create(input, along) {
      const verdict = checkScope(input)
      if (verdict.kind === 'refused') return verdict
      const { scope } = verdict
      const created = { ...scope, version: 1 }
      const alongside = along && ((trx: OpenTransaction) => along(trx, created))
      const appIds = await store.insert(scope, dateNow(clock), alongside)
      if (appIds === undefined) return nameTaken(scope.name)
      await Promise.all(appIds.map((id) => appPublisher.publish(id)))
      await saved(scope.name)
      return { kind: 'saved', scope: created }
    },

    async update(input, version) {
      const verdict = checkScope(input)
      if (verdict.kind === 'refused') return verdict
      const { scope } = verdict
      if (!(await store.update(scope, version, dateNow(clock))))
        return { kind: 'conflict', scope: await get(scope.name) }
      await saved(scope.name)
      return { kind: 'saved', scope: { ...scope, version: version + 1 } }
    },

    async remove(name) {
      if (isBuiltInScope(name) || !isScopeName(name) || !(await store.remove(name)))
        throw new AppError('not_found', { detail: 'scope' })
      await saved(name)
    },

    async [Symbol.asyncDispose]() {
      publisher[Symbol.dispose]()
      appPublisher[Symbol.dispose]()
      await copy[Symbol.asyncDispose]()
    },
  }
}
