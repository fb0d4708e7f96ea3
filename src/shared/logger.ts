// Structured logs. Invariant: no token, code, secret or password is ever written, whatever a caller passes: known fields are redacted by
// name, and anything that looks like one of our tokens is cut out of the finished line.
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino'
import { TOKEN_PATTERN } from './token-format.ts'

export type Logger = PinoLogger
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

const SECRET_FIELDS = [
  'password',
  'client_secret',
  'code',
  'code_verifier',
  'refresh_token',
  'access_token',
  'token',
  'authorization',
  'cookie',
]

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
    redact: {
      paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]),
      censor: '[redacted]',
    },
    hooks: {
      streamWrite: (line: string) =>
        line.includes('otesse_') ? line.replace(TOKEN_PATTERN, 'otesse_$1_[redacted]') : line,
    },
  }
  return pino(options, destination ?? pino.destination({ dest: 1, sync: false, minLength: 0 }))
}
