// What the server's settings and an app's switches make of its tokens: pure functions, no I/O.
import type { App } from '../model/app.ts'
import { isConfidential } from '../model/app.ts'
import type { TokenTerms } from '../grants/issue.ts'

/** The server's settings that bear on tokens. */
export interface TokenSettings {
  accessTtlSeconds: number
  refreshTtlSeconds: number
  codeTtlSeconds: number
  /** The longest that a sliding authorization lives. */
  grantMaxTtlSeconds: number
  refreshGraceSeconds: number
}

/** The grant types of the token endpoint. */
export type GrantType = 'authorization_code' | 'refresh_token' | 'client_credentials'

/**
 * Returns how an app's tokens live. Refresh tokens of public apps always rotate (RFC 9700 §4.14.2); those of confidential apps stay, unless
 * the app asks for rotation (FAPI 2.0 Security Profile §5.3.2.1 advises against it).
 */
export function termsFor(app: App, settings: TokenSettings): TokenTerms {
  return {
    accessTtlSeconds: app.accessTtlSeconds ?? settings.accessTtlSeconds,
    refreshTtlSeconds: app.refreshTtlSeconds ?? settings.refreshTtlSeconds,
    rotate: !isConfidential(app) || app.rotateRefreshTokens,
    sliding: app.slidingRefresh,
    maxLifeSeconds: settings.grantMaxTtlSeconds,
    graceSeconds: settings.refreshGraceSeconds,
  }
}

/** Returns how long an authorization of the app can live at the most, in seconds. */
export const longestLife = (terms: TokenTerms): number =>
  terms.sliding ? Math.max(terms.maxLifeSeconds, terms.refreshTtlSeconds) : terms.refreshTtlSeconds

const ownGrant = ({ clientCredentials }: App): GrantType[] =>
  clientCredentials ? ['client_credentials'] : []

/**
 * Returns the grant types that an app may use, by its type and its switch for client_credentials.
 */
export function grantTypesOf(app: App): readonly GrantType[] {
  switch (app.type) {
    case 'web':
    case 'public':
      return ['authorization_code', 'refresh_token', ...ownGrant(app)]
    case 'machine':
      return ownGrant(app)
    case 'resource_server':
      return []
  }
}
