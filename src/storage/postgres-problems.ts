// Says in one sentence why Postgres cannot be used and what mends it, for whoever starts the server
// or migrates.
import { connectionProblem, failureOf, firstLine, type Remedies } from './connection-problems.ts'
import { NotWritable, stateOf } from './database-errors.ts'
import { type DriverMessage, says } from './driver-messages.ts'

const URL = 'OTESSE_DATABASE_URL'

const REMEDIES: Remedies = {
  url: URL,
  withTls: `sslmode=require in ${URL}`,
  withoutTls: `sslmode=disable in ${URL}`,
  ca: `sslrootcert of ${URL}`,
  name: '',
  certificate: `sslcert and sslkey of ${URL}`,
}

// What Postgres and poolers answer, by SQLSTATE.
const ANSWERS: Readonly<Record<string, string>> = {
  '28P01': `it refuses user or password: check them in ${URL}`,
  '28000': `it lets nobody in by this role and from this address: check the user in ${URL}, and pg_hba.conf there`,
  '3D000': `it has no database of the name in ${URL}: create it, or check the name`,
  '3F000': 'the schema does not exist: check search_path, or create it',
  '42501':
    'the role may not do that: as its owner, run GRANT USAGE, CREATE ON SCHEMA public TO the role',
  '53300':
    'it has reached its limit of connections: raise max_connections there, or lower OTESSE_DATABASE_POOL_SIZE',
  '57P03': 'it is starting or stopping: start the server again in a moment',
  '25006':
    'it is read-only: name the primary, or several hosts with target_session_attrs=read-write',
}

const MESSAGES: readonly [DriverMessage, string][] = [
  [
    'postgresWantsTls',
    `it lets nobody in without TLS: write sslmode=require or verify-full in ${URL}`,
  ],
  ['postgresPasswordMissing', `it wants a password: write it in ${URL}, or set PGPASSFILE`],
  [
    'poolerRefuses',
    `the pooler refuses: check user and database in ${URL}, and its own list of them`,
  ],
]

/** Returns the sentence. @param error what the driver threw */
export function postgresProblem(error: unknown): string {
  const failure = failureOf(error)
  const words =
    error instanceof NotWritable
      ? ANSWERS['25006']
      : MESSAGES.find(([what]) => says(what, failure))?.[1]
  const state = stateOf(error)
  const answer =
    words ?? (state === undefined ? connectionProblem(failure, REMEDIES) : ANSWERS[state])
  return answer === undefined || state !== undefined
    ? `Postgres cannot be used: ${[answer, `it says "${firstLine(failure)}"`].filter(Boolean).join('; ')}.`
    : `Postgres cannot be used: ${answer}.`
}
