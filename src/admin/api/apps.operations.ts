// The operations on apps: find, register, change, switch off and on, and their logos.
import type { App, AppInput, AppStatus } from '../../model/app.ts'
import type { AppRegistry, RegisteredApp } from '../../apps/app-registry.ts'
import type { AppService } from '../app-service.ts'
import { APP_MEMBERS, APP_SCHEMAS, NEEDED_APP_MEMBERS, showApp } from './app-schemas.ts'
import { pageParameters } from './lists.ts'
import {
  type Answer,
  type Call,
  created,
  type Done,
  done,
  keeping,
  type ApiResource,
  createResource,
  type OperationRow,
  pageOf,
  type Reply,
} from './operation.ts'
import { versionToChange } from './preconditions.ts'
import { answer, input, choice, orNull, pageSchema, ref, text } from './schema.ts'

const REGISTRATION = input(APP_MEMBERS, NEEDED_APP_MEMBERS)
const CHANGE = input(
  Object.fromEntries(Object.entries(APP_MEMBERS).map(([name, schema]) => [name, orNull(schema)])),
)
const REASON = text('The reason; shown to admins and kept.', { maxLength: 500 })
const REASON_BODY = input({ reason: REASON }, ['reason'])
const LOGO_TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/svg+xml']

const ONE = { appId: text('The client id.') }
const APP: Answer = { description: 'The app.', schema: ref('App') }
const READ = 'admin:apps:read'
const WRITE = 'admin:apps:write'

const shown = (app: App) => done(showApp(app), { version: app.version })

interface Deps {
  apps: Pick<AppRegistry, 'list' | 'get'>
  service: AppService
}

const idOf = (call: Call): string => call.path('appId')

async function list({ apps }: Deps, call: Call): Promise<Reply> {
  const found = await apps.list({
    search: call.text('search'),
    status: call.text('status') as AppStatus | undefined,
    scope: call.text('scope'),
    cursor: call.text('cursor'),
    limit: call.number('limit'),
  })
  return pageOf(found.apps.map(showApp), found.next)
}

async function register({ service }: Deps, call: Call): Promise<Reply> {
  // The registry looks at the type of every member.
  const input = call.input as unknown as AppInput
  const outcome = await service.register(input, call.by, undefined, keeping(call, registered))
  return outcome.kind === 'refused' ? outcome : registered(outcome)
}

const registered = ({ app, secret }: RegisteredApp): Done =>
  created(
    { app: showApp(app), client_secret: secret?.reveal() ?? null },
    { version: app.version, location: `/apps/${app.id}` },
  )

async function update({ apps, service }: Deps, call: Call): Promise<Reply> {
  const current = await apps.get(idOf(call))
  const version = versionToChange(call.expected, current.version)
  if (version === undefined) return { kind: 'stale', version: current.version }
  const outcome = await service.update(current.id, version, call.input, call.by)
  if (outcome.kind === 'conflict') return { kind: 'stale', version: outcome.app.version }
  return outcome.kind === 'refused' ? outcome : shown(outcome.app)
}

async function putLogo({ service }: Deps, call: Call): Promise<Reply> {
  const { bytes, contentType } = call
  const outcome = await service.setLogo(idOf(call), { bytes, contentType }, call.by)
  return outcome.kind === 'refused' ? outcome : shown(outcome.app)
}

const OPERATIONS: readonly OperationRow<Deps>[] = [
  {
    id: 'listApps',
    method: 'GET',
    path: '/apps',
    summary: 'List apps, newest first',
    scope: READ,
    query: [
      { name: 'search', schema: text('Part of the name, or a whole client id or handle.') },
      {
        name: 'status',
        schema: choice('Without it, all but the deleted ones.', ['active', 'suspended', 'deleted']),
      },
      { name: 'scope', schema: text('Only apps that have this scope.') },
      ...pageParameters(200),
    ],
    answers: { 200: { description: 'A page of apps.', schema: pageSchema(ref('App')) } },
    handle: list,
  },
  {
    id: 'registerApp',
    method: 'POST',
    path: '/apps',
    summary: 'Register an app',
    description: 'Only a client that has a scope of the admin API can give it to an app.',
    scope: WRITE,
    body: { kind: 'json', schema: REGISTRATION, checkedBy: 'domain' },
    isRepeatable: true,
    isWhole: true,
    answers: {
      201: {
        description: 'The app and its secret. The secret is shown only this once.',
        schema: answer({
          app: ref('App'),
          client_secret: orNull(text('Shown only this once; null for public apps.')),
        }),
      },
    },
    handle: register,
  },
  {
    id: 'getApp',
    method: 'GET',
    path: '/apps/{appId}',
    summary: 'Get an app',
    scope: READ,
    inPath: ONE,
    versioned: 'read',
    answers: { 200: APP },
    handle: async ({ apps }, call) => shown(await apps.get(idOf(call))),
  },
  {
    id: 'updateApp',
    method: 'PATCH',
    path: '/apps/{appId}',
    summary: 'Change settings of an app',
    scope: WRITE,
    inPath: ONE,
    body: { kind: 'json', schema: CHANGE, checkedBy: 'domain' },
    versioned: 'update',
    answers: { 200: APP },
    handle: update,
  },
  {
    id: 'suspendApp',
    method: 'POST',
    path: '/apps/{appId}/suspend',
    summary: 'Suspend an app: its tokens stop working at once',
    scope: WRITE,
    inPath: ONE,
    body: { kind: 'json', schema: REASON_BODY, checkedBy: 'schema' },
    answers: { 200: APP },
    handle: async ({ service }, call) =>
      shown(await service.suspend(idOf(call), String(call.input['reason']), call.by)),
  },
  {
    id: 'activateApp',
    method: 'POST',
    path: '/apps/{appId}/activate',
    summary: 'Activate a suspended app; its earlier tokens stay revoked',
    scope: WRITE,
    inPath: ONE,
    answers: { 200: APP },
    handle: async ({ service }, call) => shown(await service.activate(idOf(call), call.by)),
  },
  {
    id: 'deleteApp',
    method: 'DELETE',
    path: '/apps/{appId}',
    summary: 'Delete an app permanently: its tokens stop working at once',
    description: 'It can still be read, with the reason, and listed by status.',
    scope: WRITE,
    inPath: ONE,
    query: [{ name: 'reason', schema: REASON, required: true }],
    answers: { 200: APP },
    handle: async ({ service }, call) =>
      shown(await service.remove(idOf(call), call.text('reason') ?? '', call.by)),
  },
  {
    id: 'putAppLogo',
    method: 'PUT',
    path: '/apps/{appId}/logo',
    summary: 'Set the logo of an app',
    scope: WRITE,
    inPath: ONE,
    body: {
      kind: 'file',
      types: LOGO_TYPES,
      description:
        'The bytes of the picture, at most 256 KiB. An SVG must be plain shapes without scripts, styles or links.',
    },
    answers: { 200: APP },
    handle: putLogo,
  },
  {
    id: 'deleteAppLogo',
    method: 'DELETE',
    path: '/apps/{appId}/logo',
    summary: 'Remove the logo of an app',
    scope: WRITE,
    inPath: ONE,
    answers: { 200: APP },
    handle: async ({ service }, call) => shown(await service.removeLogo(idOf(call), call.by)),
  },
]

/** Creates the operations. */
export const appOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Apps',
    description: 'Registered clients and resource servers.',
    schemas: APP_SCHEMAS,
    operations: OPERATIONS,
  })
