// What the demo's admin sets up so that people can connect other systems: two providers that are in
// no catalogue, and an integration of each.
import {
  createIntegrationService,
  type IntegrationInput,
} from '../../src/admin/integration-service.ts'
import { ALL_ADMIN_SCOPES } from '../../src/admin/operator.ts'
import { createProviderService } from '../../src/admin/provider-service.ts'
import type { Services } from '../../src/services.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { Secret } from '../../src/shared/secret.ts'
import { NOTEBOARD_CLIENT } from './other-systems.ts'

const OPERATOR = { id: 'demo', scopes: ALL_ADMIN_SCOPES }

/** The scopes by which apps use them. */
export const CONNECTION_SCOPES = ['connections:noteboard', 'connections:weather'] as const

/** Puts in what is missing. @param origin where the systems run this time */
export async function seedConnections(services: Services, origin: string): Promise<void> {
  const { stores, providers: known, scopes, audit } = services
  const deps = { integrations: stores.integrations, events: audit.events, clock: systemClock }
  const providers = createProviderService({ ...deps, providers: stores.providers, known })
  const integrations = createIntegrationService({
    ...deps,
    scopes,
    findProvider: known.find,
    providers: stores.providers,
  })
  for (const definition of definitionsAt(origin)) {
    const saved = await providers.save(definition, OPERATOR)
    if (saved.kind === 'refused')
      throw new Error(`the demo's provider was refused: ${JSON.stringify(saved.problems)}`)
  }
  for (const integration of INTEGRATIONS) {
    if ((await stores.integrations.findByHandle(integration.handle)) !== undefined) continue
    const created = await integrations.create(integration, OPERATOR)
    if (created.kind === 'refused')
      throw new Error(`the demo's integration was refused: ${JSON.stringify(created.problems)}`)
  }
}

const INTEGRATIONS: readonly IntegrationInput[] = [
  {
    handle: 'noteboard',
    providerKey: 'noteboard',
    clientId: NOTEBOARD_CLIENT.clientId,
    clientSecret: new Secret(NOTEBOARD_CLIENT.clientSecret),
    ownerKinds: ['account'],
    proxyMethods: ['GET', 'POST'],
  },
  {
    handle: 'weather',
    providerKey: 'weather-desk',
    ownerKinds: ['account'],
    proxyMethods: ['GET'],
  },
]

const definitionsAt = (origin: string): object[] => [
  {
    key: 'noteboard',
    name: 'Noteboard',
    kind: 'oauth2',
    auth: {
      authorize_url: `${origin}/noteboard/authorize`,
      token_url: `${origin}/noteboard/token`,
      pkce: 'required',
    },
    life: { rotates: 'yes' },
    api: { base_url: `${origin}/noteboard/api` },
    identity: { url: `${origin}/noteboard/api/me`, id: 'id', label: 'name' },
    check: { method: 'GET', url: `${origin}/noteboard/api/me` },
  },
  {
    key: 'weather-desk',
    name: 'Weather Desk',
    kind: 'keys',
    api: { base_url: `${origin}/weather/api`, header: 'X-Weather-Key', prefix: '' },
    check: { method: 'GET', url: `${origin}/weather/api/now` },
    fields: [
      { name: 'key', label: 'API key', secret: true, hint: `It is shown at ${origin}/weather` },
    ],
  },
]
