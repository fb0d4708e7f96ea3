// How an app looks on the wire of the admin API, in both directions. Invariant: the hash of a secret is never part of it.
import { type App, APP_TYPES, type AppSecret } from '../../model/app.ts'
import {
  answer,
  flag,
  listOf,
  moment,
  oneOf,
  orNull,
  ref,
  type Schema,
  text,
  whole,
} from './schema.ts'

/** What an admin decides about an app. */
export const APP_SETTINGS = {
  handle: orNull(
    text('The name by which files and scripts know the app; unique.', {
      examples: ['bookings-dashboard'],
    }),
  ),
  name: text('What people see on the consent page.', { examples: ['Bookings Dashboard'] }),
  description: orNull(text('One or two sentences for the consent page.')),
  type: oneOf(
    '`web` keeps a secret, `public` cannot and uses PKCE, `machine` acts for itself, `resource_server` is an API. It never changes.',
    APP_TYPES,
  ),
  homepage_url: orNull(text('An https address.')),
  privacy_url: orNull(text('An https address.')),
  terms_url: orNull(text('An https address.')),
  owner_contact: orNull(text('Who owns the app, for admins.')),
  environment: orNull(text('A label like `production`.')),
  redirect_uris: listOf({ type: 'string' }, 'Where people return to; matched exactly.'),
  scopes: listOf({ type: 'string' }, 'What the app may ask for.'),
  audiences: listOf(
    { type: 'string' },
    'The APIs that it may ask tokens for (RFC 8707), or that it is.',
  ),
  client_credentials: flag(
    'May get tokens of its own with its secret alone; only `web` and `machine`. Left out: on for `machine`, else off.',
  ),
  require_pkce: flag('Refuse authorization without PKCE; public apps always.'),
  rotate_refresh_tokens: flag('A new refresh token with every use; public apps always.'),
  sliding_refresh: flag('Every use renews the life of the refresh token.'),
  access_ttl_seconds: orNull(whole('The life of access tokens instead of the server’s.')),
  refresh_ttl_seconds: orNull(whole('The life of refresh tokens instead of the server’s.')),
}

const SECRET = answer({
  id: text('Names the secret; it is not it.'),
  hint: text('Its four characters before the last six, to tell secrets apart.'),
  created_at: moment('When it was made.'),
  expires_at: orNull(moment('When it ends.')),
  last_used_at: orNull(
    moment('When it was last used, to the minute or so. A use makes no new version of the app.'),
  ),
})

export const APP_SCHEMAS: Readonly<Record<string, Schema>> = {
  App: answer({
    id: text('The client id.'),
    ...APP_SETTINGS,
    status: oneOf('A suspended or deleted app gets nothing.', ['active', 'suspended', 'deleted']),
    status_reason: orNull(text('Why it was suspended or deleted.')),
    logo_id: orNull(text('The SHA-256 of the logo, which is served at `/logos/{logo_id}`.')),
    version: whole('Goes up with every change; the ETag.'),
    created_at: moment('When it was registered.'),
    updated_at: moment('When it was last changed.'),
    secrets: listOf(ref('Secret'), 'At most two are live at a time.'),
  }),
  Secret: SECRET,
}

/** Shows a secret; the secret itself is nowhere, its hash stays inside. */
export const showSecret = ({ id, hint, createdAt, expiresAt, lastUsedAt }: AppSecret): object => ({
  id,
  hint,
  created_at: createdAt,
  expires_at: expiresAt ?? null,
  last_used_at: lastUsedAt ?? null,
})

/** Shows an app. */
export const showApp = (app: App): object => ({
  id: app.id,
  handle: app.handle ?? null,
  name: app.name,
  description: app.description ?? null,
  type: app.type,
  homepage_url: app.homepageUrl ?? null,
  privacy_url: app.privacyUrl ?? null,
  terms_url: app.termsUrl ?? null,
  owner_contact: app.ownerContact ?? null,
  environment: app.environment ?? null,
  redirect_uris: app.redirectUris,
  scopes: app.scopes,
  audiences: app.audiences,
  client_credentials: app.clientCredentials,
  require_pkce: app.requirePkce,
  rotate_refresh_tokens: app.rotateRefreshTokens,
  sliding_refresh: app.slidingRefresh,
  access_ttl_seconds: app.accessTtlSeconds ?? null,
  refresh_ttl_seconds: app.refreshTtlSeconds ?? null,
  status: app.status,
  status_reason: app.statusReason ?? null,
  logo_id: app.logoId ?? null,
  version: app.version,
  created_at: app.createdAt,
  updated_at: app.updatedAt,
  secrets: app.secrets.map(showSecret),
})
