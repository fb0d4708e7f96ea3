// Baseline (a): oidc-provider as its documentation sets it up, with the textbook Redis adapter,
// static clients and secrets in clear. Lifetimes, scopes and the two refresh policies match our
// server, so both do the same work for the same requests. The driver imports the factory to write
// authorization codes into the same Redis before a run. Run as a program, this file is the server.
import { generateKeyPairSync } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { Redis } from 'ioredis'
import { Provider } from 'oidc-provider'
import type { Configuration, JWK } from 'oidc-provider'
import { createTextbookAdapter } from './textbook-adapter.ts'

/** The scopes that every benchmark app asks for. */
export const BENCH_SCOPE = 'bookings:read customers:read'

/** Where the benchmark codes claim to have been sent. */
export const BENCH_REDIRECT_URI = 'https://app.bench.example/callback'

/** The static clients by their role; the secret is as long as one of ours. */
export const PLAIN_CLIENTS = {
  steady: { clientId: 'bench-steady', clientSecret: 'steady'.padEnd(59, 'x') },
  rotating: { clientId: 'bench-rotating', clientSecret: 'rotating'.padEnd(59, 'x') },
  machine: { clientId: 'bench-machine', clientSecret: 'machine'.padEnd(59, 'x') },
  resource: { clientId: 'bench-resource', clientSecret: 'resource'.padEnd(59, 'x') },
} as const

const DAY_SECONDS = 86_400

function configurationFor(redis: Redis): Configuration {
  const webClient = {
    redirect_uris: [BENCH_REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post' as const,
    scope: BENCH_SCOPE,
  }
  const { steady, rotating, machine, resource } = PLAIN_CLIENTS
  return {
    adapter: createTextbookAdapter(redis),
    clients: [
      { ...webClient, client_id: steady.clientId, client_secret: steady.clientSecret },
      { ...webClient, client_id: rotating.clientId, client_secret: rotating.clientSecret },
      {
        client_id: machine.clientId,
        client_secret: machine.clientSecret,
        redirect_uris: [],
        response_types: [],
        grant_types: ['client_credentials'],
        token_endpoint_auth_method: 'client_secret_post',
        scope: BENCH_SCOPE,
      },
      {
        client_id: resource.clientId,
        client_secret: resource.clientSecret,
        redirect_uris: [],
        response_types: [],
        grant_types: [],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    scopes: ['openid', ...BENCH_SCOPE.split(' ')],
    responseTypes: ['code'],
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: false },
    },
    routes: {
      authorization: '/oauth/authorize',
      token: '/oauth/token',
      introspection: '/oauth/introspect',
      revocation: '/oauth/revoke',
    },
    ttl: {
      AccessToken: 3600,
      ClientCredentials: 3600,
      RefreshToken: 30 * DAY_SECONDS,
      AuthorizationCode: 60,
      Grant: 31 * DAY_SECONDS,
    },
    issueRefreshToken: (_ctx, client) => Promise.resolve(client.grantTypeAllowed('refresh_token')),
    expiresWithSession: () => false,
    rotateRefreshToken: (ctx) => ctx.oidc.client?.clientId === rotating.clientId,
    findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    cookies: { keys: ['bench-cookie-key'] },
    jwks: { keys: [signingKey()] },
  }
}

// Opaque tokens need none, but without one the provider warns at start.
function signingKey(): JWK {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }
}

/** Builds the provider on an open Redis connection. `issuer` only shows in answers. */
export function createPlainProvider(redis: Redis, issuer: string): Provider {
  return new Provider(issuer, configurationFor(redis))
}

async function serve(): Promise<void> {
  const redis = new Redis(process.env['BENCH_REDIS_URL']!, {
    enableAutoPipelining: process.env['BENCH_AUTO_PIPELINING'] === 'true',
  })
  const provider = createPlainProvider(redis, 'http://127.0.0.1')
  const server = provider.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  console.log(`ready ${address.port}`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await serve()
