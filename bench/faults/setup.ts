// What the servers under test know before anything happens: scopes, apps and people, made by the
// command line as an operator makes them. Done
// once; each world then starts from a copy of the database, or of the data directory.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const REDIRECT_URI = 'https://app.faults.example/callback'
export const SCOPE = 'bookings:read'
export const PASSWORD = 'a long password for faults 4711'
export const ISSUER = 'https://auth.faults.example'
export const SECRET_KEY = 'faults-secret-key-0123456789-abcdefghij'
export const ENCRYPTION_KEY = 'faults-encryption-key-0123456789-abcdef'

export const APP_NAMES = ['steady', 'rotating', 'machine', 'api'] as const
/**
 * `steady` keeps its refresh token, `rotating` gets a new one with each use, `api` is a resource
 * server.
 */
export type AppName = (typeof APP_NAMES)[number]

export const PEOPLE = ['ada', 'bob', 'eve'] as const
/** `eve` is the one whose password is guessed. */
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

export type Cli = (args: readonly string[], input?: string) => Promise<string>

/** Makes a caller of the built command line. @throws {Error} with what it printed, when it fails */
export function createCli(dist: string, settings: Readonly<Record<string, string>>): Cli {
  return (args, input) =>
    new Promise((resolve, reject) => {
      const child = execFile(
        process.execPath,
        [join(dist, 'src/cli.js'), ...args],
        { env: { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1', ...settings } },
        (error, stdout, stderr) => {
          if (error) reject(new Error(`otesse ${args.join(' ')}: ${stdout}${stderr}`))
          else resolve(stdout)
        },
      )
      child.stdin?.end(input ?? '')
    })
}

const FILE = {
  scopes: [{ name: SCOPE, sentence: 'See your bookings', group: 'Bookings' }],
  apps: [
    { handle: 'steady', name: 'Steady', type: 'web' },
    { handle: 'rotating', name: 'Rotating', type: 'web', rotateRefreshTokens: true },
    { handle: 'machine', name: 'Machine', type: 'machine', scopes: [SCOPE] },
    { handle: 'api', name: 'API', type: 'resource_server' },
  ].map((app) =>
    app.type === 'web' ? { ...app, redirectUris: [REDIRECT_URI], scopes: [SCOPE] } : app,
  ),
}

/** Migrates an empty database and fills it. */
export async function fill(cli: Cli, directory: string): Promise<Apps> {
  const file = join(directory, 'apps.json')
  const secrets = join(directory, 'secrets.jsonl')
  writeFileSync(file, JSON.stringify(FILE))
  await cli(['migrate'])
  await cli(['apply', '--file', file, '--secrets-out', secrets])
  // One after the other: an embedded data directory has one user at a time.
  for (const person of PEOPLE)
    await cli(['account', 'create', '--email', emailOf(person), '--password-stdin'], PASSWORD)
  const lines = readFileSync(secrets, 'utf8').split('\n').filter(Boolean)
  const made = lines.map((line) => JSON.parse(line) as Record<string, string>)
  return Object.fromEntries(
    APP_NAMES.map((name) => {
      const found = made.find(({ handle }) => handle === name)
      return [name, { id: found?.['clientId'] ?? '', secret: found?.['clientSecret'] ?? '' }]
    }),
  ) as Apps
}
