// How the console writes times, numbers, states and addresses. Called by its pages and templates.
import type { App, AppStatus, AppType } from '../../model/app.ts'
import type { Account, Role } from '../../model/account.ts'

/** A state in one word; the tone is colour besides, never instead. */
export interface Badge {
  label: string
  tone: 'good' | 'care' | 'off'
}

const NUMBER = new Intl.NumberFormat('en')

/** Writes a number with its thousands set apart. */
export const numberInWords = (count: number): string => NUMBER.format(count)

const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** Writes a number for a tile: from 10,000 on in short, `12.3K`. */
export const shortNumber = (count: number): string =>
  (count < 10_000 ? NUMBER : SHORT).format(count)

const PERCENT = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 })

/** Writes a share of 0 to 1; a dash where there is none. */
export const percentInWords = (share: number | undefined): string =>
  share === undefined ? '–' : PERCENT.format(share)

/** What each type is called, and the sentence that helps to choose. */
export const TYPE_LABELS: Record<AppType, { label: string; sentence: string }> = {
  web: {
    label: 'Web app',
    sentence: 'Runs on a server and can keep a secret. Users connect it to their account.',
  },
  public: {
    label: 'Native app or SPA',
    sentence: 'Runs on users’ own devices or in their browsers. It has no secret and uses PKCE.',
  },
  machine: {
    label: 'Machine',
    sentence: 'Calls your APIs on its own behalf, without a user: jobs, scripts, other servers.',
  },
  resource_server: {
    label: 'API (resource server)',
    sentence: 'Receives access tokens and verifies them with this server.',
  },
}

/** What each role is called, and what it permits. */
export const ROLE_LABELS: Record<Role, { label: string; sentence: string }> = {
  member: { label: 'Member', sentence: 'Signs in and connects apps. No access to this console.' },
  support: {
    label: 'Support',
    sentence: 'Sees accounts. For members: reset links, ending sessions, deactivating.',
  },
  auditor: { label: 'Auditor', sentence: 'Sees everything in this console and changes nothing.' },
  app_manager: {
    label: 'App manager',
    sentence: 'Manages apps, scopes and connections. Sees no accounts and no keys.',
  },
  admin: { label: 'Admin', sentence: 'Does everything in this console.' },
}

const APP_BADGES: Record<AppStatus, Badge> = {
  active: { label: 'Active', tone: 'good' },
  suspended: { label: 'Suspended', tone: 'care' },
  deleted: { label: 'Deleted', tone: 'off' },
}

/** Returns how the status of an app is shown. */
export const appBadge = ({ status }: Pick<App, 'status'>): Badge => APP_BADGES[status]

/** Returns how the status of an account is shown. */
export const accountBadge = ({ status }: Pick<Account, 'status'>): Badge =>
  status === 'active' ? { label: 'Active', tone: 'good' } : { label: 'Deactivated', tone: 'care' }

/** Writes a duration in the largest unit that comes out even: `3600` is `1 hour`. */
export function secondsInWords(seconds: number): string {
  const units = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
  ] as const
  const [size, unit] = units.find(([each]) => seconds % each === 0) ?? [1, 'second']
  const count = seconds / size
  return `${numberInWords(count)} ${unit}${count === 1 ? '' : 's'}`
}

/** Writes the server's lifetimes, which hold for apps that have none of their own. */
export const lifetimesInWords = (lifetimes: {
  accessTtlSeconds: number
  refreshTtlSeconds: number
}): { accessTtl: string; refreshTtl: string } => ({
  accessTtl: secondsInWords(lifetimes.accessTtlSeconds),
  refreshTtl: secondsInWords(lifetimes.refreshTtlSeconds),
})
