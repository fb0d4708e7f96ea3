// Reads the environment once, at start: every value parsed, every problem told at the same time,
// the result frozen. Invariant: a Config that exists is complete and consistent, and nothing in it
// prints a secret. Called by main.ts and cli.ts only; the rest of the server is handed the values
// that it needs.
import { readFileSync } from 'node:fs'
import type { Secret } from '../shared/secret.ts'
import { crossCheck } from './checks.ts'
import { listSettings, type Mode, type ServerSetting, type SettingValues } from './settings.ts'
import { complainAboutUnknownNames } from './unknown-names.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Where everything is kept: the choice that OTESSE_DATABASE_URL and OTESSE_REDIS_URL make together. */
export type StoresConfig =
  | { readonly kind: 'embedded'; readonly dataDirectory: string }
  | {
      readonly kind: 'networked'
      readonly database: Omit<SettingValues['database'], 'url'> & { readonly url: Secret<string> }
      readonly redis: Omit<SettingValues['redis'], 'url'> & { readonly url: Secret<string> }
    }

/** The secrets of the server, current one first in each list. */
export interface SecretsConfig {
  readonly secretKeys: readonly Secret<string>[]
  readonly encryptionKeys: readonly Secret<string>[]
  /** Those of credentials of connections, where they have keys of their own. */
  readonly connectionsKeys?: readonly Secret<string>[] | undefined
}

type PlainSections =
  | 'ops'
  | 'tokens'
  | 'signIn'
  | 'limits'
  | 'gateways'
  | 'connections'
  | 'outgoing'
  | 'events'
  | 'pages'
  | 'mail'
  | 'unsafe'

/** Everything that can be set, deeply frozen. */
export interface Config extends Pick<SettingValues, PlainSections> {
  readonly production: boolean
  readonly server: Omit<SettingValues['server'], 'issuer'> & { readonly issuer: string }
  readonly stores: StoresConfig
  /** Absent only in embedded mode without any: the server makes its own, in the data directory. */
  readonly secrets: SecretsConfig | undefined
  /** Sentences for the log at boot. */
  readonly warnings: readonly string[]
}

/** The environment cannot be used. The message lists every problem, one a line, without any secret. */
export class ConfigError extends Error {
  readonly errors: readonly string[]
  readonly warnings: readonly string[]

  constructor(errors: readonly string[], warnings: readonly string[]) {
    const list = (title: string, lines: readonly string[]): string[] =>
      lines.length === 0 ? [] : [title, ...lines.map((line) => `  - ${line}`)]
    super(
      [
        ...list('The settings are invalid:', errors),
        ...list('Warnings:', warnings),
        'docs/settings.md describes each of them.',
      ].join('\n'),
    )
    this.name = 'ConfigError'
    this.errors = errors
    this.warnings = warnings
  }
}

/**
 * Reads the configuration from environment variables; an empty variable counts as absent.
 *
 * @param readFile reads what a `<NAME>_FILE` variable names
 * @throws {ConfigError} with all problems at once
 */
export function loadConfig(
  env: Environment,
  readFile: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): Config {
  const errors = complainAboutUnknownNames(env)
  const texts = readTexts(env, readFile, errors)
  const given = new Set(texts.keys())
  const mode: Mode = {
    embedded: !given.has('OTESSE_DATABASE_URL') && !given.has('OTESSE_REDIS_URL'),
    production: env['NODE_ENV'] === 'production',
  }
  const values = parseValues(texts, mode, errors)
  const complaints = crossCheck({ mode, values, given })
  errors.push(...complaints.errors)
  if (errors.length > 0) throw new ConfigError(errors, complaints.warnings)
  return deepFreeze(assemble(values, mode, complaints.warnings))
}

function readTexts(
  env: Environment,
  readFile: (path: string) => string,
  errors: string[],
): Map<string, string> {
  const texts = new Map<string, string>()
  for (const { setting } of listSettings()) {
    const text = (env[setting.env] ?? '').trim()
    const path = setting.secret ? (env[`${setting.env}_FILE`] ?? '') : ''
    if (text !== '') texts.set(setting.env, text)
    if (path === '') continue
    if (text !== '') errors.push(`${setting.env} and ${setting.env}_FILE are both set: keep one`)
    else texts.set(setting.env, readSecretFile(setting.env, path))
  }
  return texts

  function readSecretFile(name: string, path: string): string {
    try {
      const text = readFile(path).trim()
      if (text === '') errors.push(`${name}_FILE names a file that is empty`)
      return text
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
      errors.push(`${name}_FILE names a file that cannot be read (${code})`)
      return ''
    }
  }
}

/** Parses what is given; what fails gets its default, so that the other problems are found as well. */
function parseValues(
  texts: ReadonlyMap<string, string>,
  mode: Mode,
  errors: string[],
): SettingValues {
  const sections: Record<string, Record<string, unknown>> = {}
  for (const { section, key, setting } of listSettings())
    (sections[section] ??= {})[key] = valueOf(setting, texts.get(setting.env), mode, errors)
  // The table's own type says what its parsers give; building it row by row loses that.
  return sections as unknown as SettingValues
}

function valueOf(
  setting: ServerSetting<unknown>,
  text: string | undefined,
  mode: Mode,
  errors: string[],
): unknown {
  if (text === undefined || text === '') return setting.fallback(mode)
  try {
    return setting.parse(text)
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error)
    const quoted = setting.secret ? '' : ` "${text.slice(0, 100)}"`
    errors.push(`${setting.env}${quoted}: ${sentence}`)
    return setting.fallback(mode)
  }
}

function assemble(values: SettingValues, mode: Mode, warnings: readonly string[]): Config {
  const { server, database, redis, embedded, secrets, ...plain } = values
  const { secretKeys, encryptionKeys, connectionsKeys } = secrets
  const issuer = server.issuer ?? `http://localhost:${server.port}`
  return {
    ...plain,
    production: mode.production,
    server: { ...server, issuer },
    stores:
      database.url !== undefined && redis.url !== undefined
        ? {
            kind: 'networked',
            database: { ...database, url: database.url },
            redis: { ...redis, url: redis.url },
          }
        : { kind: 'embedded', ...embedded },
    secrets:
      secretKeys !== undefined && encryptionKeys !== undefined
        ? { secretKeys, encryptionKeys, connectionsKeys }
        : undefined,
    warnings,
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
