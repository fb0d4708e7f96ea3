// The pool of connections to Postgres, in the form that Kysely wants. Invariants: a lost connection
// never ends the process, whatever waited on
// it; a connection that failed, or did not answer in time, is never used again; the log has one
// line when connections are lost and one
// when they are back, with a message and a code and nothing else of the driver.
import { PostgresAdapter, PostgresDialect, type PostgresPool } from 'kysely'
import pg from 'pg'
import type { Logger } from '../shared/logger.ts'
import { isConnectionFailure, isStartupRefusal, markDriverErrors } from './database-errors.ts'

/** What the pool needs to know. */
export interface PoolSettings extends pg.ClientConfig {
  max: number
}

/** Opens the pool; it connects when it is used. */
export function openPostgresPool(settings: PoolSettings, logger: Logger): PostgresPool {
  const health = createHealth(logger)
  const pool = new pg.Pool({ ...settings, Client: PooledClient })
  // Of connections that nobody uses at the moment; those in use tell whoever waits on them.
  pool.on('error', (error) => health.onLost(error))
  // Poolers such as PgBouncer refuse parameters that they do not know. Without this one our own
  // time limit still ends the wait, and drops
  // the connection.
  async function connect(): Promise<pg.PoolClient> {
    const offered = pool.options.statement_timeout
    try {
      return await pool.connect()
    } catch (error) {
      if (offered === undefined || !isStartupRefusal(error)) throw error
      if (pool.options.statement_timeout !== undefined)
        logger.info('the database takes no statement_timeout from us: a pooler is in front of it')
      delete pool.options.statement_timeout
      return await pool.connect()
    }
  }
  return {
    options: pool.options,
    async connect() {
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- the pool makes them of this class
      const client = (await markDriverErrors(connect)) as PooledClient
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

/** A connection that remembers whether it can still be used. */
class PooledClient extends pg.Client {
  /** Why it must not be used again. */
  failure: Error | undefined
  // Set by the pool each time it hands the connection out.
  declare release: (destroy?: boolean) => void

  constructor(config?: pg.ClientConfig) {
    super(config)
    // pg tells of a lost connection twice: to the statement that waits, and by this event. The pool
    // listens only while nobody uses the
    // connection, and an event of this name without a listener ends the process.
    this.on('error', (error) => (this.failure ??= error))
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
