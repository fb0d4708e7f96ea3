// What this package says of an access token, and of one that it cannot say anything of.

/** A live access token. */
export interface AccessToken {
  /** The account that it acts for, or the app where it acts for itself. */
  readonly subject: string
  readonly clientId: string
  readonly scopes: ReadonlySet<string>
  /** The APIs that it is good for; absent: for all. */
  readonly audience: readonly string[] | undefined
  /** The authorization that it hangs on. */
  readonly grantId: string | undefined
  readonly issuer: string | undefined
  /** Seconds since the epoch. */
  readonly expiresAt: number
}

/** What a presented token is worth. */
export type Verification =
  | { readonly kind: 'active'; readonly token: AccessToken }
  /** Not a token, expired, revoked, or none of this resource server's business. */
  | { readonly kind: 'inactive' }
  /** The server could not be asked, so the answer is not known: do not let the call pass. */
  | { readonly kind: 'unavailable'; readonly error: Error }
