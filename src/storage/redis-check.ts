// Checks whether Redis may hold grants, before the server serves and for `otesse doctor`.
// Invariant: nothing is called good that could not be looked at.
import type { Redis } from 'ioredis'
import { isCluster, mastersOf } from './redis-connections.ts'
import { fieldsOf, type RedisInfo } from './redis-info.ts'
import { says } from './driver-messages.ts'
import { replyCode } from './redis-replies.ts'
import { reachRedis, type RedisClient, withRedis } from './redis.ts'

/** What a look at Redis found, as sentences without their full stop. */
export interface RedisCheck {
  /** Forbid to serve. */
  refusals: string[]
  /** Are logged at start. */
  warnings: string[]
  /** What is as it should be, and what a crash or a failover takes even so. */
  notes: string[]
}

type Check = (node: Node, check: RedisCheck) => void

/** One master as it was found. */
interface Node extends RedisInfo {
  /** Another server takes its place when it dies. */
  hasFailover: boolean
  isOfCluster: boolean
  /** Undefined where CONFIG is forbidden, as on many hosted ones. */
  settings: ReadonlyMap<string, string> | undefined
}

const LEAST_VERSION = 7

/**
 * Looks at Redis: one that evicts keys would forget revocations and authorizations at random, one
 * without persistence forgets them all when it restarts.
 *
 * @param options.mayEvict somebody has said that eviction is to be put up with
 * @throws {AppError} `temporarily_unavailable`
 */
export async function checkRedis(
  client: RedisClient,
  { mayEvict = false }: { mayEvict?: boolean } = {},
): Promise<RedisCheck> {
  // A Cluster knows its masters only when it is connected.
  await reachRedis(client)
  const masters = mastersOf(client)
  const check: RedisCheck = { refusals: [], warnings: [], notes: [] }
  for (const node of masters) {
    const info = await infoOf(node)
    if (info === undefined) {
      check.warnings.push(
        'Redis does not let this user run INFO, so it is unknown whether it evicts keys, writes to disk and has replicas (allow it with +info)',
      )
      continue
    }
    const found: Node = {
      ...info,
      isOfCluster: isCluster(client),
      hasFailover: isCluster(client) || Array.isArray(client.options.sentinels),
      settings: await settingsOf(node),
    }
    checkPlace(found, check)
    checkEviction(found, check, mayEvict)
    checkDisk(found, check)
    checkReplicas(found, check)
  }
  const once = (sentences: string[]): string[] => [...new Set(sentences)]
  if (masters.length === 0) check.refusals.push('Redis names no master of the Cluster')
  return {
    refusals: once(check.refusals),
    warnings: once(check.warnings),
    notes: once(check.notes),
  }
}

async function infoOf(node: Redis): Promise<RedisInfo | undefined> {
  try {
    return fieldsOf(await withRedis(() => node.info()))
  } catch (error) {
    if (isForbidden(error)) return undefined
    throw error
  }
}

async function settingsOf(node: Redis): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const answer = await node.config('GET', 'appendfsync', 'save', 'min-replicas-to-write')
    const texts = answer
    return new Map(texts.flatMap((name, at) => (at % 2 === 0 ? [[name, texts[at + 1] ?? '']] : [])))
  } catch {
    return undefined
  }
}

/** Returns whether Redis answered that its user may not run the command. */
function isForbidden(error: unknown): boolean {
  const { cause } = error as { cause?: unknown }
  if (!(cause instanceof Error)) return false
  return replyCode(cause) === 'NOPERM' || says('redisCommandUnknown', cause)
}

const checkPlace: Check = ({ mode, role, version, hasFailover, isOfCluster }, { refusals }) => {
  if (mode === 'sentinel')
    refusals.push(
      'OTESSE_REDIS_URL leads to a sentinel: write redis-sentinel://host:port/name-of-the-master',
    )
  if (mode === 'cluster' && !isOfCluster)
    refusals.push('OTESSE_REDIS_URL leads to a node of a Cluster: write redis-cluster://host:port')
  if (role === 'slave' && !hasFailover)
    refusals.push(
      'OTESSE_REDIS_URL leads to a replica, which takes no writes: name its master, or the sentinels that know it',
    )
  if (version !== undefined && Number.parseInt(version) < LEAST_VERSION)
    refusals.push(`Redis is version ${version}: version ${LEAST_VERSION} or newer is required`)
}

function checkEviction(
  { maxmemoryPolicy }: Node,
  { refusals, warnings, notes }: RedisCheck,
  mayEvict: boolean,
): void {
  if (maxmemoryPolicy === 'noeviction') notes.push('Redis evicts no keys')
  else if (maxmemoryPolicy === undefined)
    notes.push(
      'Redis does not report whether it evicts keys: make sure that it is set to noeviction',
    )
  else
    (mayEvict ? warnings : refusals).push(
      `Redis may evict keys (maxmemory-policy ${maxmemoryPolicy}): set it to noeviction`,
    )
}

const ENDED_AGAIN = 'what was revoked is revoked again from Postgres'

const checkDisk: Check = ({ isAppendOnly, settings }, { warnings, notes }) => {
  if (isAppendOnly === undefined) {
    notes.push('Redis does not report what it writes to disk: the rest is lost in a crash')
    return
  }
  if (!isAppendOnly) {
    // Hosted Redis often forbids CONFIG; it also takes its own snapshots.
    const savesSnapshots = settings?.get('save') !== ''
    warnings.push(
      savesSnapshots
        ? `Redis only saves snapshots: a crash loses the tokens and sign-ins since the last one, and ${ENDED_AGAIN} (set appendonly yes, appendfsync always)`
        : 'Redis keeps nothing on disk: a restart signs everyone out and ends every authorization (set appendonly yes)',
    )
    return
  }
  switch (settings?.get('appendfsync')) {
    case 'always':
      notes.push(
        'Redis writes to disk before it answers (appendfsync always): a crash loses nothing',
      )
      break
    case 'everysec':
      warnings.push(
        `Redis writes to disk once a second (appendfsync everysec): a crash loses the tokens and sign-ins of the last one or two seconds, and ${ENDED_AGAIN} (appendfsync always loses none)`,
      )
      break
    case 'no':
      warnings.push(
        `Redis leaves the disk to its system (appendfsync no): a crash of the machine loses the tokens and sign-ins of about half a minute, and ${ENDED_AGAIN} (appendfsync always loses none)`,
      )
      break
    default:
      notes.push(
        `Redis writes an append-only file and does not report how often: unless appendfsync is always, a crash loses up to two seconds of tokens, and ${ENDED_AGAIN}`,
      )
  }
}

const checkReplicas: Check = ({ hasFailover, onlineReplicas, settings }, { warnings, notes }) => {
  const least = settings?.get('min-replicas-to-write')
  if (onlineReplicas === 0) {
    if (hasFailover)
      warnings.push(
        'A master of Redis has no up-to-date replica: if it dies, nothing takes its place',
      )
    else notes.push('Redis has no replica: if its disk is lost, so is every token and sign-in')
    return
  }
  const count = onlineReplicas === 1 ? 'one replica' : `${onlineReplicas} replicas`
  const lost = `a failover loses what no replica has received, and ${ENDED_AGAIN}`
  if (least === '0' && hasFailover)
    warnings.push(
      `Redis has ${count} and writes without them (min-replicas-to-write 0): a master that is cut off goes on giving out tokens that are lost when another takes its place (set it to 1)`,
    )
  else if (least === undefined || least === '0') notes.push(`Redis has ${count}; ${lost}`)
  else notes.push(`Redis has ${count} and writes with ${least} of them in reach at least; ${lost}`)
}
