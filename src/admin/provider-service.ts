// What admins do to providers that are not in the catalogue, with audit events. Invariant: a
// provider fits the integrations that use it.
import type { Events } from '../audit/events.ts'
import { type Integration, integrationProblems } from '../connections/integration.ts'
import type { KnownProviders } from '../connections/known-providers.ts'
import type { IntegrationStore } from '../connections/integration.store.ts'
import type { ProviderStore } from '../connections/provider.store.ts'
import type { Problem, Refused } from '../model/problem.ts'
import type { Provider } from '../providers/provider.ts'
import { readProvider } from '../providers/read-provider.ts'
import { type Clock, dateNow } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'

/** A provider; those of the catalogue have no version and cannot be changed. */
export interface VersionedProvider {
  readonly provider: Provider
  readonly version: number | undefined
}

export type ProviderOutcome = { readonly kind: 'saved'; readonly provider: Provider } | Refused

export type ProviderChangeOutcome =
  | ProviderOutcome
  /** Somebody else changed it first. */
  | { readonly kind: 'conflict'; readonly version: number }

/** Each throws `power_missing` for an operator who may not. */
export interface ProviderService {
  /** Lists those of the catalogue and those of one's own, by key. */
  list(by: Operator): Promise<Provider[]>
  /** @throws {AppError} `not_found` */
  get(key: string, by: Operator): Promise<VersionedProvider>
  /**
   * Adds a provider, or replaces the one of the same key.
   *
   * @param data in the shape of a file of the catalogue
   */
  save(data: unknown, by: Operator): Promise<ProviderOutcome>
  /** Adds a provider. */
  create(data: unknown, by: Operator): Promise<ProviderOutcome>
  /**
   * Replaces a provider, if its version is still that one.
   *
   * @throws {AppError} `not_found`, also for those of the catalogue
   */
  change(key: string, version: number, data: unknown, by: Operator): Promise<ProviderChangeOutcome>
  /**
   * Removes a provider.
   *
   * @returns the handles of the integrations that use it; where there are any, it is kept
   * @throws {AppError} `not_found`, also for those of the catalogue
   */
  remove(key: string, by: Operator): Promise<string[]>
}

interface ProviderServiceDeps {
  providers: ProviderStore
  known: Pick<KnownProviders, 'isInCatalogue' | 'find' | 'list'>
  integrations: Pick<IntegrationStore, 'list' | 'setStatus'>
  events: Pick<Events, 'providerSaved' | 'providerRemoved'>
  clock: Clock
}

/** Creates the service. */
export const createProviderService = (deps: ProviderServiceDeps): ProviderService => ({
  async list(by) {
    assertMay(by, 'admin:connections:read')
    return deps.known.list()
  },
  async get(key, by) {
    assertMay(by, 'admin:connections:read')
    if (!(await deps.known.isInCatalogue(key))) return ownOf(deps, key)
    const provider = await deps.known.find(key)
    if (provider === undefined) throw unknown()
    return { provider, version: undefined }
  },
  save: (data, by) => save(deps, data, by),
  async create(data, by) {
    assertMay(by, 'admin:connections:write')
    const checked = await check(deps, data)
    if (checked.kind === 'refused') return checked
    if (!(await deps.providers.insert(checked.provider, dateNow(deps.clock)))) return KEY_TAKEN
    return saved(deps, checked, by)
  },
  change: (key, version, data, by) => change(deps, key, version, data, by),
  remove: (key, by) => remove(deps, key, by),
})

async function ownOf(
  { providers }: Pick<ProviderServiceDeps, 'providers'>,
  key: string,
): Promise<VersionedProvider & { version: number }> {
  const own = await providers.findOwn(key)
  if (own === undefined) throw unknown()
  return own
}

const unknown = (): AppError => new AppError('not_found', { detail: 'provider' })

async function save(
  deps: ProviderServiceDeps,
  data: unknown,
  by: Operator,
): Promise<ProviderOutcome> {
  assertMay(by, 'admin:connections:write')
  const checked = await check(deps, data)
  if (checked.kind === 'refused') return checked
  const { providers } = deps
  const { provider } = checked
  const at = dateNow(deps.clock)
  if (!(await providers.replace(provider, at)) && !(await providers.insert(provider, at)))
    await providers.replace(provider, at)
  return saved(deps, checked, by)
}

async function change(
  deps: ProviderServiceDeps,
  key: string,
  version: number,
  data: unknown,
  by: Operator,
): Promise<ProviderChangeOutcome> {
  assertMay(by, 'admin:connections:write')
  await ownOf(deps, key)
  const checked = await check(deps, data)
  if (checked.kind === 'refused') return checked
  if (checked.provider.key !== key) return KEY_KEPT
  if (!(await deps.providers.replace(checked.provider, dateNow(deps.clock), version)))
    return { kind: 'conflict', version: (await ownOf(deps, key)).version }
  return saved(deps, checked, by)
}

interface Checked {
  readonly kind: 'checked'
  readonly provider: Provider
  readonly users: readonly Integration[]
}

/** Reads a provider, and looks whether it fits the integrations that use it. */
async function check(
  { known, integrations }: ProviderServiceDeps,
  data: unknown,
): Promise<Checked | Refused> {
  const { provider: read, problems } = readProvider(data)
  if (read === undefined) return { kind: 'refused', problems }
  const provider: Provider = { ...read, status: 'custom' }
  if (await known.isInCatalogue(provider.key)) return IN_CATALOGUE
  const users = (await integrations.list()).filter((one) => one.providerKey === provider.key)
  const unfit = users.flatMap((one): Problem[] =>
    integrationProblems(one, provider).map((problem) => ({ ...problem, value: one.handle })),
  )
  return unfit.length > 0
    ? { kind: 'refused', problems: unfit }
    : { kind: 'checked', provider, users }
}

async function saved(
  { integrations, events, clock }: ProviderServiceDeps,
  { provider, users }: Checked,
  by: Operator,
): Promise<ProviderOutcome> {
  // What was wrong may be mended: the next use tells.
  for (const { id } of users)
    await integrations.setStatus(id, {
      from: ['misconfigured'],
      to: 'active',
      reason: undefined,
      at: dateNow(clock),
    })
  events.providerSaved({ provider: provider.key }, contextOf(by))
  return { kind: 'saved', provider }
}

async function remove(
  { integrations, providers, events }: ProviderServiceDeps,
  key: string,
  by: Operator,
): Promise<string[]> {
  assertMay(by, 'admin:connections:write')
  const users = (await integrations.list()).filter(({ providerKey }) => providerKey === key)
  if (users.length > 0) return users.map(({ handle }) => handle)
  if (!(await providers.remove(key))) throw unknown()
  events.providerRemoved({ provider: key }, contextOf(by))
  return []
}

const refusedKey = (sentence: string): Refused => ({
  kind: 'refused',
  problems: [{ field: 'key', rule: 'provider-key-taken', sentence }],
})

const IN_CATALOGUE = refusedKey('A provider of the catalogue has this key: choose another one.')
const KEY_TAKEN = refusedKey('Another provider has this key already.')
const KEY_KEPT = refusedKey('The key of a provider never changes.')
