// Judges whether Redis may hold grants, before the server serves.
import { Cluster, type Redis } from 'ioredis'
import { type RedisClient, withRedis } from './redis.ts'

/** What a look at Redis found: `refusals` forbid to serve, `warnings` are logged. */
export interface RedisVerdict {
  refusals: string[]
  warnings: string[]
}

/**
 * Looks whether Redis may hold grants: one that evicts keys would forget revocations and authorizations at random, one without
 * persistence forgets them all when it restarts.
 */
export async function judgeRedis(client: RedisClient): Promise<RedisVerdict> {
  const masters = client instanceof Cluster ? client.nodes('master') : [client]
  const verdict: RedisVerdict = { refusals: [], warnings: [] }
  for (const node of masters) {
    const info = await withRedis(() => node.info())
    const field = (name: string): string | undefined =>
      new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
    const policy = field('maxmemory_policy')
    if (policy !== undefined && policy !== 'noeviction')
      verdict.refusals.push(
        `Redis may evict keys (maxmemory-policy ${policy}): set it to noeviction`,
      )
    if (field('aof_enabled') === '0' && !(await savesSnapshots(node)))
      verdict.warnings.push(
        'Redis keeps nothing on disk: a restart signs everybody out and ends every authorization (set appendonly yes)',
      )
    else if (field('aof_enabled') === '0')
      verdict.warnings.push(
        'Redis only saves snapshots: a crash may bring revoked tokens back (set appendonly yes, appendfsync always)',
      )
  }
  return { refusals: [...new Set(verdict.refusals)], warnings: [...new Set(verdict.warnings)] }
}

async function savesSnapshots(node: Redis): Promise<boolean> {
  try {
    const answer = await node.config('GET', 'save')
    return (answer[1] ?? '') !== ''
  } catch {
    // Hosted Redis often forbids CONFIG; it also takes its own snapshots.
    return true
  }
}
