// A server with connections, and integrations with the provider that plays all providers.
import { createAdminServices } from '../../src/compose/admin-services.ts'
import { ALL_ADMIN_SCOPES } from '../../src/admin/operator.ts'
import type { IntegrationInput } from '../../src/admin/integration-service.ts'
import type { Integration } from '../../src/connections/integration.ts'
import { Secret } from '../../src/shared/secret.ts'
import type { TestApp } from './app.ts'
import type { QuirkName, QuirkProvider } from './quirk-provider.ts'

/** Switches connections on, to systems on this machine. */
export const WITH_CONNECTIONS = {
  OTESSE_CONNECTIONS: 'true',
  OTESSE_UNSAFE_PRIVATE_DESTINATIONS: '127.0.0.1',
} as const

/** Returns an integration as the store keeps it. */
export const anIntegration = (
  at: Date,
  facts: Pick<Integration, 'id' | 'handle' | 'providerKey'> & Partial<Integration>,
): Integration => ({
  name: 'There',
  kind: 'oauth2',
  clientId: undefined,
  hasClientSecret: true,
  scopes: [],
  requiredScopes: [],
  audience: undefined,
  parameters: {},
  config: {},
  ownerKinds: ['account'],
  trustedApps: [],
  returnAddresses: [],
  proxyHosts: [],
  proxyMethods: [],
  status: 'active',
  statusReason: undefined,
  statusSince: at,
  nextProbeAt: undefined,
  version: 1,
  createdAt: at,
  updatedAt: at,
  ...facts,
})

const OPERATOR = { id: 'test', scopes: ALL_ADMIN_SCOPES }

/** Makes an integration with one of the providers that the server of the tests plays. */
export async function createIntegration(
  { infrastructure, services }: Pick<TestApp, 'infrastructure' | 'services'>,
  provider: QuirkProvider,
  quirk: QuirkName,
  overrides: Partial<IntegrationInput> = {},
  change: (definition: Record<string, unknown>) => Record<string, unknown> = (same) => same,
): Promise<Integration> {
  const definition = change(provider.definition(quirk))
  const isOAuth = definition['kind'] === 'oauth2'
  return save({ infrastructure, services }, definition, {
    handle: quirk,
    ...(isOAuth && {
      clientId: provider.client.clientId,
      clientSecret: new Secret(provider.client.clientSecret),
      scopes: ['read', 'write'],
    }),
    ...overrides,
  })
}

/** Makes an integration with another authorization server; its handle is the provider's key. */
export function createForeignIntegration(
  server: Pick<TestApp, 'infrastructure' | 'services'>,
  definition: Record<string, unknown>,
  { client, scopes }: { client: { id: string; secret: string }; scopes: readonly string[] },
): Promise<Integration> {
  return save(server, definition, {
    handle: String(definition['key']),
    clientId: client.id,
    clientSecret: new Secret(client.secret),
    scopes,
  })
}

async function save(
  { infrastructure, services }: Pick<TestApp, 'infrastructure' | 'services'>,
  definition: Record<string, unknown>,
  input: Partial<IntegrationInput> & { handle: string },
): Promise<Integration> {
  const admin = createAdminServices(infrastructure, services)
  const saved = await admin.providers.save(definition, OPERATOR)
  if (saved.kind === 'refused') throw new Error(JSON.stringify(saved.problems))
  const providerKey = String(definition['key'])
  const outcome = await admin.integrations.create({ providerKey, ...input }, OPERATOR)
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems))
  return outcome.integration
}
