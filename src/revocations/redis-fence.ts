// How far a copy of Redis knows what was ended: the number of the last ending that is known there,
// kept in Redis itself, so that a copy that lost its last writes has lost the number's as well.
// Invariant: the number is raised only on the copy on which the endings were carried out. On a
// Cluster each master has numbers of its own and the lowest counts.
import { type RedisClient, withRedis } from '../storage/redis.ts'
import { isCluster } from '../storage/redis-connections.ts'
import type { Fence, FenceReading } from './fence.ts'

// The copy is a run of one server with one history: a restart changes the first half, a promotion or
// another master's data the second. ARGV: the copies' name, or '' to read only; then pairs of the
// first and last number of endings that it knows.
const READ_OR_RAISE = `#!lua flags=allow-oom
local copy = ''
local info = redis.pcall('INFO', 'server', 'replication')
if type(info) == 'string' then
  copy = (info:match('run_id:(%w+)') or '') .. (info:match('master_replid:(%w+)') or '')
end
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
local before = known
if copy == ARGV[1] then
  for at = 2, #ARGV, 2 do
    local last = tonumber(ARGV[at + 1])
    if tonumber(ARGV[at]) <= known + 1 and last > known then known = last end
  end
end
local text = string.format('%.0f', known)
if known > before then redis.call('SET', KEYS[1], text) end
return {text, copy}
`

// Hash tags whose slots lie 512 apart, so that each of up to 32 masters has one.
export const TAGS =
  '10 113 25 32 61 76 58 43 11 112 24 33 60 77 59 42 12 111 27 5 63 74 56 41 13 110 26 4 62 75 57 40'.split(
    ' ',
  )

/** Creates the fence of the server whose keys have that prefix. */
export function createRedisFence(client: RedisClient, keyPrefix: string): Fence {
  const keys = isCluster(client)
    ? TAGS.map((tag) => `${keyPrefix}fence:{${tag}}`)
    : [`${keyPrefix}fence`]

  async function ask(copies: readonly string[], args: readonly number[]): Promise<FenceReading> {
    const answers = await Promise.all(
      keys.map(
        (key, at) =>
          withRedis(() => client.eval(READ_OR_RAISE, 1, key, copies[at] ?? '', ...args)) as Promise<
            [string, string]
          >,
      ),
    )
    return {
      known: Math.min(...answers.map(([known]) => Number(known))),
      copies: answers.map(([, copy]) => copy),
    }
  }

  return {
    read: () => ask([], []),
    raise: (copies, ranges) =>
      ask(
        copies,
        ranges.flatMap(({ first, last }) => [first, last]),
      ),
  }
}
