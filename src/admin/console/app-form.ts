// The form of an app, as texts: what was typed, read into the input of the registry and back. Invariant: whatever was typed stays what it was, so
// that a form that is shown again has lost nothing. Called by the routes that register and edit apps.
import type { App, AppInput } from '../../model/app.ts'
import type { Problem } from '../../model/problem.ts'
import { isAdminScope, needsPerson, type Scope } from '../../apps/scope.ts'
import type { Parameters } from '../../http/parameters.ts'
import type { FormProblem } from './console-views.ts'

const TEXTS = [
  'type',
  'name',
  'description',
  'redirectUris',
  'homepageUrl',
  'privacyUrl',
  'termsUrl',
  'ownerContact',
  'environment',
  'handle',
  'audiences',
  'accessTtlSeconds',
  'refreshTtlSeconds',
] as const
const SWITCHES = [
  'clientCredentials',
  'requirePkce',
  'rotateRefreshTokens',
  'slidingRefresh',
] as const

/** What is in the fields of the form. */
export type AppFormValues = Record<(typeof TEXTS)[number], string> &
  Record<(typeof SWITCHES)[number], boolean> & { scopes: ReadonlySet<string> }

/** Each scope has a checkbox of its own name: a form that names a field twice is refused. */
const SCOPE_PREFIX = 'scope:'

/** What each field is called, in the order of the form. */
export const FIELD_LABELS: Record<string, string> = {
  type: 'Type',
  name: 'Name',
  description: 'Description',
  logo: 'Logo',
  redirectUris: 'Redirect URIs',
  scopes: 'Permissions',
  homepageUrl: 'Website',
  privacyUrl: 'Privacy policy',
  termsUrl: 'Terms of use',
  ownerContact: 'Owner’s contact',
  environment: 'Environment',
  handle: 'Handle',
  audiences: 'Audiences',
  clientCredentials: 'Client credentials',
  requirePkce: 'Require PKCE',
  rotateRefreshTokens: 'Rotate refresh tokens',
  slidingRefresh: 'Sliding refresh tokens',
  accessTtlSeconds: 'Life of access tokens',
  refreshTtlSeconds: 'Life of refresh tokens',
}

/** Returns the form of an app that is to be registered. */
export function emptyAppForm(): AppFormValues {
  // RFC 9700 §2.1.1 recommends PKCE for confidential apps too: chosen, and can be taken off.
  return { ...readAppForm(new Map()), type: 'web', requirePkce: true }
}

/** Reads what was typed. */
export function readAppForm(fields: Parameters): AppFormValues {
  const texts = Object.fromEntries(
    TEXTS.map((name) => [name, (fields.get(name) ?? '').replaceAll('\r\n', '\n')]),
  ) as Record<(typeof TEXTS)[number], string>
  const switches = Object.fromEntries(
    SWITCHES.map((name) => [name, fields.get(name) === 'on']),
  ) as Record<(typeof SWITCHES)[number], boolean>
  const scopes = [...fields.keys()].flatMap((name) =>
    name.startsWith(SCOPE_PREFIX) ? [name.slice(SCOPE_PREFIX.length)] : [],
  )
  return { ...texts, ...switches, scopes: new Set(scopes) }
}

/** Returns the form of an app as it is. */
export function formOfApp(app: App): AppFormValues {
  return {
    type: app.type,
    name: app.name,
    description: app.description ?? '',
    redirectUris: app.redirectUris.join('\n'),
    homepageUrl: app.homepageUrl ?? '',
    privacyUrl: app.privacyUrl ?? '',
    termsUrl: app.termsUrl ?? '',
    ownerContact: app.ownerContact ?? '',
    environment: app.environment ?? '',
    handle: app.handle ?? '',
    audiences: app.audiences.join('\n'),
    accessTtlSeconds: app.accessTtlSeconds?.toString() ?? '',
    refreshTtlSeconds: app.refreshTtlSeconds?.toString() ?? '',
    clientCredentials: app.clientCredentials,
    requirePkce: app.requirePkce,
    rotateRefreshTokens: app.rotateRefreshTokens,
    slidingRefresh: app.slidingRefresh,
    scopes: new Set(app.scopes),
  }
}

const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** A number where it is one; else the text, whose type the registry refuses in its own words. */
const number = (text: string): unknown => (/^\d{1,12}$/.test(text.trim()) ? Number(text) : text)

/** Returns the input for the registry, which judges it; spaces around a line are nobody's intention. */
export function inputOf(values: AppFormValues): AppInput {
  const absentIfEmpty = (text: string): string | undefined => text.trim() || undefined
  const input: Record<keyof AppInput, unknown> = {
    type: values.type,
    name: values.name.trim(),
    description: absentIfEmpty(values.description),
    redirectUris: lines(values.redirectUris),
    homepageUrl: absentIfEmpty(values.homepageUrl),
    privacyUrl: absentIfEmpty(values.privacyUrl),
    termsUrl: absentIfEmpty(values.termsUrl),
    ownerContact: absentIfEmpty(values.ownerContact),
    environment: absentIfEmpty(values.environment),
    handle: absentIfEmpty(values.handle),
    audiences: lines(values.audiences),
    accessTtlSeconds: number(values.accessTtlSeconds),
    refreshTtlSeconds: number(values.refreshTtlSeconds),
    clientCredentials: values.clientCredentials,
    requirePkce: values.requirePkce,
    rotateRefreshTokens: values.rotateRefreshTokens,
    slidingRefresh: values.slidingRefresh,
    scopes: [...values.scopes],
  }
  return input as AppInput
}

/**
 * Returns the input for a new app. The form offers client_credentials to web apps alone; apps of
 * other types begin as the registry has it.
 */
export function newAppInputOf(values: AppFormValues): AppInput {
  const input = inputOf(values)
  if (values.type === 'web') return input
  const { clientCredentials: _offered, ...rest } = input
  return rest
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

/** Returns the checkboxes: every scope that can be chosen, and those that the form has although they cannot. */
export function scopeChoices(
  catalogue: ReadonlyMap<string, Scope>,
  chosen: ReadonlySet<string>,
): ScopeChoices {
  const choice = (name: string, scope: Scope | undefined): ScopeChoice => ({
    name,
    field: `${SCOPE_PREFIX}${name}`,
    sentence: scope?.sentence ?? 'Not in the catalogue any more: it counts for nothing.',
    sensitive: scope?.sensitive ?? false,
    remark: scope === undefined ? 'removed' : scope.deprecated ? 'deprecated' : undefined,
    isChosen: chosen.has(name),
  })
  const names = [...new Set([...catalogue.keys(), ...chosen])].sort()
  const groups = new Map<string, ScopeChoice[]>()
  const admin: ScopeChoice[] = []
  for (const name of names) {
    const scope = catalogue.get(name)
    if (scope?.deprecated === true && !chosen.has(name)) continue
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
