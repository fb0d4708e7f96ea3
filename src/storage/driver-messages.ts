// What ioredis, pg and the servers behind them say in words alone, with no code beside them: the
// one place that knows an error by its message. Each row is met by the real library or server in
// test/contract/driver-messages.test.ts. Whatever has a code is known by it: errno and OpenSSL
// codes in connection-problems.ts, SQLSTATE in database-errors.ts, codes of replies in
// redis-replies.ts.
const MESSAGES = {
  /** ioredis: a command, a connection or a read waited in vain. */
  redisTimeout: /^Command timed out|^Socket timeout/,
  /** ioredis: the connection ended; what ended it was told elsewhere. */
  redisClosed: /^Connection is closed/,
  /** ioredis: no sentinel answered; what each said came before. */
  sentinelsAway: /^All sentinels are unreachable/,
  /** A sentinel that has no master of the name; ioredis keeps its words alone. */
  sentinelKnowsNoMaster: /No such master/,
  /** ioredis: a server without the command stands among the sentinels. */
  sentinelIsNone: /unknown command.*sentinel/i,
  /** Redis: `SELECT` of a database beyond its last. */
  redisDatabaseUnknown: /DB index is out of range|invalid DB index/i,
  /** Redis: `CLUSTER` asked of a single server. */
  redisIsNoCluster: /cluster support disabled/i,
  /** Redis before version 6. */
  redisTooOld: /unknown command.*hello/i,
  /** Redis, or a proxy before it, that lacks a command or hides it. */
  redisCommandUnknown: /unknown command/i,
  redisIsFull: /max number of clients/i,
  /** Proxies before Redis, which put everything behind ERR. */
  redisBehindProxy:
    /shutting down|upstream|proxy|no connection|connection (refused|reset|timed out|closed)/i,
  /** Node: an alert of the other side, where OpenSSL's reason is lost behind EPROTO. */
  tlsAlert: /SSL alert number/,
  /** pg: a connection or a statement waited in vain. */
  postgresTimeout: /^timeout expired|^timeout exceeded|connection timeout$|^Query read timeout/,
  /** pg: the server closed the connection. */
  postgresClosed: /^Connection terminated|is not queryable$/,
  postgresHasNoTls: /does not support SSL/,
  /** pg: SCRAM without a password to prove. */
  postgresPasswordMissing: /password must be a string/i,
  /** Postgres: 28000 of pg_hba.conf, which says of our side that it had no TLS. */
  postgresWantsTls: /no encryption$/,
  /** PgBouncer: 08P01 for everything. */
  poolerRefuses: /no such user|no such database|no more connections/i,
} as const satisfies Record<string, RegExp>

export type DriverMessage = keyof typeof MESSAGES

/** Returns whether an error, or what its driver kept of it, says this. */
export const says = (what: DriverMessage, { message }: { message: string }): boolean =>
  MESSAGES[what].test(message)

/** Returns the code of the reply of a sentinel, which ioredis keeps in its own message alone. */
export function sentinelReplyCode({ message }: { message: string }): string | undefined {
  const [, code] = /^failed to connect to sentinel \S+ because ([A-Z]+) /.exec(message) ?? []
  return code
}
