// What the server's user must be allowed to do in Redis, and a way to ask that changes nothing.
// docs/operating.md, "Redis", lists the same commands; test/contract/redis-permissions.test.ts
// compares.
import { causeCode } from './redis-replies.ts'
import { mastersOf } from './redis-connections.ts'
import { reachRedis, type RedisClient, withRedis } from './redis.ts'

/** Each command with arguments that Redis takes, after the key or channel. */
const NEEDED: readonly (readonly [command: string, ...args: string[]])[] = [
  ['get'],
  ['mget'],
  ['set', '1'],
  ['del'],
  ['exists'],
  ['incr'],
  ['incrby', '1'],
  ['pttl'],
  ['pexpire', '1'],
  ['pexpireat', '1'],
  ['zadd', '1', 'm'],
  ['zrem', 'm'],
  ['zcount', '0', '1'],
  ['zmscore', 'm'],
  ['zrange', '0', '1'],
  ['zrank', 'm'],
  ['zrangebyscore', '0', '1'],
  ['zremrangebyscore', '0', '1'],
  ['sadd', 'm'],
  ['srem', 'm'],
  ['scard'],
  ['sismember', 'm'],
  ['xadd', '*', 'a', 'b'],
  ['xrange', '-', '+'],
  ['xrevrange', '+', '-'],
  ['publish', 'm'],
]
const BEFORE_KEY: readonly (readonly [command: string, ...args: string[]])[] = [
  ['xread', 'STREAMS'],
  ['eval', 'return 1', '1'],
  ['evalsha', 'unknown', '1'],
]
const WITHOUT_KEY: readonly (readonly [command: string, ...args: string[]])[] = [
  ['ping'],
  ['time'],
  ['info'],
  ['scan', '0'],
  ['wait', '0', '1'],
  ['select', '0'],
]
// Without it there is no connection that could ask.
const NOT_ASKED = ['hello']

/** Every command that is needed, as ACL rules write it. */
export const NEEDED_COMMANDS: readonly string[] = [
  ...[...NEEDED, ...WITHOUT_KEY, ...BEFORE_KEY].map(([command]) => command),
  'subscribe',
  ...NOT_ASKED,
]

/**
 * Asks which of the needed commands the user may not run on our keys and channel. They are queued
 * in a transaction, where Redis looks at the permission, and thrown away.
 *
 * @returns their names; undefined where transactions are forbidden, so that it cannot be asked
 */
export async function missingPermissions(
  client: RedisClient,
  keyPrefix: string,
): Promise<string[] | undefined> {
  await reachRedis(client)
  const [node] = mastersOf(client)
  if (node === undefined) return undefined
  // Of its own: what is queued must not mix with what others send.
  const own = node.duplicate({ enableAutoPipelining: false })
  own.on('error', () => undefined)
  const isForbidden = (command: string, args: readonly string[]): Promise<boolean> =>
    withRedis(() => own.call(command, [...args])).then(
      () => false,
      (error: unknown) => causeCode(error) === 'NOPERM',
    )
  try {
    if (await isForbidden('multi', [])) return undefined
    const missing: string[] = []
    for (const [command, ...args] of NEEDED)
      if (await isForbidden(command, [`${keyPrefix}invalidate`, ...args])) missing.push(command)
    for (const [command, ...args] of WITHOUT_KEY)
      if (await isForbidden(command, args)) missing.push(command)
    for (const [command, ...args] of BEFORE_KEY)
      if (await isForbidden(command, [...args, `${keyPrefix}invalidate`, '0']))
        missing.push(command)
    await isForbidden('discard', [])
    // Not in the transaction: the client takes the answer for a subscription.
    if (await isForbidden('subscribe', [`${keyPrefix}invalidate`])) missing.push('subscribe')
    return missing
  } finally {
    own.disconnect()
  }
}
