// The scopes that every server has, and the rules of those that admins add: a name that apps ask
// for and the sentence that people read before they allow it. Called by scope-catalogue.ts for
// console, API, command line and files.
import { isScopeName, type Scope } from '../model/scope.ts'
import { makeScopeSettings, SCOPE_SETTINGS, type ScopeSettingName } from './scope-settings.ts'
import { type Setting, unknownSetting } from './setting.ts'
import { isPlainLine, lengthOf, quoted } from '../model/plain-text.ts'
import type { Problem, Refused } from '../model/problem.ts'

const IDENTITY = 'Your identity'
const builtIn = (name: string, sentence: string, group = IDENTITY, sensitive = false): Scope =>
  Object.freeze({
    name,
    sentence,
    group,
    sensitive,
    deprecated: false,
    audience: undefined,
    version: 1,
  })

/** Asked for by habit of OpenID Connect; understood, and without effect. */
export const OFFLINE_ACCESS = 'offline_access'

/** The scopes that OpenID Connect Core §5.4 and §11 define; they need a person. */
const IDENTITY_SCOPES: readonly Scope[] = Object.freeze([
  builtIn('openid', 'Know which account is yours'),
  builtIn('profile', 'See your name'),
  builtIn('email', 'See your e-mail address'),
  builtIn(OFFLINE_ACCESS, 'Not needed: every authorization has a refresh token'),
])

/** What the admin API asks for, least first. Only machine apps may have them: no person can hand the server over on a consent page. */
export const ADMIN_SCOPE_NAMES = [
  'admin:apps:read',
  'admin:apps:write',
  'admin:scopes:read',
  'admin:scopes:write',
  'admin:accounts:read',
  'admin:accounts:write',
  'admin:roles:write',
  'admin:tokens:write',
  'admin:connections:read',
  'admin:connections:write',
  'admin:keys:read',
  'admin:keys:write',
  'admin:audit:read',
] as const

/** A scope of the admin API. */
export type AdminScope = (typeof ADMIN_SCOPE_NAMES)[number]

const ADMIN_SENTENCES: Record<AdminScope, string> = {
  'admin:apps:read': 'See the registered apps',
  'admin:apps:write': 'Register, change, suspend and delete apps, and make their secrets',
  'admin:scopes:read': 'See the catalogue of scopes',
  'admin:scopes:write': 'Change the catalogue of scopes',
  'admin:accounts:read': 'See accounts',
  'admin:accounts:write': 'Create, invite, change and deactivate accounts of members',
  'admin:roles:write': 'Decide who is an admin, and change the accounts of admins',
  'admin:tokens:write': 'Inspect and revoke tokens, and report leaked ones',
  'admin:connections:read':
    'See integrations and connections to other systems, without credentials',
  'admin:connections:write':
    'Change integrations, and disable and delete connections to other systems',
  'admin:keys:read': 'See the signing keys',
  'admin:keys:write': 'Rotate the signing keys',
  'admin:audit:read': 'Read the audit log and the usage of apps',
}

const ADMIN_SCOPES: readonly Scope[] = ADMIN_SCOPE_NAMES.map((name) =>
  builtIn(name, ADMIN_SENTENCES[name], 'Administration', true),
)

/** The scopes that every server has; they are no rows and cannot be changed. */
export const BUILT_IN_SCOPES: readonly Scope[] = Object.freeze([
  ...IDENTITY_SCOPES,
  ...ADMIN_SCOPES,
])

const IDENTITY_NAMES: ReadonlySet<string> = new Set(IDENTITY_SCOPES.map(({ name }) => name))
const ADMIN_NAMES: ReadonlySet<string> = new Set(ADMIN_SCOPE_NAMES)
const ADMIN_PREFIX = 'admin:'

/** Returns whether the name is one of the built-in scopes. */
export const isBuiltInScope = (name: string): boolean =>
  IDENTITY_NAMES.has(name) || ADMIN_NAMES.has(name)

/** Returns whether the scope only means something where a person has signed in. */
export const needsPerson = (name: string): boolean => IDENTITY_NAMES.has(name)

/** Returns whether the scope opens the admin API. */
export const isAdminScope = (name: string): name is AdminScope => ADMIN_NAMES.has(name)

