// The short-lived store on Redis: single, Sentinel or Cluster. Invariant: every key of a family
// carries the hash tag {family}, so that one MGET and one script see it whole; nothing here ever
// touches two slots in one command.
import { Cluster } from 'ioredis'
import type { RedisClient } from '../storage/redis.ts'
import { withRedis } from '../storage/redis.ts'
import { createRedisClock } from '../storage/redis-clock.ts'
import {
  type FamilyChange,
  type FamilyListing,
  type IndexPlace,
  isEnding,
  type ShortLivedStore,
} from './family-store.ts'
import { createBatchedReads, createSingleReads, type ReadKeys } from './batched-reads.ts'
import { createRedisIndexes } from './redis-indexes.ts'
import { type CommitAnswer, createTimelyCommits } from './timely-commits.ts'

// So long members stay after their end, for whoever looks for what was still under way then.
const INDEX_SLACK_MILLIS = 60_000

// KEYS: expectations, puts, extensions, increments, indexes, removals, in this order. ARGV: the
// deadline, in milliseconds since the epoch by the clock of Redis; the shape, which is a character
// for each of the first five, so far behind '0' as there are of them, and one for each expectation:
// present (+), absent (-), equal (=) or below a limit (<); then values: of an expectation what it
// is compared with, of a put the value and its life, of an extension and an increment the life; of
// all indexes the time before which members have ended, then of each the end and the member. Lives
// and times are in milliseconds. Returns a CommitAnswer.
const COMMIT = `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
if now > tonumber(ARGV[1]) then return now * 4 + 2 end
local shape = ARGV[2]
local expectations, puts, extensions, increments, indexes = string.byte(shape, 1, 5)
local key, arg = 1, 3
for at = 49, expectations do
  local mode = string.byte(shape, at - 43)
  if mode == 61 then -- '='
    if redis.call('GET', KEYS[key]) ~= ARGV[arg] then return now * 4 + 1 end
    arg = arg + 1
  elseif mode == 60 then -- '<'
    if tonumber(redis.call('GET', KEYS[key]) or '0') >= tonumber(ARGV[arg]) then return now * 4 + 1 end
    arg = arg + 1
  elseif redis.call('EXISTS', KEYS[key]) == (mode == 43 and 0 or 1) then -- '+'
    return now * 4 + 1
  end
  key = key + 1
end
for _ = 49, puts do
  redis.call('SET', KEYS[key], ARGV[arg], 'PX', ARGV[arg + 1])
  key = key + 1
  arg = arg + 2
end
for _ = 49, extensions do
  redis.call('PEXPIRE', KEYS[key], ARGV[arg], 'GT')
  key = key + 1
  arg = arg + 1
end
for _ = 49, increments do
  redis.call('INCR', KEYS[key])
  redis.call('PEXPIRE', KEYS[key], ARGV[arg])
  key = key + 1
  arg = arg + 1
end
if indexes > 48 then
  local ended = ARGV[arg]
  arg = arg + 1
  for _ = 49, indexes do
    local last = string.format('%.0f', ARGV[arg] + ${INDEX_SLACK_MILLIS})
    if ended ~= '' then redis.call('ZREMRANGEBYSCORE', KEYS[key], '-inf', ended) end
    redis.call('ZADD', KEYS[key], 'GT', ARGV[arg], ARGV[arg + 1])
    if redis.call('PEXPIREAT', KEYS[key], last, 'GT') == 0 then
      redis.call('PEXPIREAT', KEYS[key], last, 'NX')
    end
    key = key + 1
    arg = arg + 2
  end
end
for at = key, #KEYS do redis.call('DEL', KEYS[at]) end
return now * 4
`

// The script is one command per number of keys: only then is the first argument a key, by which
// ioredis gathers the commits of a moment into one batch per Cluster node. With the number as an
// argument, commits for different nodes met in one batch and were refused. ioredis copies the names
// of all commands into each pipeline that it makes, so there are few.
const MOST_KEYS = 10
const COMMIT_COMMANDS = Array.from({ length: MOST_KEYS }, (_, at) => `otesseCommit${at + 1}`)
// What ends something is carried out also when memory is full, and makes room; what is issued is
// refused then.
const END = `#!lua flags=allow-oom${COMMIT}`
const END_COMMANDS = Array.from({ length: MOST_KEYS }, (_, at) => `otesseEnd${at + 1}`)
type CommitCommand = (...keysAndArgs: (string | number)[]) => Promise<CommitAnswer>

