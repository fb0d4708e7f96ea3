// Opens the configured stores: Postgres and Redis, or both embedded in this process. A start that
// the stores do not allow is refused with a sentence for the operator.
import { join } from 'node:path'
import type { Config } from './config/config.ts'
import { createVerifiedStore } from './grants/verified-store.ts'
import { createEndAgain } from './grants/end-again.ts'
import { openEmbeddedStore } from './grants/embedded-family.store.ts'
import type { ShortLivedStore } from './grants/family-store.ts'
import { createRedisStore } from './grants/redis-family.store.ts'
import { publishChanges } from './revocations/publish-changes.ts'
import { type CatchUp, openCatchUp, StoresDisagree } from './revocations/catch-up.ts'
import type { EndedStore } from './revocations/ended.store.ts'
import { openEmbeddedRevocationLog } from './revocations/embedded-revocation-log.ts'
import { createRedisFence } from './revocations/redis-fence.ts'
import { openRedisRevocationLog } from './revocations/redis-revocation-log.ts'
import type { RevocationLog } from './revocations/revocation-log.ts'
import type { Clock } from './shared/clock.ts'
import type { Logger } from './shared/logger.ts'
import type { Metrics } from './shared/metrics.ts'
import { type Database, IN_MEMORY, openDatabase, type OpenDatabase } from './storage/database.ts'
import { DirectoryInUse } from './storage/directory-lock.ts'
import {
  createLocalInvalidation,
  type Invalidation,
  openRedisInvalidation,
} from './storage/invalidation.ts'
import { migrate, pendingMigrations } from './storage/migrate.ts'
import { DirectoryRefused } from './storage/private-directory.ts'
import { watchConnections } from './storage/redis-connections.ts'
import { parseRedisUrl } from './storage/redis-location.ts'
import { type MemoryWatch, UNBOUNDED, watchRedisMemory } from './storage/redis-memory.ts'
import { checkRedis } from './storage/redis-check.ts'
import { openRedis, type RedisClient } from './storage/redis.ts'
import { openReplication, type Replication } from './storage/replication.ts'

/** Start is refused for a reason that the operator can mend; the message is for them. */
export class StartRefused extends Error {}

type NetworkedStores = Extract<Config['stores'], { kind: 'networked' }>

/**
 * Opens the configured database as it is, migrated or not.
 *
 * @param options.queryTimeoutMillis instead of the configured one
 * @throws {StartRefused} a data directory that another process uses
 */
export async function openConfiguredDatabase(
  { stores }: Pick<Config, 'stores'>,
  logger: Logger,
  options: { queryTimeoutMillis?: number } = {},
): Promise<OpenDatabase> {
  try {
    return await openDatabase(
      stores.kind === 'embedded'
        ? { kind: 'pglite', directory: databaseDirectory(stores.dataDirectory) }
        : { kind: 'postgres', ...stores.database, ...options, url: stores.database.url.reveal() },
      logger,
    )
  } catch (error) {
    if (error instanceof DirectoryInUse || error instanceof DirectoryRefused)
      throw new StartRefused(error.message, { cause: error })
    throw error
  }
}

/**
 * Opens the configured Redis; it connects in the background.
 *
 * @throws {StartRefused} a URL that cannot be read
 */
