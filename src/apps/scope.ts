// What a scope is: a name that apps ask for and the sentence that people read before they allow it. The rules of both, and the scopes that
// every server has. Invariant: a scope name is one token of RFC 6749 §3.3 that also survives lists written with commas.
import { isPlainLine, lengthOf, quoted } from '../model/plain-text.ts'
import type { Problem, Refused } from '../model/problem.ts'

/** One scope of the catalogue. */
export interface Scope {
  readonly name: string
  /** What the consent page says. */
  readonly sentence: string
  /** The heading under which the consent page shows it. */
  readonly group: string
  readonly sensitive: boolean
  /** Apps that have it keep it, no other app gets it. */
  readonly deprecated: boolean
  /** The resource server that it belongs to (RFC 8707 §2), for those who read the catalogue; absent where it is for all. */
  readonly audience: string | undefined
  /** Goes up by one with every change; the ETag of the admin API. */
  readonly version: number
}

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

/** The scopes that OpenID Connect Core §5.4 and §11 define; they need a person. */
const IDENTITY_SCOPES: readonly Scope[] = Object.freeze([
  builtIn('openid', 'Know which account is yours'),
  builtIn('profile', 'See your name'),
  builtIn('email', 'See your e-mail address'),
  builtIn('offline_access', 'Stay connected while you are away'),
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
  'admin:accounts:read': 'See the accounts of people',
  'admin:accounts:write': 'Create, invite, change and deactivate accounts of members',
  'admin:roles:write': 'Decide who is an admin, and change the accounts of admins',
  'admin:tokens:write': 'Inspect and revoke tokens, and report leaked ones',
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

// RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ). The comma (%x2C) is left out: generic connectors separate lists with it.
const NAME = /^[\x21\x23-\x2B\x2D-\x5B\x5D-\x7E]{1,100}$/

/** Returns whether a text could be the name of a scope. */
export const isScopeName = (text: string): boolean => NAME.test(text)

/** Returns whether a text can name a resource server (RFC 8707 §2: "It MUST NOT include a fragment component."). */
const isAudience = (text: string): boolean => /^[\x21\x24-\x5B\x5D-\x7E]{1,200}$/.test(text)

const AUDIENCE_SENTENCE =
  'An audience is a name or an address of 1 to 200 plain characters without spaces and #, like https://api.yourcompany.com.'

const SCOPE_RULES: readonly {
  name: string
  field: keyof Scope
  refuses: (scope: Omit<Scope, 'version'>) => boolean
  sentence: string
}[] = [
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
  {
    name: 'scope-sentence-needed',
    field: 'sentence',
    refuses: ({ sentence }) => sentence.trim() === '',
    sentence: 'Write what people allow, as the consent page shall say it.',
  },
  {
    name: 'scope-sentence-length',
    field: 'sentence',
    refuses: ({ sentence }) => lengthOf(sentence) > 200,
    sentence: 'Keep it within 200 characters.',
  },
  {
    name: 'scope-sentence-characters',
    field: 'sentence',
    refuses: ({ sentence }) => !isPlainLine(sentence),
    sentence: 'It has a control or invisible character: remove it.',
  },
  {
    name: 'scope-group-needed',
    field: 'group',
    refuses: ({ group }) => group.trim() === '',
    sentence: 'Name the heading under which the consent page shows it.',
  },
  {
    name: 'scope-group-length',
    field: 'group',
    refuses: ({ group }) => lengthOf(group) > 80,
    sentence: 'Keep it within 80 characters.',
  },
  {
    name: 'scope-group-characters',
    field: 'group',
    refuses: ({ group }) => !isPlainLine(group),
    sentence: 'It has a control or invisible character: remove it.',
  },
  {
    name: 'scope-audience-form',
    field: 'audience',
    refuses: ({ audience }) => audience !== undefined && !isAudience(audience),
    sentence: AUDIENCE_SENTENCE,
  },
]

/** What a face hands in; the switches are off when they are left out. */
export type ScopeInput = Pick<Scope, 'name' | 'sentence' | 'group'> &
  Partial<Omit<Scope, 'version'>>

/** The answer of checkScope. */
export type ScopeVerdict =
  { readonly kind: 'accepted'; readonly scope: Omit<Scope, 'version'> } | Refused

/** Checks a scope that somebody wants to add or change and tells all problems at once; takes values of any type. */
export function checkScope(input: Readonly<Record<string, unknown>> | object): ScopeVerdict {
  const given = input as Readonly<Record<string, unknown>>
  const text = (field: keyof ScopeInput): string => {
    const value = given[field]
    return typeof value === 'string' ? value : ''
  }
  const audience = text('audience').trim()
  const scope: Omit<Scope, 'version'> = {
    name: text('name'),
    sentence: text('sentence'),
    group: text('group'),
    sensitive: given['sensitive'] === true,
    deprecated: given['deprecated'] === true,
    audience: audience === '' ? undefined : audience,
  }
  const problems: Problem[] = Object.entries(given).flatMap(([field, value]): Problem[] => {
    if (!Object.hasOwn(scope, field))
      return [
        {
          field: quoted(field),
          rule: 'field-unknown',
          sentence: 'There is no such setting: check its spelling.',
        },
      ]
    const isSwitch = field === 'sensitive' || field === 'deprecated'
    return isSwitch && value !== undefined && typeof value !== 'boolean'
      ? [{ field, rule: 'field-type', sentence: 'This must be true or false.' }]
      : []
  })
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
