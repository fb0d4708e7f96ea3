// How an app is shown: as JSON for scripts, as text for people. Invariant: the hashes of its
// secrets stay inside.
import { actsForUsers, type App } from '../model/app.ts'
import { ALL_SETTINGS, SETTING_NAMES, type SettingName } from '../apps/app-settings.ts'
import type { SettingKind } from '../apps/setting.ts'
import { facts, table, timeText } from './layout.ts'

/** What is said under secrets. */
export const SHOWN_ONCE =
  '\nThis is the only time that it is shown: it is stored as a hash. Keep it in the app’s own secret store.\n'

/** Shows an app to scripts. */
export const appJson = (app: App): object => ({
  id: app.id,
  ...Object.fromEntries(SETTING_NAMES.map((name) => [name, app[name] ?? null])),
  logoId: app.logoId ?? null,
  status: app.status,
  statusReason: app.statusReason ?? null,
  version: app.version,
  createdAt: app.createdAt,
  updatedAt: app.updatedAt,
  secrets: app.secrets.map(({ id, hint, createdAt, expiresAt, lastUsedAt }) => ({
    id,
    hint,
    createdAt,
    expiresAt: expiresAt ?? null,
    lastUsedAt: lastUsedAt ?? null,
  })),
})

/** The settings of some kinds but the name, which is the heading. */
const factsOf = (
  app: App,
  ...kinds: readonly SettingKind[]
): (readonly [string, string | undefined])[] =>
  ALL_SETTINGS.flatMap(([name, { kind, cli }]) =>
    kinds.includes(kind) && name !== 'name' ? [[cli.label, textOf(name, app[name])] as const] : [],
  )

const policyOf = (app: App): string =>
  ALL_SETTINGS.flatMap(([name, { kind, cli }]) =>
    kind === 'switch' && app[name] === true ? [cli.label] : [],
  ).join(', ')

function textOf(name: SettingName, value: App[SettingName]): string | undefined {
  // The addresses of one app are long: more room between them.
  if (Array.isArray(value)) return value.join(name === 'redirectUris' ? '  ' : ' ')
  return typeof value === 'number' ? `${value} s` : value?.toString()
}

/** Shows an app to people. */
export function appText(app: App): string {
  return `${app.name}\n${facts([
    ['Client id', app.id],
    ['Handle', app.handle],
    ['Version', String(app.version)],
    ['Type', app.type.replace('_', '-')],
    ['Status', `${app.status}${app.statusReason === undefined ? '' : `: ${app.statusReason}`}`],
    ['Description', app.description],
    ...factsOf(app, 'list'),
    ['Policy', policyOf(app)],
    ...factsOf(app, 'seconds'),
    ...(actsForUsers(app.type) ? factsOf(app, 'choice') : []),
    ...factsOf(app, 'link', 'line'),
    ['Created', timeText(app.createdAt)],
    ...app.secrets.map((secret) => ['Secret', secretLine(secret)] as const),
  ])}`
}

const secretLine = (secret: App['secrets'][number]): string =>
  [
    `${secret.id} …${secret.hint} and six more characters`,
    `created ${timeText(secret.createdAt)}`,
    secret.lastUsedAt === undefined ? 'never used' : `last used ${timeText(secret.lastUsedAt)}`,
    ...(secret.expiresAt === undefined ? [] : [`expires ${timeText(secret.expiresAt)}`]),
  ].join(', ')

/** Shows a page of apps to people. */
export function appListText(apps: readonly App[], next: string | undefined): string {
  if (apps.length === 0) return 'No apps. Register one: otesse app create --help\n'
  const rows = apps.map((app) => [
    app.id,
    app.name,
    app.type.replace('_', '-'),
    app.status,
    timeText(app.createdAt),
  ])
  const more = next === undefined ? '' : `\nMore: otesse app list --cursor ${next}\n`
  return table(['CLIENT ID', 'NAME', 'TYPE', 'STATUS', 'CREATED'], rows) + more
}
