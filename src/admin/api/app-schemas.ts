// How an app looks on the wire of the admin API, in both directions. Invariant: the hash of a
// secret is never part of it.
import type { App, AppSecret } from '../../model/app.ts'
import { ALL_SETTINGS } from '../../apps/app-settings.ts'
import { membersOf, neededMembersOf, showSettings } from './setting-schemas.ts'
import {
  answer,
  choice,
  listOf,
  orNull,
  ref,
  type Schema,
  text,
  timestamp,
  whole,
} from './schema.ts'

/** What an admin decides about an app. */
export const APP_MEMBERS = membersOf(ALL_SETTINGS)

/** Those of them that a registration needs. */
export const NEEDED_APP_MEMBERS = neededMembersOf(ALL_SETTINGS)

const SECRET = answer({
  id: text('The ID of the secret, not the secret itself.'),
  hint: text('The four characters before its last six, to tell secrets apart.'),
  created_at: timestamp('When it was created.'),
  expires_at: orNull(timestamp('When it ends.')),
  last_used_at: orNull(
    timestamp('When it was last used, to the minute or so. A use makes no new version of the app.'),
  ),
})

export const APP_SCHEMAS: Readonly<Record<string, Schema>> = {
  App: answer({
    id: text('The client id.'),
    ...APP_MEMBERS,
    status: choice('A suspended or deleted app gets nothing.', ['active', 'suspended', 'deleted']),
    status_reason: orNull(text('Why it was suspended or deleted.')),
    logo_id: orNull(text('The SHA-256 of the logo, which is served at `/logos/{logo_id}`.')),
    version: whole('Increases with every change; the ETag.'),
    created_at: timestamp('When it was registered.'),
    updated_at: timestamp('When it was last changed.'),
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
  ...showSettings(ALL_SETTINGS, app),
  status: app.status,
  status_reason: app.statusReason ?? null,
  logo_id: app.logoId ?? null,
  version: app.version,
  created_at: app.createdAt,
  updated_at: app.updatedAt,
  secrets: app.secrets.map(showSecret),
})
