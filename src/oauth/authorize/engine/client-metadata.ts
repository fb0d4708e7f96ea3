// An app as the engine's client metadata (OpenID Connect Dynamic Client Registration §2). The
// engine never authenticates a client: secrets are checked on the back channel, which is ours, so
// every app looks public to it.
import type { App } from '../../../model/app.ts'
import { isConfidential } from '../../../model/app.ts'

// The engine compares no redirect URI (internals.ts) and has rules of its own about their form,
// which refuse the whole app: https://localhost for native ones, schemes of their own for others.
// Ours are the rules (apps/redirect-uri.ts).
const STAND_IN = 'https://redirect-uri.invalid/'

/** Returns what the engine needs to know of an app. */
export const describeClient = (app: App): Record<string, unknown> => ({
  client_id: app.id,
  client_name: app.name,
  redirect_uris: [STAND_IN],
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'none',
  id_token_signed_response_alg: app.idTokenSignedResponseAlg,
  // RFC 7636: public apps always, others by their own switch.
  requirePkce: app.requirePkce || !isConfidential(app),
})
