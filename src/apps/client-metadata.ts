// Which apps may be registered, as one ordered table of rules over all fields. Invariant: whatever comes in, of whatever type, the answer is
// either settings that keep every rule or the list of all problems at once; nothing is thrown, looked up or changed. Called by app-registry.ts
// for each face (console, API, command line, file).
import {
  APP_TYPES,
  beginsOnItsOwn,
  canActForItself,
  isHandle,
  type App,
  type AppSettings,
  type AppType,
} from '../model/app.ts'
import { isPlainLine, isPlainText, lengthOf, quoted } from '../model/plain-text.ts'
import type { Problem, Refused } from '../model/problem.ts'
import { checkLink, checkRedirectUri } from './redirect-uri.ts'
import { isAdminScope, needsPerson, type Scope } from './scope.ts'

/** The bounds within which an app may have lifetimes of its own. */
export interface LifetimeBounds {
  readonly accessTtlSeconds: { readonly min: number; readonly max: number }
  readonly refreshTtlSeconds: { readonly min: number; readonly max: number }
}

export const DEFAULT_LIFETIME_BOUNDS: LifetimeBounds = {
  accessTtlSeconds: { min: 60, max: 24 * 3600 },
  refreshTtlSeconds: { min: 3600, max: 365 * 24 * 3600 },
}

/** What the rules know beside the input. */
export interface CheckContext {
  /** The catalogue, built-in scopes included. */
  readonly scopes: ReadonlyMap<string, Scope>
  readonly bounds: LifetimeBounds
  /** The app before the change: what it has already is not refused again because the catalogue has moved on. */
  readonly previous?: App | undefined
}

const LIMITS = { redirectUris: 50, scopes: 200, audiences: 20 }

// ── Shapes: the type of each field, and what stands for a field that is left out ─────────────────────────────────────────────

type Shape = 'text' | 'text?' | 'texts' | 'flag' | 'seconds?' | 'type'

