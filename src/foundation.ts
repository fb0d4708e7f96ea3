// Opens what the server and the command line share: stores, keys, and everything that the server knows (accounts, apps, scopes, grants, events).
// Nothing here speaks HTTP. Disposing closes in the opposite order, after what waits has been written.
import { join } from 'node:path'
import { createAccountLinkStore } from './accounts/account-link.store.ts'
import { type AccountLinks, createAccountLinks } from './accounts/account-links.ts'
import { type Accounts, createAccounts } from './accounts/accounts.ts'
import { createAccountStore } from './accounts/account.store.ts'
import { createPasswords } from './accounts/passwords.ts'
import { type AppRegistry, createAppRegistry } from './apps/app-registry.ts'
import { createAppStore } from './apps/app.store.ts'
import { createScopeCatalogue, type ScopeCatalogue } from './apps/scope-catalogue.ts'
import { createScopeStore } from './apps/scope.store.ts'
import { type Audit, openAudit } from './audit/audit.ts'
import { createEventStore, type EventStore } from './audit/event.store.ts'
import { createUsageStore } from './audit/usage.store.ts'
import type { Config, SecretsConfig } from './config/config.ts'
import { createConsentStore } from './grants/consent.store.ts'
import { type Consents, createConsents } from './grants/consents.ts'
import { createBelievedStore } from './grants/believed-store.ts'
import { createEndAgain } from './grants/end-again.ts'
import { openEmbeddedStore } from './grants/embedded-family.store.ts'
import type { ShortLivedStore } from './grants/family-store.ts'
import { createGrants, type Grants } from './grants/grants.ts'
import { createPreviews, type Previews } from './grants/previews.ts'
import { createRedisStore } from './grants/redis-family.store.ts'
import { type KeyRing, openKeyRing } from './keys/key-ring.ts'
import { createKeyStore } from './keys/key.store.ts'
import { announceChanges } from './revocations/announce-changes.ts'
import { type CatchUp, openCatchUp, StoresDisagree } from './revocations/catch-up.ts'
import { createEndedStore, type EndedStore } from './revocations/ended.store.ts'
import { createEndings } from './revocations/endings.ts'
import { openEmbeddedRevocationLog } from './revocations/embedded-revocation-log.ts'
import { createRedisFence } from './revocations/redis-fence.ts'
import { openRedisRevocationLog } from './revocations/redis-revocation-log.ts'
import type { RevocationLog } from './revocations/revocation-log.ts'
import { type Clock, systemClock } from './shared/clock.ts'
import { createServerKeys, type ServerKeys } from './shared/crypto.ts'
import type { Logger } from './shared/logger.ts'
import { createMetrics, type Metrics } from './shared/metrics.ts'
import { createSealedBox, type SealedBox } from './shared/sealed-box.ts'
import { createRefreshTokenForm } from './shared/token-format.ts'
import { type Database, IN_MEMORY, openDatabase, type OpenDatabase } from './storage/database.ts'
import { DirectoryInUse } from './storage/directory-lock.ts'
import {
  createLocalInvalidation,
  type Invalidation,
  openRedisInvalidation,
} from './storage/invalidation.ts'
import { watchConnections } from './storage/redis-connections.ts'
import { migrate, pendingMigrations } from './storage/migrate.ts'
import { DirectoryRefused } from './storage/private-directory.ts'
import { parseRedisUrl } from './storage/redis-location.ts'
import { openReplication, type Replication } from './storage/replication.ts'
import { judgeRedis } from './storage/redis-verdict.ts'
import { openRedis, type RedisClient } from './storage/redis.ts'

/** Everything below HTTP. */
export interface Foundation extends AsyncDisposable {
  config: Config
  clock: Clock
  logger: Logger
  metrics: Metrics
  serverKeys: ServerKeys
  /** Seals what is kept in the database and must not be readable there. */
  sealedBox: SealedBox
  db: Database
  /** Absent when embedded. */
  redis: RedisClient | undefined
  store: ShortLivedStore
  invalidation: Invalidation
  revocations: RevocationLog
  /** What was ended, as the database remembers it. */
  endedStore: EndedStore
  accounts: Accounts
  accountLinks: AccountLinks
  apps: AppRegistry
  scopes: ScopeCatalogue
  keyRing: KeyRing
  grants: Grants
  consents: Consents
  previews: Previews
  audit: Audit
  eventStore: EventStore
}

/** Start is refused for a reason that the operator can mend; the message is for them. */
export class StartRefused extends Error {}

type NetworkedStores = Extract<Config['stores'], { kind: 'networked' }>

interface FoundationDeps {
  logger: Logger
  clock?: Clock
  processMetrics?: boolean
}

/**
 * Opens the foundation.
 *
 * @param secrets the configured ones, or those that embedded mode made for itself
 * @throws {StartRefused} a database that lacks migrations, a Redis that may evict keys
 */
