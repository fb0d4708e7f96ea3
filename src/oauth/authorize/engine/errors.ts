// Translates the engine's errors once, at its edge: into pages where the redirect URI is not
// trusted yet, and into stable reasons for the event log.
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { AppError, type ErrorCode, ERRORS } from '../../../shared/errors.ts'

/** Returns the page that a user sees when the engine cannot send them back to the app. */
export function pageErrorOf(error: Error): AppError {
  if (error instanceof AppError) return error
  const facts = { detail: detailOf(error), cause: error }
  if (error instanceof errors.SessionNotFound) return new AppError('interaction_expired', facts)
  if (error instanceof errors.InvalidRedirectUri)
    return new AppError('authorize_redirect_uri_unknown', facts)
  if (error instanceof errors.InvalidClient) return new AppError('authorize_app_unknown', facts)
  if (error instanceof errors.OIDCProviderError && error.status < 500)
    return new AppError('authorize_request_invalid', facts)
  return new AppError('server_error', facts)
}

/** Returns what the engine knows about a failure beyond its public text. */
export function detailOf(error: Error): string {
  const { error_description, error_detail } = error as {
    error_description?: string
    error_detail?: string
  }
  return [error.message, error_description, error_detail]
    .filter((part) => part !== undefined)
    .join(': ')
}

/**
 * Tells whether the engine sends the app an error by redirect; otherwise it is shown as a page,
 * whose refusal is recorded where all others are. The rule is the engine's own
 * (authorization_error_handler).
 */
export function isSentByRedirect(ctx: KoaContextWithOIDC, error: Error): boolean {
  const params: Record<string, unknown> = ctx.oidc.params ?? ctx.query
  return (
    ctx.oidc.client !== undefined &&
    isText(params['client_id']) &&
    isText(params['redirect_uri']) &&
    (error as { allow_redirect?: boolean }).allow_redirect === true
  )
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

// Answers of prompt=none and of a user who said no: the protocol at work, not a refusal.
const ORDINARY = new Set([
  'login_required',
  'consent_required',
  'interaction_required',
  'access_denied',
])

/**
 * Returns the stable reason of an error that went to the app by redirect; undefined where there is
 * nothing to explain.
 */
export function reasonOf(error: Error): ErrorCode | undefined {
  if (ORDINARY.has(error.message)) return undefined
  const { error_detail } = error as { error_detail?: string }
  return error_detail !== undefined && Object.hasOwn(ERRORS, error_detail)
    ? (error_detail as ErrorCode)
    : 'authorize_request_invalid'
}
