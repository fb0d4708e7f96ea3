// The rows of the database, as Kysely sees them. One interface a table, singular columns in
// snake_case; the migrations create exactly these.
import type { ColumnType, Generated } from 'kysely'
import type { Role } from '../model/account.ts'
import type { SigningAlg } from '../model/signing-alg.ts'

type Timestamp = ColumnType<Date, Date | string, Date | string>
type NullableTimestamp = ColumnType<Date | null, Date | string | null, Date | string | null>
/** A counter of the database's own; 0 in a new row. */
type Counter = ColumnType<number, number | undefined, number>
/** Written as JSON text, read as the value. */
type Json<T> = ColumnType<T, string, string>

export interface AccountRow {
  id: string
  /** As its owner writes it. */
  email: string
  /** Lower-cased; unique. */
  email_key: string
  name: string | null
  /** PHC string (argon2id, or an imported format); null while the account is only invited. */
  password_hash: string | null
  role: Role
  status: 'active' | 'deactivated'
  status_reason: string | null
  /** Goes up by one with every change; the ETag of the admin API. */
  version: ColumnType<number, number | undefined, number>
  /** Goes up with every act that ends something of the account. */
  generation: Counter
  /** Login sessions that carry a lower generation have ended. */
  sessions_from: Counter
  /** Grants that carry a lower generation have ended. */
  grants_from: Counter
  /** Remembered consents that carry a lower generation do not count. */
  consents_from: Counter
  /** When `sessions_from` was raised last. */
  sessions_valid_from: ColumnType<Date | null, Date | string | null | undefined, Date | string>
  /** When a mail server last refused its address for good; null once a mail was taken. */
  mail_refused_at: ColumnType<Date | null, Date | string | null | undefined, Date | string | null>
  created_at: Timestamp
  updated_at: Timestamp
}

export interface AppRow {
  /** The client id. */
  id: string
  /** The name by which files and scripts know the app; unique where there is one. */
  handle: ColumnType<string | null, string | null | undefined, string | null>
  name: string
  description: string | null
  type: 'web' | 'public' | 'machine' | 'resource_server'
  logo_id: string | null
  homepage_url: string | null
  privacy_url: string | null
  terms_url: string | null
  owner_contact: string | null
  environment: string | null
  redirect_uris: Json<string[]>
  allowed_origins: ColumnType<string[], string | undefined, string>
  scopes: Json<string[]>
  audiences: Json<string[]>
  client_credentials: Generated<boolean>
  localhost_any_port: Generated<boolean>
  schemes_without_domain: Generated<boolean>
  require_pkce: boolean
  rotate_refresh_tokens: boolean
  sliding_refresh: boolean
  access_ttl_seconds: number | null
  refresh_ttl_seconds: number | null
  id_token_signed_response_alg: Generated<SigningAlg>
  status: 'active' | 'suspended' | 'deleted'
  status_reason: string | null
  /** Goes up by one with every change; the ETag of the admin API. */
  version: number
  /** Goes up with every act that ends something of the app. */
  generation: Counter
  /** Grants of people that carry a lower generation have ended. */
  grants_from: Counter
  /** The app's own tokens that carry a lower generation have ended. */
  own_from: Counter
  created_at: Timestamp
  updated_at: Timestamp
}

export interface AppSecretRow {
  id: string
  app_id: string
  /** Keyed hash (HMAC-SHA-256) of the secret. */
  hash: string
  /** Which key made the hash; null where it was made before this was recorded. */
  key_id: ColumnType<string | null, string | null | undefined, string | null>
  /** The last four characters before the checksum, to tell secrets apart. */
  hint: string
  created_at: Timestamp
  expires_at: NullableTimestamp
  last_used_at: NullableTimestamp
}

export interface LogoRow {
  /** SHA-256 of the bytes in hex; part of the URL. */
  id: string
  content_type: string
  bytes: Uint8Array
  created_at: Timestamp
}

