// The engine plugged into what the server knows: apps, accounts, consents, scopes, keys, and grants.
import type { Context } from 'koa'
import { matchesRedirectUri } from '../apps/redirect-uri.ts'
import { isAdminScope } from '../apps/scope.ts'
import type { EventContext } from '../audit/events.ts'
import type { Foundation } from '../foundation.ts'
import { createFindStanding } from '../grants/standing.store.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import { requestFacts } from '../http/request-context.ts'
import { createBeginAuthorization, remembersConsent } from '../oauth/begin-authorization.ts'
import { describeClient } from '../oauth/client-description.ts'
import { createEngine, type Engine } from '../oauth/engine.ts'
import type { InspectToken } from '../model/token-status.ts'
import { AppError } from '../shared/errors.ts'
import { UNBOUNDED, watchRedisMemory } from '../storage/redis-memory.ts'

const INTERACTION_SECONDS = 3600
const RETRY_WHEN_FULL_SECONDS = 30
/** The one key of a count of the whole server. */
const EVERYWHERE = 'all'

/** Creates the engine and keeps it up to date with scopes and keys. */
export function createFrontChannel(
  foundation: Foundation,
  inspect: InspectToken,
  strangersEverywhere: Pick<BatchedLimit, 'hit'>,
): Engine {
  const { config, clock, logger, audit, apps, accounts, scopes, grants, consents, previews } =
    foundation
  const contextOf = (ctx: Context, redirectUri: string | undefined): EventContext => ({
    ...requestFacts(ctx),
    isPreview: redirectUri === previews.returnUri,
  })
  const { redis } = foundation
  const memory =
    redis === undefined ? UNBOUNDED : watchRedisMemory(redis, config.limits.redisMemoryPercent)
  const engine = createEngine({
    // What a stranger begins is refused first, so that what tokens, sign-ins and revocations need
    // is there.
    admitStranger() {
      if (memory.isNearlyFull())
        throw new AppError('temporarily_unavailable', {
          detail: 'redis: memory is nearly full',
          retryAfterSeconds: RETRY_WHEN_FULL_SECONDS,
        })
      const verdict = strangersEverywhere.hit(EVERYWHERE)
      if (!verdict.allowed)
        throw new AppError('temporarily_unavailable', {
          detail: 'too many sign-ins are begun',
          retryAfterSeconds: verdict.retryAfterSeconds,
        })
    },
    issuer: config.server.issuer,
    records: foundation.store,
    clock,
    logger,
    begin: createBeginAuthorization({
      settings: config.tokens,
      findStanding: createFindStanding(foundation.db),
      findApp: (appId) => apps.find(appId),
      grants,
      previews,
    }),
    async loginsCountFrom(accountId) {
      return (await accounts.find(accountId))?.sessionsFrom ?? 0
    },
    sessionMaxSeconds: config.signIn.sessionMaxSeconds,
    findGrant: grants.find,
    inspect,
    clients: {
      find: (clientId) => apps.find(clientId),
      metadata: describeClient,
      // Whoever names the address of previews has shown that this is theirs (engine.routes.ts), and does so again before a grant begins.
      isRedirectUriAllowed: (app, uri) =>
        uri === previews.returnUri || matchesRedirectUri(app, uri),
    },
    consents: {
      async find(accountId, appId) {
        const app = await apps.find(appId)
        return app !== undefined && remembersConsent(app)
          ? consents.find(accountId, appId)
          : undefined
      },
    },
    async findAccount(accountId) {
      const account = await accounts.find(accountId)
      return account?.status === 'active' ? account : undefined
    },
    cookieKeys: foundation.serverKeys.texts('cookie'),
    ttl: {
      sessionSeconds: config.signIn.sessionTtlSeconds,
      interactionSeconds: INTERACTION_SECONDS,
      codeSeconds: config.tokens.codeTtlSeconds,
      accessTokenSeconds: config.tokens.accessTtlSeconds,
    },
    // No app can take an admin scope through the front channel, so it is not offered there.
    scopes: () => [...scopes.current().scopes.keys()].filter((name) => !isAdminScope(name)),
    jwks: () => [...foundation.keyRing.privateJwks().keys],
    events: {
      codeIssued: (ctx, { redirectUri, ...facts }) =>
        audit.events.codeIssued(facts, contextOf(ctx, redirectUri)),
      authorizationRefused: (ctx, { appId, reason, redirectUri }) =>
        audit.events.requestRefused(
          { appId, reason, endpoint: 'authorize' },
          contextOf(ctx, redirectUri),
        ),
    },
  })
  scopes.onChange(() => engine.rebuild())
  foundation.keyRing.onChange(() => engine.rebuild())
  return engine
}
