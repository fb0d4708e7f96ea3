// What every command works with: its surroundings, the open services, and the two ways in which it
// can end. Invariants: with --json, standard output is one JSON document whatever happened; what
// was opened is disposed before anything is shown, so that events are written.
import { ALL_ADMIN_SCOPES, type Operator } from '../admin/operator.ts'
import { FileRefused } from '../admin/import/text-file.ts'
import type { AdminServices } from '../compose/admin-services.ts'
import { type Config, ConfigError, type Environment, loadConfig } from '../config/config.ts'
import type { Infrastructure } from '../infrastructure.ts'
import type { Services } from '../services.ts'
import { AppError } from '../shared/errors.ts'
import { createLogger, type Logger } from '../shared/logger.ts'
import { storeProblem } from '../storage/store-problems.ts'
import type { ShownProblem } from './layout.ts'
import { Cancelled, type Terminal } from './terminal.ts'

/** Who did it, in the event log. Whoever can run commands beside the database may do everything. */
export const OPERATOR: Operator = { id: 'cli', scopes: ALL_ADMIN_SCOPES }

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
  readonly problems: readonly ShownProblem[]
  readonly exitCode: number

  constructor(
    code: string,
    message: string,
    facts: { problems?: readonly ShownProblem[]; exitCode?: number; cause?: unknown } = {},
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
export const inputRefusal = (problems: readonly ShownProblem[]): Refusal =>
  new Refusal('input_refused', 'Nothing was changed: the input has problems.', { problems })

/** Says that somebody else changed it in the meantime. @param look the command that shows it as it is now */
export const conflictRefusal = (version: number, look: string): Refusal =>
  new Refusal(
    'conflict',
    `Nothing was changed: someone else changed it in the meantime, and it is now version ${version}. Look at it (${look}), then repeat your change.`,
  )

/** Reads a version as somebody types it. @throws {Refusal} */
export function parseVersion(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw usageRefusal('--if-version is the number of the version that you looked at')
  return Number(text)
}

/** Reads how many of a list are wanted. @throws {Refusal} */
export function parseLimit(text: string | undefined, most: number): number {
  const count = Number(text)
  if (!/^\d{1,9}$/.test(text ?? '') || count < 1 || count > most)
    throw usageRefusal(`--limit is a whole number from 1 to ${most}`)
  return count
}

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
  /** Reads a secret or token from standard input, or from a prompt that does not show it. */
  readSecretText(question: string): Promise<string>
  /** Does work on everything that the server knows, and closes it. */
  withServices(
    work: (services: Services, infrastructure: Infrastructure) => Promise<Outcome>,
  ): Promise<Outcome>
  /** The same, with the admin services over it; commands that change something go through these. */
  withAdminServices(
    work: (
      admin: AdminServices,
      services: Services,
      infrastructure: Infrastructure,
    ) => Promise<Outcome>,
  ): Promise<Outcome>
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
  async function withServices(
    work: (services: Services, infrastructure: Infrastructure) => Promise<Outcome>,
  ): Promise<Outcome> {
    const read = config()
    const { openInfrastructure, openServices, makeOwnSecrets } = await loadServices()
    const secrets = read.secrets ?? (await makeOwnSecrets(read))
    await using infrastructure = await openInfrastructure(read, secrets, { logger: logger() })
    await using services = await openServices(infrastructure)
    return await work(services, infrastructure)
  }
  return {
    env,
    terminal,
    isVerbose,
    isJson: flags.json === true,
    config,
    logger,
    async readSecretText(question) {
      const text = terminal.isInteractive
        ? await terminal.askHidden(question)
        : await terminal.readAll()
      return text.trim()
    },
    withServices,
    withAdminServices: (work) =>
      withServices(async (services, infrastructure) => {
        const { createAdminServices } = await import('../compose/admin-services.ts')
        return work(createAdminServices(infrastructure, services), services, infrastructure)
      }),
  }
}

// Loaded when it is needed, so that help and mistyped commands do not wait for it. Not inside the
// function that has `await using`: there TypeScript 6.0 leaves the `.ts` of an import() as it is,
// and what was built cannot find its own files.
async function loadServices() {
  const { openInfrastructure } = await import('../infrastructure.ts')
  const { openServices } = await import('../services.ts')
  const { makeOwnSecrets } = await import('../own-secrets.ts')
  return { openInfrastructure, openServices, makeOwnSecrets }
}

/** Turns whatever a command threw into the refusal that is shown. */
export function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof FileRefused) return inputRefusal([error.problem])
  if (error instanceof Cancelled) return new Refusal('cancelled', 'Cancelled.', { exitCode: 130 })
  if (error instanceof ConfigError)
    return new Refusal('settings_refused', 'The settings are invalid.', {
      problems: error.errors.map((sentence) => ({
        field: /^OTESSE_\w+/.exec(sentence)?.[0] ?? 'settings',
        rule: 'setting',
        sentence,
      })),
    })
  if (error instanceof AppError) return refusalOfApp(error)
  const message = storeProblem(error) ?? (error instanceof Error ? error.message : String(error))
  // By name: the class would bring in everything that is loaded later.
  const isRefused = error instanceof Error && error.constructor.name === 'StartRefused'
  return new Refusal(isRefused ? 'start_refused' : 'failed', message, { cause: error })
}

function refusalOfApp(error: AppError): Refusal {
  const { code, about, detail = '', sentence } = error
  if (code === 'temporarily_unavailable') return new Refusal(code, storeProblem(error) ?? sentence)
  if (code === 'not_found')
    return new Refusal(code, detail === '' ? 'Not found.' : `There is no such ${detail}.`)
  if (about === undefined) return new Refusal(code, sentence)
  // The detail of a refused password is a sentence for the person who chose it.
  const words = about === 'password' && detail !== '' ? detail : sentence
  return new Refusal(code, sentence, { problems: [{ field: about, rule: code, sentence: words }] })
}