export interface ScopeRow {
  name: string
  /** What the consent page says. */
  sentence: string
  /** The heading under which the consent page shows it. */
  group_name: string
  sensitive: boolean
  deprecated: boolean
  /** The resource server that the scope belongs to (RFC 8707); null where it is for all. */
  audience: ColumnType<string | null, string | null | undefined, string | null>
  /** How many scopes of this name were removed before this one was created. */
  incarnation: ColumnType<number, number | undefined, number>
  /** Goes up by one with every change; the ETag of the admin API. */
  version: ColumnType<number, number | undefined, number>
  created_at: Timestamp
  updated_at: Timestamp
}

/** How often a scope of that name was removed. */
export interface RemovedScopeRow {
  name: string
  removals: number
}

export interface ConsentRow {
  account_id: string
  app_id: string
  scopes: Json<string[]>
  /**
   * The account's generation in the session in which it was given; see `accounts.consents_from`.
   */
  account_generation: Counter
  created_at: Timestamp
  updated_at: Timestamp
}

/** A row of `signing_keys` (ES256) or `rsa_signing_keys` (RS256). */
export interface SigningKeyRow {
  id: string
  alg: SigningAlg
  status: 'next' | 'current' | 'retired'
  public_jwk: Json<Record<string, unknown>>
  sealed_private_jwk: string
  created_at: Timestamp
  activated_at: NullableTimestamp
  retired_at: NullableTimestamp
}

export interface EventRow {
  id: string
  at: Timestamp
  name: string
  reason: string | null
  app_id: string | null
  account_id: string | null
  grant_id: string | null
  actor: string | null
  address: string | null
  request_id: string | null
  data: Json<Record<string, unknown>> | null
}

export interface UsageRow {
  /** UTC day, YYYY-MM-DD. */
  day: string
  app_id: string
  name: string
  reason: string
  count: ColumnType<string, number, number>
}

export interface HourlyUsageRow {
  /** Its first moment. */
  hour: Timestamp
  app_id: string
  name: string
  reason: string
  count: ColumnType<string, number, number>
}

/** How many there were of something at a moment. */
export interface UsageGaugeRow {
  at: Timestamp
  /** Empty for the whole server. */
  app_id: string
  name: string
  value: ColumnType<string, number, number>
}

export interface PurgeJobRow {
  id: Generated<string>
  kind: 'app' | 'account' | 'connection'
  app_id: string | null
  account_id: string | null
  reason: string
  /**
   * The job means what carries a lower generation, of the app for `app` and of the account
   * otherwise; null: everything.
   */
  generation: ColumnType<number | null, number | null | undefined, number | null>
  created_at: Timestamp
  attempts: number
  /** How far it has come (grants/purge-job.store.ts); null: nothing is done yet. */
  progress: ColumnType<
    { behind?: { member: string; endsAtMillis: number } } | null,
    string | undefined,
    string
  >
  /** Not to be begun before: the end of the lease of whoever holds it, or the next try. */
  due_at: ColumnType<Date, Date | string | undefined, Date | string>
}

/** A one-time link: to become the first admin, to accept an invitation, to choose a new password. */
export interface AccountLinkRow {
  /** SHA-256 of the link's token; the token is nowhere. */
  hash: string
  kind: 'setup' | 'invite' | 'reset' | 'recovery' | 'change' | 'undo'
  account_id: string | null
  /** The address that a `change` or `undo` leads to. */
  email: ColumnType<string | null, string | null | undefined, string | null>
  created_at: Timestamp
  expires_at: Timestamp
}

/** The answer to a request of the admin API that carried an Idempotency-Key. */
export interface KeptAnswerRow {
  /** Hash of who asked and their key. */
  key: string
  /** Hash of what was asked. */
  fingerprint: string
  /** Null while the first request is being answered. */
  status: number | null
  /** Encrypted, because it may show a secret for the only time. */
  sealed_answer: string | null
  created_at: Timestamp
  expires_at: Timestamp
}

export interface GrantJournalRow {
  key: string
  value: string
  /** Milliseconds since the epoch. */
  expires_at: ColumnType<string | null, number | null, number | null>
}

