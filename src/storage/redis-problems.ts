// Says in one sentence why Redis cannot be used and what mends it, for whoever starts the server.
import { connectionProblem, failureOf, firstLine, type Remedies } from './connection-problems.ts'

const URL = 'OTESSE_REDIS_URL'

const REMEDIES: Remedies = {
  url: URL,
  withTls: `rediss:// in ${URL}`,
  withoutTls: `redis:// in ${URL}`,
  ca: 'OTESSE_REDIS_CA_FILE',
  name: ', or in OTESSE_REDIS_SERVER_NAME',
  certificate: 'OTESSE_REDIS_CERT_FILE and OTESSE_REDIS_KEY_FILE',
}

// What Redis itself answers, by the beginning of its words.
const ANSWERS: readonly [RegExp, string][] = [
  [/WRONGPASS|invalid (username-)?password/i, `it refuses user or password: check them in ${URL}`],
  [
    /NOAUTH|Authentication required/i,
    `it wants a password: write it in ${URL}, as in redis://:password@host:6379`,
  ],
  [
    /DB index is out of range|invalid DB index/i,
    `it has no database of the number at the end of ${URL}`,
  ],
  [
    /NOPERM.*select/i,
    `its user may not choose the database at the end of ${URL}: allow it with +select`,
  ],
  [
    /NOPERM/i,
    'its user may not do what the server needs: docs/operating.md, "Redis", lists the commands and keys',
  ],
  [/cluster support disabled/i, `it is no Cluster: write redis://host:port in ${URL}`],
  [
    /unknown command.*sentinel/i,
    `a plain Redis stands among the sentinels in ${URL}: their port is 26379 as a rule`,
  ],
  [
    /invalid reply: null|No such master/i,
    `its sentinels know no master of the name at the end of ${URL}`,
  ],
  [/unknown command.*hello/i, 'it is too old: version 7 is the oldest that will do'],
  [/LOADING/i, 'it is still loading its data: start the server again in a moment'],
  [
    /MASTERDOWN|READONLY/i,
    'it is a replica that takes no writes: name the master, or the sentinels that know it',
  ],
  [/CLUSTERDOWN/i, 'the Cluster is down: redis-cli --cluster check says which slots nobody serves'],
  [/max number of clients/i, 'it has as many clients as it takes: raise maxclients there'],
]

/** Returns the sentence. @param error what was thrown, or what ended the connection */
export function redisProblem(error: unknown): string {
  const failure = failureOf(error)
  const [, answer] = ANSWERS.find(([pattern]) => pattern.test(failure.message)) ?? []
  return `Redis cannot be used: ${answer ?? connectionProblem(failure, REMEDIES) ?? firstLine(failure)}.`
}
