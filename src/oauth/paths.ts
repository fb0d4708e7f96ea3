// The addresses of the authorization server. The metadata names them, and the routes serve them.

export const PATHS = {
  authorize: '/oauth/authorize',
  token: '/oauth/token',
  revoke: '/oauth/revoke',
  introspect: '/oauth/introspect',
  userinfo: '/oauth/userinfo',
  jwks: '/oauth/jwks',
  interaction: '/interaction',
} as const

/**
 * Shorter addresses that clients guess, and what they lead to. The metadata does not name them.
 */
export const SHORT_PATHS = {
  authorize: '/authorize',
  token: '/token',
  revoke: '/revoke',
  introspect: '/introspect',
} as const
