// The settings of a scope, one row each: what admins decide about it beside its name, which never
// changes. Rows of the database, members of the admin API, flags of the command line and files of
// `otesse apply` are made from this table. Invariant: a row for each setting; the order is that of
// lists and problems.
import type { Scope } from '../model/scope.ts'
import type { ScopeRow } from '../storage/schema.ts'
import type { Setting } from './setting.ts'

type ScopeSettings = Omit<Scope, 'name' | 'version'>
export type ScopeSettingName = keyof ScopeSettings

interface ScopeSetting extends Setting {
  readonly column: keyof ScopeRow
}

export const SCOPE_SETTINGS = {
  sentence: {
    kind: 'line',
    column: 'sentence',
    wire: 'sentence',
    since: '0.1.0',
    required: true,
    max: 200,
    api: {
      description: 'What users allow, as it appears on the consent page.',
      example: 'See your bookings',
    },
    cli: {
      flag: '--sentence <text>',
      help: 'what users allow, as it appears on the consent page',
      label: 'Sentence',
    },
    console: { label: 'Sentence' },
  },
  group: {
    kind: 'line',
    column: 'group_name',
    wire: 'group',
    since: '0.1.0',
    required: true,
    max: 80,
    api: { description: 'The heading under which the consent page shows it.' },
    cli: {
      flag: '--group <heading>',
      help: 'the heading under which the consent page shows it',
      label: 'Group',
    },
    console: { label: 'Group' },
  },
  sensitive: {
    kind: 'switch',
    column: 'sensitive',
    wire: 'sensitive',
    since: '0.1.0',
    api: { description: 'The consent page highlights it.' },
    cli: {
      flag: '--sensitive',
      help: 'highlight it on the consent page',
      off: 'do not highlight it',
      label: 'Sensitive',
    },
    console: { label: 'Sensitive' },
  },
  deprecated: {
    kind: 'switch',
    column: 'deprecated',
    wire: 'deprecated',
    since: '0.1.0',
    api: { description: 'Apps that have it keep it, but no other app can get it.' },
    cli: { label: 'Deprecated' },
    console: { label: 'Deprecated' },
  },
  audience: {
    kind: 'line',
    column: 'audience',
    wire: 'audience',
    since: '0.1.0',
    api: { description: 'The resource server that it belongs to (RFC 8707).' },
    cli: {
      flag: '--audience <name>',
      help: 'the API that it belongs to, like https://api.example.com',
      label: 'Audience',
    },
    console: { label: 'Audience' },
  },
} as const satisfies Readonly<Record<ScopeSettingName, ScopeSetting>>

/** All settings with their names, in order. */
export const ALL_SCOPE_SETTINGS = Object.entries(SCOPE_SETTINGS) as readonly (readonly [
  ScopeSettingName,
  ScopeSetting,
])[]

/** The names of all settings, in order. */
export const SCOPE_SETTING_NAMES = Object.keys(SCOPE_SETTINGS) as readonly ScopeSettingName[]

/** Makes the settings by asking for each. */
export const makeScopeSettings = (valueOf: (name: ScopeSettingName) => unknown): ScopeSettings =>
  Object.fromEntries(
    SCOPE_SETTING_NAMES.map((name) => [name, valueOf(name)]),
  ) as unknown as ScopeSettings

/** Returns what a new scope has where nothing is said. */
export const defaultOfScope = (name: ScopeSettingName): unknown =>
  SCOPE_SETTINGS[name].kind === 'switch' ? false : undefined
