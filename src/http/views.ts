// Server-rendered pages: the model of each page and the one function that turns a model into HTML. The console has models of its own
// (admin/console/) over the same compiled templates.
// Every value is escaped; links of apps that are not plain web addresses are dropped. Templates are compiled once, at start:
// a broken one stops the boot, not a request. Called by the routes that show pages and by the error boundary.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Eta } from 'eta'

/** What a person sees of an app. */
export interface AppCard {
  name: string
  description: string | undefined
  /** A path on our own origin: pages load nothing from anywhere else. */
  logoUrl: string | undefined
  homepage: string | undefined
  privacyUrl: string | undefined
  termsUrl: string | undefined
}

export interface PermissionGroup {
  title: string
  permissions: { sentence: string; sensitive: boolean; scope: string }[]
}

/** Posts `csrf`, `email` and `password` to `action`; the other actions are posted `csrf` alone. */
export interface SignInPage {
  kind: 'sign-in'
  app: AppCard | undefined
  action: string
  csrf: string
  email: string
  /** Shown above the fields and announced; the whole sentence. */
  problem: string | undefined
  cancelAction: string | undefined
  /** The same person is asked again: `email` is fixed, `switchAction` is the way to another account. */
  reauthenticate: boolean
  switchAction: string | undefined
  /** What the person goes on to where no app sent them: completes "Use your account to …". */
  purpose?: string | undefined
}

/** Posts `csrf` to one of the three actions. */
export interface ConsentPage {
  kind: 'consent'
  app: AppCard
  account: { email: string; name: string | undefined }
  approveAction: string
  denyAction: string
  /** Absent where nobody else may go on. */
  switchAction: string | undefined
  csrf: string
  newPermissions: PermissionGroup[]
  /** Allowed earlier to this app: shown folded. */
  heldPermissions: PermissionGroup[]
  /** Who receives the data; `scheme` is the private-use scheme of a native app (RFC 8252 §7.1). */
  recipient: { host: string; loopback: boolean; scheme: string | undefined }
  /** An admin began this to see what the app would get: nobody else receives anything, and `recipient` says nothing. */
  isPreview?: boolean
  /** `openid` is asked for; where it is all that is asked for, the app only wants to know who the person is. */
  signsIn: boolean
}

/** An app that a person has connected. */
export interface ConnectedApp {
  app: AppCard
  status: 'active' | 'suspended' | 'deleted'
  /** When it was first allowed. */
  since: Date
  permissions: PermissionGroup[]
  /** How many of its authorizations are alive; an app that is allowed may have none at the moment. */
  connections: number
  disconnectUrl: string
}

/** The apps that may act for a person. */
export interface ConnectedAppsPage {
  kind: 'connected-apps'
  account: { email: string; name: string | undefined }
  apps: ConnectedApp[]
  /** There are more than are shown. */
  isCut: boolean
  /** The name of the app that was disconnected just now. */
  disconnected: string | undefined
}

/** Asks before a connection ends. Posts `csrf` to `action`. */
export interface DisconnectPage {
  kind: 'disconnect'
  account: { email: string; name: string | undefined }
  app: AppCard
  connections: number
  action: string
  csrf: string
}

export interface ErrorPage {
  kind: 'error'
  status: number
  title: string
  /** What happened, in plain words. */
  what: string
  /** What the person can do now. */
  next: string
  code: string
  requestId: string
  retryAfterSeconds: number | undefined
  homeUrl: string | undefined
  /** On our own origin; where signing in is a way on. */
  signInUrl?: string | undefined
}

/** Posts `csrf` to `action`. */
export interface SignOutPage {
  kind: 'sign-out'
  action: string
  csrf: string
  email: string
}

export interface SignedOutPage {
  kind: 'signed-out'
}

/** Asks before all sign-ins of a person end. Posts `csrf`, and perhaps `apps`, to `action`. */
export interface SignOutEverywherePage {
  kind: 'sign-out-everywhere'
  account: { email: string; name: string | undefined }
  action: string
  csrf: string
}

export interface SignedOutEverywherePage {
  kind: 'signed-out-everywhere'
  areAppsDisconnected: boolean
}

export interface HomePage {
  kind: 'home'
  issuer: string
  discoveryUrl: string
}

/** Shown for a moment after a form was sent; a `Refresh` header beside it takes the browser to `url`, and the link is for where it does not. */
export interface OnwardPage {
  kind: 'onward'
  /** On our own origin. */
  url: string
  /** The app that the person returns to; undefined where the next step is ours. */
  appName: string | undefined
}

/** Posts `csrf`, `password`, `again`, and for the setup `name` and `email`, to `action`. */
export interface WelcomePage {
  kind: 'welcome'
  purpose: 'setup' | 'invite' | 'reset'
  action: string
  csrf: string
  /** What was typed; of an account that exists, its own. */
  email: string
  name: string
  /** What a password must be, said before it is typed. */
  passwordRule: string
  /** What was wrong, by field; whole sentences. */
  problems: Partial<Record<'name' | 'email' | 'password' | 'again', string>>
}

export type Page =
  | SignInPage
  | ConsentPage
  | ConnectedAppsPage
  | DisconnectPage
  | ErrorPage
  | SignOutPage
  | SignedOutPage
  | SignOutEverywherePage
  | SignedOutEverywherePage
  | HomePage
  | OnwardPage
  | WelcomePage

export interface Views {
  /** Renders one page to a whole HTML document. */
  render(page: Page): string
}