export function openConfiguredRedis(
  { url, ca, certificate, key, serverName }: NetworkedStores['redis'],
  logger: Logger,
): RedisClient {
  try {
    const tls = {
      ...(ca === undefined ? {} : { ca: ca.reveal() }),
      ...(certificate === undefined ? {} : { cert: certificate.reveal() }),
      ...(key === undefined ? {} : { key: key.reveal() }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    }
    return openRedis(parseRedisUrl(url.reveal(), tls), logger)
  } catch (error) {
    throw new StartRefused(`OTESSE_REDIS_URL: ${(error as Error).message}`, { cause: error })
  }
}

/** Opens the database; an embedded one is brought up to date, a served one must be already. */
export async function openMigratedDatabase(
  config: Config,
  logger: Logger,
  stack: AsyncDisposableStack,
) {
  const opened = stack.use(await openConfiguredDatabase(config, logger))
  if (config.stores.kind === 'embedded') await migrate(opened.db)
  const missing = await pendingMigrations(opened.db)
  if (missing.length > 0)
    throw new StartRefused(
      `The database lacks the migrations ${missing.join(', ')}: run "otesse migrate".`,
    )
  return opened
}

const databaseDirectory = (dataDirectory: string): string =>
  dataDirectory === IN_MEMORY ? IN_MEMORY : join(dataDirectory, 'database')

/** What lives shortly, and the channels between processes. */
export interface ShortLivedStores {
  /** Absent when embedded. */
  redis: RedisClient | undefined
  /** What the keys of Redis begin with; empty when embedded. */
  keyPrefix: string
  redisMemory: MemoryWatch
  store: ShortLivedStore
  invalidation: Invalidation
  revocations: RevocationLog
  /** Absent when embedded: there is only one copy. */
  catchUp: CatchUp | undefined
  replication: Replication | undefined
}

interface ShortLivedDeps {
  db: Database
  logger: Logger
  clock: Clock
  metrics: Metrics
  endedStore: EndedStore
}

/** Opens the store of grants and the channels between processes. */
export const openShortLived = (
  config: Config,
  deps: ShortLivedDeps,
  stack: AsyncDisposableStack,
): Promise<ShortLivedStores> =>
  config.stores.kind === 'embedded'
    ? openEmbedded(deps, stack)
    : openNetworked(config, config.stores, deps, stack)

async function openEmbedded(
  { db, clock }: ShortLivedDeps,
  stack: AsyncDisposableStack,
): Promise<ShortLivedStores> {
  const revocations = stack.use(openEmbeddedRevocationLog(clock))
  return {
    redis: undefined,
    keyPrefix: '',
    redisMemory: UNBOUNDED,
    store: stack.use(await openEmbeddedStore(db, clock)),
    invalidation: publishChanges(stack.use(createLocalInvalidation()), revocations),
    revocations,
    catchUp: undefined,
    replication: undefined,
  }
}

async function openNetworked(
  config: Config,
  stores: NetworkedStores,
  { clock, logger, metrics, endedStore }: ShortLivedDeps,
  stack: AsyncDisposableStack,
): Promise<ShortLivedStores> {
  const redis = openConfiguredRedis(stores.redis, logger)
  stack.defer(() => redis.disconnect())
  await assertUsable(redis, config, logger)
  const { prefix } = stores.redis
  const onLost = (): void => metrics.invalidationGaps.inc()
  const suspect = (): void => {
    catchUp.doubt()
    catchUp.look().catch(() => undefined)
  }
  const revocations = stack.use(
    openRedisRevocationLog(redis, prefix, {
      logger,
      onGap() {
        onLost()
        suspect()
      },
    }),
  )
  const redisStore = createRedisStore(redis, prefix)
  const catchUp = stack.use(
    openCatchUp({
      fence: createRedisFence(redis, prefix),
      endedStore,
      endAgain: createEndAgain(redisStore, clock),
      log: revocations,
      clock,
      logger,
      onEndedAgain: (count) => metrics.endedAgain.inc(count),
    }),
  )
  watchConnections(redis, { onLost: catchUp.doubt, onReady: suspect })
  await assertInStep(catchUp)
  return {
    redis,
    keyPrefix: prefix,
    redisMemory: watchRedisMemory(redis, config.limits.redisMemoryPercent),
    store: stack.use(createVerifiedStore(redisStore, catchUp)),
    invalidation: publishChanges(
      stack.use(await openRedisInvalidation(redis, prefix, { logger, onLost })),
      revocations,
    ),
    revocations,
    replication: stack.use(
      await openReplication(redis, prefix, {
        logger,
        onUnreached: () => metrics.unreplicatedEndings.inc(),
      }),
    ),
    catchUp,
  }
}

/** @throws {StartRefused} a Redis that is configured so that it may lose what it should keep */
async function assertUsable(redis: RedisClient, config: Config, logger: Logger): Promise<void> {
  const { refusals, warnings } = await checkRedis(redis, { mayEvict: config.unsafe.evictingRedis })
  for (const warning of warnings) logger.warn(warning)
  if (refusals.length > 0) throw new StartRefused(refusals.join('\n'))
}

/** @throws {StartRefused} where the database is older than Redis */
async function assertInStep(catchUp: CatchUp): Promise<void> {
  try {
    await catchUp.look()
  } catch (error) {
    if (!(error instanceof StoresDisagree)) throw error
    throw new StartRefused(
      `The database is older than Redis (${error.detail ?? ''}): it was restored, or lost its last writes. Stop all servers and run "otesse stores reconcile".`,
      { cause: error },
    )
  }
}
