// A connection: one owner's access to another system through an integration, and the credentials
// that it holds. Invariant: credentials are in clear in memory only, inside a Secret.
import type { Secret } from '../shared/secret.ts'

/** Whose a connection is: a person's, or the company's own. */
export type Owner = { readonly kind: 'account'; readonly id: string } | { readonly kind: 'company' }

export type OwnerKind = Owner['kind']

export const OWNER_KINDS: readonly OwnerKind[] = ['account', 'company']

/** The company itself, for services. */
export const COMPANY: Owner = { kind: 'company' }

/**
 * - `active`: works.
 * - `failing`: the provider cannot be reached, and the access token has ended; tried again.
 * - `expired`: the provider refused for good; its owner connects again.
 * - `disabled`: switched off by an admin.
 */
export type ConnectionStatus = 'active' | 'failing' | 'expired' | 'disabled'

/** The states, in the order of lists. */
export const CONNECTION_STATUSES: readonly ConnectionStatus[] = [
  'active',
  'failing',
  'expired',
  'disabled',
]

/** What a check of a connection came to. */
export type CheckResult = 'ok' | 'revoked' | 'unknown'

export type CredentialKind =
  | 'oauth_access_token'
  | 'oauth_refresh_token'
  | 'api_key'
  | 'client_id'
  | 'client_secret'
  | 'webhook_secret'
  | 'username'
  | 'password'

/** One value that a connection holds. */
export interface Credential {
  readonly kind: CredentialKind
  /** The provider's field that was typed; empty for tokens. */
  readonly name: string
  readonly value: Secret<string>
  readonly expiresAt?: Date | undefined
}

/** Everything about a connection but its credentials. */
export interface Connection {
  readonly id: string
  readonly integrationId: string
  readonly owner: Owner
  /** Who connected it: an account id, or `cli`. */
  readonly establishedBy: string | undefined
  /** Whom the provider knows; absent where it does not say. */
  readonly externalId: string | undefined
  readonly externalLabel: string | undefined
  readonly grantedScopes: readonly string[]
  readonly missingScopes: readonly string[]
  /** Values for the placeholders in the provider's addresses. */
  readonly config: Readonly<Record<string, string>>
  readonly status: ConnectionStatus
  /** A code, such as `refused_by_provider`. */
  readonly statusReason: string | undefined
  readonly statusSince: Date
  /** Absent where the provider does not say when the access token ends. */
  readonly accessExpiresAt: Date | undefined
  /** When its owner has to connect again, where that is known. */
  readonly refreshExpiresAt: Date | undefined
  /** Failures of the provider since it answered last. */
  readonly refreshFailures: number
  readonly nextTryAt: Date | undefined
  readonly lastRefreshedAt: Date | undefined
  readonly lastUsedAt: Date | undefined
  readonly lastCheckedAt: Date | undefined
  readonly lastCheck: CheckResult | undefined
  /** The end of the access that its owner was told of. */
  readonly endingToldFor: Date | undefined
  /** Goes up whenever the credentials change. */
  readonly generation: number
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** A connection that was just made, or made again. */
export interface NewConnection {
  /** The connection that is made again; it keeps its id. */
  readonly id?: string | undefined
  readonly integrationId: string
  readonly owner: Owner
  readonly establishedBy: string | undefined
  readonly externalId: string | undefined
  readonly externalLabel: string | undefined
  readonly grantedScopes: readonly string[]
  readonly missingScopes: readonly string[]
  readonly config: Readonly<Record<string, string>>
  readonly accessExpiresAt: Date | undefined
  readonly refreshExpiresAt: Date | undefined
  /** What a try has shown just now. */
  readonly lastCheck?: CheckResult | undefined
  /** What it holds from now on, in place of everything that it held. */
  readonly credentials: readonly Credential[]
}
