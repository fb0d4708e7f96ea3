// The rules of apps: those that a setting has by its kind, and those of single settings. Invariant:
// a rule looks at settings and their surroundings and finds what is wrong; it neither throws nor
// looks anything up. Called by client-metadata.ts; the admin API lists the rules.
import type { Scope } from '../model/scope.ts'
import { isPlainLine, isPlainText, lengthOf, quoted } from '../model/plain-text.ts'
import {
  actsForUsers,
  canActForItself,
  isHandle,
  type App,
  type AppSettings,
} from '../model/app.ts'
import {
  ALL_SETTINGS,
  choicesOf,
  type NamedSetting,
  type NamesOfKind,
  type SettingName,
} from './app-settings.ts'
import { checkLink, checkRedirectUri } from './redirect-uri.ts'
import { isAdminScope, needsPerson } from './scope.ts'
import { originProblem } from './web-origin.ts'

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
  /** The app before the change: the catalogue may have moved on, and what the app has is not refused again. */
  readonly previous?: App | undefined
}

/** What a rule found: the value, where it is one of several, and its own sentence where the rule has many. */
interface Finding {
  value?: string
  rule?: string
  sentence?: string
}

/** One rule. It is not asked where a field that it reads is not even of the right type. */
export interface AppRule {
  readonly name: string
  readonly field: SettingName
  /** Other fields that it reads. */
  readonly reads?: readonly SettingName[]
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

const text = (settings: AppSettings, name: SettingName): string => {
  const value = settings[name]
  return typeof value === 'string' ? value : ''
}

const HAS_DECEPTIVE_CHARACTER =
  'It has a control character, an invisible character or one that turns the reading direction: remove it.'

/** The length of a text and its characters. @param isPlain lets the characters pass */
const textRules = (
  field: SettingName,
  max: number,
  isPlain: (text: string) => boolean,
): AppRule[] => [
  {
    name: `${field}-length`,
    field,
    check: (settings) => when(lengthOf(text(settings, field)) > max),
    sentence: `Keep it within ${max} characters.`,
  },
  {
    name: `${field}-characters`,
    field,
    check: (settings) => when(!isPlain(text(settings, field))),
    sentence: HAS_DECEPTIVE_CHARACTER,
  },
]

const linkRule = (field: SettingName): AppRule => ({
  name: `${field}-link`,
  field,
  check(settings) {
    const address = text(settings, field)
    if (address === '') return []
    const result = checkLink(address)
    return result.kind === 'accepted'
      ? []
      : [{ value: quoted(address), rule: result.rule, sentence: result.sentence }]
  },
  sentence: 'Use an https address that browsers read as it is written.',
})

const secondsRule = (field: NamesOfKind<'seconds'>): AppRule => ({
  name: `${field}-bounds`,
  field,
  check(settings, { bounds }) {
    const seconds = settings[field]
    const { min, max } = bounds[field]
    if (seconds === undefined || (seconds >= min && seconds <= max)) return []
    return [{ value: String(seconds), sentence: `This server allows ${min} to ${max} seconds.` }]
  },
  sentence: 'The value is outside the limits of this server.',
})

const choiceRule = (field: NamesOfKind<'choice'>): AppRule => ({
  name: `${field}-choice`,
  field,
  check: (settings) =>
    choicesOf(field).includes(settings[field]) ? [] : [{ value: quoted(settings[field]) }],
  sentence: `It is one of: ${choicesOf(field).join(', ')}.`,
})

const listRules = (field: NamesOfKind<'list'>, max: number): AppRule[] => [
  {
    name: `${field}-count`,
    field,
    check: (settings) => when(settings[field].length > max),
    sentence: `At most ${max}.`,
  },
  {
    name: `${field}-twice`,
    field,
    check: (settings) => each(repeated(settings[field])),
    sentence: 'It is listed twice.',
  },
]

/** The rules that a setting has by its kind alone. */
function rulesOfKind([name, { kind, max = Infinity }]: NamedSetting): readonly AppRule[] {
  switch (kind) {
    case 'line':
      return textRules(name, max, isPlainLine)
    case 'lines':
      return textRules(name, max, isPlainText)
    case 'link':
      return [linkRule(name)]
    case 'list':
      return listRules(name as NamesOfKind<'list'>, max)
    case 'seconds':
      return [secondsRule(name as NamesOfKind<'seconds'>)]
    case 'choice':
      return [choiceRule(name as NamesOfKind<'choice'>)]
    default:
      return []
  }
}

/** The rules that single settings have besides, told before those of their kinds. */
const OWN_RULES: Partial<Record<SettingName, readonly AppRule[]>> = {
  handle: [
    {
      name: 'handle-form',
      field: 'handle',
      check: ({ handle }) => when(handle !== undefined && !isHandle(handle)),
      sentence:
        'A handle has 1 to 63 lower-case letters, digits and hyphens, and neither begins nor ends with a hyphen.',
    },
  ],
  name: [
    {
      name: 'name-needed',
      field: 'name',
      check: ({ name }) => when(name.trim() === ''),
      sentence: 'Enter the name that users see on the consent page.',
    },
    {
      name: 'name-spaces',
      field: 'name',
      applies: ({ name }) => name.trim() !== '',
      check: ({ name }) => when(name !== name.trim()),
      sentence: 'Remove the spaces at the beginning or end.',
    },
  ],
  type: [
    {
      name: 'type-fixed',
      field: 'type',
      check: ({ type }, { previous }) => when(previous !== undefined && previous.type !== type),
      sentence: 'The type of an app cannot change: register another app.',
    },
  ],
  redirectUris: [
    {
      name: 'redirect-uri-needed',
      field: 'redirectUris',
      reads: ['type'],
      applies: ({ type }) => actsForUsers(type),
      check: ({ redirectUris }) => when(redirectUris.length === 0),
      sentence: 'An app that users connect needs at least one redirect URI.',
    },
    {
      name: 'redirect-uri-unexpected',
      field: 'redirectUris',
      reads: ['type'],
      applies: ({ type }) => !actsForUsers(type),
      check: ({ redirectUris }) => each(redirectUris),
      sentence: 'Apps of this type sign no users in, so they have no redirect URIs.',
    },
    {
      name: 'redirect-uri',
      field: 'redirectUris',
      reads: ['type', 'schemesWithoutDomain'],
      applies: ({ type }) => actsForUsers(type),
      check: ({ redirectUris, ...app }) =>
        redirectUris.flatMap((value) => {
          const result = checkRedirectUri(value, app.type, app)
          return result.kind === 'accepted'
            ? []
            : [{ value: quoted(value), rule: result.rule, sentence: result.sentence }]
        }),
      sentence: 'A redirect URI breaks one of the rules for redirect URIs.',
    },
  ],
  allowedOrigins: [
    {
      // A confidential app calls from its server: its secret does not belong in a page.
      name: 'allowed-origins-type',
      field: 'allowedOrigins',
      reads: ['type'],
      applies: ({ type }) => type !== 'public',
      check: ({ allowedOrigins }) => each(allowedOrigins),
      sentence: 'Only public apps call from web pages: leave this empty.',
    },
    {
      name: 'allowed-origin',
      field: 'allowedOrigins',
      reads: ['type'],
      applies: ({ type }) => type === 'public',
      check: ({ allowedOrigins }) =>
        allowedOrigins.flatMap((value) => {
          const problem = originProblem(value)
          return problem === undefined ? [] : [{ value: quoted(value), ...problem }]
        }),
      sentence: 'Each origin is written as browsers send it.',
    },
  ],
  scopes: [
    {
      name: 'scope-unknown',
      field: 'scopes',
      check: (settings, { scopes, previous }) =>
        each(
          settings.scopes.filter((name) => !scopes.has(name) && !previous?.scopes.includes(name)),
        ),
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
      sentence: 'This scope is deprecated: apps that have it keep it, but no other app can get it.',
    },
    {
      // RFC 6749 §4.4: with client_credentials there is no person whose identity could be told.
      name: 'scope-needs-person',
      field: 'scopes',
      reads: ['type'],
      applies: ({ type }) => !actsForUsers(type),
      check: (settings) => each(settings.scopes.filter(needsPerson)),
      sentence: 'This scope is about a user, and apps of this type act without one.',
    },
    {
      name: 'scope-for-machines',
      field: 'scopes',
      reads: ['type'],
      applies: ({ type }) => type !== 'machine',
      check: (settings) => each(settings.scopes.filter(isAdminScope)),
      sentence: 'This scope opens the admin API, so only machine apps may have it.',
    },
  ],
  audiences: [
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
      sentence: 'An audience must not have a # part.',
    },
  ],
  localhostAnyPort: [
    {
      name: 'localhost-any-port-type',
      field: 'localhostAnyPort',
      reads: ['type'],
      applies: ({ type }) => type !== 'public',
      check: ({ localhostAnyPort }) => when(localhostAnyPort),
      sentence: 'Only public apps run on users’ own devices: leave this off.',
    },
  ],
  schemesWithoutDomain: [
    {
      name: 'schemes-without-domain-type',
      field: 'schemesWithoutDomain',
      reads: ['type'],
      applies: ({ type }) => type !== 'public',
      check: ({ schemesWithoutDomain }) => when(schemesWithoutDomain),
      sentence: 'Only public apps may use a scheme of their own: leave this off.',
    },
  ],
  clientCredentials: [
    {
      // RFC 6749 §4.4: "MUST only be used by confidential clients"; a resource server only asks
      // what tokens are worth.
      name: 'client-credentials-type',
      field: 'clientCredentials',
      reads: ['type'],
      applies: ({ type }) => !canActForItself(type),
      check: ({ clientCredentials }) => when(clientCredentials),
      sentence: 'Only web and machine apps can get tokens for themselves. Leave this off.',
    },
  ],
}

const REFRESH_OUTLIVES_ACCESS: AppRule = {
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
}

/** The rules of apps in the order in which their problems are told. */
export const APP_RULES: readonly AppRule[] = [
  ...ALL_SETTINGS.flatMap((setting) => [...(OWN_RULES[setting[0]] ?? []), ...rulesOfKind(setting)]),
  REFRESH_OUTLIVES_ACCESS,
]
