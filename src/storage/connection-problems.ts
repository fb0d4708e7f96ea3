// Says in words what kept a connection from being made, whatever store it was for. Called by
// redis-problems.ts and postgres-problems.ts.

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
  code?: unknown
  hostname?: unknown
  address?: unknown
  port?: string | number
}

const placeOf = ({ address, port }: Failure): string =>
  typeof address === 'string' ? ` at ${address}${port === undefined ? '' : `:${port}`}` : ''

// By the code, or by the words where a driver kept only these; the first that fits is told.
const PROBLEMS: readonly [RegExp, Says][] = [
  [
    /ECONNREFUSED/,
    ({ url }, error) => `nothing listens${placeOf(error)}: check host and port in ${url}`,
  ],
  [
    /ENOTFOUND|EAI_AGAIN|EAI_NONAME/,
    ({ url }, { hostname }) =>
      `the name ${typeof hostname === 'string' ? hostname : 'of its host'} cannot be resolved: check it in ${url}`,
  ],
  [
    /EHOSTUNREACH|ENETUNREACH/,
    ({ url }) => `there is no route to it: check the address in ${url} and the network`,
  ],
  [
    /ENOENT/,
    ({ url }, error) => `there is no socket${placeOf(error)}: check the directory in ${url}`,
  ],
  [/EACCES|EPERM/, (_, error) => `this user may not open the socket${placeOf(error)}`],
  [/CERT_HAS_EXPIRED|certificate has expired/, () => 'its certificate has expired: renew it there'],
  [/CERT_NOT_YET_VALID|not yet valid/, () => 'its certificate is not valid yet: check the clocks'],
  [
    /ALTNAME_INVALID|does not match certificate|altnames/,
    ({ name, url }) =>
      `its certificate does not carry the name that it was called by: write that name in ${url}${name}`,
  ],
  [
    /SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|self-signed|unable to (get|verify)|CERT_UNTRUSTED|INVALID_CA|CERT_SIGNATURE_FAILURE/i,
    ({ ca }) =>
      `its certificate comes from an authority that this machine does not know: name it in ${ca}, or in NODE_EXTRA_CA_CERTS`,
  ],
  [
    /ALERT|alert/,
    ({ certificate }) =>
      `it refuses our side of TLS: it may want a certificate of this server, or another one (${certificate})`,
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH|EPROTO|ERR_SSL|wrong version number|does not support SSL|record layer/,
    ({ withoutTls }) => `it does not speak TLS there: use its TLS port, or write ${withoutTls}`,
  ],
  [
    /ETIMEDOUT|timed? ?out|timeout/i,
    ({ url }) => `it does not answer in time: check host and port in ${url}, the network and TLS`,
  ],
  [
    /ECONNRESET|EPIPE|socket hang up|closed|terminated|ended|max retries/i,
    ({ withTls }) => `it closes every connection: it may want TLS (${withTls})`,
  ],
]

/** Returns what is wrong and what mends it, or undefined where the error is of another kind. */
export function connectionProblem(error: Failure, remedies: Remedies): string | undefined {
  const text = `${typeof error.code === 'string' ? error.code : ''} ${error.message}`
  const [, says] = PROBLEMS.find(([pattern]) => pattern.test(text)) ?? []
  return says?.(remedies, error)
}

/** The first line of a driver's words: they name hosts and roles, and never passwords. */
export const firstLine = ({ message }: Failure): string =>
  message.split('\n')[0]?.slice(0, 200) ?? ''

/** Takes whatever was thrown for what it has of an error. */
export const failureOf = (error: unknown): Failure =>
  typeof error === 'object' && error !== null && 'message' in error
    ? { ...(error as object), message: String(error.message) }
    : { message: String(error) }
