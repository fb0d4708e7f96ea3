// From what a file declares and what is there now to what is to be done. Pure: the same file and
// the same state give the same plan, and a plan of what has been carried out is empty. Invariant:
// there is a plan only if every rule holds for everything in the file; apps are checked against the
// catalogue as the file will have made it, because scopes are applied first.
import type { Scope } from '../../model/scope.ts'
import type { App, AppSettings } from '../../model/app.ts'
import { type Change, changesOf } from '../../model/diff.ts'
import {
  defaultOfScope,
  makeScopeSettings,
  SCOPE_SETTING_NAMES,
} from '../../apps/scope-settings.ts'
import { defaultOf, makeSettings, SETTING_NAMES } from '../../apps/app-settings.ts'
import { type LifetimeBounds } from '../../apps/app-rules.ts'
import { checkAppInput } from '../../apps/client-metadata.ts'
import { checkLogo } from '../../apps/logo.ts'
import type { Problem } from '../../model/problem.ts'
import { checkScope } from '../../apps/scope.ts'
import type { LogoUpload } from '../app-service.ts'
import type { DeclaredApp, DeclaredScope, Declaration, FileProblem, Path } from './declaration.ts'

/** What is there now, as far as the file speaks of it. */
export interface CurrentState {
  /** The catalogue, built-in scopes included. */
  scopes: ReadonlyMap<string, Scope>
  /** The apps that the file names by handle or id; deleted ones have neither. */
  apps: readonly App[]
  /** The active apps that have a handle, where those that the file leaves out are to be suspended. */
  kept: readonly App[]
}

interface Step {
  changes: readonly Change[]
}

export type ScopeStep = Step & { name: string; scope: Omit<Scope, 'version'> } & (
    { kind: 'create' } | { kind: 'update' | 'unchanged'; version: number }
  )

export type AppStep = Step & {
  handle: string
  settings: AppSettings
  /** Only where it is to be set. */
  logo: LogoUpload | undefined
} & ({ kind: 'create' } | { kind: 'update' | 'unchanged'; app: App })

/** What is to be done, in the order of the file. */
export interface Plan {
  scopes: readonly ScopeStep[]
  apps: readonly AppStep[]
  /** Apps with a handle that the file does not name; only with `prune`. */
  suspensions: readonly App[]
}

export type PlanOutcome =
  { kind: 'planned'; plan: Plan } | { kind: 'refused'; problems: readonly FileProblem[] }

/** Returns whether carrying the plan out would change anything. */
export const hasChanges = ({ scopes, apps, suspensions }: Plan): boolean =>
  suspensions.length > 0 || [...scopes, ...apps].some(({ kind }) => kind !== 'unchanged')

/** Counts what a plan does. */
export function planSummary({ scopes, apps, suspensions }: Plan) {
  const all = [...scopes, ...apps]
  const count = (kind: ScopeStep['kind']): number => all.filter((step) => step.kind === kind).length
  return {
    create: count('create'),
    update: count('update'),
    unchanged: count('unchanged'),
    suspend: suspensions.length,
  }
}

/**
 * Plans.
 *
 * @param logos the pictures that the file names, by the handle of their app
 */
export function makePlan(
  declaration: Declaration,
  state: CurrentState,
  options: { bounds: LifetimeBounds; logos: ReadonlyMap<string, LogoUpload> },
): PlanOutcome {
  const problems: FileProblem[] = []
  const scopes = declaration.scopes.flatMap((declared) => planScope(declared, state, problems))
  const catalogue = new Map(state.scopes)
  for (const { name, scope } of scopes) catalogue.set(name, { ...scope, version: 0 })
  // An app that still names a removed scope loses it when one of that name is created: that is
  // another scope.
  const created = new Set(scopes.flatMap(({ kind, name }) => (kind === 'create' ? [name] : [])))
  const apps = declaration.apps.flatMap((declared) =>
    planApp(
      declared,
      { ...state, scopes: catalogue, apps: state.apps.map((app) => withoutScopes(app, created)) },
      options,
      problems,
    ),
  )
  if (problems.length > 0) return { kind: 'refused', problems }
  const named = new Set(apps.flatMap((step) => (step.kind === 'create' ? [] : [step.app.id])))
  const suspensions = state.kept.filter(({ id }) => !named.has(id))
  return { kind: 'planned', plan: { scopes, apps, suspensions } }
}

/**
 * Returns the app as it will be: each scope that it loses is a change of its own, which raises the
 * version by one.
 */
