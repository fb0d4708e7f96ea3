// Waits until what was just ended is on a replica of Redis too, where there is one: what no replica
// has yet, a failover takes back. Invariants: the wait is bounded and never fails its caller, and
// it is on a connection of its own, because WAIT holds up whatever comes after it; without a
// replica nothing is asked. Called by revocations/endings.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { SECOND } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import { mastersOf } from './redis-connections.ts'
import { fieldsOf } from './redis-info.ts'
import type { RedisClient } from './redis.ts'
import { openWaitingConnection } from './waiting-connection.ts'

/** The wait for replicas. */
export interface Replication extends Disposable {
  /**
   * Resolves when a replica has everything that was written to the family until now, or when it
   * cannot be waited for any longer. Never rejects.
   */
  reach(family: string): Promise<void>
}

const WAIT_MILLIS = 100
const LOOK_AGAIN_MILLIS = 10 * SECOND
// They queue on one connection: beyond it, waiting would only end in vain.
const MOST_WAITING = 100

/**
 * Watches whether Redis has replicas, and waits for one where it has.
 *
 * @param keyPrefix keeps several servers on one Redis apart
 * @param hooks.onUnreached is called for each ending that no replica confirmed in time
 * @param options.waitMillis how long a replica may take
 */
export async function openReplication(
  client: RedisClient,
  keyPrefix: string,
  hooks: { logger: Logger; onUnreached: () => unknown },
  { waitMillis = WAIT_MILLIS }: { waitMillis?: number } = {},
): Promise<Replication> {
  let hasReplica = false
  let lookedAt = Number.NEGATIVE_INFINITY
  let waiting = 0
  let isBehind = false
  let connection: RedisClient | undefined

  async function look(): Promise<void> {
    lookedAt = performance.now()
    const masters = mastersOf(client)
    // A user that may not ask is as one without replicas: the verdict at start says so.
    const counts = await Promise.all(masters.map(onlineReplicas)).catch(() => undefined)
    if (counts !== undefined) hasReplica = counts.some((count) => count > 0)
    if (hasReplica) connection ??= open()
  }

  function open(): RedisClient {
    const opened = openWaitingConnection(client, waitMillis)
    opened.on('error', (error: unknown) =>
      hooks.logger.debug({ err: error }, 'connection that waits for replicas'),
    )
    return opened
  }

  async function isReached(waiter: RedisClient, family: string): Promise<boolean> {
    // A write of its own: WAIT is about what its own connection wrote, and about all before that.
    const answers = await waiter
      .pipeline()
      .set(`${keyPrefix}{${family}}:w`, '', 'PX', 1)
      .wait(1, waitMillis)
      .exec()
    const [, wait] = answers ?? []
    return Number(wait?.[1] ?? 0) >= 1
  }

  function note(isInTime: boolean): void {
    if (isInTime === !isBehind) return
    isBehind = !isInTime
    if (isInTime) hooks.logger.info('replicas of redis are in step again')
    else
      hooks.logger.warn(
        { waitMillis },
        'no replica of redis confirmed a revocation in time: a failover now would bring it back until it is ended again from the database',
      )
  }

  await look()
  return {
    async reach(family) {
      if (performance.now() - lookedAt > LOOK_AGAIN_MILLIS) void look()
      if (!hasReplica || connection === undefined) return
      const isInTime =
        waiting < MOST_WAITING && (await soon(isReached(connection, family), waitMillis))
      if (!isInTime) {
        hooks.onUnreached()
        void look()
      }
      note(isInTime)
    },
    [Symbol.dispose]() {
      connection?.disconnect()
    },
  }

  /** Resolves to what was reached, or to false when the wait is over or failed. */
  async function soon(reached: Promise<boolean>, millis: number): Promise<boolean> {
    waiting += 1
    const ended = new AbortController()
    // On its way the question takes time as well.
    const late = sleep(millis * 1.5, false, { signal: ended.signal }).catch(() => false)
    try {
      return await Promise.race([reached.catch(() => false), late])
    } finally {
      waiting -= 1
      ended.abort()
    }
  }
}

/** Returns how many replicas a master feeds that are in step with it. */
async function onlineReplicas(node: Redis): Promise<number> {
  return fieldsOf(await node.info('replication')).onlineReplicas
}
