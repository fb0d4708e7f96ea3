// Server-rendered pages: templates, compiled once at start, and the function that turns a model
// into HTML. Invariant: every value is escaped, and a broken template stops the boot, not a
// request. What the pages are is said beside their routes. Called by the routes that show pages.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Eta } from 'eta'
import { webAddress } from './safe-links.ts'

const TEMPLATE_EXTENSION = '.eta'

/** Returns the checksum that stands in an asset's address. */
export const assetVersion = (bytes: Uint8Array): string => crc32(bytes).toString(16)

/** Compiled templates by their path below the directory, without extension. */
export interface Templates {
  has(name: string): boolean
  /** Renders a template with its model, as `it`; besides it knows TemplateHelpers. */
  render(name: string, model: object): string
}

/** How pages are called and where their assets are. */
export interface TemplateOptions {
  /** Where the directory's `assets` folder is served, without a trailing slash. */
  assetsPath?: string
  /** What the pages call the product. */
  serviceName?: string
}

/** What every template can use without being given it. */
export interface TemplateHelpers {
  serviceName: string
  /** Returns the address of an asset. */
  asset: (file: string) => string
  /** Returns the first character of a name, as a person counts them. */
  initialOf: (name: string) => string
  durationInWords: (seconds: number) => string
  dateInWords: (date: Date) => string
  timeInWords: (date: Date) => string
  dayInWords: (date: Date) => string
  clockInWords: (date: Date) => string
  placeInWords: (address: string) => string
  webAddress: (address: string | undefined) => string | undefined
}

const HELPER_NAMES = Object.keys({
  serviceName: true,
  asset: true,
  initialOf: true,
  durationInWords: true,
  dateInWords: true,
  timeInWords: true,
  dayInWords: true,
  clockInWords: true,
  placeInWords: true,
  webAddress: true,
} satisfies Record<keyof TemplateHelpers, true>)

class Engine extends Eta {
  readonly helpers: TemplateHelpers
  constructor(helpers: TemplateHelpers) {
    super({
      autoEscape: true,
      functionHeader: `const { ${HELPER_NAMES.join(', ')} } = this.helpers`,
    })
    this.helpers = helpers
  }
}

/**
 * Compiles all templates below a directory. The addresses of assets carry a checksum of the file,
 * so they may be cached for ever.
 *
 * @throws {Error} a template does not compile, or an asset cannot be read
 */
export function compileTemplates(
  directory: string,
  { assetsPath = '/assets', serviceName = 'Otesse' }: TemplateOptions = {},
): Templates {
  const engine = new Engine({
    serviceName,
    asset: assetAddresses(join(directory, 'assets'), assetsPath),
    initialOf,
    durationInWords,
    dateInWords,
    timeInWords,
    dayInWords,
    clockInWords,
    placeInWords,
    webAddress,
  })
  const names = new Set<string>()
  for (const file of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith(TEMPLATE_EXTENSION)) continue
    const name = file.slice(0, -TEMPLATE_EXTENSION.length).replaceAll('\\', '/')
    try {
      engine.loadTemplate(`@${name}`, engine.compile(readFileSync(join(directory, file), 'utf8')))
    } catch (cause) {
      throw new Error(`The template ${name} does not compile.`, { cause })
    }
    names.add(name)
  }
  return {
    has: (name) => names.has(name),
    render: (name, model) => engine.render(`@${name}`, model),
  }
}

/** @throws {Error} an asset cannot be read; and when asked for one that is not there */
function assetAddresses(directory: string, path: string): (file: string) => string {
  const addresses = new Map(
    readdirSync(directory).map((file) => {
      const version = assetVersion(readFileSync(join(directory, file)))
      return [file, `${path}/${file}?v=${version}`]
    }),
  )
  return (file) => {
    const address = addresses.get(file)
    if (address === undefined) throw new Error(`There is no asset ${file}.`)
    return address
  }
}

/** Renders pages; `kind` names the template, which is given the page as `page`. */
export interface Views<Page extends { kind: string }> {
  /** Renders one page to a whole HTML document. */
  render(page: Page): string
}

/**
 * Creates the renderer of pages.
 *
 * @param kinds every page
 * @throws {Error} a template is missing
 */
export function createViews<Page extends { kind: string }>(
  templates: Templates,
  kinds: Readonly<Record<Page['kind'], true>>,
): Views<Page> {
  const missing = Object.keys(kinds).filter((kind) => !templates.has(kind))
  if (missing.length > 0) throw new Error(`Templates are missing: ${missing.join(', ')}.`)
  return { render: (page) => templates.render(page.kind, { page }) }
}

// An emoji or a letter with its accents is one character.
function initialOf(name: string): string {
  const [first] = new Intl.Segmenter('en').segment(name.trim())
  return first?.segment.toUpperCase() ?? '?'
}

/** Writes a wait in words, rounded up: a user who waits as long as we say is not refused again. */
export function durationInWords(seconds: number): string {
  const [count, unit] =
    seconds <= 90
      ? [Math.ceil(seconds), 'second']
      : seconds <= 90 * 60
        ? [Math.ceil(seconds / 60), 'minute']
        : [Math.ceil(seconds / 3600), 'hour']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

const DATE = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeZone: 'UTC' })
/** Writes a day: Mar 12, 2026. */
export const dateInWords = (date: Date): string => DATE.format(date)

const TIME = new Intl.DateTimeFormat('en', {
  dateStyle: 'medium',
  timeStyle: 'short',
  hourCycle: 'h23',
  timeZone: 'UTC',
})

/** Writes a time: `Nov 21, 2026, 18:05 UTC`. */
export const timeInWords = (time: Date): string => `${TIME.format(time)} UTC`

const DAY = new Intl.DateTimeFormat('en', { dateStyle: 'full', timeZone: 'UTC' })
/** Writes a day: `Saturday, November 21, 2026`. */
const dayInWords = (time: Date): string => DAY.format(time)

/** Writes a time of the day in UTC: `18:05:09`. */
const clockInWords = (time: Date): string => time.toISOString().slice(11, 19)

function placeInWords(address: string): string {
  return URL.parse(address)?.host ?? 'the start page'
}
