// Tells what an error of the database means. Invariant: only the server's answer about a statement
// of ours counts as our fault; everything else that a driver throws (the network, name resolution,
// TLS, a pooler, a server that starts, stops or is full) means "not now".
import { AppError } from '../shared/errors.ts'

// SQLSTATE classes, and single states, in which the server speaks of itself and not of the
// statement.
const NOT_NOW_CLASSES = new Set([
  '08', // connection exception; also what poolers answer with
  '28', // invalid authorization: a password that an operator is just changing
  '3D', // invalid catalog name: a database that is just being restored
  '40', // transaction rollback: deadlock, serialization failure
  '53', // insufficient resources: disk, memory, connections
  '55', // object not in prerequisite state: locks, recovery
  '57', // operator intervention: shutdown, cancel, cannot connect now
  '58', // system error: the disk of the server
  'F0', // configuration file error
  'XX', // internal error; also of poolers
])
const NOT_NOW_STATES = new Set([
  '25006', // read_only_sql_transaction: a replica after a failover
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
])

// After these the connection leads to the wrong server, or to none.
const CONNECTION_CLASSES = new Set(['08', '28', '3D', '57', '58', 'XX'])

/** A server that takes no writes where one that does is wanted. */
export class NotWritable extends Error {}

// What the drivers of this process threw, other than answers of the server.
const ofDriver = new WeakSet()

/** Runs a call of the driver and remembers that its failure comes from there. */
export async function markDriverErrors<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    // A type error of the driver is about the values that we handed over.
    if (isObject(error) && error.name !== 'TypeError') ofDriver.add(error)
    throw error
  }
}

// By shape: the two drivers have classes of their own.
const isObject = (error: unknown): error is { name?: unknown } =>
  typeof error === 'object' && error !== null

/** Returns the SQLSTATE of a server's answer. */
export function stateOf(error: unknown): string | undefined {
  if (!isObject(error) || !('code' in error) || !('severity' in error)) return undefined
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined
}

/** Returns whether a database error is a violated unique constraint. */
export const isUniqueViolation = (error: unknown): boolean => stateOf(error) === '23505'

/** Returns whether a database error is a reference to a row that is not there. */
export const isForeignKeyViolation = (error: unknown): boolean => stateOf(error) === '23503'

/**
 * Returns whether the error means that the database cannot do its work now, whatever the statement
 * was.
 */
function isNotNow(error: unknown): error is Error {
  const state = stateOf(error)
  if (state !== undefined)
    return NOT_NOW_STATES.has(state) || NOT_NOW_CLASSES.has(state.slice(0, 2))
  return isObject(error) && ofDriver.has(error)
}

/**
 * Returns whether what refused a connection may have meant a parameter of ours: neither the login,
 * nor the load, nor a shutdown.
 */
export const isStartupRefusal = (error: unknown): boolean =>
  /^(08P|0A|22|42|XX)/.test(stateOf(error) ?? '')

/** Returns whether the connection that the error came over must not be used again. */
export function isConnectionFailure(error: unknown): error is Error {
  const state = stateOf(error)
  if (state === undefined) return isNotNow(error)
  // A statement that was cancelled or took too long leaves the connection as it was.
  return state !== '57014' && (state === '25006' || CONNECTION_CLASSES.has(state.slice(0, 2)))
}

/**
 * Runs database work and turns "not now" into `temporarily_unavailable`. Stores wrap each query in
 * it, so that nobody above sees a driver's error.
 */
export async function withDatabase<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isNotNow(error)) throw error
    throw new AppError('temporarily_unavailable', {
      cause: error,
      detail: 'database',
      retryAfterSeconds: 2,
    })
  }
}

/** Returns whether a server answered that user or password are wrong. */
export const isLoginRefusal = (error: unknown): boolean => stateOf(error)?.startsWith('28') === true