const SHAPES: Record<keyof AppSettings, Shape> = {
  handle: 'text?',
  name: 'text',
  description: 'text?',
  type: 'type',
  homepageUrl: 'text?',
  privacyUrl: 'text?',
  termsUrl: 'text?',
  ownerContact: 'text?',
  environment: 'text?',
  redirectUris: 'texts',
  scopes: 'texts',
  audiences: 'texts',
  clientCredentials: 'flag',
  requirePkce: 'flag',
  rotateRefreshTokens: 'flag',
  slidingRefresh: 'flag',
  accessTtlSeconds: 'seconds?',
  refreshTtlSeconds: 'seconds?',
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isAppType = (value: unknown): value is AppType => APP_TYPES.includes(value as AppType)

const SHAPE_RULES: Record<Shape, { fits: (value: unknown) => boolean; sentence: string }> = {
  text: { fits: isText, sentence: 'This is needed, as text.' },
  'text?': {
    fits: (value) => value === undefined || isText(value),
    sentence: 'This must be text.',
  },
  texts: {
    // As an array without holes, which `every` leaves out.
    fits: (value) =>
      value === undefined || (Array.isArray(value) && Array.from(value).every(isText)),
    sentence: 'This must be a list of texts.',
  },
  flag: {
    fits: (value) => value === undefined || typeof value === 'boolean',
    sentence: 'This must be true or false.',
  },
  'seconds?': {
    fits: (value) => value === undefined || Number.isSafeInteger(value),
    sentence: 'This must be a whole number of seconds.',
  },
  type: { fits: isAppType, sentence: `The type is one of: ${APP_TYPES.join(', ')}.` },
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
    .filter((field) => !Object.hasOwn(SHAPES, field))
    .map((field) => ({
      field: quoted(field),
      rule: 'field-unknown',
      sentence: 'There is no such setting: check its spelling.',
    }))
  const misshapen = new Set<string>()
  const value = (field: keyof AppSettings): unknown => {
    const given = Object.hasOwn(input, field) ? input[field] : undefined
    const found = SHAPES[field] === 'text' ? given : emptyToAbsent(given)
    const { fits, sentence } = SHAPE_RULES[SHAPES[field]]
    if (fits(found)) return found
    misshapen.add(field)
    problems.push({ field, rule: 'field-type', sentence })
    return undefined
  }
  const optional = (field: keyof AppSettings): string | undefined =>
    value(field) as string | undefined
  const texts = (field: keyof AppSettings): string[] => [...((value(field) ?? []) as string[])]
  const flag = (field: keyof AppSettings, otherwise = false): boolean =>
    (value(field) ?? otherwise) as boolean
  const seconds = (field: keyof AppSettings): number | undefined =>
    value(field) as number | undefined
  const type = (value('type') ?? 'web') as AppType
  const settings: AppSettings = {
    handle: optional('handle'),
    name: optional('name') ?? '',
    description: optional('description'),
    type,
    homepageUrl: optional('homepageUrl'),
    privacyUrl: optional('privacyUrl'),
    termsUrl: optional('termsUrl'),
    ownerContact: optional('ownerContact'),
    environment: optional('environment'),
    redirectUris: texts('redirectUris'),
    scopes: texts('scopes'),
    audiences: texts('audiences'),
    clientCredentials: flag('clientCredentials', beginsOnItsOwn(type)),
    requirePkce: flag('requirePkce'),
    rotateRefreshTokens: flag('rotateRefreshTokens'),
    slidingRefresh: flag('slidingRefresh'),
    accessTtlSeconds: seconds('accessTtlSeconds'),
    refreshTtlSeconds: seconds('refreshTtlSeconds'),
  }
  return { settings, misshapen, problems }
}

// ── Rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a rule found: the value, where it is one of several, and its own sentence where the rule has many. */
interface Finding {
  value?: string
  rule?: string
  sentence?: string
}

/** One rule of the table. It is not asked where one of the fields that it reads is not even of the right type. */
export interface AppRule {
  readonly name: string
  readonly field: keyof AppSettings
  /** Other fields that it reads. */
  readonly reads?: readonly (keyof AppSettings)[]
  readonly applies?: (settings: AppSettings) => boolean
  readonly check: (settings: AppSettings, context: CheckContext) => readonly Finding[]
  readonly sentence: string
}

const when = (broken: boolean): readonly Finding[] => (broken ? [{}] : [])
const each = (values: readonly string[]): readonly Finding[] =>
  values.map((value) => ({ value: quoted(value) }))

function repeated(values: readonly string[]): string[] {
  const seen = new Set<string>()
  return [...new Set(values.filter((value) => seen.has(value) || !seen.add(value)))]
}

const takesPeople = (settings: AppSettings): boolean =>
  settings.type === 'web' || settings.type === 'public'

type LineField = 'name' | 'ownerContact' | 'environment'
type LinkField = 'homepageUrl' | 'privacyUrl' | 'termsUrl'
type LifetimeField = 'accessTtlSeconds' | 'refreshTtlSeconds'
type ListField = 'redirectUris' | 'scopes' | 'audiences'

const line = (field: LineField, maxLength: number): AppRule[] => [
  {
    name: `${field}-length`,
    field,
    check: (settings) => when(lengthOf(settings[field] ?? '') > maxLength),
    sentence: `Keep it within ${maxLength} characters.`,
  },
  {
    name: `${field}-characters`,
    field,
    check: (settings) => when(!isPlainLine(settings[field] ?? '')),
    sentence:
      'It has a control character, an invisible character or one that turns the reading direction: remove it.',
  },
]

const link = (field: LinkField): AppRule => ({
  name: `${field}-link`,
  field,
  check(settings) {
    const text = settings[field]
    if (text === undefined) return []
    const verdict = checkLink(text)
    return verdict.kind === 'accepted'
      ? []
      : [{ value: quoted(text), rule: verdict.rule, sentence: verdict.sentence }]
  },
  sentence: 'Use an https address that browsers read as it is written.',
})

const lifetime = (field: LifetimeField): AppRule => ({
  name: `${field}-bounds`,
  field,
  check(settings, { bounds }) {
    const seconds = settings[field]
    const { min, max } = bounds[field]
    if (seconds === undefined || (seconds >= min && seconds <= max)) return []
    return [
      { value: String(seconds), sentence: `This server allows from ${min} to ${max} seconds.` },
    ]
  },
  sentence: 'Stay within the bounds of this server.',
})

const list = (field: ListField): AppRule[] => [
  {
    name: `${field}-count`,
    field,
    check: (settings) => when(settings[field].length > LIMITS[field]),
    sentence: `At most ${LIMITS[field]}.`,
  },
  {
    name: `${field}-twice`,
    field,
    check: (settings) => each(repeated(settings[field])),
    sentence: 'It is named twice.',
  },
]

/** The rules of apps in the order in which their problems are told. */
export const APP_RULES: readonly AppRule[] = [
  {
    name: 'handle-form',
    field: 'handle',
    check: ({ handle }) => when(handle !== undefined && !isHandle(handle)),
    sentence:
      'A handle has 1 to 63 lower-case letters, digits and hyphens, and neither begins nor ends with a hyphen.',
  },
  {
    name: 'name-needed',
    field: 'name',
    check: ({ name }) => when(name.trim() === ''),
    sentence: 'Give the app the name that people will see on the consent page.',
  },
  {
    name: 'name-spaces',
    field: 'name',
    applies: ({ name }) => name.trim() !== '',
    check: ({ name }) => when(name !== name.trim()),
    sentence: 'Remove the spaces at its beginning or end.',
  },
  ...line('name', 80),
  {
    name: 'type-fixed',
    field: 'type',
    check: ({ type }, { previous }) => when(previous !== undefined && previous.type !== type),
    sentence: 'The type of an app cannot change: register another app.',
  },
  {
    name: 'description-length',
    field: 'description',
    check: ({ description = '' }) => when(lengthOf(description) > 500),
    sentence: 'Keep it within 500 characters.',
  },
  {
    name: 'description-characters',
    field: 'description',
    check: ({ description = '' }) => when(!isPlainText(description)),
    sentence:
      'It has a control character, an invisible character or one that turns the reading direction: remove it.',
  },
  link('homepageUrl'),
  link('privacyUrl'),
  link('termsUrl'),
  ...line('ownerContact', 200),
  ...line('environment', 40),
  {
    name: 'redirect-uri-needed',
    field: 'redirectUris',
    reads: ['type'],
    applies: takesPeople,
    check: ({ redirectUris }) => when(redirectUris.length === 0),
    sentence: 'An app that people connect needs at least one redirect URI.',
  },
  {
    name: 'redirect-uri-unexpected',
    field: 'redirectUris',
    reads: ['type'],
    applies: (settings) => !takesPeople(settings),
    check: ({ redirectUris }) => each(redirectUris),
    sentence: 'Apps of this type take no people through sign-in: they have no redirect URIs.',
  },
  {
    name: 'redirect-uri',
    field: 'redirectUris',
    reads: ['type'],
    applies: takesPeople,
    check: ({ redirectUris, type }) =>
      redirectUris.flatMap((value) => {
        const verdict = checkRedirectUri(value, type)
        return verdict.kind === 'accepted'
          ? []
          : [{ value: quoted(value), rule: verdict.rule, sentence: verdict.sentence }]
      }),
    sentence: 'Each redirect URI keeps the rules of redirect URIs.',
  },
  ...list('redirectUris'),
  {
    name: 'scope-unknown',
    field: 'scopes',
    check: (settings, { scopes, previous }) =>
      each(settings.scopes.filter((name) => !scopes.has(name) && !previous?.scopes.includes(name))),
    sentence: 'This scope is not in the catalogue.',
  },
  {
    name: 'scope-deprecated',
    field: 'scopes',
    check: (settings, { scopes, previous }) =>
      each(
        settings.scopes.filter(
          (name) => scopes.get(name)?.deprecated === true && !previous?.scopes.includes(name),
        ),
      ),
    sentence: 'This scope is deprecated: apps that have it keep it, no other gets it.',
  },
  {
    // RFC 6749 §4.4: with client_credentials there is no person whose identity could be told.
    name: 'scope-needs-person',
    field: 'scopes',
    reads: ['type'],
    applies: (settings) => !takesPeople(settings),
    check: (settings) => each(settings.scopes.filter(needsPerson)),
    sentence: 'This scope is about a person, and apps of this type act without one.',
  },
  {
    name: 'scope-for-machines',
    field: 'scopes',
    reads: ['type'],
    applies: ({ type }) => type !== 'machine',
    check: (settings) => each(settings.scopes.filter(isAdminScope)),
    sentence: 'This scope opens the admin API: only machine apps may have it.',
  },
  ...list('scopes'),
  {
    name: 'audience-form',
    field: 'audiences',
    check: ({ audiences }) =>
      each(audiences.filter((value) => !/^[\x21\x23-\x5B\x5D-\x7E]{1,200}$/.test(value))),
    sentence:
      'An audience is a name or an address of 1 to 200 plain characters without spaces, like https://api.yourcompany.com.',
  },
  {
    // RFC 8707 §2: "It MUST NOT include a fragment component."
    name: 'audience-fragment',
    field: 'audiences',
    check: ({ audiences }) => each(audiences.filter((value) => value.includes('#'))),
    sentence: 'An audience has no # part.',
  },
  ...list('audiences'),
  {
    // RFC 6749 §4.4: "MUST only be used by confidential clients"; a resource server only asks what
    // tokens are worth.
    name: 'client-credentials-type',
    field: 'clientCredentials',
    reads: ['type'],
    applies: ({ type }) => !canActForItself(type),
    check: ({ clientCredentials }) => when(clientCredentials),
    sentence: 'Only web and machine apps can get tokens of their own: leave this off.',
  },
  lifetime('accessTtlSeconds'),
  lifetime('refreshTtlSeconds'),
  {
    name: 'refresh-outlives-access',
    field: 'refreshTtlSeconds',
    reads: ['accessTtlSeconds'],
    check: ({ accessTtlSeconds, refreshTtlSeconds }) =>
      when(
        accessTtlSeconds !== undefined &&
          refreshTtlSeconds !== undefined &&
          refreshTtlSeconds < accessTtlSeconds,
      ),
    sentence: 'Refresh tokens must live at least as long as access tokens.',
  },
]

// ── What follows from the type ───────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Sets what an app of that type has no choice about. RFC 9700 §2.1.1: "public clients MUST use PKCE"; RFC 9700 §4.14.2: their refresh tokens
 * rotate. An app without people has neither codes nor refresh tokens, so the switches mean nothing there and are off.
 */
function settle(settings: AppSettings): AppSettings {
  const people = takesPeople(settings)
  const isPublic = settings.type === 'public'
  return {
    ...settings,
    redirectUris: settings.redirectUris.map((uri) => {
      const verdict = checkRedirectUri(uri, settings.type)
      return verdict.kind === 'accepted' ? verdict.stored : uri
    }),
    homepageUrl: storedLink(settings.homepageUrl),
    privacyUrl: storedLink(settings.privacyUrl),
    termsUrl: storedLink(settings.termsUrl),
    requirePkce: isPublic || (people && settings.requirePkce),
    rotateRefreshTokens: isPublic || (people && settings.rotateRefreshTokens),
    slidingRefresh: people && settings.slidingRefresh,
  }
}

function storedLink(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const verdict = checkLink(text)
  return verdict.kind === 'accepted' ? verdict.stored : text
}

/** The answer of checkAppInput. */
export type AppVerdict = { readonly kind: 'accepted'; readonly settings: AppSettings } | Refused

/**
 * Checks everything that somebody hands in about an app and tells all problems at once.
 *
 * Takes values of any type, since files and API bodies hold what they like; unknown fields are refused, because a misspelt one would
 * silently do nothing.
 *
 * @param input an AppInput, or what claims to be one
 * @returns the settings as they are stored: defaults filled in, hosts in punycode, what the type dictates set
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