function withoutScopes(app: App, names: ReadonlySet<string>): App {
  const kept = app.scopes.filter((name) => !names.has(name))
  const lost = app.scopes.length - kept.length
  return lost === 0 ? app : { ...app, scopes: kept, version: app.version + lost }
}

function planScope(
  { path, name, settings }: DeclaredScope,
  state: CurrentState,
  problems: FileProblem[],
): ScopeStep[] {
  const verdict = checkScope(settings)
  if (verdict.kind === 'refused') {
    problems.push(...placed(verdict.problems, path, settings))
    return []
  }
  const { scope } = verdict
  const before = state.scopes.get(name)
  const from = before ?? makeScopeSettings(defaultOfScope)
  const changes = changesOf(from, scope, SCOPE_SETTING_NAMES, inAnyOrder)
  if (before === undefined) return [{ kind: 'create', name, scope, changes }]
  const kind = changes.length === 0 ? 'unchanged' : 'update'
  return [{ kind, name, scope, changes, version: before.version }]
}

function planApp(
  declared: DeclaredApp,
  state: CurrentState,
  options: { bounds: LifetimeBounds; logos: ReadonlyMap<string, LogoUpload> },
  problems: FileProblem[],
): AppStep[] {
  const { path, handle, id } = declared
  const previous = state.apps.find((app) =>
    id === undefined ? app.handle === handle : app.id === id,
  )
  const known = problems.length
  if (id !== undefined && previous === undefined)
    problems.push({
      path: [...path, 'id'],
      field: 'id',
      value: id,
      rule: 'app-unknown',
      sentence: 'There is no such app here: leave the id out to register a new one.',
    })
  if (state.apps.some((app) => app.handle === handle && app !== previous))
    problems.push({
      path: [...path, 'handle'],
      field: 'handle',
      value: handle,
      rule: 'handle-taken',
      sentence: 'Another app has this handle already.',
    })
  const picture = pictureOf(declared, options.logos, problems)
  const settings = {
    // A file from before these settings must not change them for an app that was registered then.
    ...(previous !== undefined && {
      clientCredentials: previous.clientCredentials,
      idTokenSignedResponseAlg: previous.idTokenSignedResponseAlg,
    }),
    ...withPlainType(declared.settings),
    handle,
  }
  const { bounds } = options
  const verdict = checkAppInput(settings, { scopes: state.scopes, bounds, previous })
  if (verdict.kind === 'refused')
    problems.push(...placed(verdict.problems, path, declared.settings))
  if (verdict.kind === 'refused' || problems.length > known) return []
  const { type } = verdict.settings
  const from = previous ?? makeSettings((name) => defaultOf(name, type))
  const changes = changesOf(from, verdict.settings, SETTING_NAMES, inAnyOrder)
  const isNewPicture = picture !== undefined && picture.id !== previous?.logoId
  if (isNewPicture) changes.push({ field: 'logo', before: previous?.logoId, after: picture.id })
  const step = {
    handle,
    settings: verdict.settings,
    changes,
    logo: isNewPicture ? picture.upload : undefined,
  }
  if (previous === undefined) return [{ kind: 'create', ...step }]
  return [{ kind: changes.length === 0 ? 'unchanged' : 'update', ...step, app: previous }]
}

// The hyphen is how the command line spells it.
const withPlainType = (settings: DeclaredApp['settings']): Record<string, unknown> => ({
  ...settings,
  ...(settings['type'] === 'resource-server' && { type: 'resource_server' }),
})

function pictureOf(
  { path, handle }: DeclaredApp,
  logos: ReadonlyMap<string, LogoUpload>,
  problems: FileProblem[],
): { id: string; upload: LogoUpload } | undefined {
  const upload = logos.get(handle)
  if (upload === undefined) return undefined
  const verdict = checkLogo(upload.bytes, upload.contentType)
  if (verdict.kind === 'accepted') return { id: verdict.logo.id, upload }
  problems.push(...placed(verdict.problems, path, {}))
  return undefined
}

/** Says where in the file a setting has its problem. */
function placed(
  problems: readonly Problem[],
  path: Path,
  settings: Readonly<Record<string, unknown>>,
): FileProblem[] {
  return problems.map((problem) => {
    const { field, value } = problem
    const given = Object.hasOwn(settings, field) ? settings[field] : undefined
    const at = Array.isArray(given) && value !== undefined ? given.indexOf(value) : -1
    return { ...problem, path: at < 0 ? [...path, field] : [...path, field, at] }
  })
}

/** The order within a list means nothing. */
const inAnyOrder = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(String).sort() : value
