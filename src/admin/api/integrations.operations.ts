// The operations on integrations: which other systems can be connected, and our client there.
// Invariant: no answer shows a client secret.
import {
  callbackOf,
  type Integration,
  INTEGRATION_KINDS,
  scopeOfIntegration,
} from '../../connections/integration.ts'
import type { Problem } from '../../model/problem.ts'
import { Secret } from '../../shared/secret.ts'
import type {
  IntegrationChange,
  IntegrationInput,
  IntegrationService,
} from '../integration-service.ts'
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
  answer,
  boolean,
  choice,
  input,
  listOf,
  orNull,
  pageSchema,
  ref,
  type Schema,
  text,
  timestamp,
  whole,
} from './schema.ts'

const READ = 'admin:connections:read'
const WRITE = 'admin:connections:write'

const texts = (description: string): Schema => listOf(text('One of them.'), description)
const values = (description: string): Schema => ({
  type: 'object',
  description,
  additionalProperties: { type: 'string' },
})

const HANDLE = text('The name in addresses and in the scope; never changes.', {
  examples: ['crm'],
})
const SETTINGS = {
  name: text('What people read.'),
  client_id: orNull(text('The id of your client at the provider.')),
  scopes: texts('What is requested at the provider.'),
  required_scopes: texts('Without these no connection is made.'),
  audience: orNull(text('Sent to the provider.')),
  parameters: values('More parameters of authorization requests.'),
  config: values('Values for the placeholders in the addresses of the provider.'),
  owner_kinds: listOf(choice('Who may own connections.', ['account', 'company'])),
  trusted_apps: texts('Client ids of machine apps that may use the connections of everybody.'),
  return_addresses: texts('Where people may come back to by links of apps.'),
  proxy_hosts: texts('Hosts that proxied calls may reach.'),
  proxy_methods: texts('Methods that proxied calls may have.'),
}
const SECRET = text('The secret of your client at the provider; never shown again.')
const PROVIDER = text('The key of the provider.', { examples: ['zoho'] })
const KIND = choice('How connections get their credentials.', INTEGRATION_KINDS)
const CHANGE = input({ ...SETTINGS, client_secret: SECRET })
const NEW = input(
  { handle: HANDLE, provider: PROVIDER, kind: KIND, ...SETTINGS, client_secret: SECRET },
  ['handle', 'provider'],
)
const ONE = { handle: HANDLE }
const INTEGRATION: Answer = { description: 'The integration.', schema: ref('Integration') }

interface Deps {
  issuer: string
  service: IntegrationService
}

const show = (integration: Integration, issuer: string) => ({
  id: integration.id,
  handle: integration.handle,
  provider: integration.providerKey,
  kind: integration.kind,
  name: integration.name,
  client_id: integration.clientId ?? null,
  has_client_secret: integration.hasClientSecret,
  scopes: integration.scopes,
  required_scopes: integration.requiredScopes,
  audience: integration.audience ?? null,
  parameters: integration.parameters,
  config: integration.config,
  owner_kinds: integration.ownerKinds,
  trusted_apps: integration.trustedApps,
  return_addresses: integration.returnAddresses,
  proxy_hosts: integration.proxyHosts,
  proxy_methods: integration.proxyMethods,
  scope: scopeOfIntegration(integration),
  callback_url: integration.kind === 'oauth2' ? callbackOf(integration, issuer) : null,
  status: integration.status,
  status_reason: integration.statusReason ?? null,
  status_since: integration.statusSince,
  version: integration.version,
  created_at: integration.createdAt,
  updated_at: integration.updatedAt,
})

const shown = (integration: Integration, { issuer }: Deps) =>
  done(show(integration, issuer), { version: integration.version })

/** Tells lists and maps apart that hold something else than text. */
const elementProblems = (given: Readonly<Record<string, unknown>>): Problem[] =>
  Object.entries(given)
    .filter(([, value]) => typeof value === 'object' && value !== null)
    .filter(([, value]) => !Object.values(value as object).every((one) => typeof one === 'string'))
    .map(([field]) => ({ field, rule: 'field-type', sentence: 'All of its values must be text.' }))

/** The change that a body asks for. */
function changeOf({ input: given }: Call): IntegrationChange {
  const { clientSecret, ...settings } = given
  return {
    ...settings,
    ...(typeof clientSecret === 'string' && { clientSecret: new Secret(clientSecret) }),
  }
}

async function create(deps: Deps, call: Call): Promise<Reply> {
  const problems = elementProblems(call.input)
  if (problems.length > 0) return refused(problems)
  const { provider, ...rest } = changeOf(call) as Record<string, unknown>
  const wanted = { ...rest, providerKey: provider } as unknown as IntegrationInput
  const outcome = await deps.service.create(wanted, call.by)
  if (outcome.kind === 'refused') return outcome
  const { integration } = outcome
  return created(show(integration, deps.issuer), {
    version: integration.version,
    location: `/integrations/${integration.handle}`,
  })
}

