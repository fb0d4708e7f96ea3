// The operations on providers: those of the catalogue, to be read, and those that admins describe.
import type { Provider } from '../../providers/provider.ts'
import type { ProviderService, VersionedProvider } from '../provider-service.ts'
import {
  type Answer,
  type ApiResource,
  type Call,
  created,
  createResource,
  done,
  NOTHING_TO_SAY,
  type OperationRow,
  pageOf,
  refused,
  type Reply,
} from './operation.ts'
import { versionToChange } from './preconditions.ts'
import {
  choice,
  input,
  listOf,
  type ObjectSchema,
  orNull,
  pageSchema,
  ref,
  type Schema,
  text,
  whole,
} from './schema.ts'

const READ = 'admin:connections:read'
const WRITE = 'admin:connections:write'

const group = (description: string): Schema => ({ type: 'object', description })
const KEY = text('The name in addresses and files; never changes.', { examples: ['crm'] })
const KIND = choice('How it is connected.', ['oauth2', 'keys'])
const STATUS = choice('Custom: described by an admin.', ['confirmed', 'unconfirmed', 'custom'])
const GROUPS = {
  auth: group('Addresses, and how requests for tokens are written.'),
  life: group('How long tokens live.'),
  config: listOf(group('A value for placeholders in the addresses.')),
  api: group('The address of the API, and where a credential goes in a call.'),
  identity: group('Where an answer says which account it is.'),
  check: group('The test call.'),
  webhook: group('How it signs its calls.'),
  fields: listOf(group('What users type to connect by key.')),
  sources: listOf(group('Where facts were read.')),
}
const DEFINITION = input(
  {
    key: KEY,
    name: text('What people read.'),
    kind: KIND,
    status: STATUS,
    docs_url: text('Its documentation.'),
    ...GROUPS,
  },
  ['key', 'name', 'kind'],
)
const PROVIDER: ObjectSchema = {
  type: 'object',
  properties: {
    ...DEFINITION.properties,
    version: orNull(whole('Goes up with every change; the ETag. Null in the catalogue.')),
  },
  required: ['key', 'name', 'kind', 'status', 'version'],
}
const ONE = { key: KEY }
const ANSWER: Answer = { description: 'The provider.', schema: ref('Provider') }

interface Deps {
  service: ProviderService
}

const show = (provider: Provider, version: number | undefined) => ({
  ...provider,
  status: provider.status ?? 'custom',
  version: version ?? null,
})

const shown = ({ provider, version }: VersionedProvider) =>
  done(show(provider, version), { version })

async function create({ service }: Deps, call: Call): Promise<Reply> {
  const outcome = await service.create(call.members, call.by)
  if (outcome.kind === 'refused') return outcome
  const { provider } = outcome
  return created(show(provider, 1), { version: 1, location: `/providers/${provider.key}` })
}

async function replace({ service }: Deps, call: Call): Promise<Reply> {
  const key = call.path('key')
  const { version: current } = await service.get(key, call.by)
  if (current === undefined) return CATALOGUE_IS_FIXED
  const version = versionToChange(call.expected, current)
  if (version === undefined) return { kind: 'stale', version: current }
  const outcome = await service.change(key, version, call.members, call.by)
  if (outcome.kind === 'conflict') return { kind: 'stale', version: outcome.version }
  return outcome.kind === 'refused' ? outcome : shown(await service.get(key, call.by))
}

const CATALOGUE_IS_FIXED = refused([
  {
    field: 'key',
    rule: 'provider-in-catalogue',
    sentence: 'It is in the catalogue. Describe one of your own under another key.',
  },
])

async function remove({ service }: Deps, call: Call): Promise<Reply> {
  const users = await service.remove(call.path('key'), call.by)
  if (users.length === 0) return NOTHING_TO_SAY
  const sentence = `Integrations use it: ${users.join(', ')}.`
  return refused([{ field: 'key', rule: 'provider-in-use', sentence }])
}

const OPERATIONS: readonly OperationRow<Deps>[] = [
  {
    id: 'listProviders',
    method: 'GET',
    path: '/providers',
    summary: 'List the providers by key: the catalogue and your own',
    scope: READ,
    answers: { 200: { description: 'All on one page.', schema: pageSchema(ref('KnownProvider')) } },
    handle: async ({ service }, { by }) =>
      pageOf(
        (await service.list(by)).map(({ key, name, kind, status = 'custom' }) => ({
          key,
          name,
          kind,
          status,
        })),
        undefined,
      ),
  },
  {
    id: 'createProvider',
    method: 'POST',
    path: '/providers',
    summary: 'Describe a provider that is not in the catalogue',
    scope: WRITE,
    body: { kind: 'json', schema: DEFINITION, checkedBy: 'domain' },
    answers: { 201: ANSWER },
    handle: create,
  },
  {
    id: 'getProvider',
    method: 'GET',
    path: '/providers/{key}',
    summary: 'Get a provider',
    scope: READ,
    inPath: ONE,
    versioned: 'read',
    answers: { 200: ANSWER },
    handle: async ({ service }, call) => shown(await service.get(call.path('key'), call.by)),
  },
  {
    id: 'replaceProvider',
    method: 'PUT',
    path: '/providers/{key}',
    summary: 'Replace the description of a provider of your own',
    scope: WRITE,
    inPath: ONE,
    body: { kind: 'json', schema: DEFINITION, checkedBy: 'domain' },
    versioned: 'update',
    answers: { 200: ANSWER },
    handle: replace,
  },
  {
    id: 'deleteProvider',
    method: 'DELETE',
    path: '/providers/{key}',
    summary: 'Delete a provider of your own that no integration uses',
    scope: WRITE,
    inPath: ONE,
    answers: { 204: { description: 'It is deleted.' } },
    handle: remove,
  },
]

/** Creates the operations. */
export const providerOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Providers',
    description: 'Other systems that are known, with how they are connected.',
    schemas: {
      Provider: PROVIDER,
      KnownProvider: {
        type: 'object',
        properties: { key: KEY, name: text('What people read.'), kind: KIND, status: STATUS },
        required: ['key', 'name', 'kind', 'status'],
      },
    },
    operations: OPERATIONS,
  })
