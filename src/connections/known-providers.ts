// All providers that there are: those of the catalogue, and those that admins wrote.
import type { Provider } from '../providers/provider.ts'
import type { ProviderStore } from './provider.store.ts'

interface OfProvider {
  readonly integration: { readonly providerKey: string }
  readonly customProvider: Provider | undefined
}

/** Finds providers. */
export interface KnownProviders {
  find: (key: string) => Promise<Provider | undefined>
  /** Finds the provider of a connection that was read with everything that is needed to use it. */
  of: (usable: OfProvider) => Promise<Provider | undefined>
  /** Lists them by key. */
  list(): Promise<Provider[]>
  /** Returns whether the key belongs to a provider of the catalogue. */
  isInCatalogue(key: string): Promise<boolean>
}

/** Creates the list. The catalogue is read when it is asked for first, and once. */
export function createKnownProviders(store: Pick<ProviderStore, 'find' | 'list'>): KnownProviders {
  let reading: Promise<ReadonlyMap<string, Provider>> | undefined
  const catalogue = (): Promise<ReadonlyMap<string, Provider>> => (reading ??= readByKey())
  return {
    of: async ({ integration, customProvider }) =>
      (await catalogue()).get(integration.providerKey) ?? customProvider,
    find: async (key) => (await catalogue()).get(key) ?? (await store.find(key)),
    isInCatalogue: async (key) => (await catalogue()).has(key),
    async list() {
      const known = await catalogue()
      const custom = (await store.list()).filter(({ key }) => !known.has(key))
      return [...known.values(), ...custom].sort((left, right) => (left.key < right.key ? -1 : 1))
    },
  }
}

// Loaded here, so that a server without connections does not read YAML.
async function readByKey(): Promise<ReadonlyMap<string, Provider>> {
  const { readCatalogue } = await import('../providers/catalogue.ts')
  return new Map(readCatalogue().map((provider) => [provider.key, provider]))
}