const templateExtension = '.eta'

// A record, so that the compiler asks for the line of a new page.
const pageKinds: Record<Page['kind'], true> = {
  'sign-in': true,
  consent: true,
  'connected-apps': true,
  disconnect: true,
  error: true,
  'sign-out': true,
  'signed-out': true,
  'sign-out-everywhere': true,
  'signed-out-everywhere': true,
  home: true,
  onward: true,
  welcome: true,
}

/** Returns the checksum that stands in an asset's address. */
export const assetVersion = (bytes: Uint8Array): string => crc32(bytes).toString(16)

/** Compiled templates by their path below the directory, without extension. */
export interface Templates {
  has(name: string): boolean
  /** Renders a template; besides `values` it knows serviceName, asset() and the words of this file. */
  render(name: string, values: object): string
}

/** How pages are called and where their assets are. */
export interface TemplateOptions {
  /** Where the directory's `assets` folder is served, without a trailing slash. */
  assetsPath?: string
  /** What the pages call the product. */
  serviceName?: string
}

/**
 * Compiles all templates below a directory. The addresses of assets carry a checksum of the file, so they may be cached for ever.
 *
 * @throws {Error} a template does not compile, or an asset cannot be read
 */
export function compileTemplates(
  directory: string,
  { assetsPath = '/assets', serviceName = 'Otesse' }: TemplateOptions = {},
): Templates {
  const eta = new Eta({ autoEscape: true })
  const names = new Set<string>()
  for (const file of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith(templateExtension)) continue
    const name = file.slice(0, -templateExtension.length).replaceAll('\\', '/')
    try {
      eta.loadTemplate(`@${name}`, eta.compile(readFileSync(join(directory, file), 'utf8')))
    } catch (cause) {
      throw new Error(`The template ${name} does not compile.`, { cause })
    }
    names.add(name)
  }
  const assetUrls = new Map(
    readdirSync(join(directory, 'assets')).map((file) => {
      const version = assetVersion(readFileSync(join(directory, 'assets', file)))
      return [file, `${assetsPath}/${file}?v=${version}`]
    }),
  )
  const words = {
    serviceName,
    asset: (file: string) => assetUrls.get(file),
    initialOf,
    durationInWords,
    dateInWords,
    placeInWords,
  }
  return {
    has: (name) => names.has(name),
    render: (name, values) => eta.render(`@${name}`, { ...words, ...values }),
  }
}

/**
 * Creates the renderer of the pages over a directory of templates, or over templates that are compiled already.
 *
 * @throws {Error} a template is missing or does not compile, or an asset cannot be read
 */
export function createViews(source: string | Templates, options: TemplateOptions = {}): Views {
  const templates = typeof source === 'string' ? compileTemplates(source, options) : source
  const missing = Object.keys(pageKinds).filter((kind) => !templates.has(kind))
  if (missing.length > 0) throw new Error(`Templates are missing: ${missing.join(', ')}.`)
  return { render: (page) => templates.render(page.kind, { page: withSafeLinks(page) }) }
}

// Escaping keeps a hostile address inside its attribute, but would still make `javascript:…` a link; and a logo on another
// origin would tell that origin who is about to sign in (the CSP blocks it, leaving a broken picture).
function withSafeLinks(page: Page): Page {
  if (page.kind === 'onward') return { ...page, url: webAddress(page.url) ?? '/' }
  if (page.kind === 'error')
    return { ...page, homeUrl: ownPath(page.homeUrl) ?? webAddress(page.homeUrl) }
  if (page.kind === 'connected-apps')
    return { ...page, apps: page.apps.map((each) => ({ ...each, app: safeCard(each.app) })) }
  if (!('app' in page) || page.app === undefined) return page
  return { ...page, app: safeCard(page.app) }
}

function safeCard(app: AppCard): AppCard {
  return {
    ...app,
    logoUrl: ownPath(app.logoUrl),
    homepage: webAddress(app.homepage),
    privacyUrl: webAddress(app.privacyUrl),
    termsUrl: webAddress(app.termsUrl),
  }
}

/** Returns a plain web address as it may stand in a link; `undefined` for anything else, `javascript:` above all. */
export function webAddress(address: string | undefined): string | undefined {
  const url = address === undefined ? null : URL.parse(address)
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url.href : undefined
}

// `//host` and `/\host` are addresses of another origin, and browsers drop tabs and line ends before they look.
function ownPath(path: string | undefined): string | undefined {
  return path !== undefined && /^\/(?![/\\])[\x21-\x7e]*$/.test(path) ? path : undefined
}

// The first character as a person counts them: an emoji or a letter with its accents is one.
function initialOf(name: string): string {
  const [first] = new Intl.Segmenter('en').segment(name.trim())
  return first?.segment.toUpperCase() ?? '?'
}

/** Writes a wait in words, rounded up: whoever waits as long as we say is not refused again. */
export function durationInWords(seconds: number): string {
  const [count, unit] =
    seconds <= 90
      ? [Math.ceil(seconds), 'second']
      : seconds <= 90 * 60
        ? [Math.ceil(seconds / 60), 'minute']
        : [Math.ceil(seconds / 3600), 'hour']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

const DAY = new Intl.DateTimeFormat('en', { dateStyle: 'long', timeZone: 'UTC' })
const dateInWords = (date: Date): string => DAY.format(date)

function placeInWords(address: string): string {
  return URL.parse(address)?.host ?? 'the start page'
}
