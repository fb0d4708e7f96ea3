// What the pages of one app have in common: its head, its tabs, and its facts as templates may see
// them. Invariant: the hash of a secret gets nowhere near a page. Called by the routes of the apps.
import { actsForUsers, type App, canActForItself } from '../../model/app.ts'
import { APP_SETTINGS, settingsOfKind } from '../../apps/app-settings.ts'
import { isLive } from '../../apps/client-secret.ts'
import type { Frame, LinkTo } from './frame.ts'
import { appBadge, secondsInWords, TYPE_LABELS } from './labels.ts'

/** The tabs of an app. */
const TABS = [
  { id: 'overview', label: 'Overview', path: '' },
  { id: 'credentials', label: 'Credentials', path: '/credentials' },
  { id: 'permissions', label: 'Scopes', path: '/permissions' },
  { id: 'usage', label: 'Usage', path: '/usage' },
  { id: 'activity', label: 'Activity', path: '/activity' },
] as const
export type Tab = (typeof TABS)[number]['id']

/** The path of an app's pages. */
export const appPath = (id: string, below = ''): string =>
  `/admin/apps/${encodeURIComponent(id)}${below}`

const APPS: LinkTo = { label: 'Apps', href: '/admin/apps' }

/** Returns the frame of a page of the app's tabs. */
export function appFrame(app: App, tab: Tab, extra: Partial<Frame> = {}): Frame {
  return {
    title: app.name,
    section: 'apps',
    crumbs: [APPS],
    badge: appBadge(app),
    logo: {
      name: app.name,
      logoUrl: app.logoId === undefined ? undefined : `/logos/${app.logoId}`,
    },
    tabs: TABS.map(({ id, label, path }) => ({
      label,
      href: appPath(app.id, path),
      isCurrent: id === tab,
    })),
    ...extra,
  }
}

/** Returns the frame of a page below the app: a form, or a question. */
export function belowApp(app: App, title: string, extra: Partial<Frame> = {}): Frame {
  return {
    title,
    section: 'apps',
    crumbs: [APPS, { label: app.name, href: appPath(app.id) }],
    ...extra,
  }
}

/** A secret as it is listed. */
export interface SecretFacts {
  id: string
  hint: string
  createdAt: Date
  lastUsedAt: Date | undefined
  expiresAt: Date | undefined
  isLive: boolean
  revokeUrl: string
}

/** Returns the secrets without their hashes. */
export const secretFacts = (app: App, nowMillis: number): SecretFacts[] =>
  app.secrets.map((secret) => ({
    id: secret.id,
    hint: secret.hint,
    createdAt: secret.createdAt,
    lastUsedAt: secret.lastUsedAt,
    expiresAt: secret.expiresAt,
    isLive: isLive(secret, nowMillis),
    revokeUrl: appPath(app.id, `/secrets/${encodeURIComponent(secret.id)}/revoke`),
  }))

/** What a page tells about an app: one line each, in words. */
export function appFacts(app: App) {
  const seconds = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : secondsInWords(value)
  return {
    id: app.id,
    name: app.name,
    handle: app.handle,
    description: app.description,
    type: TYPE_LABELS[app.type],
    takesPeople: actsForUsers(app.type),
    environment: app.environment,
    ownerContact: app.ownerContact,
    redirectUris: app.redirectUris,
    audiences: app.audiences,
    links: settingsOfKind('link')
      .map((name) => ({ label: APP_SETTINGS[name].console.label, url: app[name] }))
      .filter(({ url }) => url !== undefined),
    status: app.status,
    statusReason: app.statusReason,
    clientCredentials: app.clientCredentials,
    canActForItself: canActForItself(app.type),
    requirePkce: app.requirePkce,
    rotateRefreshTokens: app.rotateRefreshTokens,
    slidingRefresh: app.slidingRefresh,
    accessTtl: seconds(app.accessTtlSeconds),
    refreshTtl: seconds(app.refreshTtlSeconds),
    createdAt: app.createdAt,
    updatedAt: app.updatedAt,
    path: appPath(app.id),
  }
}
