// Says in words what kept a connection from being made, whatever store it was for: by the code of
// Node, OpenSSL or the system. Called by redis-problems.ts and postgres-problems.ts.
import { type DriverMessage, says } from './driver-messages.ts'

/** What a store calls the things that mend its connection. */
export interface Remedies {
  url: string
  /** What to write for TLS, and for none. */
  withTls: string
  withoutTls: string
  /** Where to name an authority, a name and a certificate. */
  ca: string
  name: string
  certificate: string
}

type Says = (remedies: Remedies, error: Failure) => string

/** What Node and the drivers put on errors. */
export interface Failure {
  message: string
  name?: unknown
  code?: unknown
  hostname?: unknown
  address?: unknown
  port?: string | number
}

const placeOf = ({ address, port }: Failure): string =>
  typeof address === 'string' ? ` at ${address}${port === undefined ? '' : `:${port}`}` : ''

// By code; the first that fits is told.
const PROBLEMS: readonly [RegExp, Says][] = [
  [
    /^ECONNREFUSED$/,
    ({ url }, error) => `nothing listens${placeOf(error)}: check host and port in ${url}`,
  ],
  [
    /^(ENOTFOUND|EAI_AGAIN|EAI_NONAME)$/,
    ({ url }, { hostname }) =>
      `the name ${typeof hostname === 'string' ? hostname : 'of its host'} cannot be resolved: check it in ${url}`,
  ],
  [
    /^(EHOSTUNREACH|ENETUNREACH)$/,
    ({ url }) => `there is no route to it: check the address in ${url} and the network`,
  ],
  [
    /^ENOENT$/,
    ({ url }, error) => `there is no socket${placeOf(error)}: check the directory in ${url}`,
  ],
  [/^(EACCES|EPERM)$/, (_, error) => `this user may not open the socket${placeOf(error)}`],
  [/^CERT_HAS_EXPIRED$/, () => 'its certificate has expired: renew it there'],
  [/^CERT_NOT_YET_VALID$/, () => 'its certificate is not valid yet: check the clocks'],
  [
    /ALTNAME_INVALID$/,
    ({ name, url }) =>
      `its certificate does not carry the name that it was called by: write that name in ${url}${name}`,
  ],
  [
    /SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|CERT_UNTRUSTED|INVALID_CA|CERT_SIGNATURE_FAILURE/,
    ({ ca }) =>
      `its certificate comes from an authority that this machine does not know: name it in ${ca}, or in NODE_EXTRA_CA_CERTS`,
  ],
  [
    /^ERR_SSL_.*ALERT/,
    ({ certificate }) =>
      `it refuses our side of TLS: it may want a certificate of this server, or another one (${certificate})`,
  ],
  [
    /^(ERR_SSL|EPROTO)/,
    ({ withoutTls }) => `it does not speak TLS there: use its TLS port, or write ${withoutTls}`,
  ],
  [
    /^ETIMEDOUT$/,
    ({ url }) => `it does not answer in time: check host and port in ${url}, the network and TLS`,
  ],
  [
    /^(ECONNRESET|EPIPE)$/,
    ({ withTls }) => `it closes every connection: it may want TLS (${withTls})`,
  ],
]

// The code that fits what a driver says in words alone.
const CODES_OF_MESSAGES: readonly [DriverMessage, string][] = [
  ['tlsAlert', 'ERR_SSL_ALERT'],
  ['redisTimeout', 'ETIMEDOUT'],
  ['postgresTimeout', 'ETIMEDOUT'],
  ['postgresHasNoTls', 'EPROTO'],
  ['redisClosed', 'ECONNRESET'],
  ['postgresClosed', 'ECONNRESET'],
]

function codeOf(error: Failure): string | undefined {
  if (typeof error.code === 'string' && error.code !== 'EPROTO') return error.code
  // ioredis gives up on a command when its connection was closed again and again.
  if (error.name === 'MaxRetriesPerRequestError') return 'ECONNRESET'
  const [, code] = CODES_OF_MESSAGES.find(([message]) => says(message, error)) ?? []
  return code ?? (typeof error.code === 'string' ? error.code : undefined)
}

/** Returns what is wrong and what mends it, or undefined where the error is of another kind. */
export function connectionProblem(error: Failure, remedies: Remedies): string | undefined {
  const code = codeOf(error)
  if (code === undefined) return undefined
  const [, sentence] = PROBLEMS.find(([codes]) => codes.test(code)) ?? []
  return sentence?.(remedies, error)
}

/** The first line of a driver's words: they name hosts and roles, and never passwords. */
export const firstLine = ({ message }: Failure): string =>
  message.split('\n')[0]?.slice(0, 200) ?? ''

/** Takes whatever was thrown for what it has of an error. */
export const failureOf = (error: unknown): Failure =>
  typeof error === 'object' && error !== null && 'message' in error
    ? {
        ...(error as object),
        message: String(error.message),
        name: 'name' in error ? error.name : undefined,
      }
    : { message: String(error) }
