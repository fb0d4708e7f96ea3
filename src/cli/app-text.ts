// How an app is shown: as JSON for scripts, as text for people. Invariant: the hashes of its secrets stay inside.
import type { App } from '../model/app.ts'
import { facts, moment, table } from './layout.ts'

/** What is said under secrets. */
export const SHOWN_ONCE =
  '\nThis is the only time that it is shown: it is stored as a hash. Keep it in the app’s own secret store.\n'

/** Shows an app to scripts. */
export const appJson = (app: App): object => ({
  id: app.id,
  handle: app.handle ?? null,
  name: app.name,
  description: app.description ?? null,
  type: app.type,
  status: app.status,
  statusReason: app.statusReason ?? null,
  homepageUrl: app.homepageUrl ?? null,
  privacyUrl: app.privacyUrl ?? null,
  termsUrl: app.termsUrl ?? null,
  ownerContact: app.ownerContact ?? null,
  environment: app.environment ?? null,
  logoId: app.logoId ?? null,
  redirectUris: app.redirectUris,
  scopes: app.scopes,
  audiences: app.audiences,
  clientCredentials: app.clientCredentials,
  requirePkce: app.requirePkce,
  rotateRefreshTokens: app.rotateRefreshTokens,
  slidingRefresh: app.slidingRefresh,
  accessTtlSeconds: app.accessTtlSeconds ?? null,
  refreshTtlSeconds: app.refreshTtlSeconds ?? null,
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

const onOff = (...switches: readonly (readonly [boolean, string])[]): string =>
  switches.flatMap(([isOn, words]) => (isOn ? [words] : [])).join(', ')

const seconds = (count: number | undefined): string | undefined =>
  count === undefined ? undefined : `${count} s`

/** Shows an app to people. */
export function appText(app: App): string {
  return `${app.name}\n${facts([
    ['Client id', app.id],
    ['Handle', app.handle],
    ['Version', String(app.version)],
    ['Type', app.type.replace('_', '-')],
    ['Status', `${app.status}${app.statusReason === undefined ? '' : `: ${app.statusReason}`}`],
    ['Description', app.description],
    ['Redirect URIs', app.redirectUris.join('  ')],
    ['Scopes', app.scopes.join(' ')],
    ['Audiences', app.audiences.join(' ')],
    [
      'Policy',
      onOff(
        [app.clientCredentials, 'client credentials'],
        [app.requirePkce, 'PKCE required'],
        [app.rotateRefreshTokens, 'refresh tokens rotate'],
        [app.slidingRefresh, 'use renews the refresh token'],
      ),
    ],
    ['Access tokens', seconds(app.accessTtlSeconds)],
    ['Refresh tokens', seconds(app.refreshTtlSeconds)],
    ['Homepage', app.homepageUrl],
    ['Privacy', app.privacyUrl],
    ['Terms', app.termsUrl],
    ['Contact', app.ownerContact],
    ['Environment', app.environment],
    ['Created', moment(app.createdAt)],
    ...app.secrets.map((secret) => ['Secret', secretLine(secret)] as const),
  ])}`
}

const secretLine = (secret: App['secrets'][number]): string =>
  [
    `${secret.id} …${secret.hint} and six more characters`,
    `created ${moment(secret.createdAt)}`,
    secret.lastUsedAt === undefined ? 'never used' : `last used ${moment(secret.lastUsedAt)}`,
    ...(secret.expiresAt === undefined ? [] : [`expires ${moment(secret.expiresAt)}`]),
  ].join(', ')

/** Shows a page of apps to people. */
export function listText(apps: readonly App[], next: string | undefined): string {
  if (apps.length === 0) return 'No apps. Register one: otesse app create --help\n'
  const rows = apps.map((app) => [
    app.id,
    app.name,
    app.type.replace('_', '-'),
    app.status,
    moment(app.createdAt),
  ])
  const more = next === undefined ? '' : `\nMore: otesse app list --cursor ${next}\n`
  return table(['CLIENT ID', 'NAME', 'TYPE', 'STATUS', 'CREATED'], rows) + more
}
