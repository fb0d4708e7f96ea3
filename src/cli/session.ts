// What every command works with: its surroundings, the open foundation, and the two ways in which it can end. Invariants: with --json,
// standard output is one JSON document whatever happened; what was opened is disposed before anything is shown, so that events are written.
import type { Problem } from '../apps/problem.ts'
import { type Config, ConfigError, type Environment, loadConfig } from '../config/config.ts'
import type { Foundation } from '../foundation.ts'
import { AppError } from '../shared/errors.ts'
import { createLogger, type Logger } from '../shared/logger.ts'
import { Cancelled, type Terminal } from './terminal.ts'

/** Who did it, in the event log. */
export const ACTOR = { actor: 'cli' } as const

/** How a command ended well: one document for scripts, one text for people. */
export interface Outcome {
  json: object
  text: string
  /** 1 where the command did its work and what it found is bad. */
  exitCode?: number
}

/** A command that cannot do what it was asked. */
export class Refusal extends Error {
  readonly code: string
  readonly problems: readonly Problem[]
  readonly exitCode: number

  constructor(
    code: string,
    message: string,
    facts: { problems?: readonly Problem[]; exitCode?: number; cause?: unknown } = {},
  ) {
    const { problems = [], exitCode = 1, cause } = facts
    super(message, { cause })
    this.code = code
    this.problems = problems
    this.exitCode = exitCode
  }
}

/** Says that the command was written wrongly. */
export const usageRefusal = (message: string): Refusal =>
  new Refusal('usage', message, { exitCode: 2 })

/** Says that the input breaks rules, and which. */
export const inputRefusal = (problems: readonly Problem[]): Refusal =>
  new Refusal('input_refused', 'Nothing was changed: the input has problems.', { problems })

/** One run of a command. */
export interface Session {
  env: Environment
  terminal: Terminal
  isVerbose: boolean
  isJson: boolean
  /** Reads the settings. @throws {ConfigError} */
  config(): Config
  /** A log on standard error; silent unless --verbose. */
  logger(): Logger
  /** Does work on everything that the server knows, and closes it. */
  withFoundation(work: (foundation: Foundation) => Promise<Outcome>): Promise<Outcome>
}

/** Creates the session of a command. */
export function createSession(
  env: Environment,
  terminal: Terminal,
  flags: { verbose?: boolean; json?: boolean },
): Session {
  const isVerbose = flags.verbose === true
  const config = (): Config => loadConfig(env)
  const logger = (): Logger =>
    createLogger(isVerbose ? 'debug' : 'silent', { write: (line) => terminal.warn(line) })
  return {
    env,
    terminal,
    isVerbose,
    isJson: flags.json === true,
    config,
    logger,
    async withFoundation(work) {
      const read = config()
      // Loaded here, so that help and mistyped commands do not wait for it.
      const { openFoundation } = await import('../foundation.ts')
      const { makeOwnSecrets } = await import('../own-secrets.ts')
      const secrets = read.secrets ?? (await makeOwnSecrets(read))
      await using foundation = await openFoundation(read, secrets, { logger: logger() })
      return await work(foundation)
    },
  }
}

const AWAY: Readonly<Record<string, string>> = {
  database: 'The database cannot be reached: check OTESSE_DATABASE_URL and that Postgres runs.',
  redis: 'Redis cannot be reached: check OTESSE_REDIS_URL and that Redis runs.',
}

/** Turns whatever a command threw into the refusal that is shown. */
export function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof Cancelled) return new Refusal('cancelled', 'Cancelled.', { exitCode: 130 })
  if (error instanceof ConfigError)
    return new Refusal('settings_refused', 'The settings cannot be used.', {
      problems: error.errors.map((sentence) => ({
        field: /^OTESSE_\w+/.exec(sentence)?.[0] ?? 'settings',
        rule: 'setting',
        sentence,
      })),
    })
  if (error instanceof AppError) return refusalOfApp(error)
  const message = error instanceof Error ? error.message : String(error)
  // By name: the class would bring in everything that is loaded later.
  const isRefused = error instanceof Error && error.constructor.name === 'StartRefused'
  return new Refusal(isRefused ? 'start_refused' : 'failed', message, { cause: error })
}

function refusalOfApp(error: AppError): Refusal {
  const { code, about, detail = '', sentence } = error
  if (code === 'temporarily_unavailable') return new Refusal(code, AWAY[detail] ?? sentence)
  if (code === 'not_found')
    return new Refusal(
      code,
      detail === '' ? 'There is no such thing.' : `There is no such ${detail}.`,
    )
  if (about === undefined) return new Refusal(code, sentence)
  // The detail of a refused password is a sentence for the person who chose it.
  const words = about === 'password' && detail !== '' ? detail : sentence
  return new Refusal(code, sentence, { problems: [{ field: about, rule: code, sentence: words }] })
}
