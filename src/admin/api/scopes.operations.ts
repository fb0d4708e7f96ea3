// The operations on the catalogue of scopes.
import type { Scope } from '../../model/scope.ts'
import { isBuiltInScope, type ScopeInput } from '../../apps/scope.ts'
import type { AppRegistry } from '../../apps/app-registry.ts'
import type { ScopeCatalogue } from '../../apps/scope-catalogue.ts'
import type { ScopeService } from '../scope-service.ts'
import {
  type Answer,
  type Call,
  created,
  done,
  NOTHING_TO_SAY,
  type ApiResource,
  createResource,
  type Done,
  keeping,
  type OperationRow,
  pageOf,
  type Reply,
} from './operation.ts'
import { ALL_SCOPE_SETTINGS } from '../../apps/scope-settings.ts'
import { membersOf, neededMembersOf, showSettings } from './setting-schemas.ts'
import { versionToChange } from './preconditions.ts'
import { answer, boolean, input, orNull, pageSchema, ref, text, whole } from './schema.ts'

const SETTINGS = membersOf(ALL_SCOPE_SETTINGS)
const NAME = text('What apps request.', { examples: ['bookings:read'] })
const NEW = input({ name: NAME, ...SETTINGS }, ['name', ...neededMembersOf(ALL_SCOPE_SETTINGS)])
const CHANGE = input(
  Object.fromEntries(Object.entries(SETTINGS).map(([name, schema]) => [name, orNull(schema)])),
)
const ONE = { name: NAME }
const SCOPE: Answer = { description: 'The scope.', schema: ref('Scope') }
const READ = 'admin:scopes:read'
const WRITE = 'admin:scopes:write'

const showScope = (scope: Scope) => ({
  name: scope.name,
  ...showSettings(ALL_SCOPE_SETTINGS, scope),
  built_in: isBuiltInScope(scope.name),
  version: scope.version,
})
const shown = (scope: Scope) => done(showScope(scope), { version: scope.version })

interface Deps {
  apps: Pick<AppRegistry, 'countOfScope'>
  scopes: Pick<ScopeCatalogue, 'current' | 'get'>
  service: ScopeService
}

async function get({ scopes }: Deps, name: string): Promise<Scope> {
  const builtIn = isBuiltInScope(name) ? scopes.current().scopes.get(name) : undefined
  return builtIn ?? (await scopes.get(name))
}

function list({ scopes }: Deps): Reply {
  const all = [...scopes.current().scopes.values()].sort((left, right) =>
    left.name < right.name ? -1 : 1,
  )
  return pageOf(all.map(showScope), undefined)
}

async function create({ service }: Deps, call: Call): Promise<Reply> {
  // The catalogue looks at the type of every member.
  const given = call.input as unknown as ScopeInput
  const outcome = await service.create(given, call.by, keeping(call, shownNew))
  return outcome.kind === 'refused' ? outcome : shownNew(outcome.scope)
}

const shownNew = (scope: Scope): Done => {
  const location = `/scopes/${encodeURIComponent(scope.name)}`
  return created(showScope(scope), { version: scope.version, location })
}

async function update({ scopes, service }: Deps, call: Call): Promise<Reply> {
  const current = await scopes.get(call.path('name'))
  const version = versionToChange(call.expected, current.version)
  if (version === undefined) return { kind: 'stale', version: current.version }
  const outcome = await service.update(current.name, version, call.input, call.by)
  if (outcome.kind === 'conflict') return { kind: 'stale', version: outcome.scope.version }
  return outcome.kind === 'refused' ? outcome : shown(outcome.scope)
}

const OPERATIONS: readonly OperationRow<Deps>[] = [
  {
    id: 'listScopes',
    method: 'GET',
    path: '/scopes',
    summary: 'List all scopes by name, including built-in ones',
    scope: READ,
    answers: { 200: { description: 'All scopes on one page.', schema: pageSchema(ref('Scope')) } },
    handle: list,
  },
  {
    id: 'createScope',
    method: 'POST',
    path: '/scopes',
    summary: 'Create a scope; it can be requested within a second',
    scope: WRITE,
    body: { kind: 'json', schema: NEW, checkedBy: 'domain' },
    isRepeatable: true,
    isWhole: true,
    answers: { 201: SCOPE },
    handle: create,
  },
  {
    id: 'getScope',
    method: 'GET',
    path: '/scopes/{name}',
    summary: 'Get a scope',
    scope: READ,
    inPath: ONE,
    versioned: 'read',
    answers: { 200: SCOPE },
    handle: async (deps, call) => shown(await get(deps, call.path('name'))),
  },
  {
    id: 'getScopeUse',
    method: 'GET',
    path: '/scopes/{name}/use',
    summary: 'Count the apps that have a scope',
    description: 'Deleted apps do not count; `GET /apps?scope=…` lists the others.',
    scope: READ,
    inPath: ONE,
    answers: { 200: { description: 'The count, as of now.', schema: ref('ScopeUse') } },
    async handle(deps, call) {
      const { name } = await get(deps, call.path('name'))
      return done({ apps_count: await deps.apps.countOfScope(name) })
    },
  },
  {
    id: 'updateScope',
    method: 'PATCH',
    path: '/scopes/{name}',
    summary: 'Change a scope; its name never changes',
    scope: WRITE,
    inPath: ONE,
    body: { kind: 'json', schema: CHANGE, checkedBy: 'domain' },
    versioned: 'update',
    answers: { 200: SCOPE },
    handle: update,
  },
  {
    id: 'deleteScope',
    method: 'DELETE',
    path: '/scopes/{name}',
    summary: 'Remove a scope: it can no longer be requested',
    description: 'Apps that have it still list it, but it has no effect.',
    scope: WRITE,
    inPath: ONE,
    answers: { 204: { description: 'The scope was removed.' } },
    async handle({ service }, call) {
      await service.remove(call.path('name'), call.by)
      return NOTHING_TO_SAY
    },
  },
]

/** Creates the operations. */
export const scopeOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Scopes',
    description: 'The catalogue of scopes that apps can request.',
    schemas: {
      Scope: answer({
        name: NAME,
        ...SETTINGS,
        built_in: boolean('Every server has it; it cannot be changed.'),
        version: whole('Goes up with every change; the ETag.'),
      }),
      // Not in the scope itself: its ETag is its version, which does not change when an app is
      // registered.
      ScopeUse: answer({ apps_count: whole('Apps that may ask for it, deleted ones left out.') }),
    },
    operations: OPERATIONS,
  })
