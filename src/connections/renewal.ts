// What asking a provider for tokens came to. Invariant: only `refused` ends a connection; a mistake
// of ours and a provider that is away never do.
import type { Secret } from '../shared/secret.ts'
import type { UsableConnection } from './connection.store.ts'

/** Tokens as a provider gave them. */
export interface ReceivedTokens {
  readonly accessToken: Secret<string>
  /** Absent where the one before stays good (RFC 6749 §6). */
  readonly refreshToken: Secret<string> | undefined
  /** Absent where the provider does not say. */
  readonly accessExpiresAt: Date | undefined
  readonly refreshExpiresAt: Date | undefined
  /** Absent where the answer names none: then they are what was asked for. */
  readonly scopes: readonly string[] | undefined
}

export type RenewalOutcome =
  | { readonly kind: 'received'; readonly tokens: ReceivedTokens }
  /** For good: the person withdrew it, or the token has ended. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The mistake is ours: a wrong client secret, an unknown scope. */
  | { readonly kind: 'misconfigured'; readonly reason: string }
  /** Not now. */
  | {
      readonly kind: 'unavailable'
      readonly reason: string
      readonly retryAfterSeconds?: number | undefined
    }

/** How tokens are asked for again. */
export type RenewingGrant =
  | { readonly kind: 'refresh_token'; readonly refreshToken: Secret<string> }
  | { readonly kind: 'client_credentials' }

/** Asks the provider of a connection for tokens; never throws. */
export type RequestTokens = (
  usable: UsableConnection,
  grant: RenewingGrant,
  timeoutMillis: number,
) => Promise<RenewalOutcome>
