// What admins do to integrations, with audit events. Console, API and command line all come through
// here. Invariant: an integration and the scope that opens it to apps are made in one transaction.
import type { Events } from '../audit/events.ts'
import type { ScopeCatalogue } from '../apps/scope-catalogue.ts'
import type { IntegrationStore } from '../connections/integration.store.ts'
import type { ProviderStore } from '../connections/provider.store.ts'
import {
  type Integration,
  INTEGRATION_SETTINGS,
  type IntegrationKind,
  integrationProblems,
  type IntegrationSettings,
  scopeOfIntegration,
} from '../connections/integration.ts'
import { diffOf } from '../model/diff.ts'
import type { Problem, Refused } from '../model/problem.ts'
import type { Provider } from '../providers/provider.ts'
import { readProvider } from '../providers/read-provider.ts'
import { type Clock, dateNow } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { newIntegrationId } from '../shared/ids.ts'
import type { Secret } from '../shared/secret.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'

/** What comes in to make an integration; what is left out has a default. */
export interface IntegrationInput extends Partial<IntegrationSettings> {
  readonly handle: string
  readonly providerKey: string
  /** A provider that is made along, in the shape of a file of the catalogue; of that key. */
  readonly ownProvider?: unknown
  /** That of the provider where it is left out. */
  readonly kind?: IntegrationKind | undefined
  readonly clientSecret?: Secret<string> | undefined
}

/** What is to change; the rest is kept. */
export interface IntegrationChange extends Partial<IntegrationSettings> {
  readonly clientSecret?: Secret<string> | undefined
}

export type IntegrationOutcome =
  { readonly kind: 'saved'; readonly integration: Integration } | Refused

export type IntegrationUpdateOutcome =
  | IntegrationOutcome
  /** Somebody else changed it first: `integration` is how it is now. */
  | { readonly kind: 'conflict'; readonly integration: Integration }

/** Each throws `power_missing` for an operator who may not, and `not_found` where there is none. */
export interface IntegrationService {
  create(input: IntegrationInput, by: Operator): Promise<IntegrationOutcome>
  update(
    handle: string,
    version: number,
    change: IntegrationChange,
    by: Operator,
  ): Promise<IntegrationUpdateOutcome>
  get(handle: string): Promise<Integration>
  list(): Promise<Integration[]>
  countConnections(id: string): Promise<number>
  /** Keeps everybody from using it, until it is enabled. */
  disable(handle: string, by: Operator): Promise<Integration>
  /** Lets it be used again; one that was misconfigured is tried at once. */
  enable(handle: string, by: Operator): Promise<Integration>
  /**
   * Removes the integration, its connections with their credentials, and its scope.
   *
   * @param options.withConnections where it is left out, one that has connections is kept
   * @returns how many connections it had
   */
  remove(
    handle: string,
    options: { withConnections?: boolean },
    by: Operator,
  ): Promise<{ kind: 'removed' | 'in-use'; connections: number }>
}

interface IntegrationServiceDeps {
  integrations: IntegrationStore
  scopes: Pick<ScopeCatalogue, 'create' | 'remove'>
  findProvider: (key: string) => Promise<Provider | undefined>
  providers: Pick<ProviderStore, 'insertWithin'>
  events: Pick<
    Events,
    'providerSaved' | 'integrationCreated' | 'integrationChanged' | 'integrationDeleted'
  >
  clock: Clock
}

const DEFAULTS: IntegrationSettings = {
  name: '',
  clientId: undefined,
  scopes: [],
  requiredScopes: [],
  audience: undefined,
  parameters: {},
  config: {},
  ownerKinds: ['account'],
  trustedApps: [],
  returnAddresses: [],
  proxyHosts: [],
  proxyMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
}

