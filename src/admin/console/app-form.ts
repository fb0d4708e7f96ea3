// The form of an app, as texts: what was typed, read into the input of the registry and back.
// Invariant: whatever was typed stays what it was, so that a form that is shown again has lost
// nothing. Called by the routes that register and edit apps.
import type { Scope } from '../../model/scope.ts'
import type { Problem } from '../../model/problem.ts'
import {
  actsForUsers,
  canActForItself,
  type App,
  type AppInput,
  type AppType,
} from '../../model/app.ts'
import type { SettingKind } from '../../apps/setting.ts'
import {
  ALL_SETTINGS,
  APP_SETTINGS,
  type AppSetting,
  choicesOf,
  type NamesOfKind,
  SETTING_NAMES,
  type SettingName,
  settingsOfKind,
} from '../../apps/app-settings.ts'
import { isAdminScope, needsPerson, OFFLINE_ACCESS } from '../../apps/scope.ts'
import { secondsInWords } from './labels.ts'
import type { Parameters } from '../../http/parameters.ts'
import type { FormProblem } from './frame.ts'

const SWITCHES = settingsOfKind('switch')
const LISTS: readonly SettingName[] = settingsOfKind('list')
/** Scopes are checkboxes; whatever is neither they nor a switch is typed. */
const isTyped = (name: SettingName): name is TypedName =>
  name !== 'scopes' && APP_SETTINGS[name].kind !== 'switch'
const TYPED = SETTING_NAMES.filter(isTyped)

type SwitchName = NamesOfKind<'switch'>
type TypedName = Exclude<SettingName, SwitchName | 'scopes'>

/** What is in the fields of the form. */
export type AppFormValues = Record<TypedName, string> &
  Record<SwitchName, boolean> & { scopes: ReadonlySet<string> }

/** Each scope has a checkbox of its own name: a form that names a field twice is refused. */
const SCOPE_PREFIX = 'scope:'

const labelled = (names: readonly SettingName[]): [string, string][] =>
  names.map((name) => [name, APP_SETTINGS[name].console.label])

const inSection = (section: AppSetting['console']['section']): SettingName[] =>
  ALL_SETTINGS.flatMap(([name, setting]) => (setting.console.section === section ? [name] : []))

/** What each field is called, in the order of the form. */
export const FIELD_LABELS: Record<string, string> = Object.fromEntries([
  ...labelled(['type', 'name', 'description']),
  ['logo', 'Logo'],
  ...labelled(['redirectUris', 'scopes']),
  ...labelled(inSection('about')),
  ...labelled(inSection('advanced')),
])

/** Returns the form of an app that is to be registered. */
export function emptyAppForm(): AppFormValues {
  // RFC 9700 §2.1.1 recommends PKCE for confidential apps too: chosen, and can be taken off.
  return { ...readAppForm(new Map()), type: 'web', requirePkce: true }
}

/** Reads what was typed. */
export function readAppForm(fields: Parameters): AppFormValues {
  const typed = TYPED.map((name) => [name, (fields.get(name) ?? '').replaceAll('\r\n', '\n')])
  const switches = SWITCHES.map((name) => [name, fields.get(name) === 'on'])
  const scopes = [...fields.keys()].flatMap((name) =>
    name.startsWith(SCOPE_PREFIX) ? [name.slice(SCOPE_PREFIX.length)] : [],
  )
  return { ...valuesOf([...typed, ...switches]), scopes: new Set(scopes) }
}

const valuesOf = (entries: readonly (readonly unknown[])[]): Omit<AppFormValues, 'scopes'> =>
  Object.fromEntries(entries) as Omit<AppFormValues, 'scopes'>

/** Returns the form of an app as it is. */
export function formOfApp(app: App): AppFormValues {
  const typed = TYPED.map((name) => [name, typedOf(app[name])])
  const switches = SWITCHES.map((name) => [name, app[name]])
  return { ...valuesOf([...typed, ...switches]), scopes: new Set(app.scopes) }
}

const typedOf = (value: App[TypedName]): string =>
  Array.isArray(value) ? value.join('\n') : (value?.toString() ?? '')

const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** A number where it is one; else the text, whose type the registry refuses in its own words. */
const number = (text: string): unknown => (/^\d{1,12}$/.test(text.trim()) ? Number(text) : text)

/** The value that was meant; spaces around a line are nobody's intention. */
function meantBy(name: TypedName, text: string): unknown {
  if (LISTS.includes(name)) return lines(text)
  if (name === 'type') return text
  if (APP_SETTINGS[name].kind === 'seconds') return number(text)
  return name === 'name' ? text.trim() : text.trim() || undefined
}

