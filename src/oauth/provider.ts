// Assembles the engine for the front channel: authorization endpoint, login sessions, discovery, keys, userinfo. No policy is decided here.
// Invariant: an engine is immutable; a change of the scope catalogue or of the keys builds a new one (about 1 ms) and swaps it in, which no
// request notices, because all state is in the stores.
import Provider, { interactionPolicy, type JWK, type KoaContextWithOIDC } from 'oidc-provider'
import { authorizationScopeCheck, LATE_MAX_AGE, lateMaxAge } from './authorization-request.ts'
import { refuse } from './back-channel.ts'
import { createEngineAdapter, type EngineAdapterDeps } from './engine-adapter.ts'
import {
  type EngineClients,
  keepLoginGeneration,
  overrideEngine,
  SESSION_COOKIE,
} from './engine-internals.ts'
import { loadGrant, type RememberedConsents } from './existing-grant.ts'
import { pageErrorOf } from './engine-errors.ts'

/** A person as the engine needs to know one. */
export interface EngineAccount {
  id: string
  email: string
  name: string | undefined
}

export interface ProviderDeps extends Omit<EngineAdapterDeps, 'resumeUrl'> {
  issuer: string
  clients: EngineClients
  consents: RememberedConsents
  /** Returns an account that may sign in. */
  findAccount: (accountId: string) => Promise<EngineAccount | undefined>
  cookieKeys: readonly string[]
  ttl: {
    sessionSeconds: number
    interactionSeconds: number
    codeSeconds: number
    accessTokenSeconds: number
  }
}

export const PATHS = {
  authorize: '/oauth/authorize',
  token: '/oauth/token',
  revoke: '/oauth/revoke',
  introspect: '/oauth/introspect',
  userinfo: '/oauth/userinfo',
  jwks: '/oauth/jwks',
  interaction: '/interaction',
} as const

/** How cookies are called: the prefixes make browsers refuse them from anywhere but this https host. */
export function cookieNames(issuer: string): {
  session: string
  interaction: string
  resume: string
} {
  const isSecure = issuer.startsWith('https:')
  return {
    session: `${isSecure ? '__Host-' : ''}otesse_session`,
    interaction: `${isSecure ? '__Secure-' : ''}otesse_interaction`,
    resume: `${isSecure ? '__Secure-' : ''}otesse_resume`,
  }
}

/**
 * Builds the engine.
 *
 * @param scopes every scope that exists now
 * @param jwks private signing keys, current first
 */
export function createProvider(
  deps: ProviderDeps,
  scopes: readonly string[],
  jwks: readonly JWK[],
): Provider {
  const { issuer } = deps
  const provider: Provider = new Provider(issuer, {
    adapter: createEngineAdapter({
      ...deps,
      resumeUrl: (uid) => `${issuer}${PATHS.authorize}/${uid}`,
    }),
    jwks: { keys: [...jwks] },
    scopes: [...new Set(['openid', ...scopes])],
    claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
    responseTypes: ['code'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    routes: {
      authorization: PATHS.authorize,
      token: PATHS.token,
      revocation: PATHS.revoke,
      introspection: PATHS.introspect,
      userinfo: PATHS.userinfo,
      jwks: PATHS.jwks,
    },
    // The back channel is ours; the features are on so that the metadata names its endpoints.
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      userinfo: { enabled: true },
      rpInitiatedLogout: { enabled: false },
      resourceIndicators: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
    },
    // RFC 9701 §7: what only our own introspection can do.
    discovery: { introspection_signing_alg_values_supported: ['ES256'] },
    issueRefreshToken: () => Promise.resolve(true),
    // Tokens do not die with the browser session.
    expiresWithSession: () => Promise.resolve(false),
    allowOmittingSingleRegisteredRedirectUri: false,
    pkce: { required: (_ctx, client) => client['requirePkce'] === true },
    extraClientMetadata: { properties: ['requirePkce'] },
    extraParams: {
      scope: (ctx) => authorizationScopeCheck(ctx, deps.clients, scopes),
      [LATE_MAX_AGE]: lateMaxAge,
    },
    interactions: {
      url: (_ctx, interaction) => `${PATHS.interaction}/${interaction.uid}`,
      policy: promptPolicy(),
    },
    cookies: {
      keys: [...deps.cookieKeys],
      names: cookieNames(issuer),
      long: { ...SESSION_COOKIE },
      short: { httpOnly: true, sameSite: 'lax', signed: true },
    },
    ttl: {
      Session: deps.ttl.sessionSeconds,
      Interaction: deps.ttl.interactionSeconds,
      AuthorizationCode: deps.ttl.codeSeconds,
      AccessToken: deps.ttl.accessTokenSeconds,
      // Never stored by the engine; only its notion of an expired grant must not cut tokens short.
      Grant: 10 * 365 * 24 * 3600,
    },
    async findAccount(ctx, accountId) {
      keepLoginGeneration(ctx, accountId)
      const account = await deps.findAccount(accountId)
      return (
        account && {
          accountId: account.id,
          claims: () =>
            Promise.resolve({ sub: account.id, email: account.email, name: account.name }),
        }
      )
    },
    loadExistingGrant: (ctx) => loadGrant(provider, ctx, deps.consents),
    renderError: (ctx, _out, error) => {
      const appId = (ctx as Partial<KoaContextWithOIDC>).oidc?.client?.clientId
      // Thrown on to our own error boundary, which knows how a page looks.
      throw refuse(pageErrorOf(error), appId === undefined ? undefined : { id: appId })
    },
  })
  overrideEngine(provider, deps.clients)
  return provider
}

/** When people are asked: by the engine's own rules, with two of ours. */
function promptPolicy(): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base()
  // Which apps are asked again each time is decided by whose consent is remembered (existing-grant.ts).
  policy.get('consent')?.checks.remove('native_client_prompt')
  // An account that was shut down while its session lived: without this the engine goes on to consent and fails on a missing grant.
  policy.get('login')?.checks.add(
    new interactionPolicy.Check('account_gone', 'the account can no longer be used', (ctx) => {
      const { session } = ctx.oidc
      return session?.accountId !== undefined && ctx.oidc.account === undefined
    }),
  )
  return policy
}
