// The pool of connections to Postgres, in the form that Kysely wants. Invariants: a lost connection
// never ends the process, whatever waited on it; a connection that failed, or did not answer in
// time, is never used again; the log has one line when connections are lost and one when they are
// back, with a message and a code and nothing else of the driver.
import { says } from './driver-messages.ts'
import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import { PostgresAdapter, PostgresDialect, type PostgresPool } from 'kysely'
import pg from 'pg'
import type { Logger } from '../shared/logger.ts'
import {
  isConnectionFailure,
  isLoginRefusal,
  isStartupRefusal,
  NotWritable,
  markDriverErrors,
} from './database-errors.ts'
import type { PostgresHost, PostgresLocation } from './postgres-location.ts'

/** What the pool needs to know. */
export interface PoolSettings extends PostgresLocation {
  max: number
  connectionTimeoutMillis: number
  query_timeout: number
  statement_timeout: number
}

/** Opens the pool; it connects when it is used. */
export function openPostgresPool(settings: PoolSettings, logger: Logger): PostgresPool {
  const health = createHealth(logger)
  const {
    hosts,
    wantsPrimary,
    mayDoWithoutTls: _tls,
    bindsChannel,
    applicationName,
    ...plain
  } = settings
  const choice = createHostChoice(hosts)
  const config: PooledConfig = {
    ...plain,
    enableChannelBinding: bindsChannel,
    application_name: applicationName ?? 'otesse-auth',
    choice,
  }
  const pool = new pg.Pool({
    ...config,
    // The pool makes them with its options, which its types do not tell.
    Client: PooledClient as unknown as new () => PooledClient,
    // It waits for what is returned.
    ...(wantsPrimary
      ? { onConnect: refuseReadOnly as unknown as (client: pg.ClientBase) => void }
      : {}),
  })
  // Of connections that nobody uses at the moment; those in use tell whoever waits on them.
  pool.on('error', (error) => health.onLost(error))

  return {
    options: pool.options,
    async connect() {
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- the pool makes them of this class
      const client = (await markDriverErrors(() => connect(pool, settings, logger))) as PooledClient
      const release = client.release.bind(client)
      client.release = (destroy) => {
        if (client.failure === undefined) health.onAnswered()
        else health.onLost(client.failure)
        release(destroy === true || client.failure !== undefined)
      }
      return client
    },
    end: () => pool.end(),
  }
}

/** Connects to one of the hosts, and does without what the database before them cannot do. */
async function connect(
  pool: pg.Pool,
  { hosts, mayDoWithoutTls, connectionTimeoutMillis }: PoolSettings,
  logger: Logger,
): Promise<pg.PoolClient> {
  const until = performance.now() + connectionTimeoutMillis
  for (let triedHosts = 1; ;) {
    const { statement_timeout: offered, ssl } = pool.options
    try {
      return await pool.connect()
    } catch (error) {
      // Poolers such as PgBouncer refuse parameters that they do not know. Without this one our own
      // time limit still ends the wait, and drops the connection.
      if (offered !== undefined && isStartupRefusal(error)) {
        if (pool.options.statement_timeout !== undefined)
          logger.info('the database takes no statement_timeout from us: a pooler is before it')
        delete pool.options.statement_timeout
      } else if (mayDoWithoutTls && ssl !== false && says('postgresHasNoTls', error as Error)) {
        logger.warn('the database has no TLS: everybody on the way can read along (sslmode=prefer)')
        pool.options.ssl = false
      } else {
        if (triedHosts >= hosts.length || performance.now() >= until || isLoginRefusal(error))
          throw error
        triedHosts += 1
      }
    }
  }
}

/** A connection that remembers whether it can still be used. */
class PooledClient extends pg.Client {
  /** Why it must not be used again. */
  failure: Error | undefined
  // Set by the pool each time it hands the connection out.
  declare release: (destroy?: boolean) => void

  readonly #choice: HostChoice
  readonly #place: PostgresHost

  constructor(config: PooledConfig) {
    const place = config.choice.current()
    // The pool hides the password, and pg the key, from whoever copies them.
    const { password, ssl } = config
    super({ ...config, password, ...place, ...namedTls(ssl, place) })
    this.#choice = config.choice
    this.#place = place
    // pg tells of a lost connection twice: to the statement that waits, and by this event. The pool
    // listens only while nobody uses the connection, and an event of this name without a listener
    // ends the process.
    this.on('error', (error) => (this.failure ??= error))
  }

  /** The next connection is made to the next host. */
  leaveHost(): void {
    this.#choice.leave(this.#place)
  }

  override connect(...args: unknown[]): never {
    const [callback] = args as [(error?: Error) => void]
    // The pool uses the form with a callback, and none of the others.
    super.connect((error: Error | null | undefined) => {
      if (error) this.leaveHost()
      callback(error ?? undefined)
    })
    return undefined as never
  }

  override query(...args: unknown[]): never {
    const answer = markDriverErrors(
      // eslint-disable-next-line @typescript-eslint/unbound-method -- called on this very object
      () => Reflect.apply(super.query, this, args) as Promise<unknown>,
    ).catch((error: unknown) => {
      if (isConnectionFailure(error)) this.failure ??= error
      throw error
    })
    // pg declares a dozen forms; Kysely uses the one that returns a promise.
    return answer as never
  }
}

interface PooledConfig extends pg.ClientConfig {
  choice: HostChoice
}

/** Which host the next connection goes to: the one that worked last. */
interface HostChoice {
  current(): PostgresHost
  leave(host: PostgresHost): void
}

function createHostChoice(hosts: PostgresLocation['hosts']): HostChoice {
  let at = 0
  const current = (): PostgresHost => hosts[at] ?? hosts[0]
  return {
    current,
    leave(host) {
      // Several connections may find out at once; it is left once.
      if (host === current()) at = (at + 1) % hosts.length
    },
  }
}

/** An address is compared with the certificate as well: pg compares names alone. */
function namedTls(ssl: pg.ClientConfig['ssl'], { host }: PostgresHost): pg.ClientConfig {
  if (typeof ssl !== 'object' || ssl.checkServerIdentity !== undefined || isIP(host) === 0)
    return {}
  return {
    ssl: {
      ...ssl,
      key: ssl.key,
      checkServerIdentity: (_name, shown) => checkServerIdentity(host, shown),
    },
  }
}

async function refuseReadOnly(client: PooledClient): Promise<void> {
  const { rows } = await (client as pg.Client).query<{ transaction_read_only: string }>(
    'show transaction_read_only',
  )
  if (rows[0]?.transaction_read_only !== 'on') return
  client.leaveHost()
  throw new NotWritable('the server is not read-write')
}

/** Tells the log when connections begin to be lost, and when one worked again. */
function createHealth(logger: Logger) {
  let isLost = false
  return {
    onLost(error: Error) {
      if (!isLost)
        logger.warn(
          { code: (error as NodeJS.ErrnoException).code, reason: error.message },
          'database connection lost',
        )
      isLost = true
    },
    onAnswered() {
      if (isLost) logger.info('database connection is back')
      isLost = false
    },
  }
}

/**
 * Postgres as Kysely knows it, without locks that outlive a transaction: migrate.ts takes one of
 * its own.
 */
export class PooledPostgresDialect extends PostgresDialect {
  override createAdapter(): PostgresAdapter {
    return new LocklessAdapter()
  }
}

class LocklessAdapter extends PostgresAdapter {
  override acquireMigrationLock(): Promise<void> {
    return Promise.resolve()
  }

  override releaseMigrationLock(): Promise<void> {
    return Promise.resolve()
  }
}
