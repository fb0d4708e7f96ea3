// How long an app's tokens live: the server's settings and the app's own, as pure functions.
import type { App } from '../../model/app.ts'
import { isConfidential } from '../../model/app.ts'
import type { TokenTerms } from '../../grants/issue.ts'

/** The server's settings that bear on tokens. */
export interface TokenSettings {
  accessTtlSeconds: number
  refreshTtlSeconds: number
  codeTtlSeconds: number
  /** The longest that a sliding authorization lives. */
  grantMaxTtlSeconds: number
  refreshGraceSeconds: number
}

/**
 * Returns how an app's tokens live. Refresh tokens of public apps always rotate (RFC 9700 §4.14.2);
 * those of confidential apps stay, unless the app asks for rotation (FAPI 2.0 Security Profile
 * §5.3.2.1 advises against it).
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
