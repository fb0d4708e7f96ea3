// The engine plugged into what the server knows: apps, accounts, consents, scopes, keys, and grants.
import { isAdminScope } from '../apps/scope.ts'
import type { Foundation } from '../foundation.ts'
import { createFindStanding } from '../grants/standing.store.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import { createBeginAuthorization } from '../oauth/authorize/begin-authorization.ts'
import { createEngine, type Engine } from '../oauth/authorize/engine/engine.ts'
import type { PreviewGuard } from '../oauth/authorize/preview-guard.ts'
import { createStrangerLimit } from '../oauth/authorize/stranger-limit.ts'
import type { InspectToken } from '../model/token-status.ts'
import { UNBOUNDED, watchRedisMemory } from '../storage/redis-memory.ts'

const INTERACTION_SECONDS = 3600

/** Creates the engine and keeps it up to date with scopes and keys. */
export function createFrontChannel(
  foundation: Foundation,
  inspect: InspectToken,
  previews: PreviewGuard,
  strangersEverywhere: BatchedLimit,
): Engine {
  const { config, clock, logger, audit, apps, accounts, scopes, grants, consents, redis } =
    foundation
  const findApp = (appId: string) => apps.find(appId)
  const engine = createEngine({
    issuer: config.server.issuer,
    records: foundation.store,
    clock,
    logger,
    inspect,
    previews,
    consents,
    findApp,
    findAccount: (accountId) => accounts.find(accountId),
    findGrant: grants.find,
    admitStranger: createStrangerLimit({
      memory:
        redis === undefined ? UNBOUNDED : watchRedisMemory(redis, config.limits.redisMemoryPercent),
      everywhere: strangersEverywhere,
    }),
    begin: createBeginAuthorization({
      settings: config.tokens,
      findStanding: createFindStanding(foundation.db),
      findApp,
      grants,
      previews,
    }),
    sessionMaxSeconds: config.signIn.sessionMaxSeconds,
    cookieKeys: foundation.serverKeys.texts('cookie'),
    ttl: {
      sessionSeconds: config.signIn.sessionTtlSeconds,
      interactionSeconds: INTERACTION_SECONDS,
      codeSeconds: config.tokens.codeTtlSeconds,
      accessTokenSeconds: config.tokens.accessTtlSeconds,
    },
    // No app can take an admin scope through the front channel, so it is not offered there.
    scopes: () => [...scopes.current().scopes.keys()].filter((name) => !isAdminScope(name)),
    jwks: () => foundation.keyRing.privateJwks().keys,
    events: audit.events,
  })
  scopes.onChange(() => engine.rebuild())
  foundation.keyRing.onChange(() => engine.rebuild())
  return engine
}
