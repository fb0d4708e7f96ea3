// A plain oidc-provider on a free port of 127.0.0.1, in memory, with the same apps, scopes and
// lifetimes as a test server of ours: what the engine itself would answer. Its records can be made
// older, as if time passed. It contains none of our code.
import { generateKeyPairSync } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Adapter,
  type AdapterPayload,
  type ClientMetadata,
  type Configuration,
  type JWK,
  Provider,
} from 'oidc-provider'
import type { TestClient } from './builders.ts'

const DAY_SECONDS = 86_400

/** An app as the twin knows it: registered with us, with its id and secret. */
export interface TwinApp {
  client: TestClient
  rotates: boolean
}

export interface EngineTwin extends AsyncDisposable {
  url: string
  /** Does what an approval does; returns the code. */
  issueCode: (clientId: string, accountId: string) => Promise<string>
  /** Makes everything that it keeps so much older. */
  age: (seconds: number) => void
}

/** Starts the twin; `await using` stops it. */
export async function startEngineTwin(
  apps: readonly TwinApp[],
  options: { scopes: readonly string[]; scope: string; audience: string },
): Promise<EngineTwin> {
  const records = new Map<string, AdapterPayload>()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(url, configurationFor(records, apps, options))
  const answer = provider.callback()
  server.on('request', (request, response) => void answer(request, response))

  return {
    url,
    async issueCode(clientId, accountId) {
      const client = await provider.Client.find(clientId)
      if (client === undefined) throw new Error(`no client ${clientId}`)
      const grant = new provider.Grant({ clientId, accountId })
      grant.addOIDCScope(options.scope)
      const code = new provider.AuthorizationCode({
        client,
        accountId,
        grantId: await grant.save(),
        gty: 'authorization_code',
        redirectUri: client.redirectUris?.[0] ?? '',
        scope: options.scope,
      })
      return code.save()
    },
    age(seconds) {
      for (const record of records.values()) {
        if (record.iat !== undefined) record.iat -= seconds
        if (record.exp !== undefined) record.exp -= seconds
        if (typeof record.consumed === 'number') record.consumed -= seconds
      }
    },
    [Symbol.asyncDispose]: () => close(server),
  }
}

function configurationFor(
  records: Map<string, AdapterPayload>,
  apps: readonly TwinApp[],
  { scopes, audience }: { scopes: readonly string[]; audience: string },
): Configuration {
  const rotating = new Set(apps.filter(({ rotates }) => rotates).map(({ client }) => client.id))
  return {
    adapter: adapterOver(records),
    clients: apps.map(({ client }) => metadataOf(client, scopes)),
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    scopes: ['openid', ...scopes],
    responseTypes: ['code'],
    features: {
      devInteractions: { enabled: false },
      // Both as they are by default, only without its notice.
      introspection: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) =>
          client.clientAuthMethod !== 'none' || token.clientId === client.clientId,
      },
      revocation: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: scopes.join(' '),
          audience,
          accessTokenTTL: 3600,
          accessTokenFormat: 'opaque',
        }),
      },
    },
    routes: {
      token: '/oauth/token',
      introspection: '/oauth/introspect',
      revocation: '/oauth/revoke',
    },
    ttl: {
      AccessToken: 3600,
      ClientCredentials: 3600,
      // Rotation does not make an authorization longer.
      RefreshToken: (ctx) =>
        ctx.oidc.entities.RotatedRefreshToken?.remainingTTL ?? 30 * DAY_SECONDS,
      AuthorizationCode: 60,
      Grant: 31 * DAY_SECONDS,
    },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: () => false,
    rotateRefreshToken: (ctx) => rotating.has(ctx.oidc.client?.clientId ?? ''),
    pkce: { required: () => false },
    findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    jwks: { keys: [signingKey()] },
    cookies: { keys: ['the twin signs cookies with this'] },
  }
}

// Signs nothing here, but without one the engine warns.
function signingKey(): JWK {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }
}

function metadataOf({ app, id, secret }: TestClient, scopes: readonly string[]): ClientMetadata {
  const takesPeople = app.redirectUris.length > 0
  return {
    client_id: id,
    ...(secret === undefined ? {} : { client_secret: secret }),
    token_endpoint_auth_method: secret === undefined ? 'none' : 'client_secret_basic',
    redirect_uris: [...app.redirectUris],
    response_types: takesPeople ? ['code'] : [],
    grant_types: takesPeople
      ? ['authorization_code', 'refresh_token']
      : app.type === 'machine'
        ? ['client_credentials']
        : [],
    ...(app.type === 'resource_server' ? {} : { scope: scopes.join(' ') }),
  }
}

/** Keeps what has expired: that it is worth nothing is for the engine to see. */
function adapterOver(records: Map<string, AdapterPayload>): (name: string) => Adapter {
  const nothing = (): Promise<undefined> => Promise.resolve(undefined)
  return (name) => ({
    async upsert(id, payload) {
      records.set(`${name} ${id}`, structuredClone(payload))
      return Promise.resolve()
    },
    find: (id) => Promise.resolve(structuredClone(records.get(`${name} ${id}`))),
    findByUid: nothing,
    findByUserCode: nothing,
    async consume(id) {
      const record = records.get(`${name} ${id}`)
      if (record !== undefined) record.consumed = Math.floor(Date.now() / 1000)
      return Promise.resolve()
    },
    async destroy(id) {
      records.delete(`${name} ${id}`)
      return Promise.resolve()
    },
    async revokeByGrantId(grantId) {
      for (const [key, record] of records) if (record.grantId === grantId) records.delete(key)
      return Promise.resolve()
    },
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
