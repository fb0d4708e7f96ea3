// How far a copy of Redis knows what was ended: the number of the last ending that is known there,
// kept in Redis itself, so that a copy that lost its last writes has lost the number's as well.
// Invariant: the number is raised only on the copy on which the endings were carried out. On a
// Cluster each master has numbers of its own and the lowest counts.
import { sha256 } from '../shared/crypto.ts'
import { type RedisClient, withRedis } from '../storage/redis.ts'
import { isCluster } from '../storage/redis-connections.ts'
import { losesNothingAtRestart } from '../storage/redis-durability.ts'
import type { Fence, FenceReading } from './fence.ts'

// The copy is a run of one server with one history: a restart changes the first half of its name, a
// promotion or another master's data the second. So does the first replica of a primary, which
// loses nothing: the primary still runs, and was no replica of another one. The key holds the
// number, the copy that was here last, and since which copy nothing can be lost. ARGV: the copy's
// name, or '' to read only; 1 where a restart loses nothing; then, to read, the names of the other
// masters of the Cluster: a slot that moved to one of them brought its key and all of its data
// along, and lost nothing. To raise, pairs of the first and last number of endings that the copy
// knows.
const READ_OR_RAISE = `#!lua flags=allow-oom
local copy, isAlone, wasNoReplica = '', false, false
local info = redis.pcall('INFO', 'server', 'replication')
if type(info) == 'string' then
  copy = (info:match('run_id:(%w+)') or '') .. (info:match('master_replid:(%w+)') or '')
  wasNoReplica = info:match('role:master') and info:match('master_replid2:0+%s')
  isAlone = wasNoReplica and info:match('connected_slaves:0')
end
local before = redis.call('GET', KEYS[1]) or '0'
local number, last, history = before:match('^(%d+) ?(%S*) ?(%S*)$')
local known = tonumber(number)
if ARGV[1] == '' and last ~= copy then
  local hasMoved = false
  for at = 3, #ARGV do hasMoved = hasMoved or ARGV[at] == copy end
  local isSameRun = wasNoReplica and last:sub(1, 40) == copy:sub(1, 40)
  if history == '' or not (hasMoved or isSameRun or (isAlone and ARGV[2] == '1')) then
    history = copy:sub(1, 8) .. copy:sub(41, 48)
  end
  last = copy
elseif copy == ARGV[1] then
  for at = 3, #ARGV, 2 do
    local to = tonumber(ARGV[at + 1])
    if tonumber(ARGV[at]) <= known + 1 and to > known then known = to end
  end
end
local text = string.format('%.0f %s %s', known, last, history)
if text ~= before then redis.call('SET', KEYS[1], text) end
return {string.format('%.0f', known), copy, history}
`

// Hash tags whose slots lie 512 apart, so that each of up to 32 masters has one.
export const TAGS =
  '10 113 25 32 61 76 58 43 11 112 24 33 60 77 59 42 12 111 27 5 63 74 56 41 13 110 26 4 62 75 57 40'.split(
    ' ',
  )

const HISTORY = 12

export interface RedisFence extends Fence {
  /**
   * Returns the number of the last ending up to which Redis knows all, and notes nothing.
   *
   * @throws {AppError} `temporarily_unavailable`
   */
  peek(): Promise<number>
}

/** Creates the fence of the server whose keys have that prefix. */
export function createRedisFence(client: RedisClient, keyPrefix: string): RedisFence {
  const keys = isCluster(client)
    ? TAGS.map((tag) => `${keyPrefix}fence:{${tag}}`)
    : [`${keyPrefix}fence`]

  // The masters as they were read last, by key. Not as they were when a number was raised: that
  // looks at no history, so a slot that had moved would later pass for another copy.
  let masters: readonly string[] = []
  const othersThan = (at: number): string[] =>
    [...new Set(masters)].filter((copy) => copy !== masters[at])

  async function ask(
    copies: readonly string[],
    isDurable: boolean,
    argsOf: (at: number) => readonly (string | number)[],
  ): Promise<FenceReading> {
    const flag = isDurable ? 1 : 0
    const answers = await Promise.all(
      keys.map(
        (key, at) =>
          withRedis(() =>
            client.eval(READ_OR_RAISE, 1, key, copies[at] ?? '', flag, ...argsOf(at)),
          ) as Promise<[string, string, string]>,
      ),
    )
    const histories = answers.map(([, , history]) => history)
    return {
      known: Math.min(...answers.map(([known]) => Number(known))),
      copies: answers.map(([, copy]) => copy),
      history: sha256(histories.join()).slice(0, HISTORY),
    }
  }

  return {
    async read() {
      const reading = await ask([], await losesNothingAtRestart(client), othersThan)
      masters = reading.copies
      return reading
    },
    raise(copies, ranges) {
      const pairs = ranges.flatMap(({ first, last }) => [first, last])
      return ask(copies, false, () => pairs)
    },
    async peek() {
      const texts = await Promise.all(keys.map((key) => withRedis(() => client.get(key))))
      return Math.min(...texts.map((text) => Number(text?.split(' ')[0] ?? 0)))
    },
  }
}
