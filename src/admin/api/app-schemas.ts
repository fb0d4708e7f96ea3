// How an app looks on the wire of the admin API, in both directions. Invariant: the hash of a secret is
// never part of it.
import { type App, APP_TYPES, type AppSecret } from '../../model/app.ts'
import { ALL_SETTINGS, type AppSetting } from '../../apps/app-settings.ts'
import {
  answer,
  boolean,
  listOf,
  timestamp,
  choice,
  orNull,
  ref,
  type Schema,
  text,
  whole,
} from './schema.ts'

function schemaOf({ kind, required = false, api }: AppSetting): Schema {
  const { description, example } = api
  const more = example === undefined ? {} : { examples: [example] }
  switch (kind) {
    case 'list':
      return listOf({ type: 'string' }, description)
    case 'switch':
      return boolean(description)
    case 'type':
      return choice(description, APP_TYPES)
    case 'seconds':
      return orNull(whole(description))
    default:
      return required ? text(description, more) : orNull(text(description, more))
  }
}

/** What an admin decides about an app. */
export const APP_MEMBERS: Readonly<Record<string, Schema>> = Object.fromEntries(
  ALL_SETTINGS.map(([, setting]) => [setting.wire, schemaOf(setting)]),
)

/** Those of them that a registration needs. */
export const NEEDED_APP_MEMBERS: readonly string[] = ALL_SETTINGS.flatMap(
  ([, { wire, required }]) => (required === true ? [wire] : []),
)

const SECRET = answer({
  id: text('Names the secret; it is not it.'),
  hint: text('Its four characters before the last six, to tell secrets apart.'),
  created_at: timestamp('When it was made.'),
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
    version: whole('Goes up with every change; the ETag.'),
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
  ...Object.fromEntries(ALL_SETTINGS.map(([name, { wire }]) => [wire, app[name] ?? null])),
  status: app.status,
  status_reason: app.statusReason ?? null,
  logo_id: app.logoId ?? null,
  version: app.version,
  created_at: app.createdAt,
  updated_at: app.updatedAt,
  secrets: app.secrets.map(showSecret),
})
