// What everything stands on: configuration, clock, log, metrics, keys, stores, and the channels
// between processes. Nothing here knows an app, an account or HTTP. Disposing closes in the
// opposite order.
import { createMailTransport } from './compose/mail-transport.ts'
import type { Config, SecretsConfig } from './config/config.ts'
import type { MailTransport } from './mail/mail.ts'
import { openMigratedDatabase, openShortLived, type ShortLivedStores } from './open-stores.ts'
import { createEndedStore, type EndedStore } from './revocations/ended.store.ts'
import { type Clock, systemClock } from './shared/clock.ts'
import { createServerKeys, type ServerKeys } from './shared/crypto.ts'
import type { Logger } from './shared/logger.ts'
import { createMetrics, type Metrics } from './shared/metrics.ts'
import { createEncryption, createRowEncryption, type Encryption } from './shared/encryption.ts'
import { createOutgoing, type Outgoing } from './outgoing/outgoing.ts'
import type { Database } from './storage/database.ts'

/** The open infrastructure. */
export interface Infrastructure extends ShortLivedStores, AsyncDisposable {
  config: Config
  clock: Clock
  logger: Logger
  metrics: Metrics
  serverKeys: ServerKeys
  /** Encrypts what is kept in the database and must not be readable there. */
  sealedBox: Encryption
  /** Encrypts the credentials of connections, each row under a key of its own. */
  credentialEncryption: Encryption
  db: Database
  /** What was ended, as the database remembers it. */
  endedStore: EndedStore
  /** Calls to other hosts. */
  outgoing: Outgoing
  /** Where mails are handed over; absent where none can be sent. */
  mail: MailTransport | undefined
}

/**
 * Opens the infrastructure.
 *
 * @param secrets the configured ones, or those that embedded mode made for itself
 * @throws {StartRefused} a database that lacks migrations, a Redis that may evict keys
 */
export async function openInfrastructure(
  config: Config,
  secrets: SecretsConfig,
  deps: { logger: Logger; clock?: Clock; processMetrics?: boolean },
): Promise<Infrastructure> {
  const { logger, clock = systemClock, processMetrics = false } = deps
  const metrics = createMetrics({ processMetrics })
  await using stack = new AsyncDisposableStack()
  const { db } = await openMigratedDatabase(config, logger, stack)
  const endedStore = createEndedStore(db)
  const shortLived = await openShortLived(config, { db, logger, clock, metrics, endedStore }, stack)
  const mail = createMailTransport(config)
  if (mail !== undefined) stack.use(mail)
  const open = stack.move()
  return {
    ...shortLived,
    config,
    clock,
    logger,
    metrics,
    serverKeys: createServerKeys(secrets.secretKeys),
    sealedBox: createEncryption(secrets.encryptionKeys),
    credentialEncryption: createRowEncryption([
      ...(secrets.connectionsKeys ?? []),
      // Also for what was encrypted before there was a key of its own.
      ...secrets.encryptionKeys,
    ]),
    db,
    endedStore,
    mail,
    outgoing: createOutgoing({
      privateNetworks: config.unsafe.privateDestinations,
      callsAtOnce: config.outgoing.callsAtOnce,
    }),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}