/**
 * An authorization, or one access token, that was ended; kept until no copy of the short-lived
 * store can still know it.
 */
export interface EndedGrantRow {
  /** The order in which endings were written down, without gaps. */
  seq: ColumnType<string, number, number>
  /** The id of the grant. */
  family: string
  /** SHA-256 of the access token that ended alone; null where the whole family did. */
  token: string | null
  /** Which grant under the id it was, where another one may follow (an app's own tokens). */
  epoch: string | null
  reason: string
  ended_at: Timestamp
  keep_until: Timestamp
}

/** The one row that says how many endings were written down. */
export interface EndedCounterRow {
  only: boolean
  last: ColumnType<string, number, number>
}

/** A provider that an admin wrote; those of the catalogue are files. */
export interface ProviderRow {
  key: string
  /** In the shape of a file of the catalogue. */
  definition: Json<Record<string, unknown>>
  version: ColumnType<number, number | undefined, number>
  created_at: Timestamp
  updated_at: Timestamp
}

export interface IntegrationRow {
  id: string
  /** The name in addresses, commands and the scope `connections:<handle>`; never changes. */
  handle: string
  name: string
  provider_key: string
  kind: 'oauth2' | 'client_credentials' | 'keys'
  client_id: string | null
  /** Encrypted, bound to this row. */
  encrypted_client_secret: string | null
  scopes: Json<string[]>
  /** Without these no connection is made. */
  required_scopes: Json<string[]>
  audience: string | null
  /** More parameters of authorization requests. */
  parameters: Json<Record<string, string>>
  /** Values for the placeholders in the provider's addresses that are the same for everybody. */
  config: Json<Record<string, string>>
  owner_kinds: Json<('account' | 'company')[]>
  /** Machine apps that may use the connections of every owner. */
  trusted_apps: Json<string[]>
  /** Where people may come back to by links of apps. */
  return_addresses: Json<string[]>
  proxy_hosts: Json<string[]>
  proxy_methods: Json<string[]>
  status: 'active' | 'misconfigured' | 'disabled'
  status_reason: string | null
  status_since: Timestamp
  /** When a misconfigured integration tries one refresh again. */
  next_probe_at: NullableTimestamp
  /** Goes up by one with every change; the ETag of the admin API. */
  version: ColumnType<number, number | undefined, number>
  created_at: Timestamp
  updated_at: Timestamp
}

export interface ConnectionRow {
  id: string
  integration_id: string
  owner_kind: 'account' | 'company'
  /** An account id; empty for the company. */
  owner_id: string
  /** Who connected it: an account id or `cli`. */
  established_by: string | null
  /** Whom the provider knows; empty where it does not say. */
  external_id: string
  external_label: string | null
  granted_scopes: Json<string[]>
  missing_scopes: Json<string[]>
  /** Values for the placeholders in the provider's addresses. */
  config: Json<Record<string, string>>
  status: 'active' | 'failing' | 'expired' | 'disabled'
  status_reason: string | null
  status_since: Timestamp
  access_expires_at: NullableTimestamp
  refresh_expires_at: NullableTimestamp
  refresh_failures: Counter
  /** After a failure of the provider: not to be refreshed before. */
  next_try_at: NullableTimestamp
  /** When work in the background looks at it next; null: never. */
  due_at: NullableTimestamp
  last_refreshed_at: NullableTimestamp
  last_used_at: NullableTimestamp
  last_checked_at: NullableTimestamp
  last_check: 'ok' | 'revoked' | 'unknown' | null
  /** The end of the access of which the owner was told. */
  ending_told_for: NullableTimestamp
  /** Goes up whenever the credentials change. */
  generation: ColumnType<number, number | undefined, number>
  /** Until when one process alone may refresh it. */
  lease_until: NullableTimestamp
  version: ColumnType<number, number | undefined, number>
  created_at: Timestamp
  updated_at: Timestamp
}

