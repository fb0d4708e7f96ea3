// The engine's configuration: authorization endpoint, login sessions, discovery, keys, userinfo. No
// policy is decided here. Invariant: an engine is immutable; a change of the scope catalogue or of
// the keys builds a new one (about 1 ms) and swaps it in, which no request notices, because all
// state is in the stores.
import Provider, { type Configuration, type JWK, type KoaContextWithOIDC } from 'oidc-provider'
import type { Account } from '../../../model/account.ts'
import { matchesRedirectUri } from '../../../apps/redirect-uri.ts'
import { SIGNED_ALG } from '../../introspect/introspection-endpoint.ts'
import { isOwnOrigin } from '../../cross-origin.ts'
import { PATHS } from '../../paths.ts'
import { authorizationScopeCheck, LATE_MAX_AGE, lateMaxAge } from '../authorization-request.ts'
import { formPostCheck } from '../form-answer.ts'
import type { PreviewGuard } from '../preview-guard.ts'
import { findAllowedGrant, promptPolicy, type PromptPolicyDeps } from '../prompt-policy.ts'
import { FORM_POST } from '../response-mode.ts'
import { PROMPTS } from '../select-account.ts'
import { createEngineAdapter, type EngineAdapterDeps } from './adapter.ts'
import { describeClient } from './client-metadata.ts'
import { cameIn, refusalOf } from './errors.ts'
import {
  appOf,
  type EngineClients,
  keepLoginGeneration,
  overrideEngine,
  SESSION_COOKIE,
} from './internals.ts'

export interface ProviderDeps extends Omit<EngineAdapterDeps, 'resumeUrl'>, PromptPolicyDeps {
  issuer: string
  previews: Pick<PreviewGuard, 'isPreview'>
  findAccount: (accountId: string) => Promise<EngineAccount | undefined>
  cookieKeys: readonly string[]
  ttl: {
    sessionSeconds: number
    interactionSeconds: number
    codeSeconds: number
    accessTokenSeconds: number
  }
}

/** What the engine needs to know of an account. */
export type EngineAccount = Pick<Account, 'id' | 'email' | 'name' | 'status' | 'sessionsFrom'>

/**
 * How cookies are called: the prefixes make browsers refuse them from anywhere but this https host.
 */
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
  const { issuer, findApp, previews } = deps
  const clients: EngineClients = {
    find: findApp,
    metadata: describeClient,
    // A request that names the address of previews was checked to be the admin's own
    // (preview-guard.ts), and is again before its grant begins.
    isRedirectUriAllowed: (app, uri) => previews.isPreview(uri) || matchesRedirectUri(app, uri),
  }
  const provider: Provider = new Provider(issuer, {
    ...FIXED,
    adapter: createEngineAdapter({
      ...deps,
      resumeUrl: (uid) => `${issuer}${PATHS.authorize}/${uid}`,
    }),
    jwks: { keys: [...jwks] },
    scopes: [...new Set(['openid', ...scopes])],
    extraParams: {
      scope: (ctx) => authorizationScopeCheck(ctx, clients, scopes),
      [LATE_MAX_AGE]: lateMaxAge,
      [FORM_POST]: formPostCheck,
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
    ttl: ttlOf(deps.ttl),
    findAccount: (ctx, accountId) => findActiveAccount(ctx, accountId, deps),
    loadExistingGrant: (ctx) => findAllowedGrant(provider, ctx, deps),
  })
  overrideEngine(provider, clients)
  return provider
}

/** What is the same for every server. */
const FIXED: Configuration = {
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
  // Token, revocation and introspection are ours; the features are on so that the metadata names
  // their endpoints.
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
  discovery: {
    // RFC 9701 §7: what only our own introspection can do.
    introspection_signing_alg_values_supported: [SIGNED_ALG],
    // OpenID Connect Prompt Create §4.
    prompt_values_supported: [...PROMPTS],
  },
  issueRefreshToken: () => Promise.resolve(true),
  // Tokens do not die with the browser session.
  expiresWithSession: () => Promise.resolve(false),
  allowOmittingSingleRegisteredRedirectUri: false,
  pkce: { required: (_ctx, client) => client['requirePkce'] === true },
  extraClientMetadata: { properties: ['requirePkce'] },
  // Userinfo, which takes tokens of every app; pages that have no origin of their own say `null`.
  clientBasedCORS(_ctx, origin, client) {
    const app = appOf(client)
    return app !== undefined && origin !== 'null' && isOwnOrigin(app, origin)
  },
  renderError(ctx, _out, error) {
    const client = (ctx as Partial<KoaContextWithOIDC>).oidc?.client
    const app = client && appOf(client)
    const pageError = refusalOf(error, cameIn(ctx), app)
    if (client !== undefined) pageError.appId = client.clientId
    // Thrown on to our own error boundary, which knows how a page looks.
    throw pageError
  },
}

const ttlOf = (ttl: ProviderDeps['ttl']): NonNullable<Configuration['ttl']> => ({
  Session: ttl.sessionSeconds,
  Interaction: ttl.interactionSeconds,
  AuthorizationCode: ttl.codeSeconds,
  AccessToken: ttl.accessTokenSeconds,
  // Never stored by the engine; only its notion of an expired grant must not cut tokens short.
  Grant: 10 * 365 * 24 * 3600,
})

async function findActiveAccount(
  ctx: KoaContextWithOIDC,
  accountId: string,
  { findAccount }: ProviderDeps,
) {
  keepLoginGeneration(ctx, accountId)
  const account = await findAccount(accountId)
  if (account?.status !== 'active') return undefined
  const { id, email, name } = account
  return { accountId: id, claims: () => Promise.resolve({ sub: id, email, name }) }
}
