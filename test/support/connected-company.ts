// A connection to an API of the test, as if the company had connected it: provider, integration,
// credentials, and a service that may use it.
import { ALL_ADMIN_SCOPES } from '../../src/admin/operator.ts'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import type { Integration } from '../../src/connections/integration.ts'
import { Secret } from '../../src/shared/secret.ts'
import type { TestApp } from './app.ts'
import { registerApp, type TestClient } from './builders.ts'

export const OPERATOR = {
  id: 'test',
  scopes: ALL_ADMIN_SCOPES,
}

export interface TestConnection {
  id: string
  integration: Integration
  /** A machine app that has the scope. */
  client: TestClient
  callerToken: string
}

export interface ConnectedTo {
  /** Where its authorization server is. */
  origin: string
  baseUrl: string
  accessToken: string
  refreshToken?: string
  key?: string
  methods?: readonly string[]
  webhook?: object
}

/** Connects the company to a provider of the test. */
export async function connectTo(server: TestApp, to: ConnectedTo): Promise<TestConnection> {
  const { infrastructure, services } = server
  const admin = createAdminServices(infrastructure, services)
  const { key = 'crm' } = to
  const saved = await admin.providers.save(definitionOf(key, to), OPERATOR)
  if (saved.kind === 'refused') throw new Error(JSON.stringify(saved.problems))
  const created = await admin.integrations.create(
    {
      handle: key,
      providerKey: key,
      clientId: 'otesse',
      clientSecret: new Secret('the-secret-at-the-provider'),
      ownerKinds: ['account', 'company'],
      proxyMethods: to.methods ?? ['GET', 'POST', 'PUT'],
    },
    OPERATOR,
  )
  if (created.kind === 'refused') throw new Error(JSON.stringify(created.problems))
  const { integration } = created
  const connection = await services.stores.connections.establish(
    {
      integrationId: integration.id,
      owner: { kind: 'company' },
      establishedBy: 'test',
      externalId: 'acme',
      externalLabel: 'Acme',
      grantedScopes: [],
      missingScopes: [],
      config: {},
      accessExpiresAt: new Date(infrastructure.clock() + 3_600_000),
      refreshExpiresAt: undefined,
      credentials: [
        { kind: 'oauth_access_token', name: '', value: new Secret(to.accessToken) },
        {
          kind: 'oauth_refresh_token',
          name: '',
          value: new Secret(to.refreshToken ?? 'refresh-1'),
        },
      ],
    },
    new Date(infrastructure.clock()),
  )
  const client = await registerApp(server, { type: 'machine', scopes: [`connections:${key}`] })
  return { id: connection.id, integration, client, callerToken: await machineToken(server, client) }
}

const definitionOf = (key: string, { origin, baseUrl, webhook }: ConnectedTo): object => ({
  key,
  name: `The ${key}`,
  kind: 'oauth2',
  auth: { authorize_url: `${origin}/authorize`, token_url: `${origin}/token` },
  api: { base_url: baseUrl },
  ...(webhook !== undefined && { webhook }),
})

/** Gets a token that an app has for itself. */
export async function machineToken(server: TestApp, { id, secret }: TestClient): Promise<string> {
  const answer = await fetch(`${server.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: id,
      client_secret: secret ?? '',
    }),
  })
  const { access_token: token } = (await answer.json()) as { access_token: string }
  return token
}
