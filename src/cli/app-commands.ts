// otesse app: register, list, show. The rules are the registry's own; here flags and the file become its input, and its answer becomes text.
import { readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import type { Command } from 'commander'
import type { App, AppInput, AppStatus } from '../apps/app.ts'
import { checkAppInput, DEFAULT_LIFETIME_BOUNDS } from '../apps/client-metadata.ts'
import { checkLogo } from '../apps/logo.ts'
import type { Problem } from '../apps/problem.ts'
import type { Foundation } from '../foundation.ts'
import { facts, moment, table } from './layout.ts'
import type { Does } from './program.ts'
import { ACTOR, inputRefusal, type Outcome, usageRefusal } from './session.ts'

interface CreateFlags {
  file?: string
  logo?: string
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
  requirePkce?: boolean
  rotate?: boolean
  sliding?: boolean
  accessTtl?: string
  refreshTtl?: string
}

interface ListFlags {
  search?: string
  status?: string
  limit?: string
  cursor?: string
}

const collect = (value: string, before: string[] = []): string[] => [...before, value]
const collectList = (value: string, before: string[] = []): string[] => [
  ...before,
  ...value.split(/[\s,]+/).filter((part) => part !== ''),
]

/** Adds `otesse app …`. */
export function addAppCommands(program: Command, does: Does): void {
  const app = program.command('app').description('register and look up apps')

  const create = app
    .command('create')
    .description('register an app; its secret is shown once')
    .option('--name <name>', 'what people see on the consent page')
    .option('--type <type>', 'web, public, machine or resource-server')
    .option('--redirect-uri <uri>', 'where people come back to; may be repeated', collect)
    .option('--scope <scopes>', 'may be repeated, or a list with commas', collectList)
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
    .option('--require-pkce', 'refuse authorization without PKCE (public apps always)')
    .option('--rotate', 'a new refresh token with every use (public apps always)')
    .option('--sliding', 'every use renews the life of the refresh token')
    .option('--access-ttl <seconds>', 'life of access tokens instead of the server’s')
    .option('--refresh-ttl <seconds>', 'life of refresh tokens instead of the server’s')
    .option('--file <app.json>', 'take all of this from a JSON file; flags win over it')
    .addHelpText(
      'after',
      `
Examples:
  $ otesse app create --name "Bookings Dashboard" --type web --scope bookings:read,customers:read \\
      --redirect-uri https://dashboard.example.com/callback --logo logo.svg
  $ otesse app create --name "Nightly export" --type machine --scope bookings:read
  $ otesse app create --name "Public API" --type resource-server
  $ otesse app create --file app.json --json

app.json has no secret, so it can live in git:
  { "name": "Bookings Dashboard", "type": "web", "description": "…", "logo": "logo.svg",
    "redirectUris": ["https://dashboard.example.com/callback"], "scopes": ["bookings:read"] }`,
    )
  does(create, async (session) => {
    const { input, logo } = await readInput(create.opts<CreateFlags>())
    return session.withFoundation((foundation) => createApp(foundation, input, logo))
  })

  const list = app
    .command('list')
    .description('list apps, newest first')
    .option('--search <text>', 'part of the name, or a client id')
    .option('--status <status>', 'active, suspended or deleted; both living ones without it')
    .option('--limit <count>', 'apps on one page, up to 200', '50')
    .option('--cursor <cursor>', 'the "next" of the page before')
  does(list, (session) => {
    const { search, status, limit, cursor } = list.opts<ListFlags>()
    if (status !== undefined && !isStatus(status))
      throw usageRefusal('--status is active, suspended or deleted')
    return session.withFoundation(async ({ apps }) => {
      const page = await apps.list({ search, status, cursor, limit: Number(limit) })
      return {
        json: { apps: page.apps.map(appJson), next: page.next ?? null },
        text: listText(page.apps, page.next),
      }
    })
  })

  const show = app.command('show <client-id>').description('show all that is known of an app')
  does(show, (session, id = '') =>
    session.withFoundation(async ({ apps }) => {
      const found = await apps.get(id)
      return { json: { app: appJson(found) }, text: appText(found) }
    }),
  )
}

const isStatus = (text: string): text is AppStatus =>
  ['active', 'suspended', 'deleted'].includes(text)

type GivenInput = Record<string, unknown>

async function readInput(
  flags: CreateFlags,
): Promise<{ input: GivenInput; logo: string | undefined }> {
  const { logo, ...fromFile } = flags.file === undefined ? {} : await readAppFile(flags.file)
  const given: GivenInput = {
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
    requirePkce: flags.requirePkce,
    rotateRefreshTokens: flags.rotate,
    slidingRefresh: flags.sliding,
    accessTtlSeconds: flags.accessTtl === undefined ? undefined : Number(flags.accessTtl),
    refreshTtlSeconds: flags.refreshTtl === undefined ? undefined : Number(flags.refreshTtl),
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  const input: GivenInput = { ...fromFile, ...Object.fromEntries(set) }
  // The hyphen is easier to type.
  if (input['type'] === 'resource-server') input['type'] = 'resource_server'
  return { input, logo: flags.logo ?? logoBeside(flags.file, logo) }
}

function logoBeside(file: string | undefined, logo: unknown): string | undefined {
  if (file === undefined || logo === undefined) return undefined
  if (typeof logo === 'string') return resolve(dirname(file), logo)
  throw inputRefusal([{ field: 'logo', rule: 'field-type', sentence: 'This must be a file name.' }])
}

const refuseFile = (sentence: string): Error =>
  inputRefusal([{ field: 'file', rule: 'file', sentence }])

async function readAppFile(path: string): Promise<GivenInput> {
  const read: unknown = parseJson((await readBytes(path, 'file')).toString('utf8'))
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

async function readBytes(path: string, field: string): Promise<Buffer> {
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

interface LogoFile {
  bytes: Buffer
  contentType: string
  problems: readonly Problem[]
}

async function readLogo(path: string): Promise<LogoFile> {
  const bytes = await readBytes(path, 'logo')
  const contentType = LOGO_TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream'
  const verdict = checkLogo(bytes, contentType)
  return { bytes, contentType, problems: verdict.kind === 'refused' ? verdict.problems : [] }
}

async function createApp(
  { apps, scopes, audit }: Foundation,
  input: GivenInput,
  logoPath: string | undefined,
): Promise<Outcome> {
  const logo = logoPath === undefined ? undefined : await readLogo(logoPath)
  // Looked at before anything is written, so that a refused logo does not leave an app without one behind.
  const verdict = checkAppInput(input, {
    scopes: scopes.current().scopes,
    bounds: DEFAULT_LIFETIME_BOUNDS,
  })
  const problems = [
    ...(verdict.kind === 'refused' ? verdict.problems : []),
    ...(logo?.problems ?? []),
  ]
  if (problems.length > 0) throw inputRefusal(problems)
  // The check above has looked at the type of every member.
  const outcome = await apps.register(input as unknown as AppInput)
  if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
  const { id, name } = outcome.app
  audit.events.appRegistered({ appId: id, name }, ACTOR)
  const [secret] = outcome.app.secrets
  if (secret !== undefined) audit.events.secretCreated({ appId: id, secretId: secret.id }, ACTOR)
  if (logo !== undefined) await apps.setLogo(id, logo.bytes, logo.contentType)
  const app = await apps.get(id)
  const clientSecret = outcome.secret?.reveal()
  return {
    json: { app: appJson(app), clientId: id, clientSecret: clientSecret ?? null },
    text: `${appText(app)}\n${facts([
      ['Client id', id],
      ['Client secret', clientSecret ?? '(none: public apps use PKCE)'],
    ])}${clientSecret === undefined ? '' : SHOWN_ONCE}`,
  }
}

/** What is said under every secret. */
export const SHOWN_ONCE =
  '\nThis is the only time the secret is shown: it is stored as a hash. Keep it in the app’s own secret store.\n'

/** Shows an app to scripts; the hashes of its secrets stay inside. */
export const appJson = (app: App): object => ({
  id: app.id,
  name: app.name,
  description: app.description ?? null,
  type: app.type,
  status: app.status,
  statusReason: app.statusReason ?? null,
  homepageUrl: app.homepageUrl ?? null,
  privacyUrl: app.privacyUrl ?? null,
  termsUrl: app.termsUrl ?? null,
  ownerContact: app.ownerContact ?? null,
  environment: app.environment ?? null,
  logoId: app.logoId ?? null,
  redirectUris: app.redirectUris,
  scopes: app.scopes,
  audiences: app.audiences,
  requirePkce: app.requirePkce,
  rotateRefreshTokens: app.rotateRefreshTokens,
  slidingRefresh: app.slidingRefresh,
  accessTtlSeconds: app.accessTtlSeconds ?? null,
  refreshTtlSeconds: app.refreshTtlSeconds ?? null,
  version: app.version,
  createdAt: app.createdAt,
  updatedAt: app.updatedAt,
  secrets: app.secrets.map(({ id, hint, createdAt, expiresAt, lastUsedAt }) => ({
    id,
    hint,
    createdAt,
    expiresAt: expiresAt ?? null,
    lastUsedAt: lastUsedAt ?? null,
  })),
})

const onOff = (...switches: readonly (readonly [boolean, string])[]): string =>
  switches.flatMap(([isOn, words]) => (isOn ? [words] : [])).join(', ')

const seconds = (count: number | undefined): string | undefined =>
  count === undefined ? undefined : `${count} s`

function appText(app: App): string {
  return `${app.name}\n${facts([
    ['Client id', app.id],
    ['Type', app.type.replace('_', '-')],
    ['Status', `${app.status}${app.statusReason === undefined ? '' : `: ${app.statusReason}`}`],
    ['Description', app.description],
    ['Redirect URIs', app.redirectUris.join('  ')],
    ['Scopes', app.scopes.join(' ')],
    ['Audiences', app.audiences.join(' ')],
    [
      'Policy',
      onOff(
        [app.requirePkce, 'PKCE required'],
        [app.rotateRefreshTokens, 'refresh tokens rotate'],
        [app.slidingRefresh, 'use renews the refresh token'],
      ),
    ],
    ['Access tokens', seconds(app.accessTtlSeconds)],
    ['Refresh tokens', seconds(app.refreshTtlSeconds)],
    ['Homepage', app.homepageUrl],
    ['Privacy', app.privacyUrl],
    ['Terms', app.termsUrl],
    ['Contact', app.ownerContact],
    ['Environment', app.environment],
    ['Created', moment(app.createdAt)],
    ...app.secrets.map((secret) => ['Secret', secretLine(secret)] as const),
  ])}`
}

const secretLine = (secret: App['secrets'][number]): string =>
  [
    `${secret.id} …${secret.hint}`,
    `created ${moment(secret.createdAt)}`,
    secret.lastUsedAt === undefined ? 'never used' : `last used ${moment(secret.lastUsedAt)}`,
    ...(secret.expiresAt === undefined ? [] : [`expires ${moment(secret.expiresAt)}`]),
  ].join(', ')

function listText(apps: readonly App[], next: string | undefined): string {
  if (apps.length === 0) return 'No apps. Register one: otesse app create --help\n'
  const rows = apps.map((app) => [
    app.id,
    app.name,
    app.type.replace('_', '-'),
    app.status,
    moment(app.createdAt),
  ])
  const more = next === undefined ? '' : `\nMore: otesse app list --cursor ${next}\n`
  return table(['CLIENT ID', 'NAME', 'TYPE', 'STATUS', 'CREATED'], rows) + more
}