/** Returns what an integration is where nothing else is said. */
export const integrationDefaults = (
  { name }: Pick<Provider, 'name'>,
  kind: IntegrationKind,
): IntegrationSettings => ({
  ...DEFAULTS,
  name,
  ...(kind === 'client_credentials' && { ownerKinds: ['company'] }),
})

const refused = (field: string, rule: string, sentence: string, value?: string): Refused => ({
  kind: 'refused',
  problems: [{ field, rule, sentence, ...(value !== undefined && { value }) } satisfies Problem],
})

/** Creates the service. */
export function createIntegrationService(deps: IntegrationServiceDeps): IntegrationService {
  const { integrations } = deps
  return {
    create: (input, by) => create(deps, input, by),
    update: (handle, version, change, by) => update(deps, handle, version, change, by),
    get: (handle) => get(deps, handle),
    list: () => integrations.list(),
    countConnections: (id) => integrations.countConnections(id),
    disable: (handle, by) => switchTo(deps, handle, 'disabled', by),
    enable: (handle, by) => switchTo(deps, handle, 'active', by),
    remove: (handle, options, by) => remove(deps, handle, options, by),
  }
}

async function get({ integrations }: IntegrationServiceDeps, handle: string): Promise<Integration> {
  const found = await integrations.findByHandle(handle)
  if (found === undefined) throw new AppError('not_found', { detail: 'integration' })
  return found
}

async function create(
  deps: IntegrationServiceDeps,
  input: IntegrationInput,
  by: Operator,
): Promise<IntegrationOutcome> {
  assertMay(by, 'admin:connections:write')
  const { handle, providerKey, ownProvider, kind: asked, clientSecret, ...settings } = input
  const found = await providerFor(deps, providerKey, ownProvider)
  if (found.provider === undefined) return { kind: 'refused', problems: found.problems }
  const { provider } = found
  const kind = asked ?? provider.kind
  const wanted = { ...integrationDefaults(provider, kind), ...settings }
  const hasClientSecret = clientSecret !== undefined
  const problems = [
    ...found.problems,
    ...integrationProblems({ ...wanted, handle, kind, hasClientSecret }, provider),
  ]
  if (problems.length > 0) return { kind: 'refused', problems }
  const at = dateNow(deps.clock)
  const integration: Integration = {
    ...wanted,
    id: newIntegrationId(),
    handle,
    providerKey,
    kind,
    hasClientSecret,
    status: 'active',
    statusReason: undefined,
    statusSince: at,
    nextProbeAt: undefined,
    version: 1,
    createdAt: at,
    updatedAt: at,
  }
  const outcome = await deps.scopes.create(scopeFor(integration), async (transaction) => {
    if (ownProvider !== undefined) await deps.providers.insertWithin(transaction, provider, at)
    await deps.integrations.insert(transaction, integration, clientSecret)
  })
  if (outcome.kind === 'refused')
    return refused('handle', 'handle-taken', 'Another integration has this handle.', handle)
  if (ownProvider !== undefined) deps.events.providerSaved({ provider: providerKey }, contextOf(by))
  deps.events.integrationCreated({ integration: handle, provider: providerKey }, contextOf(by))
  return { kind: 'saved', integration }
}

/**
 * Returns the provider, with what is wrong with it; where it is told that there are problems, it
 * has as much as the rules of integrations look at, so that theirs can be told too.
 */
async function providerFor(
  deps: IntegrationServiceDeps,
  key: string,
  own: unknown,
): Promise<{ provider: Provider | undefined; problems: readonly Problem[] }> {
  const known = await deps.findProvider(key)
  if (own === undefined)
    return {
      provider: known,
      problems: known === undefined ? UNKNOWN(key).problems : [],
    }
  const { provider, problems } = readProvider(own)
  const isTaken = known === undefined ? [] : KEY_TAKEN
  const kind = (own as { kind?: unknown }).kind === 'keys' ? 'keys' : 'oauth2'
  return {
    provider: { ...(provider ?? { key, name: key, kind }), status: 'custom' },
    problems: [...isTaken, ...problems],
  }
}