/** Returns whether a text can name a resource server (RFC 8707 §2: "It MUST NOT include a fragment component."). */
const isAudience = (text: string): boolean => /^[\x21\x24-\x5B\x5D-\x7E]{1,200}$/.test(text)

interface ScopeRule {
  readonly name: string
  readonly field: ScopeSettingName | 'name'
  readonly refuses: (scope: NewScope) => boolean
  readonly sentence: string
}

/** A scope that is to be added, or how one shall be. */
export type NewScope = Omit<Scope, 'version'>

const textRules = (field: 'sentence' | 'group', needed: string): readonly ScopeRule[] => {
  const { max } = SCOPE_SETTINGS[field]
  return [
    {
      name: `scope-${field}-needed`,
      field,
      refuses: (scope) => scope[field].trim() === '',
      sentence: needed,
    },
    {
      name: `scope-${field}-length`,
      field,
      refuses: (scope) => lengthOf(scope[field]) > max,
      sentence: `Keep it within ${max} characters.`,
    },
    {
      name: `scope-${field}-characters`,
      field,
      refuses: (scope) => !isPlainLine(scope[field]),
      sentence: 'Remove the control or invisible character.',
    },
  ]
}

const SCOPE_RULES: readonly ScopeRule[] = [
  {
    name: 'scope-name-form',
    field: 'name',
    refuses: ({ name }) => !isScopeName(name),
    sentence:
      'A scope name has 1 to 100 plain characters without spaces, commas, quotes or backslashes, like bookings:read.',
  },
  {
    name: 'scope-name-reserved',
    field: 'name',
    refuses: ({ name }) => isBuiltInScope(name) || name.startsWith(ADMIN_PREFIX),
    sentence: 'This scope is built in; names that begin with admin: are the server’s own.',
  },
  ...textRules('sentence', 'Describe what users allow, as it appears on the consent page.'),
  ...textRules('group', 'Name the heading under which the consent page shows it.'),
  {
    name: 'scope-audience-form',
    field: 'audience',
    refuses: ({ audience }) => audience !== undefined && !isAudience(audience),
    sentence:
      'An audience is a name or an address of 1 to 200 plain characters without spaces and #, like https://api.yourcompany.com.',
  },
]

/** What comes in, by console, API, command line or file; the switches are off when they are left out. */
export type ScopeInput = Pick<Scope, 'name' | 'sentence' | 'group'> & Partial<NewScope>

/** The result of checkScope. */
export type ScopeCheck = { readonly kind: 'accepted'; readonly scope: NewScope } | Refused

/**
 * Checks a scope that somebody wants to add or change and tells all problems at once; takes values
 * of any type.
 */
export function checkScope(input: Readonly<Record<string, unknown>> | object): ScopeCheck {
  const given = input as Readonly<Record<string, unknown>>
  const scope: NewScope = {
    name: textOf(given['name']),
    ...makeScopeSettings((name) => valueOf(name, given[name])),
  }
  const problems = [...shapeProblems(given)]
  for (const rule of SCOPE_RULES)
    if (rule.refuses(scope))
      problems.push({
        field: rule.field,
        ...(rule.field === 'name' && { value: quoted(scope.name) }),
        rule: rule.name,
        sentence: rule.sentence,
      })
  return problems.length === 0 ? { kind: 'accepted', scope } : { kind: 'refused', problems }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

function valueOf(name: ScopeSettingName, given: unknown): unknown {
  const { kind, required = false }: Setting = SCOPE_SETTINGS[name]
  if (kind === 'switch') return given === true
  return required ? textOf(given) : textOf(given).trim() || undefined
}

function shapeProblems(given: Readonly<Record<string, unknown>>): readonly Problem[] {
  return Object.entries(given).flatMap(([field, value]): Problem[] => {
    if (field === 'name') return []
    if (!Object.hasOwn(SCOPE_SETTINGS, field)) return [unknownSetting(field)]
    const { kind }: Setting = SCOPE_SETTINGS[field as ScopeSettingName]
    return kind === 'switch' && value !== undefined && typeof value !== 'boolean'
      ? [{ field, rule: 'field-type', sentence: 'This must be true or false.' }]
      : []
  })
}