/** Returns the input for the registry, which checks it. */
export function inputOf(values: AppFormValues): AppInput {
  const typed = TYPED.map((name) => [name, meantBy(name, values[name])])
  const switches = SWITCHES.map((name) => [name, values[name]])
  return {
    ...(Object.fromEntries([...typed, ...switches]) as AppInput),
    scopes: [...values.scopes],
  }
}

/**
 * Returns the input for a new app. The form offers client_credentials to web apps alone, and some
 * switches to public ones: what was pressed before another type was chosen does not count.
 */
export function newAppInputOf(values: AppFormValues): AppInput {
  const { clientCredentials, localhostAnyPort, schemesWithoutDomain, ...rest } = inputOf(values)
  return {
    ...rest,
    ...(values.type === 'web' && { clientCredentials }),
    ...(values.type === 'public' && { localhostAnyPort, schemesWithoutDomain }),
  }
}

/** One checkbox. */
export interface ScopeChoice {
  name: string
  field: string
  sentence: string
  sensitive: boolean
  /** Why it is not to be chosen any more, in one word. */
  remark: 'deprecated' | 'removed' | undefined
  isChosen: boolean
}

export interface ScopeChoices {
  groups: { title: string; choices: ScopeChoice[]; needsPeople: boolean }[]
  /** Scopes of the admin API, which only machines may have. */
  admin: ScopeChoice[]
  count: number
}

/**
 * Returns the checkboxes: every scope that can be chosen, and those that the form has although they
 * cannot.
 */
export function scopeChoices(
  catalogue: ReadonlyMap<string, Scope>,
  chosen: ReadonlySet<string>,
): ScopeChoices {
  const choice = (name: string, scope: Scope | undefined): ScopeChoice => ({
    name,
    field: `${SCOPE_PREFIX}${name}`,
    sentence: scope?.sentence ?? 'No longer in the catalogue: it has no effect.',
    sensitive: scope?.sensitive ?? false,
    remark: scope === undefined ? 'removed' : scope.deprecated ? 'deprecated' : undefined,
    isChosen: chosen.has(name),
  })
  const names = [...new Set([...catalogue.keys(), ...chosen])].sort()
  const groups = new Map<string, ScopeChoice[]>()
  const admin: ScopeChoice[] = []
  for (const name of names) {
    const scope = catalogue.get(name)
    const isUseless = scope?.deprecated === true || name === OFFLINE_ACCESS
    if (isUseless && !chosen.has(name)) continue
    if (isAdminScope(name)) {
      admin.push(choice(name, scope))
      continue
    }
    const title = scope?.group ?? 'No longer in the catalogue'
    groups.set(title, [...(groups.get(title) ?? []), choice(name, scope)])
  }
  return {
    groups: [...groups]
      .map(([title, choices]) => ({
        title,
        choices,
        needsPeople: choices.every(({ name }) => needsPerson(name)),
      }))
      .sort((left, right) => left.title.localeCompare(right.title, 'en')),
    admin,
    count: names.length,
  }
}

/** Returns the sentences of each field; one about one value of several names it. */
export function sentencesByField(problems: readonly Problem[]): Record<string, string[]> {
  const byField: Record<string, string[]> = {}
  for (const { field, value, sentence } of problems)
    (byField[field] ??= []).push(value === undefined ? sentence : `${value}: ${sentence}`)
  return byField
}

/** Returns the problems for the summary of the page, in the order of the form. */
export function formProblems(
  problems: readonly Problem[],
  labels: Readonly<Record<string, string>> = FIELD_LABELS,
): FormProblem[] {
  const order = Object.keys(labels)
  return Object.entries(sentencesByField(problems))
    .flatMap(([field, sentences]) =>
      sentences.map((sentence) => ({
        anchor: `f-${field}`,
        label: labels[field] ?? field,
        sentence,
        place: order.indexOf(field),
      })),
    )
    .sort((left, right) => left.place - right.place)
    .map(({ anchor, label, sentence }) => ({ anchor, label, sentence }))
}

/** A field as parts/field.eta shows it. */
export interface FieldModel {
  name: SettingName
  label: string
  kind: 'line' | 'lines' | 'number' | 'choice'
  /** What keyboards and spelling checkers may do: nothing to a name that programs use. */
  input: 'text' | 'name' | 'url' | 'number'
  value: string
  /** Of a choice. */
  choices: readonly string[]
  problems: readonly string[] | undefined
  hint: string | undefined
  isNarrow: boolean
  onlyFor: AppSetting['console']['onlyFor']
}

