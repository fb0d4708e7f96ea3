// What a scope is: a name that apps ask for and the sentence that people read before they allow it. The rules of both, and the scopes that
// every server has. Invariant: a scope name is one token of RFC 6749 §3.3 that also survives lists written with commas.
import { isPlainLine, lengthOf, quoted, type Problem, type Refused } from './problem.ts'

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
}

const IDENTITY = 'Your identity'
const builtIn = (name: string, sentence: string, group = IDENTITY): Scope =>
  Object.freeze({ name, sentence, group, sensitive: false, deprecated: false })

/** The scopes that OpenID Connect Core §5.4 and §11 define; they are no rows, cannot be changed and need a person. */
export const BUILT_IN_SCOPES: readonly Scope[] = Object.freeze([
  builtIn('openid', 'Know which account is yours'),
  builtIn('profile', 'See your name'),
  builtIn('email', 'See your e-mail address'),
  builtIn('offline_access', 'Stay connected while you are away'),
])

const BUILT_IN_NAMES: ReadonlySet<string> = new Set(BUILT_IN_SCOPES.map(({ name }) => name))

/** Returns whether the name is one of the built-in scopes. */
export const isBuiltInScope = (name: string): boolean => BUILT_IN_NAMES.has(name)

/** Returns whether the scope only means something where a person has signed in. */
export const needsPerson = isBuiltInScope

// RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ). The comma (%x2C) is left out: generic connectors separate lists with it.
const NAME = /^[\x21\x23-\x2B\x2D-\x5B\x5D-\x7E]{1,100}$/

/** Returns whether a text could be the name of a scope. */
export const isScopeName = (text: string): boolean => NAME.test(text)

const SCOPE_RULES: readonly {
  name: string
  field: keyof Scope
  refuses: (scope: Scope) => boolean
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
    refuses: ({ name }) => isBuiltInScope(name),
    sentence: 'This scope is built in.',
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
]

/** What a face hands in; the switches are off when they are left out. */
export type ScopeInput = Pick<Scope, 'name' | 'sentence' | 'group'> & Partial<Scope>

/** The answer of checkScope. */
export type ScopeVerdict = { readonly kind: 'accepted'; readonly scope: Scope } | Refused

/** Checks a scope that somebody wants to add or change and tells all problems at once; takes values of any type. */
export function checkScope(input: Readonly<Record<string, unknown>> | object): ScopeVerdict {
  const given = input as Readonly<Record<string, unknown>>
  const text = (field: keyof Scope): string => {
    const value = given[field]
    return typeof value === 'string' ? value : ''
  }
  const scope: Scope = {
    name: text('name'),
    sentence: text('sentence'),
    group: text('group'),
    sensitive: given['sensitive'] === true,
    deprecated: given['deprecated'] === true,
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
