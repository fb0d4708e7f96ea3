// What an app (a registered OAuth client) is, as everybody above the database sees it. Invariant:
// an App is frozen through and through, so that one cached object can be handed to every request.
import type { SigningAlg } from './signing-alg.ts'

/** The kinds of app; RFC 6749 §2.1 calls `web`, `machine` and `resource_server` confidential and `public` public. */
export const APP_TYPES = ['web', 'public', 'machine', 'resource_server'] as const
export type AppType = (typeof APP_TYPES)[number]

export type AppStatus = 'active' | 'suspended' | 'deleted'

/** One of the at most two live secrets of an app; the secret itself is nowhere. */
export interface AppSecret {
  readonly id: string
  /** Keyed hash (HMAC-SHA-256). */
  readonly hash: string
  /** Which key made the hash; `undefined` where it was made before that was recorded. */
  readonly keyId: string | undefined
  /** The last four characters before the checksum, to tell secrets apart. */
  readonly hint: string
  readonly createdAt: Date
  readonly expiresAt: Date | undefined
  readonly lastUsedAt: Date | undefined
}

/** What an admin decides about an app. */
export interface AppSettings {
  /** The name by which files and scripts know the app; unique. Most apps have none. */
  readonly handle: string | undefined
  readonly name: string
  readonly description: string | undefined
  readonly type: AppType
  readonly homepageUrl: string | undefined
  readonly privacyUrl: string | undefined
  readonly termsUrl: string | undefined
  readonly ownerContact: string | undefined
  readonly environment: string | undefined
  readonly redirectUris: readonly string[]
  /** Web origins of a public app beside those of its redirect URIs. */
  readonly allowedOrigins: readonly string[]
  /** The scopes that the app may ask for. A scope that has left the catalogue may still be named here: it counts for nothing. */
  readonly scopes: readonly string[]
  /** The audiences (RFC 8707 resources) that the app may ask for. */
  readonly audiences: readonly string[]
  /**
   * May ask for tokens of its own with its secret alone (RFC 6749 §4.4); web and machine apps only.
   */
  readonly clientCredentials: boolean
  /** http://localhost matches with any port, as loopback addresses do; public apps only. */
  readonly localhostAnyPort: boolean
  /** Redirect URIs may have a scheme that is no domain, like `cursor:`; public apps only. */
  readonly schemesWithoutDomain: boolean
  readonly requirePkce: boolean
  readonly rotateRefreshTokens: boolean
  readonly slidingRefresh: boolean
  /** Absent: the server's default. */
  readonly accessTtlSeconds: number | undefined
  readonly refreshTtlSeconds: number | undefined
  /** What the app's id_tokens are signed with. */
  readonly idTokenSignedResponseAlg: SigningAlg
}

/** A registered app. */
export interface App extends AppSettings {
  /** The client id. */
  readonly id: string
  readonly logoId: string | undefined
  readonly status: AppStatus
  readonly statusReason: string | undefined
  /** Goes up by one with every change, of secrets and logo too; the ETag of the admin API. */
  readonly version: number
  /**
   * Goes up with every act that ends something of the app; what is begun carries the value of its
   * moment.
   */
  readonly generation: number
  /** Grants of people with a lower generation have ended. */
  readonly grantsFrom: number
  /** The app's own tokens with a lower generation have ended. */
  readonly ownFrom: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly secrets: readonly AppSecret[]
}

/** What a face (console, API, command line, file) hands in: optional settings may be left out. */
export type AppInput = Pick<AppSettings, 'name' | 'type'> & Partial<AppSettings>

/** What may change afterwards; a key that is present with `undefined` empties the setting. */
export type AppChange = Partial<AppSettings>

/** Returns whether the app can keep a secret and so must authenticate (RFC 6749 §2.1). */
export const isConfidential = (app: Pick<App, 'type'>): boolean => app.type !== 'public'

/** Returns whether users sign in to apps of the type and authorize them. */
export const actsForUsers = (type: AppType): boolean => type === 'web' || type === 'public'

/**
 * Returns whether the consent to an app is remembered. RFC 8252 §8.6: a public app cannot prove
 * that it is the one that was allowed, so its users are asked each time.
 *
 * @param isPreview an admin began the authorization to see what the app would get
 */
export const remembersConsent = ({ type }: Pick<App, 'type'>, isPreview = false): boolean =>
  type === 'web' && !isPreview

/** Returns whether apps of the type can have tokens of their own (RFC 6749 §4.4). */
export const canActForItself = (type: AppType): boolean => type === 'web' || type === 'machine'

/**
 * Returns whether a new app of the type can, unless told otherwise: a machine has no other way to a
 * token.
 */
export const beginsOnItsOwn = (type: AppType): boolean => type === 'machine'

const CLIENT_ID = /^app_[0-9A-Za-z]{20}$/

/** Returns whether the text has the form of a client id of ours; what has not costs no look-up. */
export const isClientId = (text: string): boolean => CLIENT_ID.test(text)

const HANDLE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** Returns whether the text can be an app's handle: 1 to 63 lower-case letters, digits and hyphens inside. */
export const isHandle = (text: string): boolean => HANDLE.test(text)

/** Freezes an app with its lists and secrets. */
export function freezeApp(app: App): App {
  Object.freeze(app.redirectUris)
  Object.freeze(app.allowedOrigins)
  Object.freeze(app.scopes)
  Object.freeze(app.audiences)
  for (const secret of app.secrets) Object.freeze(secret)
  Object.freeze(app.secrets)
  return Object.freeze(app)
}
