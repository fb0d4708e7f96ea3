// Says in one sentence why Redis cannot be used and what mends it, for whoever starts the server.
import { connectionProblem, failureOf, firstLine, type Remedies } from './connection-problems.ts'
import { type DriverMessage, says, sentinelReplyCode } from './driver-messages.ts'
import { replyCode } from './redis-replies.ts'

const URL = 'OTESSE_REDIS_URL'

const REMEDIES: Remedies = {
  url: URL,
  withTls: `rediss:// in ${URL}`,
  withoutTls: `redis:// in ${URL}`,
  ca: 'OTESSE_REDIS_CA_FILE',
  name: ', or in OTESSE_REDIS_SERVER_NAME',
  certificate: 'OTESSE_REDIS_CERT_FILE and OTESSE_REDIS_KEY_FILE',
}

const REPLICA =
  'it is a replica that takes no writes: name the master, or the sentinels that know it'

// By the code of the reply.
const REPLIES: Readonly<Record<string, string>> = {
  WRONGPASS: `it refuses user or password: check them in ${URL}`,
  NOAUTH: `it wants a password: write it in ${URL}, as in redis://:password@host:6379`,
  NOPERM:
    'its user lacks permissions that the server needs: docs/operating.md, "Redis", lists the commands and keys',
  LOADING: 'it is still loading its data: start the server again in a moment',
  MASTERDOWN: REPLICA,
  READONLY: REPLICA,
  CLUSTERDOWN: 'the Cluster is down: redis-cli --cluster check lists the slots without a node',
}
const NO_SELECT = `its user may not choose the database at the end of ${URL}: allow it with +select`

// Where the code is ERR, or there is none.
const MESSAGES: readonly [DriverMessage, string][] = [
  ['redisDatabaseUnknown', `it has no database of the number at the end of ${URL}`],
  ['redisIsNoCluster', `it is no Cluster: write redis://host:port in ${URL}`],
  [
    'sentinelIsNone',
    `a plain Redis stands among the sentinels in ${URL}: their port is 26379 as a rule`,
  ],
  ['sentinelKnowsNoMaster', `its sentinels know no master of the name at the end of ${URL}`],
  ['redisTooOld', 'it is too old: version 7 or newer is required'],
  ['redisIsFull', 'it has reached its limit of clients: raise maxclients there'],
]

/** Returns the sentence. @param error what was thrown, or what ended the connection */
export function redisProblem(error: unknown): string {
  const failure = failureOf(error)
  const answer = answerOf(error, failure.message)
  return `Redis cannot be used: ${answer ?? connectionProblem(failure, REMEDIES) ?? firstLine(failure)}.`
}

function answerOf(error: unknown, message: string): string | undefined {
  const code = replyCode(error) ?? sentinelReplyCode({ message })
  if (code === 'NOPERM' && isAboutSelect(error)) return NO_SELECT
  if (code !== undefined && code in REPLIES) return REPLIES[code]
  return MESSAGES.find(([what]) => says(what, { message }))?.[1]
}

/** ioredis puts the command on the errors of replies. */
const isAboutSelect = (error: unknown): boolean =>
  (error as { command?: { name?: unknown } }).command?.name === 'select'
