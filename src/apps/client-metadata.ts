// What somebody hands in about an app, checked whole. Invariant: whatever comes in, of whatever
// type, the answer is either settings that keep every rule or the list of all problems at once;
// nothing is thrown, looked up or changed. Called by app-registry.ts for console, API, command line
// and files.
import { unknownSetting } from './setting.ts'
import type { Problem, Refused } from '../model/problem.ts'
import { actsForUsers, APP_TYPES, type AppSettings, type AppType } from '../model/app.ts'
import { APP_RULES, type CheckContext } from './app-rules.ts'
import {
  type AppSetting,
  APP_SETTINGS,
  defaultOf,
  makeSettings,
  type NamesOfKind,
  type SettingName,
  settingsOfKind,
} from './app-settings.ts'
import { checkLink, checkRedirectUri } from './redirect-uri.ts'

const isText = (value: unknown): value is string => typeof value === 'string'
const isAppType = (value: unknown): value is AppType => APP_TYPES.includes(value as AppType)

/** Of which type a value must be; none where it is absent and need not be there. */
interface Shape {
  readonly fits: (value: unknown) => boolean
  readonly sentence: string
}

const TEXT: Shape = { fits: isText, sentence: 'This must be text.' }
const NEEDED_TEXT: Shape = { fits: isText, sentence: 'This is required, as text.' }
const SHAPES: Record<AppSetting['kind'], Shape> = {
  line: TEXT,
  lines: TEXT,
  link: TEXT,
  handle: TEXT,
  list: {
    // As an array without holes, which `every` leaves out.
    fits: (value) => Array.isArray(value) && Array.from(value).every(isText),
    sentence: 'This must be a list of strings.',
  },
  switch: {
    fits: (value) => typeof value === 'boolean',
    sentence: 'This must be true or false.',
  },
  seconds: {
    fits: (value) => Number.isSafeInteger(value),
    sentence: 'This must be a whole number of seconds.',
  },
  choice: TEXT,
  type: { fits: isAppType, sentence: `The type must be one of: ${APP_TYPES.join(', ')}.` },
}

// An empty text is what a form sends for a field that was left empty.
const emptyToAbsent = (value: unknown): unknown =>
  value === null || (typeof value === 'string' && value.trim() === '') ? undefined : value

function readShapes(input: Record<string, unknown>): {
  settings: AppSettings
  misshapen: ReadonlySet<string>
  problems: Problem[]
} {
  const problems: Problem[] = Object.keys(input)
    .filter((field) => !Object.hasOwn(APP_SETTINGS, field))
    .map(unknownSetting)
  const misshapen = new Set<string>()
  function read(name: SettingName): unknown {
    const { kind, required = false }: AppSetting = APP_SETTINGS[name]
    const given = Object.hasOwn(input, name) ? input[name] : undefined
    const isNeededText = required && kind === 'line'
    const value = isNeededText ? given : emptyToAbsent(given)
    if (value === undefined && !required) return undefined
    const { fits, sentence } = isNeededText ? NEEDED_TEXT : SHAPES[kind]
    if (fits(value)) return Array.isArray(value) ? [...(value as unknown[])] : value
    misshapen.add(name)
    problems.push({ field: name, rule: 'field-type', sentence })
    return undefined
  }
  // The type first: what is not said depends on it.
  const type = (read('type') ?? 'web') as AppType
  const settings = makeSettings((name) => {
    if (name === 'type') return type
    return read(name) ?? (name === 'name' ? '' : defaultOf(name, type))
  })
  return { settings, misshapen, problems }
}

/**
 * Sets what an app of that type has no choice about. RFC 9700 §2.1.1: "public clients MUST use
 * PKCE"; RFC 9700 §4.14.2: their refresh tokens rotate. An app that does not act for users has
 * neither codes nor refresh tokens, so the switches mean nothing there and are off.
 */
function settle(settings: AppSettings): AppSettings {
  const { type } = settings
  const withUsers = actsForUsers(type)
  const isPublic = type === 'public'
  const links = settingsOfKind('link').map((name) => [name, storedLink(settings[name])])
  return {
    ...settings,
    ...(Object.fromEntries(links) as Pick<AppSettings, NamesOfKind<'link'>>),
    redirectUris: settings.redirectUris.map((uri) => {
      const result = checkRedirectUri(uri, type, settings)
      return result.kind === 'accepted' ? result.stored : uri
    }),
    requirePkce: isPublic || (withUsers && settings.requirePkce),
    rotateRefreshTokens: isPublic || (withUsers && settings.rotateRefreshTokens),
    slidingRefresh: withUsers && settings.slidingRefresh,
  }
}

function storedLink(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const result = checkLink(text)
  return result.kind === 'accepted' ? result.stored : text
}

/** The answer of checkAppInput. */
export type AppVerdict = { readonly kind: 'accepted'; readonly settings: AppSettings } | Refused

/**
 * Checks everything that somebody hands in about an app and tells all problems at once.
 *
 * Takes values of any type, since files and API bodies hold what they like. Unknown fields are
 * refused, because a misspelt one would silently do nothing.
 *
 * @param input an AppInput, or what claims to be one
 * @returns the settings as they are stored: defaults filled in, hosts in punycode, what the type
 * dictates set
 */
export function checkAppInput(
  input: Readonly<Record<string, unknown>> | object,
  context: CheckContext,
): AppVerdict {
  const { settings, misshapen, problems } = readShapes(input as Record<string, unknown>)
  const candidate = misshapen.size === 0 ? settle(settings) : settings
  for (const rule of APP_RULES) {
    if ([rule.field, ...(rule.reads ?? [])].some((field) => misshapen.has(field))) continue
    if (rule.applies?.(candidate) === false) continue
    for (const finding of rule.check(candidate, context))
      problems.push({
        field: rule.field,
        ...(finding.value !== undefined && { value: finding.value }),
        rule: finding.rule ?? rule.name,
        sentence: finding.sentence ?? rule.sentence,
      })
  }
  return problems.length === 0
    ? { kind: 'accepted', settings: candidate }
    : { kind: 'refused', problems }
}