// KEYS: the index. ARGV: now, how many, and for a place its end and a member that sorts right
// behind the place's own and never is one. Redis cannot be asked for what follows a pair of score
// and member, but it can be asked for the rank of one that is there. Memory that is full must not
// keep a purge from making room.
const WALK = `#!lua flags=allow-oom
local from = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[1])
if ARGV[3] then
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
  from = math.max(from, redis.call('ZRANK', KEYS[1], ARGV[4]))
  redis.call('ZREM', KEYS[1], ARGV[4])
end
return redis.call('ZRANGE', KEYS[1], from, from + ARGV[2] - 1, 'WITHSCORES')
`
const WALK_COMMAND = 'otesseWalk'
type WalkCommand = (...keysAndArgs: (string | number)[]) => Promise<string[]>

/** The store, and a way to look at what each of its reading commands brings. */
export interface RedisStore extends ShortLivedStore {
  /** Returns `read` with something around every command: one command serves many reads. */
  readThrough(around: (read: ReadKeys) => ReadKeys): ShortLivedStore['read']
}

/**
 * Creates the store on an open connection, which it does not close.
 *
 * @param keyPrefix keeps several servers on one Redis apart
 */
export function createRedisStore(client: RedisClient, keyPrefix: string): RedisStore {
  for (const [at, name] of COMMIT_COMMANDS.entries())
    client.defineCommand(name, { lua: COMMIT, numberOfKeys: at + 1 })
  for (const [at, name] of END_COMMANDS.entries())
    client.defineCommand(name, { lua: END, numberOfKeys: at + 1 })
  client.defineCommand(WALK_COMMAND, { lua: WALK, numberOfKeys: 1 })
  // What the scripts add to a client, which ioredis' types cannot know.
  const commands = client as unknown as Record<string, CommitCommand | undefined>
  const walk = (client as unknown as Record<typeof WALK_COMMAND, WalkCommand>)[WALK_COMMAND].bind(
    client,
  )
  const familyKey = (family: string, name: string): string => `${keyPrefix}{${family}}:${name}`
  const recordKey = (key: string): string => keyPrefix + key
  const mget = (keys: string[]): Promise<(string | null)[]> => withRedis(() => client.mget(keys))
  const readThrough: RedisStore['readThrough'] = (around) => {
    const read = around(mget)
    const readKeys = client instanceof Cluster ? createSingleReads(read) : createBatchedReads(read)
    return (family, names) => readKeys(names.map((name) => familyKey(family, name)))
  }
  const clock = createRedisClock(client)
  const commits = createTimelyCommits({
    clock,
    carryOut(family, change, deadline, isUndo) {
      const { keys, args } = scriptCall(change, `${keyPrefix}{${family}}:`, keyPrefix)
      // What takes something back makes room, too.
      const names = isUndo || isEnding(change) ? END_COMMANDS : COMMIT_COMMANDS
      const command = commands[names[keys.length - 1] ?? '']
      if (command === undefined)
        throw new Error(`a commit touches 1 to ${MOST_KEYS} names, not ${keys.length}`)
      return withRedis(() => command.call(client, ...keys, deadline, ...args))
    },
  })

  async function addToIndex(
    index: string,
    member: string,
    endsAtMillis: number,
    nowMillis: number,
  ): Promise<void> {
    const key = recordKey(index)
    await withRedis(async () => {
      const results = await client
        .pipeline()
        .zremrangebyscore(key, '-inf', nowMillis - INDEX_SLACK_MILLIS)
        .zadd(key, 'GT', endsAtMillis, member)
        // Two steps, because NX and GT cannot be told in one, and a key without an end counts as
        // endless for GT.
        .pexpireat(key, endsAtMillis + INDEX_SLACK_MILLIS, 'NX')
        .pexpireat(key, endsAtMillis + INDEX_SLACK_MILLIS, 'GT')
        .exec()
      for (const [error] of results ?? []) if (error !== null) throw error
    })
  }

  async function addAllToIndexes({ nowMillis = 0, entries }: FamilyListing): Promise<void> {
    await Promise.all(
      entries.map(({ index, member, endsAtMillis }) =>
        addToIndex(index, member, endsAtMillis, nowMillis),
      ),
    )
  }

  return {
    readThrough,
    read: readThrough((read) => read),
    commit(family, change) {
      if (change.list === undefined || !(client instanceof Cluster))
        return commits.commit(family, change)
      // The indexes are on other nodes than the family.
      const { list, ...rest } = change
      return addAllToIndexes(list).then(() => commits.commit(family, rest))
    },
    takeBack: (family, undo) => commits.takeBack(family, undo),
    settled: (family) => commits.settled(family),
    skewMillis: () => clock.skewMillis(),
    async findRecord(key) {
      return (await withRedis(() => client.get(recordKey(key)))) ?? undefined
    },
    async putRecord(key, value, ttlMillis) {
      await withRedis(() => client.set(recordKey(key), value, 'PX', ttlMillis))
    },
    async removeRecord(key) {
      await withRedis(() => client.del(recordKey(key)))
    },
    addToIndex,
    async removeFromIndex(index, members) {
      if (members.length > 0) await withRedis(() => client.zrem(recordKey(index), ...members))
    },
    ...createRedisIndexes(client, recordKey, INDEX_SLACK_MILLIS),
    listIndex: (index, nowMillis, offset, limit) =>
      withRedis(() =>
        client.zrangebyscore(recordKey(index), `(${nowMillis}`, '+inf', 'LIMIT', offset, limit),
      ),
    async walkIndex(index, nowMillis, behind, limit) {
      const place = behind === undefined ? [] : [behind.endsAtMillis, `${behind.member}\0`]
      const found = await withRedis(() => walk(recordKey(index), nowMillis, limit, ...place))
      return pairs(found)
    },
    async ping() {
      await withRedis(() => client.ping())
    },
    [Symbol.asyncDispose]() {
      clock[Symbol.dispose]()
      return Promise.resolve()
    },
  }
}

