// What the servers under test know before anything happens: scopes, apps and people, made by the
// command line as an operator makes them. Done once; each world then starts from a copy of the
// database, or of the data directory.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hash } from 'argon2'

export const REDIRECT_URI = 'https://app.faults.example/callback'
export const SCOPE = 'bookings:read'
/** Only `fleeting` may ask for it. */
export const FLEETING_SCOPE = 'notes:read'
export const PASSWORD = 'a long password for faults 4711'
export const ISSUER = 'https://auth.faults.example'
export const SECRET_KEY = 'faults-secret-key-0123456789-abcdefghij'
export const ENCRYPTION_KEY = 'faults-encryption-key-0123456789-abcdef'

const APP_NAMES = ['steady', 'rotating', 'fleeting', 'machine', 'api'] as const
/**
 * `steady` keeps its refresh token, `rotating` gets a new one with each use, `fleeting` is no part
 * of the load and may be switched off, `api` is a resource server.
 */
export type AppName = (typeof APP_NAMES)[number]

const PEOPLE = ['ada', 'bob', 'cleo', 'eve'] as const
/** `cleo` is no part of the load and may be locked out; `eve` has her password guessed. */
export type Person = (typeof PEOPLE)[number]
export const emailOf = (person: Person): string => `${person}@faults.example`

export interface AppCredentials {
  id: string
  secret: string
}
export type Apps = Record<AppName, AppCredentials>

/**
 * Settings of every server under test. Limits are counted and out of reach, but for guesses, of
 * which few are needed to be seen.
 */
export const COMMON_SETTINGS: Readonly<Record<string, string>> = {
  NODE_ENV: 'production',
  OTESSE_ISSUER: ISSUER,
  OTESSE_HOST: '127.0.0.1',
  OTESSE_OPS_PORT: '0',
  OTESSE_SECRET_KEY: SECRET_KEY,
  OTESSE_ENCRYPTION_KEY: ENCRYPTION_KEY,
  OTESSE_TRUSTED_PROXIES: '127.0.0.1',
  OTESSE_CODE_TTL_SECONDS: '300',
  OTESSE_LIMIT_TOKEN_PER_CLIENT: '0',
  OTESSE_LIMIT_TOKEN_PER_ADDRESS: '0',
  OTESSE_LIMIT_INTROSPECT_PER_CLIENT: '0',
  OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0',
  OTESSE_LIMIT_LOGIN_PER_ACCOUNT_ADDRESS: '3/900',
}

/** @param more settings beside those of the world */
export type Cli = (
  args: readonly string[],
  input?: string,
  more?: Readonly<Record<string, string>>,
) => Promise<string>

/** Makes a caller of the built command line. @throws {Error} with what it printed, when it fails */
export function createCli(dist: string, settings: Readonly<Record<string, string>>): Cli {
  return (args, input, more) =>
    new Promise((resolve, reject) => {
      const child = execFile(
        process.execPath,
        [join(dist, 'src/cli.js'), ...args],
        { env: { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1', ...settings, ...more } },
        (error, stdout, stderr) => {
          if (error) reject(new Error(`otesse ${args.join(' ')}: ${stdout}${stderr}`))
          else resolve(stdout)
        },
      )
      child.stdin?.end(input ?? '')
    })
}

const web = { type: 'web', redirectUris: [REDIRECT_URI], scopes: [SCOPE] }
const FILE = {
  scopes: [
    { name: SCOPE, sentence: 'See your bookings', group: 'Bookings' },
    { name: FLEETING_SCOPE, sentence: 'See your notes', group: 'Notes' },
  ],
  apps: [
    { ...web, handle: 'steady', name: 'Steady' },
    { ...web, handle: 'rotating', name: 'Rotating', rotateRefreshTokens: true },
    { ...web, handle: 'fleeting', name: 'Fleeting', scopes: [SCOPE, FLEETING_SCOPE] },
    { handle: 'machine', name: 'Machine', type: 'machine', scopes: [SCOPE] },
    { handle: 'api', name: 'API', type: 'resource_server' },
  ],
}

/** Migrates an empty database and fills it. */
export async function fill(cli: Cli, directory: string): Promise<Apps> {
  const file = join(directory, 'apps.json')
  const secrets = join(directory, 'secrets.jsonl')
  writeFileSync(file, JSON.stringify(FILE))
  await cli(['migrate'])
  await cli(['apply', '--file', file, '--secrets-out', secrets])
  const passwordHash = await hash(PASSWORD)
  const people = PEOPLE.map((person) =>
    JSON.stringify({ email: emailOf(person), password_hash: passwordHash }),
  )
  await cli(['account', 'import', '--format', 'ndjson', '-'], people.join('\n'))
  const lines = readFileSync(secrets, 'utf8').split('\n').filter(Boolean)
  const made = lines.map((line) => JSON.parse(line) as Record<string, string>)
  return Object.fromEntries(
    APP_NAMES.map((name) => {
      const found = made.find(({ handle }) => handle === name)
      return [name, { id: found?.['clientId'] ?? '', secret: found?.['clientSecret'] ?? '' }]
    }),
  ) as Apps
}
