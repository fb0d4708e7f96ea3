// Reads the state that a plan needs, and carries a plan out through the services of admins: scopes
// first, then apps, then suspensions. Invariants: nothing is changed that somebody else has changed
// since the plan was made; what was done is told, and the secrets that were made are handed over
// one by one as they come to be, also where a later step fails.
import type { App } from '../../model/app.ts'
import type { AppRegistry } from '../../apps/app-registry.ts'
import type { ScopeCatalogue } from '../../apps/scope-catalogue.ts'
import type { Secret } from '../../shared/secret.ts'
import type { AppService } from '../app-service.ts'
import type { Operator } from '../operator.ts'
import type { ScopeService } from '../scope-service.ts'
import type { Declaration } from './declaration.ts'
import type { AppStep, CurrentState, Plan, ScopeStep } from './plan.ts'

/** Why apps that a file no longer names are suspended; admins read it. */
const PRUNED = 'The file that manages this app no longer lists it.'

const PAGE = 200

/** Yields all apps that are not deleted. */
export async function* allApps(apps: Pick<AppRegistry, 'list'>): AsyncGenerator<App> {
  let cursor: string | undefined
  do {
    const page = await apps.list({ cursor, limit: PAGE })
    yield* page.apps
    cursor = page.next
  } while (cursor !== undefined)
}

/** Reads what is there of what the file names. @param options.prune reads all apps with a handle as well */
export async function readState(
  declaration: Declaration,
  {
    apps,
    scopes,
  }: {
    apps: Pick<AppRegistry, 'list' | 'findByHandle' | 'find'>
    scopes: Pick<ScopeCatalogue, 'current'>
  },
  options: { prune: boolean },
): Promise<CurrentState> {
  const found = new Map<string, App>()
  for (const { handle, id } of declaration.apps)
    for (const app of [
      await apps.findByHandle(handle),
      id === undefined ? undefined : await apps.find(id),
    ])
      if (app !== undefined) found.set(app.id, app)
  const kept: App[] = []
  if (options.prune)
    for await (const app of allApps(apps))
      if (app.handle !== undefined && app.status === 'active') kept.push(app)
  return { scopes: scopes.current().scopes, apps: [...found.values()], kept }
}

/** The secret of an app that was registered just now. */
export interface NewSecret {
  handle: string
  clientId: string
  secret: Secret<string>
}

/** How carrying out went. */
export interface Applied {
  /** The names of what was changed, in order. */
  done: string[]
  /** The client ids of the apps that were registered, by their handles. */
  registered: Map<string, string>
  /** Why it ended early; what comes after that step was not tried. */
  stopped: { at: string; because: string } | { at: string; error: unknown } | undefined
}

/** Carries a plan out. @param onSecret is waited for before anything else is done */
export async function carryOut(
  plan: Plan,
  services: { apps: AppService; scopes: ScopeService },
  by: Operator,
  onSecret: (made: NewSecret) => Promise<void>,
): Promise<Applied> {
  const applied: Applied = { done: [], registered: new Map(), stopped: undefined }
  const steps: { at: string; run: () => Promise<string | undefined> }[] = [
    ...plan.scopes
      .filter(({ kind }) => kind !== 'unchanged')
      .map((step) => ({
        at: `scope ${step.name}`,
        run: () => applyScope(step, services.scopes, by),
      })),
    ...plan.apps
      .filter(({ kind }) => kind !== 'unchanged')
      .map((step) => ({
        at: `app ${step.handle}`,
        run: () => applyApp(step, services.apps, by, applied, onSecret),
      })),
    ...plan.suspensions.map((app) => ({
      at: `app ${app.handle ?? app.id}`,
      run: () => services.apps.suspend(app.id, PRUNED, by).then(() => undefined),
    })),
  ]
  for (const { at, run } of steps) {
    try {
      const because = await run()
      if (because !== undefined) return { ...applied, stopped: { at, because } }
    } catch (error) {
      return { ...applied, stopped: { at, error } }
    }
    applied.done.push(at)
  }
  return applied
}

const CHANGED = 'it was changed in the meantime'
const TAKEN = 'one of this name was created in the meantime'

/** @returns why it could not be done, if it could not */
async function applyScope(
  step: ScopeStep,
  services: ScopeService,
  by: Operator,
): Promise<string | undefined> {
  if (step.kind === 'create') {
    const outcome = await services.create(step.scope, by)
    return outcome.kind === 'saved' ? undefined : TAKEN
  }
  const { name, ...change } = step.scope
  const outcome = await services.update(name, step.version, change, by)
  return outcome.kind === 'saved' ? undefined : CHANGED
}

/** @returns why it could not be done, if it could not */
async function applyApp(
  step: AppStep,
  services: AppService,
  by: Operator,
  applied: Applied,
  onSecret: (made: NewSecret) => Promise<void>,
): Promise<string | undefined> {
  const { handle, settings, logo } = step
  if (step.kind === 'create') {
    const outcome = await services.register(settings, by, logo)
    if (outcome.kind === 'refused') return wordsOf(outcome.problems)
    const clientId = outcome.app.id
    applied.registered.set(handle, clientId)
    if (outcome.secret !== undefined) await onSecret({ handle, clientId, secret: outcome.secret })
    return undefined
  }
  const { app } = step
  if (step.changes.some(({ field }) => field !== 'logo')) {
    const outcome = await services.update(app.id, app.version, settings, by)
    if (outcome.kind === 'conflict') return CHANGED
    if (outcome.kind === 'refused') return wordsOf(outcome.problems)
  }
  if (logo === undefined) return undefined
  const outcome = await services.setLogo(app.id, logo, by)
  return outcome.kind === 'updated' ? undefined : wordsOf(outcome.problems)
}

// The plan kept all rules, so what breaks one now was changed by somebody else: a handle that is
// taken, a scope that is gone.
const wordsOf = (problems: readonly { rule: string; sentence: string }[]): string =>
  problems.some(({ rule }) => rule === 'handle-taken')
    ? TAKEN
    : `${CHANGED}: ${problems.map(({ sentence }) => sentence).join(' ')}`