/** What Redis tells as member, score, member, score, … */
const pairs = (found: readonly string[]): IndexPlace[] =>
  found.flatMap((member, at) =>
    at % 2 === 0 ? [{ member, endsAtMillis: Number(found[at + 1]) }] : [],
  )

function scriptCall(
  change: FamilyChange,
  familyPrefix: string,
  keyPrefix: string,
): { keys: string[]; args: (string | number)[] } {
  const { expect, put = NONE, extend = NONE, increment = NONE, remove = NONE, list } = change
  const entries = list?.entries ?? NONE
  let shape = digit(expect) + digit(put) + digit(extend) + digit(increment) + digit(entries)
  const keys: string[] = []
  const args: (string | number)[] = [shape]
  for (const expectation of expect) {
    keys.push(familyPrefix + expectation.name)
    shape += MODES[expectation.state]
    if (expectation.state === 'equals') args.push(expectation.value)
    else if (expectation.state === 'below') args.push(expectation.limit)
  }
  args[0] = shape
  for (const { name, value, ttlMillis } of put) {
    keys.push(familyPrefix + name)
    args.push(value, ttlMillis)
  }
  for (const { name, ttlMillis } of extend) {
    keys.push(familyPrefix + name)
    args.push(ttlMillis)
  }
  for (const { name, ttlMillis } of increment) {
    keys.push(familyPrefix + name)
    args.push(ttlMillis)
  }
  if (list !== undefined) {
    args.push(list.nowMillis === undefined ? '' : list.nowMillis - INDEX_SLACK_MILLIS)
    for (const { index, member, endsAtMillis } of entries) {
      keys.push(keyPrefix + index)
      args.push(endsAtMillis, member)
    }
  }
  for (const name of remove) keys.push(familyPrefix + name)
  return { keys, args }
}

const NONE: readonly never[] = []

/** The length, which MOST_KEYS bounds, as one character that comes so far behind '0'. */
const digit = ({ length }: readonly unknown[]): string => String.fromCharCode(48 + length)

const MODES = { present: '+', absent: '-', equals: '=', below: '<' } as const