const UNKNOWN = (key: string): Refused =>
  refused('provider', 'provider-unknown', 'There is no such provider.', key)

const KEY_TAKEN: readonly Problem[] = [
  {
    field: 'handle',
    rule: 'provider-key-taken',
    sentence: 'Another system has this name already: choose another handle.',
  },
]

/** Returns the scope that comes with an integration. */
export const scopeFor = (integration: Pick<Integration, 'handle' | 'kind' | 'name'>) => ({
  name: scopeOfIntegration(integration),
  sentence:
    integration.kind === 'client_credentials'
      ? `Use the company’s access to ${integration.name}`
      : `Use your connection to ${integration.name}`,
  group: 'Connections',
  sensitive: true,
})

async function update(
  deps: IntegrationServiceDeps,
  handle: string,
  version: number,
  { clientSecret, ...change }: IntegrationChange,
  by: Operator,
): Promise<IntegrationUpdateOutcome> {
  assertMay(by, 'admin:connections:write')
  const before = await get(deps, handle)
  const provider = await deps.findProvider(before.providerKey)
  if (provider === undefined)
    return refused('provider', 'provider-unknown', 'Its provider is gone.', before.providerKey)
  const settings = Object.fromEntries(
    INTEGRATION_SETTINGS.map((name) => [name, name in change ? change[name] : before[name]]),
  ) as unknown as IntegrationSettings
  const hasClientSecret = before.hasClientSecret || clientSecret !== undefined
  const draft = { ...settings, handle, kind: before.kind, hasClientSecret }
  const problems = integrationProblems(draft, provider)
  if (problems.length > 0) return { kind: 'refused', problems }
  const at = dateNow(deps.clock)
  const isSaved = await deps.integrations.update(before.id, version, { settings, clientSecret, at })
  const integration = await get(deps, handle)
  if (!isSaved) return { kind: 'conflict', integration }
  const diff = {
    ...diffOf(before, integration, INTEGRATION_SETTINGS),
    ...(clientSecret && { clientSecret: 'changed' }),
  }
  if (Object.keys(diff).length > 0)
    deps.events.integrationChanged({ integration: handle, diff }, contextOf(by))
  return { kind: 'saved', integration }
}

async function switchTo(
  deps: IntegrationServiceDeps,
  handle: string,
  to: 'active' | 'disabled',
  by: Operator,
): Promise<Integration> {
  assertMay(by, 'admin:connections:write')
  const { id, status } = await get(deps, handle)
  const from = to === 'active' ? (['disabled'] as const) : (['active', 'misconfigured'] as const)
  const reason = to === 'active' ? undefined : 'admin'
  if (await deps.integrations.setStatus(id, { from, to, reason, at: dateNow(deps.clock) })) {
    const diff = { status: [status, to] }
    deps.events.integrationChanged({ integration: handle, diff }, contextOf(by))
  }
  return get(deps, handle)
}

async function remove(
  deps: IntegrationServiceDeps,
  handle: string,
  { withConnections = false }: { withConnections?: boolean },
  by: Operator,
): Promise<{ kind: 'removed' | 'in-use'; connections: number }> {
  assertMay(by, 'admin:connections:write')
  const integration = await get(deps, handle)
  const connections = await deps.integrations.countConnections(integration.id)
  const isOwn = integration.kind === 'client_credentials'
  if (connections > 0 && !withConnections && !isOwn) return { kind: 'in-use', connections }
  await deps.integrations.remove(integration.id, dateNow(deps.clock))
  try {
    await deps.scopes.remove(scopeOfIntegration(integration))
  } catch (error) {
    // An admin may have removed the scope before.
    if (!(error instanceof AppError && error.code === 'not_found')) throw error
  }
  deps.events.integrationDeleted({ integration: handle, connections }, contextOf(by))
  return { kind: 'removed', connections }
}
