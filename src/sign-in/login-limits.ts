// The limits of failed sign-ins. Each try counts, so they ask Redis each time.
import type { LimitSize } from '../http/limit.ts'
import type { RateLimiter } from '../http/rate-limit.ts'
import type { StrictLimit } from '../http/strict-limit.ts'

/** The limits of failed attempts. */
export interface LoginLimits {
  perAddress: StrictLimit
  /** Of the network around the address. */
  perNetwork: StrictLimit
  perAccountAddress: StrictLimit
  /** Of an account, by strangers from all addresses together. */
  perAccount: StrictLimit
  /** Of all accounts, by strangers from all addresses together. */
  everywhere: StrictLimit
  /** Of an account, in a browser that signed it in before. */
  perBrowser: StrictLimit
}

/** Their configured sizes. */
type LoginLimitSizes = Record<
  | 'loginPerAddress'
  | 'loginPerNetwork'
  | 'loginPerAccountAddress'
  | 'loginPerAccount'
  | 'loginEverywhere',
  LimitSize
>

/** Creates the limits. */
export function createLoginLimits(
  limiter: Pick<RateLimiter, 'createStrictLimit'>,
  sizes: LoginLimitSizes,
): LoginLimits {
  const { loginPerAccountAddress, loginPerAccount } = sizes
  // A browser that is known is bounded also where addresses are not.
  const perBrowser = loginPerAccountAddress.points > 0 ? loginPerAccountAddress : loginPerAccount
  return {
    perAddress: limiter.createStrictLimit('login-address', sizes.loginPerAddress),
    perNetwork: limiter.createStrictLimit('login-network', sizes.loginPerNetwork),
    perAccountAddress: limiter.createStrictLimit('login-account-address', loginPerAccountAddress),
    perAccount: limiter.createStrictLimit('login-account', loginPerAccount),
    everywhere: limiter.createStrictLimit('login-everywhere', sizes.loginEverywhere),
    perBrowser: limiter.createStrictLimit('login-browser', perBrowser),
  }
}
