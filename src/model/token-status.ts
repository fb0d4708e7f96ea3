// The status of a presented token: active, with all that may be told of it, or inactive, with the
// reason for the log. Introspection, gateways and the admin API ask for it through one function.
import type { App } from './app.ts'

/** A token that is live now. */
export interface ActiveToken {
  active: true
  kind: 'access' | 'refresh'
  app: App
  /** Absent where the app acts for itself. */
  accountId: string | undefined
  grantId: string
  scopes: readonly string[]
  /** Absent where the token is good for every API. */
  audience: readonly string[] | undefined
  /** Seconds since the epoch. */
  issuedAt: number | undefined
  /** Seconds since the epoch. */
  expiresAt: number
}

/** A token that opens nothing, and why. */
export interface InactiveToken {
  active: false
  reason: 'malformed' | 'unknown' | 'app_inactive' | 'account_inactive'
}

export type TokenStatus = ActiveToken | InactiveToken

/**
 * Returns the status of a token: at most one round trip to the store, and none for a token that is
 * not of our form.
 *
 * @throws {AppError} `temporarily_unavailable`
 */
export type InspectToken = (token: string) => Promise<TokenStatus>