async function update(deps: Deps, call: Call): Promise<Reply> {
  const problems = elementProblems(call.input)
  if (problems.length > 0) return refused(problems)
  const current = await deps.service.get(call.path('handle'))
  const version = versionToChange(call.expected, current.version)
  if (version === undefined) return { kind: 'stale', version: current.version }
  const outcome = await deps.service.update(current.handle, version, changeOf(call), call.by)
  if (outcome.kind === 'conflict') return { kind: 'stale', version: outcome.integration.version }
  return outcome.kind === 'refused' ? outcome : shown(outcome.integration, deps)
}

async function remove({ service }: Deps, call: Call): Promise<Reply> {
  const withConnections = call.flag('with_connections')
  const { kind } = await service.remove(call.path('handle'), { withConnections }, call.by)
  return kind === 'removed' ? NOTHING_TO_SAY : IN_USE
}

const IN_USE = refused([
  {
    field: 'with_connections',
    rule: 'integration-in-use',
    sentence: 'It has connections: send with_connections=true to delete them as well.',
  },
])

const OPERATIONS: readonly OperationRow<Deps>[] = [
  {
    id: 'listIntegrations',
    method: 'GET',
    path: '/integrations',
    summary: 'List the integrations by handle',
    scope: READ,
    answers: { 200: { description: 'All on one page.', schema: pageSchema(ref('Integration')) } },
    handle: async ({ service, issuer }) =>
      pageOf(
        (await service.list()).map((one) => show(one, issuer)),
        undefined,
      ),
  },
  {
    id: 'createIntegration',
    method: 'POST',
    path: '/integrations',
    summary: 'Switch a provider on; the scope for apps is made along',
    scope: WRITE,
    body: { kind: 'json', schema: NEW, checkedBy: 'schema' },
    answers: { 201: INTEGRATION },
    handle: create,
  },
  {
    id: 'getIntegration',
    method: 'GET',
    path: '/integrations/{handle}',
    summary: 'Get an integration',
    scope: READ,
    inPath: ONE,
    versioned: 'read',
    answers: { 200: INTEGRATION },
    handle: async (deps, call) => shown(await deps.service.get(call.path('handle')), deps),
  },
  {
    id: 'updateIntegration',
    method: 'PATCH',
    path: '/integrations/{handle}',
    summary: 'Change what is given; a misconfigured integration is tried again at once',
    scope: WRITE,
    inPath: ONE,
    body: { kind: 'json', schema: CHANGE, checkedBy: 'schema' },
    versioned: 'update',
    answers: { 200: INTEGRATION },
    handle: update,
  },
  {
    id: 'disableIntegration',
    method: 'POST',
    path: '/integrations/{handle}/disable',
    summary: 'Keep everybody from using an integration and its connections',
    scope: WRITE,
    inPath: ONE,
    answers: { 200: INTEGRATION },
    handle: async (deps, call) =>
      shown(await deps.service.disable(call.path('handle'), call.by), deps),
  },
  {
    id: 'enableIntegration',
    method: 'POST',
    path: '/integrations/{handle}/enable',
    summary: 'Let an integration be used again',
    scope: WRITE,
    inPath: ONE,
    answers: { 200: INTEGRATION },
    handle: async (deps, call) =>
      shown(await deps.service.enable(call.path('handle'), call.by), deps),
  },
  {
    id: 'deleteIntegration',
    method: 'DELETE',
    path: '/integrations/{handle}',
    summary: 'Delete an integration and its scope',
    scope: WRITE,
    inPath: ONE,
    query: [
      {
        name: 'with_connections',
        schema: boolean('Also where there are connections, which go along.', { default: false }),
      },
    ],
    answers: { 204: { description: 'It is deleted.' } },
    handle: remove,
  },
]

/** Creates the operations. */
export const integrationOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Integrations',
    description: 'Other systems that people and the company can connect.',
    schemas: {
      Integration: answer({
        id: text('The id.'),
        handle: HANDLE,
        provider: PROVIDER,
        kind: KIND,
        ...SETTINGS,
        has_client_secret: boolean('Whether a client secret is set.'),
        scope: text('The scope that opens its connections to apps.'),
        callback_url: orNull(text('The address to register at the provider.')),
        status: choice('Misconfigured: the provider refuses your client there.', [
          'active',
          'misconfigured',
          'disabled',
        ]),
        status_reason: orNull(text('A code, such as invalid_client.')),
        status_since: timestamp('Since when.'),
        version: whole('Goes up with every change; the ETag.'),
        created_at: timestamp('When it was created.'),
        updated_at: timestamp('When it was changed last.'),
      }),
    },
    operations: OPERATIONS,
  })
