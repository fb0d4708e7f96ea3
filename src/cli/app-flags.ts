// The flags by which an app is described, and how they, and the file beside them, become the input of the registry. The rules about values are
// the registry's; here is only what a command line adds: spelling, lists, files.
import { readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { LogoUpload } from '../admin/app-acts.ts'
import { inputRefusal } from './session.ts'
import { decodeWhole } from './text-file.ts'

interface AppFlags {
  file?: string
  logo?: string
  handle?: string
  name?: string
  type?: string
  description?: string
  homepage?: string
  privacy?: string
  terms?: string
  contact?: string
  environment?: string
  redirectUri?: string[]
  scope?: string[]
  audience?: string[]
  clientCredentials?: boolean
  requirePkce?: boolean
  rotate?: boolean
  sliding?: boolean
  accessTtl?: string
  refreshTtl?: string
  clear?: string[]
}

/** Settings as they were handed in, of whatever type. */
export type GivenInput = Record<string, unknown>

/** What can be emptied, by the flag that sets it. */
export const CLEARABLE = {
  handle: 'handle',
  description: 'description',
  homepage: 'homepageUrl',
  privacy: 'privacyUrl',
  terms: 'termsUrl',
  contact: 'ownerContact',
  environment: 'environment',
  'redirect-uri': 'redirectUris',
  scope: 'scopes',
  audience: 'audiences',
  'access-ttl': 'accessTtlSeconds',
  'refresh-ttl': 'refreshTtlSeconds',
} as const

const collect = (value: string, before: string[] = []): string[] => [...before, value]
const collectList = (value: string, before: string[] = []): string[] => [
  ...before,
  ...value.split(/[\s,]+/).filter((part) => part !== ''),
]

/** Adds the flags that describe an app. */
export function addAppFlags(command: Command): Command {
  return command
    .option('--name <name>', 'what people see on the consent page')
    .option('--type <type>', 'web, public, machine or resource-server')
    .option('--redirect-uri <uri>', 'where people come back to; may be repeated', collect)
    .option('--scope <scopes>', 'may be repeated, or a list with commas', collectList)
    .option('--handle <handle>', 'a name of your own by which files and commands know the app')
    .option('--description <text>', 'one or two sentences for the consent page')
    .option('--homepage <url>')
    .option('--privacy <url>')
    .option('--terms <url>')
    .option('--contact <text>', 'who owns the app, for admins')
    .option('--environment <label>', 'production, staging …')
    .option('--logo <file>', 'PNG, JPEG, WebP or SVG')
    .option(
      '--audience <name>',
      'an API that a machine may ask tokens for, or that a resource server is; may be repeated',
      collect,
    )
    .option(
      '--client-credentials',
      'let a web app get tokens of its own with its secret alone (machines always start with it)',
    )
    .option('--require-pkce', 'refuse authorization without PKCE (public apps always)')
    .option('--rotate', 'a new refresh token with every use (public apps always)')
    .option('--sliding', 'every use renews the life of the refresh token')
    .option('--access-ttl <seconds>', 'life of access tokens instead of the server’s')
    .option('--refresh-ttl <seconds>', 'life of refresh tokens instead of the server’s')
    .option('--file <app.json>', 'take all of this from a JSON file; flags win over it')
}

/** Adds the flags that take something away from an app that is there. */
export function addClearingFlags(command: Command): Command {
  return command
    .option('--no-client-credentials', 'no tokens of its own any more; live ones end')
    .option('--no-require-pkce', 'PKCE is optional again')
    .option('--no-rotate', 'the refresh token stays the same')
    .option('--no-sliding', 'the life of the refresh token is fixed')
    .addOption(
      new Option('--clear <setting>', 'empty a setting; may be repeated')
        .choices(Object.keys(CLEARABLE))
        .argParser((value: string, before: string[] | undefined) => {
          const names = [...(before ?? []), value]
          const unknown = names.find((name) => !Object.hasOwn(CLEARABLE, name))
          if (unknown === undefined) return names
          throw inputRefusal([
            {
              field: 'clear',
              value: unknown,
              rule: 'clearable',
              sentence: `What can be emptied: ${Object.keys(CLEARABLE).join(', ')}.`,
            },
          ])
        }),
    )
}

/** Reads what the flags, and the file that they name, say about an app; what they do not mention is not there. */
export async function readAppInput(
  command: Command,
): Promise<{ input: GivenInput; logo: LogoUpload | undefined }> {
  const flags = command.opts<AppFlags>()
  const { logo, ...fromFile } = flags.file === undefined ? {} : await readAppFile(flags.file)
  const given: GivenInput = {
    handle: flags.handle,
    name: flags.name,
    type: flags.type,
    description: flags.description,
    homepageUrl: flags.homepage,
    privacyUrl: flags.privacy,
    termsUrl: flags.terms,
    ownerContact: flags.contact,
    environment: flags.environment,
    redirectUris: flags.redirectUri,
    scopes: flags.scope,
    audiences: flags.audience,
    clientCredentials: flags.clientCredentials,
    requirePkce: flags.requirePkce,
    rotateRefreshTokens: flags.rotate,
    slidingRefresh: flags.sliding,
    accessTtlSeconds: flags.accessTtl === undefined ? undefined : Number(flags.accessTtl),
    refreshTtlSeconds: flags.refreshTtl === undefined ? undefined : Number(flags.refreshTtl),
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  const input: GivenInput = { ...fromFile, ...Object.fromEntries(set) }
  for (const name of flags.clear ?? []) {
    const setting = CLEARABLE[name as keyof typeof CLEARABLE]
    // Both at once would have to be guessed at.
    if (input[setting] !== undefined)
      throw inputRefusal([
        {
          field: 'clear',
          value: name,
          rule: 'clear-and-set',
          sentence: 'It is emptied and set in one command: leave one of them out.',
        },
      ])
    input[setting] = undefined
  }
  // The hyphen is easier to type.
  if (input['type'] === 'resource-server') input['type'] = 'resource_server'
  const path = flags.logo ?? logoBeside(flags.file, logo)
  return { input, logo: path === undefined ? undefined : await readLogo(path) }
}

/** The path of a logo that a file names. @throws {Refusal} where it is no text */
function logoBeside(file: string | undefined, logo: unknown): string | undefined {
  if (file === undefined || logo === undefined) return undefined
  if (typeof logo === 'string') return resolve(dirname(file), logo)
  throw inputRefusal([{ field: 'logo', rule: 'field-type', sentence: 'This must be a file name.' }])
}

const refuseFile = (sentence: string): Error =>
  inputRefusal([{ field: 'file', rule: 'file', sentence }])

async function readAppFile(path: string): Promise<GivenInput> {
  const read: unknown = parseJson(await decodeWhole(await readBytes(path, 'file'), path))
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw refuseFile('The file must be one JSON object.')
  return read as GivenInput
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw refuseFile('The file is not JSON.')
  }
}

/** Reads a file that a flag names. @param field the flag, as problems name it @throws {Refusal} */
export async function readBytes(path: string, field: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw inputRefusal([
      { field, value: path, rule: 'file', sentence: `The file cannot be read (${code}).` },
    ])
  }
}

const LOGO_TYPES: Readonly<Record<string, string>> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
}

/** Reads a picture; its type is told by the name of the file, and held against its content later. @throws {Refusal} */
export async function readLogo(path: string): Promise<LogoUpload> {
  const bytes = await readBytes(path, 'logo')
  return {
    bytes,
    contentType: LOGO_TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream',
  }
}