export async function openFoundation(
  config: Config,
  secrets: SecretsConfig,
  deps: FoundationDeps,
): Promise<Foundation> {
  const { logger, clock = systemClock } = deps
  const metrics = createMetrics({ processMetrics: deps.processMetrics ?? false })
  await using stack = new AsyncDisposableStack()
  const { db } = await openMigratedDatabase(config, logger, stack)
  const endedStore = createEndedStore(db)
  const { redis, store, invalidation, revocations, replication, catchUp } = await openShortLived(
    config,
    { db, logger, clock, metrics, endedStore },
    stack,
  )

  const serverKeys = createServerKeys(secrets.secretKeys)
  const sealedBox = createSealedBox(secrets.encryptionKeys)
  const onRefreshFailed = (error: unknown): void =>
    logger.warn({ err: error }, 'a cached list could not be read again')
  const eventStore = createEventStore(db)
  const audit = stack.use(
    openAudit({
      store: eventStore,
      usageStore: createUsageStore(db),
      metrics,
      logger,
      clock,
      queueSize: config.events.queueSize,
    }),
  )
  const passwords = await createPasswords({
    waiting: metrics.passwordChecksWaiting,
    concurrency: config.signIn.passwordHashingConcurrency,
  })
  const accounts = createAccounts({
    store: createAccountStore(db),
    passwords,
    clock,
    invalidation,
    events: audit.events,
  })
  const accountLinks = createAccountLinks({
    store: createAccountLinkStore(db),
    findAccount: (id) => accounts.find(id),
    passwords,
    clock,
    invalidation,
    events: audit.events,
  })
  const scopes = stack.use(
    createScopeCatalogue({ store: createScopeStore(db), clock, invalidation, onRefreshFailed }),
  )
  await scopes.load()
  const apps = stack.use(
    createAppRegistry({
      store: createAppStore(db),
      catalogue: scopes,
      serverKeys,
      clock,
      invalidation,
    }),
  )
  const keyRing = stack.use(
    await openKeyRing({
      store: createKeyStore(db),
      box: sealedBox,
      clock,
      invalidation,
      onRefreshFailed,
    }),
  )
  const endings = stack.use(
    createEndings({
      store: endedStore,
      log: revocations,
      replication,
      logger,
      afterWritten: catchUp?.afterWritten,
    }),
  )
  const grants = createGrants({
    store,
    refreshTokens: createRefreshTokenForm(serverKeys),
    clock,
    onEnded: (ended) => endings.record(ended),
    incarnations: () => scopes.current().incarnations,
  })
  const consents = createConsents({
    store: createConsentStore(db),
    clock,
    incarnations: () => scopes.current().incarnations,
  })
  const previews = createPreviews({ store, box: sealedBox, clock, issuer: config.server.issuer })

  const open = stack.move()
  return {
    config,
    clock,
    logger,
    metrics,
    serverKeys,
    sealedBox,
    db,
    redis,
    store,
    invalidation,
    revocations,
    endedStore,
    accounts,
    accountLinks,
    apps,
    scopes,
    keyRing,
    grants,
    consents,
    previews,
    audit,
    eventStore,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

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
async function openMigratedDatabase(config: Config, logger: Logger, stack: AsyncDisposableStack) {
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

/** Opens the store of grants and the channel between processes. */
async function openShortLived(
  config: Config,
  deps: {
    db: Database
    logger: Logger
    clock: Clock
    metrics: Metrics
    endedStore: EndedStore
  },
  stack: AsyncDisposableStack,
): Promise<
  Pick<Foundation, 'redis' | 'store' | 'invalidation' | 'revocations'> & {
    /** Absent when embedded: there is only one copy. */
    catchUp?: CatchUp
    replication?: Replication
  }
> {
  const { stores } = config
  if (stores.kind === 'embedded') {
    const revocations = stack.use(openEmbeddedRevocationLog(deps.clock))
    return {
      redis: undefined,
      store: stack.use(await openEmbeddedStore(deps.db, deps.clock)),
      invalidation: announceChanges(stack.use(createLocalInvalidation()), revocations),
      revocations,
    }
  }
  const { logger, metrics } = deps
  const redis = openConfiguredRedis(stores.redis, logger)
  stack.defer(() => redis.disconnect())
  const { refusals, warnings } = await judgeRedis(redis, { mayEvict: config.unsafe.evictingRedis })
  for (const warning of warnings) logger.warn(warning)
  if (refusals.length > 0) throw new StartRefused(refusals.join('\n'))
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
      endedStore: deps.endedStore,
      endAgain: createEndAgain(redisStore, deps.clock),
      log: revocations,
      clock: deps.clock,
      logger,
      onEndedAgain: (count) => metrics.endedAgain.inc(count),
    }),
  )
  watchConnections(redis, { onLost: catchUp.doubt, onReady: suspect })
  await assertInStep(catchUp)
  return {
    redis,
    store: stack.use(createBelievedStore(redisStore, catchUp)),
    invalidation: announceChanges(
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