/** A switch as parts/switch.eta shows it. */
export interface SwitchModel {
  name: SwitchName
  label: string
  hint: string | undefined
  isOn: boolean
}

/** The fields of an app, as parts/app-fields.eta shows them. */
export interface AppFieldsModel {
  values: AppFormValues
  /** Sentences by field. */
  problems: Readonly<Record<string, readonly string[]>>
  choices: ScopeChoices
  /** Links and contact. */
  about: readonly FieldModel[]
  /** Below "Advanced". */
  advanced: {
    /** Whether one of them has a problem. */
    isWrong: boolean
    switches: Readonly<Record<'self' | 'users' | 'public' | 'all', readonly SwitchModel[]>>
    fields: readonly FieldModel[]
  }
  isMachine: boolean
  takesPeople: boolean
  isPublic: boolean
  canActForItself: boolean
}

/** The server's lifetimes, which hold where an app has none of its own. */
type Lifetimes = Readonly<Partial<Record<SettingName, number>>>

/**
 * Returns the fields of the form.
 *
 * @param given.type of the app; absent for a new one, whose type is chosen in the form: all fields
 *   are there
 */
export function appFields(given: {
  values: AppFormValues
  problems: readonly Problem[]
  catalogue: ReadonlyMap<string, Scope>
  lifetimes: Lifetimes
  type?: AppType
}): AppFieldsModel {
  const { values, type, lifetimes } = given
  const problems = sentencesByField(given.problems)
  const field = (name: SettingName): FieldModel[] =>
    isTyped(name) ? [fieldOf(name, values[name], problems[name], lifetimes)] : []
  const takesPeople = type === undefined || actsForUsers(type)
  const advanced = inSection('advanced')
  return {
    values,
    problems,
    choices: scopeChoices(given.catalogue, values.scopes),
    about: inSection('about').flatMap(field),
    advanced: {
      isWrong: advanced.some((name) => problems[name] !== undefined),
      switches: {
        self: switchesFor('self', values),
        users: switchesFor('users', values),
        public: switchesFor('public', values),
        all: switchesFor(undefined, values),
      },
      fields: advanced
        .flatMap(field)
        .filter(({ onlyFor, problems }) => problems !== undefined || concerns(type, onlyFor))
        .sort((left, right) => rankOf(left) - rankOf(right)),
    },
    isMachine: type === undefined || type === 'machine',
    takesPeople,
    isPublic: type === undefined || type === 'public',
    canActForItself: type === undefined || canActForItself(type),
  }
}

/** Returns whether a setting means something to apps of the type; all do while it is chosen. */
const concerns = (type: AppType | undefined, onlyFor: AppSetting['console']['onlyFor']): boolean =>
  type === undefined ||
  onlyFor === undefined ||
  { users: actsForUsers(type), self: canActForItself(type), public: type === 'public' }[onlyFor]

const INPUTS: Partial<Record<SettingKind, FieldModel['input']>> = {
  link: 'url',
  list: 'name',
  handle: 'name',
  seconds: 'number',
}

const FIELD_KINDS: Partial<Record<SettingKind, FieldModel['kind']>> = {
  seconds: 'number',
  list: 'lines',
  lines: 'lines',
  choice: 'choice',
}

function fieldOf(
  name: TypedName,
  value: string,
  problems: readonly string[] | undefined,
  lifetimes: Lifetimes,
): FieldModel {
  const { kind, console }: AppSetting = APP_SETTINGS[name]
  const isSeconds = kind === 'seconds'
  const standard = lifetimes[name]
  return {
    name,
    label: isSeconds ? `${console.label}, in seconds` : console.label,
    kind: FIELD_KINDS[kind] ?? 'line',
    input: INPUTS[kind] ?? 'text',
    value,
    choices: choicesOf(name),
    problems,
    hint:
      standard === undefined
        ? console.hint
        : `Leave empty for the server default: ${secondsInWords(standard)}.`,
    isNarrow: console.isNarrow === true,
    onlyFor: console.onlyFor,
  }
}

// What few apps need stands last.
const RANKS: readonly FieldModel['input'][] = ['number', 'url', 'text', 'name']
const rankOf = ({ input, kind }: FieldModel): number =>
  RANKS.indexOf(input) + (kind === 'lines' ? 0 : 0.5)

const switchesFor = (
  onlyFor: AppSetting['console']['onlyFor'],
  values: AppFormValues,
): readonly SwitchModel[] =>
  SWITCHES.flatMap((name) => {
    const { console }: AppSetting = APP_SETTINGS[name]
    const { label, hint } = console
    return console.onlyFor === onlyFor ? [{ name, label, hint, isOn: values[name] }] : []
  })
