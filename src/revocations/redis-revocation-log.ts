// The log that many processes share: one Redis Stream, which each process reads on a connection of
// its own. Invariants: followers are told in the order of the stream; whenever the connection was
// lost, the entry read last must still be in the stream, or followers hear of a gap; contact is
// told only when Redis has just answered that there is nothing more.
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { openWaitingConnection } from '../storage/waiting-connection.ts'
import { withRedis, type RedisClient } from '../storage/redis.ts'
import { createFollowers } from './followers.ts'
import {
  isLogId,
  isRevocationKind,
  type LoggedRevocation,
  type Revocation,
  type RevocationLog,
} from './revocation-log.ts'

// About an hour at 30 revocations a second; whoever was away for longer forgets everything, which
// is correct and only costs questions.
const MOST_ENTRIES = 100_000
const MOST_UNPUBLISHED = 10_000
const READ_AT_ONCE = 500
const BLOCK_MILLIS = 1000
const CHECK_MILLIS = 5000
const RETRY_MILLIS = 100
/** Marks the beginning, so that there always is a last entry. Followers are not told. */
const START = 'start'

// A script only for its flag: a revocation is told also when the memory of Redis is full.
const APPEND = `#!lua flags=allow-oom
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'kind', ARGV[2], 'key', ARGV[3])
`

type Row = [id: string, fields: string[]]

/** Appends; what could not be appended is appended later in the background. */
function createAppender(client: RedisClient, key: string) {
  const unpublished = new Map<string, Revocation>()
  let retry: NodeJS.Timeout | undefined
  let isClosed = false

  const add = (kind: string, subject: string): Promise<string | null> =>
    withRedis(() => client.eval(APPEND, 1, key, MOST_ENTRIES, kind, subject)) as Promise<
      string | null
    >

  async function append(revocation: Revocation): Promise<void> {
    const name = `${revocation.kind} ${revocation.key}`
    try {
      await add(revocation.kind, revocation.key)
      unpublished.delete(name)
    } catch (error) {
      // The caller gets the error and tries again, or gives up: then this does it.
      if (unpublished.size < MOST_UNPUBLISHED) unpublished.set(name, revocation)
      else unpublished.set('all ', { kind: 'all', key: '' })
      retry ??= setTimeout(tryAgain, RETRY_MILLIS * 5).unref()
      throw error
    }
  }

  function tryAgain(): void {
    retry = undefined
    if (isClosed) return
    for (const revocation of [...unpublished.values()]) append(revocation).catch(() => undefined)
  }

  return {
    add,
    append,
    close() {
      isClosed = true
      clearTimeout(retry)
    },
  }
}

/**
 * Opens the log. Nothing is asked of Redis before there is something to append or a follower.
 *
 * @param client is used for appending; reading has a connection of its own
 * @param keyPrefix keeps several servers on one Redis apart
 */
export function openRedisRevocationLog(
  client: RedisClient,
  keyPrefix: string,
  hooks: { logger: Logger; onGap?: () => void },
): RevocationLog {
  const key = `${keyPrefix}revocations`
  const followers = createFollowers()
  const appender = createAppender(client, key)
  let reach = (): void => undefined
  const reached = new Promise<void>((resolve) => (reach = resolve))
  let position = ''
  // The entry there: another server can give an id once more, with something else under it.
  let entryThere = ''
  let connection: RedisClient | undefined
  let isClosed = false

  async function tail(own: RedisClient): Promise<void> {
    let isInStep = false
    let checkedAt = 0
    while (!isClosed) {
      try {
        if (!isInStep || performance.now() - checkedAt > CHECK_MILLIS) {
          await findPlace(own)
          isInStep = true
          checkedAt = performance.now()
        }
        const rows = await readRows(own, key, position)
        // Entries may have left the log before they were read; not if the one before them is still
        // there. Looked at after the read, because the client repeats a read by itself on a new
        // connection.
        const before = position
        if (rows.length > 0) await findPlace(own)
        if (position !== before) continue
        for (const row of rows) {
          stand(row)
          const entry = toEntry(row)
          if (entry !== undefined) followers.onRevoked(entry)
        }
        if (rows.length < READ_AT_ONCE) followers.onContact()
      } catch (error) {
        // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- disposing changes it while this waits
        if (isClosed) return
        hooks.logger.debug({ err: error }, 'the log of revocations cannot be read')
        isInStep = false
        await sleep(RETRY_MILLIS, undefined, { ref: false })
      }
    }
  }

  /** Makes sure that the next read goes on where the last one ended; where it cannot, begins at the end and tells of the gap. */
  async function findPlace(own: RedisClient): Promise<void> {
    const [there] = position === '' ? [] : await own.xrange(key, position, position)
    if (there !== undefined && there[1].join() === entryThere) return
    let [last] = await own.xrevrange(key, '+', '-', 'COUNT', 1)
    if (last === undefined) {
      await appender.add(START, '')
      ;[last] = await own.xrevrange(key, '+', '-', 'COUNT', 1)
    }
    if (last === undefined) throw new Error('the log of revocations is empty')
    const isFirst = position === ''
    stand(last)
    if (isFirst) {
      reach()
      return
    }
    hooks.logger.warn('revocations may have been missed: everything remembered is forgotten')
    hooks.onGap?.()
    followers.onGap()
  }

  function stand([id, fields]: Row): void {
    position = id
    entryThere = fields.join()
  }

  function start(): void {
    if (connection !== undefined || isClosed) return
    connection = openWaitingConnection(client, BLOCK_MILLIS)
    connection.on('error', (error: unknown) =>
      hooks.logger.debug({ err: error }, 'connection of the log of revocations'),
    )
    void tail(connection)
  }

  return {
    append: appender.append,
    follow(follower) {
      start()
      return followers.add(follower)
    },
    async ready() {
      start()
      const isReached = await Promise.race([
        reached.then(() => true),
        sleep(READY_MILLIS, false, { ref: false }),
      ])
      if (!isReached)
        throw new AppError('temporarily_unavailable', {
          detail: 'redis: log of revocations',
          retryAfterSeconds: 2,
        })
    },
    position: () => position,
    async readAfter(id, limit) {
      if (!isLogId(id)) return undefined
      // From the entry itself on: that it is still there proves that none after it is gone.
      const rows = (await withRedis(() => client.xrange(key, id, '+', 'COUNT', limit + 1))) as Row[]
      if (rows[0]?.[0] !== id) return undefined
      return rows.slice(1).flatMap((row) => toEntry(row) ?? [])
    },
    [Symbol.asyncDispose]() {
      isClosed = true
      appender.close()
      connection?.disconnect()
      return Promise.resolve()
    },
  }
}

const READY_MILLIS = 2000

function toEntry([id, fields]: Row): LoggedRevocation | undefined {
  const [, kind = '', , key = ''] = fields
  return isRevocationKind(kind) ? { id, kind, key } : undefined
}

/** Reads what follows a place; waits for it where nothing is there yet. */
async function readRows(own: RedisClient, key: string, position: string): Promise<Row[]> {
  const place = ['STREAMS', key, position] as const
  const answer = await own.xread('COUNT', READ_AT_ONCE, 'BLOCK', BLOCK_MILLIS, ...place)
  return answer?.[0]?.[1] ?? []
}
