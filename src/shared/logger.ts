// Structured logs. Invariant: no token, code, secret or password is ever written, whatever a caller
// passes: known fields are redacted by name, and anything that looks like one of our tokens is cut
// out of the finished line.
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino'
import { TOKEN_PATTERN } from './token-format.ts'

export type Logger = PinoLogger
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

const SECRET_FIELDS = [
  'password',
  'client_?secret',
  'secret',
  'code_?verifier',
  'refresh_?token',
  'access_?token',
  'id_?token',
  'token',
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  // Of a Redis command that failed: AUTH has the password there.
  'args',
]

const TEXT = String.raw`"(?:[^"\\]|\\.)*"`
// A field of such a name and its value: a text, a list of texts, a number. The finished line is
// searched, and not the object, because there every depth costs the same.
const SECRET_FIELD = new RegExp(
  String.raw`("(?:${SECRET_FIELDS.join('|')})":)(?:${TEXT}|\[(?:${TEXT}|[^\]"])*\]|[\w.+-]+)`,
  'gi',
)

// A write costs as much as a fifth of a token request, so lines wait for one another: until there
// are 4 KiB, and never longer than 50 ms. Whatever ends the process but SIGKILL writes the rest.
const STDOUT = { dest: 1, sync: false, minLength: 4096, periodicFlush: 50 }

const redact = (line: string): string =>
  line.replace(SECRET_FIELD, '$1"[redacted]"').replace(TOKEN_PATTERN, 'otesse_$1_[redacted]')

/**
 * Creates the logger.
 *
 * @param destination where lines go; stdout, written in the background, when absent
 */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: { streamWrite: redact },
  }
  return pino(options, destination ?? pino.destination(STDOUT))
}