/** Tokens of a connection that ended, until the provider knows. */
export interface WithdrawalRow {
  id: Generated<string>
  connection_id: string
  integration_id: string
  integration_handle: string
  owner_kind: 'account' | 'company'
  owner_id: string
  external_id: string
  provider_key: string
  client_id: string | null
  encrypted_client_secret: string | null
  config: Json<Record<string, string>>
  encrypted_access_token: string | null
  encrypted_refresh_token: string | null
  reason: string
  tries: Counter
  due_at: Timestamp
  created_at: Timestamp
}

export interface CredentialRow {
  connection_id: string
  kind: string
  /** The provider's field that was typed; empty for tokens. */
  name: string
  /** Encrypted, bound to this row. */
  encrypted_value: string
  created_at: Timestamp
  expires_at: NullableTimestamp
}

/** A secret by which a provider signs its calls; see `connections/webhooks/`. */
export interface WebhookSecretRow {
  id: string
  integration_id: string
  /** Encrypted, bound to this row. */
  encrypted_value: string
  created_at: Timestamp
}

export interface ConnectionUseRow {
  connection_id: string
  app_id: string
  used_at: Timestamp
  uses: ColumnType<string, number, number>
}

/** A file that an admin uploaded, to act on it after looking at what was found in it. */
export interface UploadRow {
  id: string
  /** What it is for. */
  kind: string
  /** Who uploaded it; nobody else sees it. */
  account_id: string
  state: 'receiving' | 'ready' | 'running' | 'done'
  /** How many pieces it has. */
  pieces: number
  /** What was found in it, and what came of it, encrypted; null while it is received. */
  encrypted_facts: string | null
  created_at: Timestamp
  /** When work on it was seen last. */
  touched_at: Timestamp
  expires_at: Timestamp
}

/** One piece of an upload, from 0; removed when the upload is done. */
export interface UploadPieceRow {
  upload_id: string
  position: number
  encrypted_piece: string
}

/** Something that is to be delivered; see `deliveries/`. */
export interface DeliveryRow {
  id: string
  /** How it is carried out. */
  kind: 'mail' | 'reset_request'
  /** What it is about. */
  purpose: string
  recipient: string | null
  account_id: string | null
  /** Encrypted, bound to this row; null once it is of no use. */
  encrypted_body: string | null
  created_at: Timestamp
  expires_at: NullableTimestamp
  /** When it is tried next; null once it has ended. */
  due_at: NullableTimestamp
  attempts: Counter
  /** What was answered to the last try. */
  last_answer: ColumnType<string | null, string | null | undefined, string | null>
  ended_at: ColumnType<Date | null, Date | string | null | undefined, Date | string | null>
  outcome: ColumnType<
    'sent' | 'dropped' | null,
    'sent' | 'dropped' | null | undefined,
    'sent' | 'dropped' | null
  >
  drop_reason: ColumnType<string | null, string | null | undefined, string | null>
}

/** All tables. */
export interface Tables {
  accounts: AccountRow
  apps: AppRow
  app_secrets: AppSecretRow
  logos: LogoRow
  scopes: ScopeRow
  removed_scopes: RemovedScopeRow
  consents: ConsentRow
  signing_keys: SigningKeyRow
  rsa_signing_keys: SigningKeyRow
  events: EventRow
  usage_daily: UsageRow
  usage_hourly: HourlyUsageRow
  usage_gauges: UsageGaugeRow
  purge_jobs: PurgeJobRow
  account_links: AccountLinkRow
  kept_answers: KeptAnswerRow
  grant_journal: GrantJournalRow
  ended_grants: EndedGrantRow
  ended_counter: EndedCounterRow
  providers: ProviderRow
  integrations: IntegrationRow
  connections: ConnectionRow
  credentials: CredentialRow
  withdrawals: WithdrawalRow
  connection_uses: ConnectionUseRow
  uploads: UploadRow
  upload_pieces: UploadPieceRow
  webhook_secrets: WebhookSecretRow
  deliveries: DeliveryRow
}
