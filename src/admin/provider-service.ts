// What admins do to providers that are not in the catalogue, with audit events.
import type { Events } from '../audit/events.ts'
import type { KnownProviders } from '../connections/known-providers.ts'
import type { IntegrationStore } from '../connections/integration.store.ts'
import type { ProviderStore } from '../connections/provider.store.ts'
import { integrationProblems } from '../connections/integration.ts'
import type { Problem, Refused } from '../model/problem.ts'
import type { Provider } from '../providers/provider.ts'
import { readProvider } from '../providers/read-provider.ts'
import { type Clock, dateNow } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'

export type ProviderOutcome = { readonly kind: 'saved'; readonly provider: Provider } | Refused

/** Each throws `power_missing` for an operator who may not. */
export interface ProviderService {
  /**
   * Adds a provider, or replaces the one of the same key.
   *
   * @param data in the shape of a file of the catalogue
   */
  save(data: unknown, by: Operator): Promise<ProviderOutcome>
  /**
   * Removes a provider.
   *
   * @returns the handles of the integrations that use it; where there are any, it is kept
   * @throws {AppError} `not_found`, also for those of the catalogue
   */
  remove(key: string, by: Operator): Promise<string[]>
}

/** Creates the service. */
export function createProviderService(deps: {
  providers: ProviderStore
  known: Pick<KnownProviders, 'isInCatalogue'>
  integrations: Pick<IntegrationStore, 'list' | 'setStatus'>
  events: Pick<Events, 'providerSaved' | 'providerRemoved'>
  clock: Clock
}): ProviderService {
  const { providers, known, integrations, events, clock } = deps
  return {
    async save(data, by) {
      assertMay(by, 'admin:connections:write')
      const { provider: read, problems } = readProvider(data)
      if (read === undefined) return { kind: 'refused', problems }
      const provider: Provider = { ...read, status: 'custom' }
      if (await known.isInCatalogue(provider.key)) return IN_CATALOGUE
      const users = (await integrations.list()).filter((one) => one.providerKey === provider.key)
      const unfit = users.flatMap((one): Problem[] =>
        integrationProblems(one, provider).map((problem) => ({ ...problem, value: one.handle })),
      )
      if (unfit.length > 0) return { kind: 'refused', problems: unfit }
      const at = dateNow(clock)
      if (!(await providers.replace(provider, at)) && !(await providers.insert(provider, at)))
        await providers.replace(provider, at)
      // What was wrong may be mended: the next use tells.
      for (const { id } of users)
        await integrations.setStatus(id, {
          from: ['misconfigured'],
          to: 'active',
          reason: undefined,
          at,
        })
      events.providerSaved({ provider: provider.key }, contextOf(by))
      return { kind: 'saved', provider }
    },
    async remove(key, by) {
      assertMay(by, 'admin:connections:write')
      const users = (await integrations.list()).filter(({ providerKey }) => providerKey === key)
      if (users.length > 0) return users.map(({ handle }) => handle)
      if (!(await providers.remove(key))) throw new AppError('not_found', { detail: 'provider' })
      events.providerRemoved({ provider: key }, contextOf(by))
      return []
    },
  }
}

const IN_CATALOGUE: Refused = {
  kind: 'refused',
  problems: [
    {
      field: 'key',
      rule: 'provider-key-taken',
      sentence: 'A provider of the catalogue has this key: choose another one.',
    },
  ],
}
