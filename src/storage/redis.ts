// Opens Redis: single, Sentinel or Cluster. Invariant: a Redis that is away makes commands fail
// within two seconds with `temporarily_unavailable`, and it is found again by itself.
import { Cluster, Redis } from 'ioredis'
import { AppError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { says } from './driver-messages.ts'
import { replyCode } from './redis-replies.ts'
import { probeAddresses } from './redis-probe.ts'
import type { ConnectionOptions, RedisLocation } from './redis-location.ts'

export type RedisClient = Redis | Cluster

const COMMAND_TIMEOUT_MILLIS = 1500
// Counts from the call, for what ioredis counts no time for: a Cluster that knows no node keeps
// commands back without an end.
const DEADLINE_MILLIS = 1600

// A connection that has said nothing for so long, though it was asked, leads nowhere any more: the
// other end is gone, or something between forgot it, and nobody closed it.
const SILENCE_MILLIS = 3000

const common: ConnectionOptions = {
  commandTimeout: COMMAND_TIMEOUT_MILLIS,
  socketTimeout: SILENCE_MILLIS,
  connectTimeout: 1000,
  // A connection that is just being made is given up soon when it is closed.
  disconnectTimeout: 400,
  maxRetriesPerRequest: 1,
  enableAutoPipelining: true,
  // Families are read together already (grants/batched-reads.ts); gathering them once more would
  // only make them wait.
  autoPipeliningIgnoredCommands: ['mget'],
  retryStrategy: (attempt) => Math.min(attempt * 50, 1000),
  // A master that became a replica answers READONLY: reconnect, and ask Sentinel again.
  reconnectOnError: (error) => (replyCode(error) === 'READONLY' ? 2 : false),
}

/** Opens a connection (a pool of them for a Cluster) that reconnects by itself. */
export function openRedis(location: RedisLocation, logger: Logger): RedisClient {
  const client = connect(location)
  if (client instanceof Redis) keepUsable(client)
  else followSlots(client)
  locations.set(client, location)
  rememberFailures(client)
  let wasDown = false
  client.on('error', (error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException
    if (!wasDown) logger.warn({ code, reason: message }, 'redis connection lost')
    wasDown = true
  })
  client.on('ready', () => {
    if (wasDown) logger.info('redis connection is back')
    wasDown = false
  })
  return client
}

const locations = new WeakMap<RedisClient, RedisLocation>()

// Why a connection was not made: commands are told only that they waited in vain.
const failures = new WeakMap<RedisClient, unknown>()

function rememberFailures(client: RedisClient): void {
  const remember = (error: unknown): void => {
    if (!isVague(error)) failures.set(client, error)
  }
  client.on('sentinelError', remember)
  client.on('node error', remember)
  client.on('error', (error: { lastNodeError?: unknown }) => remember(error.lastNodeError ?? error))
}

// What ioredis says when it has thrown away what it heard.
const isVague = (error: unknown): boolean =>
  (error as Error).name === 'ClusterAllFailedError' ||
  says('sentinelsAway', error as Error) ||
  says('redisClosed', error as Error)

/**
 * Resolves when Redis answers.
 *
 * @throws {AppError} `temporarily_unavailable`, whose cause is what kept the connection from being
 * made
 */
export async function reachRedis(client: RedisClient): Promise<void> {
  try {
    await withRedis(() => client.ping())
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const isAnswer = error.cause instanceof Error && error.cause.name === 'ReplyError'
    const cause = isAnswer
      ? error.cause
      : ((await probeAddresses(locations.get(client))) ?? failures.get(client) ?? error.cause)
    throw new AppError('temporarily_unavailable', { cause, detail: 'redis', retryAfterSeconds: 2 })
  }
}

/** Mends what ioredis does with a connection that is to be used for as long as the process runs. */
export function keepUsable(client: Redis): void {
  keepConnected(client)
  keepToDatabase(client)
}

/**
 * Cuts the connection off where Redis refuses the database that it is for: ioredis would go on in
 * database 0, which is somebody else's.
 */
function keepToDatabase(client: Redis): void {
  client.on('error', (error: { command?: { name?: unknown } }) => {
    if (error.command?.name === 'select') client.disconnect(true)
  })
}

/**
 * Connects again when ioredis ended a connection that nobody closed. It does so when the news of a
 * failover arrives while it asks the sentinels for the master.
 */
function keepConnected(client: Redis): void {
  let isClosed = false
  const disconnect = client.disconnect.bind(client)
  client.disconnect = (reconnect = false) => {
    isClosed ||= !reconnect
    disconnect(reconnect)
  }
  client.on('end', () => {
    if (!isClosed) setTimeout(() => void client.connect().catch(() => undefined), 100).unref()
  })
}

const SLOTS_AGE_MILLIS = 2000

/**
 * Learns now and then which master has which slot. ioredis neither follows a redirection of one
 * command among many that travel together nor learns from it: a slot that moved would be away for
 * good; F21 of bench/faults shows it. (Its own `slotsRefreshInterval` may outlive the connection.)
 */
function followSlots(client: Cluster): void {
  const timer = setInterval(() => client.refreshSlotsCache(), SLOTS_AGE_MILLIS).unref()
  client.once('end', () => clearInterval(timer))
}

function connect(location: RedisLocation): RedisClient {
  switch (location.kind) {
    case 'single':
      return new Redis({ ...common, ...location.options })
    case 'sentinel':
      return new Redis({
        ...common,
        ...location.options,
        ...location.login,
        sentinels: location.sentinels,
        name: location.master,
        // Without it a frozen sentinel is waited for without an end.
        sentinelCommandTimeout: 1000,
        sentinelRetryStrategy: (attempt) => Math.min(attempt * 50, 500),
        failoverDetector: true,
      })
    case 'cluster':
      return new Cluster(location.nodes, {
        redisOptions: { ...common, ...location.options },
        enableAutoPipelining: true,
        // A Cluster reads each family by itself.
        autoPipeliningIgnoredCommands: [],
        // Certificates carry names: what the Cluster calls its nodes is handed to TLS as it is, and
        // resolved by the socket.
        dnsLookup: (address, callback) => callback(null, address),
        clusterRetryStrategy: (attempt) => Math.min(attempt * 50, 1000),
        slotsRefreshTimeout: 1000,
        retryDelayOnFailover: 100,
        retryDelayOnClusterDown: 100,
        retryDelayOnTryAgain: 50,
        maxRedirections: 8,
      })
  }
}

// Codes of replies that are about our own command. With any other Redis, or something in front of
// it, speaks of itself: LOADING, BUSY, MASTERDOWN, READONLY, TRYAGAIN, CLUSTERDOWN, OOM, MISCONF,
// NOREPLICAS, NOAUTH, NOPERM, UNBLOCKED…
const ABOUT_US = new Set(
  'ERR WRONGTYPE CROSSSLOT NOSCRIPT EXECABORT NOGROUP BUSYGROUP BUSYKEY NOPROTO'.split(' '),
)
// Errors of the language are defects of ours.
const DEFECTS = new Set(['TypeError', 'RangeError', 'SyntaxError', 'ReferenceError'])

/**
 * Returns whether Redis cannot do its work now, whatever the command was: all that ioredis throws,
 * but for replies about our command.
 */
function isAway(error: unknown): error is Error {
  // By shape: Node's own errors are of another realm in some places.
  if (typeof error !== 'object' || error === null || error instanceof AppError) return false
  const code = replyCode(error)
  if (code === undefined) return !DEFECTS.has((error as Error).name)
  return (
    !ABOUT_US.has(code) ||
    says('redisIsFull', error as Error) ||
    says('redisBehindProxy', error as Error)
  )
}

interface Deadline {
  at: number
  reject: ((error: Error) => void) | undefined
}

// All waits are equally long, so they end in the order in which they began: one queue and one timer
// serve them all, where a timer for each command would cost more than the command's own
// bookkeeping.
const deadlines: Deadline[] = []
let earliest = 0
let timer: NodeJS.Timeout | undefined

function endWaits(): void {
  timer = undefined
  const now = performance.now()
  for (let next = deadlines[earliest]; next !== undefined; next = deadlines[earliest]) {
    if (next.reject !== undefined && next.at > now) break
    next.reject?.(Object.assign(new Error('Command timed out'), { code: 'ETIMEDOUT' }))
    earliest += 1
  }
  deadlines.splice(0, earliest)
  earliest = 0
  const [next] = deadlines
  if (next !== undefined) timer = setTimeout(endWaits, Math.max(1, next.at - now)).unref()
}

/** Runs Redis work and turns "Redis is away", within two seconds, into `temporarily_unavailable`. */
export function withRedis<T>(work: () => Promise<T>): Promise<T> {
  // One promise and not a chain of them: each costs a hot request as much as a look-up in a map.
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      deadline.reject = undefined
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as thrown
      reject(isAway(error) ? away(error) : error)
    }
    const deadline: Deadline = { at: performance.now() + DEADLINE_MILLIS, reject: fail }
    deadlines.push(deadline)
    timer ??= setTimeout(endWaits, DEADLINE_MILLIS).unref()
    try {
      work().then((value) => {
        deadline.reject = undefined
        resolve(value)
      }, fail)
    } catch (error) {
      fail(error)
    }
  })
}

const away = (cause: Error): AppError =>
  new AppError('temporarily_unavailable', { cause, detail: 'redis', retryAfterSeconds: 2 })

/** Reads the clock of Redis (of one node of a Cluster), in milliseconds since the epoch. @throws {AppError} `temporarily_unavailable` */
export async function redisTime(client: RedisClient): Promise<number> {
  const [seconds, micros] = await withRedis(() => client.time())
  return Number(seconds) * 1000 + Number(micros) / 1000
}
