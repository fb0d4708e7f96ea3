// The words with which stores, and what stands before them, say "not now".

/** An ErrorResponse of Postgres' protocol (§55.7 of its manual). */
function postgresError(state: string, message: string): Buffer {
  const fields = `SFATAL\0VFATAL\0C${state}\0M${message}\0\0`
  const packet = Buffer.alloc(5 + Buffer.byteLength(fields))
  packet.write('E')
  packet.writeInt32BE(4 + Buffer.byteLength(fields), 1)
  packet.write(fields, 5)
  return packet
}

export interface Refusal {
  name: string
  bytes: Buffer
}

export const POSTGRES_REFUSALS: readonly Refusal[] = [
  ['08P01', 'server login has been failing, try again later (server_login_retry)'],
  ['08P01', 'pgbouncer cannot connect to server'],
  ['57P03', 'the database system is starting up'],
  ['57P01', 'terminating connection due to administrator command'],
  ['53300', 'sorry, too many clients already'],
  ['28P01', 'password authentication failed for user "otesse"'],
  ['28000', 'no pg_hba.conf entry for host "10.0.0.1", user "otesse"'],
  ['3D000', 'database "otesse" does not exist'],
  ['XX000', 'Tenant or user not found'],
].map(([state = '', message = '']) => ({
  name: `Postgres: ${message}`,
  bytes: postgresError(state, message),
}))

export const REDIS_REFUSALS: readonly Refusal[] = [
  '-ERR max number of clients reached',
  '-LOADING Redis is loading the dataset in memory',
  '-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to "no".',
  '-NOAUTH Authentication required.',
  '-NOPERM this user has no permissions to run this command',
  '-MISCONF Redis is configured to save RDB snapshots, but it is not able to persist on disk.',
  '-CLUSTERDOWN The cluster is down',
  '-ERR upstream failure',
].map((line) => ({ name: `Redis: ${line.slice(1)}`, bytes: Buffer.from(`${line}\r\n`) }))
