// Translates the engine's errors once, at its edge: into pages where the redirect URI is not
// trusted yet, and into stable reasons for the event log.
import type { Context } from 'koa'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { wouldMatchByPort } from '../../../apps/redirect-uri.ts'
import type { App } from '../../../model/app.ts'
import { AppError, type ErrorCode, ERRORS } from '../../../shared/errors.ts'
import { asksForForm } from '../response-mode.ts'

/** The parameters of an authorization request, as far as they are known when it fails. */
export type CameIn = Readonly<Record<string, unknown>>

/**
 * Returns what is told of a failure: on a page where the engine cannot send the user back to the
 * app, in the redirect otherwise.
 */
export function refusalOf(error: Error, params: CameIn, app?: App): AppError {
  if (error instanceof AppError) return error
  const facts = { detail: detailOf(error), cause: error }
  const came = (name: string) => ({ ...facts, came: textOf(params[name]) })
  if (error instanceof errors.SessionNotFound) return new AppError('interaction_expired', facts)
  if (error instanceof errors.InvalidRedirectUri)
    return new AppError(
      app !== undefined && wouldMatchByPort(app, textOf(params['redirect_uri']) ?? '')
        ? 'authorize_redirect_uri_port'
        : 'authorize_redirect_uri_unknown',
      came('redirect_uri'),
    )
  if (error instanceof errors.InvalidClient)
    return new AppError('authorize_app_unknown', came('client_id'))
  if (error instanceof errors.UnsupportedResponseType)
    return new AppError('authorize_response_type_unsupported', came('response_type'))
  if (error instanceof errors.UnsupportedResponseMode)
    return new AppError('authorize_response_mode_unsupported', came('response_mode'))
  if (error instanceof errors.InvalidScope) return scopeRefusal(error, facts)
  const simple = SIMPLE[error.message]
  if (simple !== undefined) return new AppError(...simple)
  if (error instanceof errors.InvalidRequest) return requestRefusal(error, params, facts)
  if (error instanceof errors.OIDCProviderError && error.status < 500)
    return new AppError('authorize_request_invalid', facts)
  return new AppError('server_error', facts)
}

type Facts = NonNullable<ConstructorParameters<typeof AppError>[1]>

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** By the error of the protocol; the engine has one cause for each. */
const SIMPLE: Readonly<Record<string, [ErrorCode, Facts?]>> = {
  access_denied: ['authorize_denied'],
  login_required: ['authorize_login_required'],
  consent_required: ['authorize_consent_required'],
  interaction_required: ['authorize_consent_required'],
  request_not_supported: ['authorize_request_object_unsupported', { about: 'request' }],
  request_uri_not_supported: ['authorize_request_object_unsupported', { about: 'request_uri' }],
  registration_not_supported: ['authorize_request_object_unsupported', { about: 'registration' }],
}

/** Our own checks put their code into the detail and the scope beside it. */
function scopeRefusal(error: errors.InvalidScope, facts: Facts): AppError {
  const { error_detail, scope } = error as { error_detail?: string; scope?: string }
  const code =
    error_detail !== undefined && Object.hasOwn(ERRORS, error_detail)
      ? (error_detail as ErrorCode)
      : 'scope_malformed'
  return new AppError(code, { ...facts, ...(scope === undefined ? {} : { about: scope }) })
}

const MISSING: Readonly<Record<string, ErrorCode>> = {
  client_id: 'authorize_client_id_missing',
  redirect_uri: 'authorize_redirect_uri_missing',
  response_type: 'authorize_response_type_missing',
}
const QUOTED = /'([a-z_]+)'/

/**
 * Tells the engine's refusals of one class apart: by the parameters that came, and by its words
 * where they alone say which rule was broken (test/http/authorize-errors.test.ts pins them).
 */
function requestRefusal(error: Error, params: CameIn, facts: Facts): AppError {
  const { error_description: words = '' } = error as { error_description?: string }
  const [, named = ''] = QUOTED.exec(words) ?? []
  const about = named === '' ? facts : { ...facts, about: named }
  const came = (name: string) => ({ ...facts, came: textOf(params[name]) })
  if (words.includes('provided twice')) return new AppError('parameter_duplicated', about)
  if (words.startsWith('missing required'))
    return new AppError(MISSING[named] ?? 'parameter_missing', about)
  if (words.includes('response_mode'))
    return new AppError('authorize_response_mode_unsupported', came('response_mode'))
  if (words.includes('prompt')) return new AppError('authorize_prompt_unsupported', came('prompt'))
  if (words.includes('requires PKCE')) return new AppError('pkce_required', facts)
  if (words.includes('code_challenge must be provided'))
    return new AppError('pkce_challenge_missing', facts)
  // Without a method, the engine takes it for plain.
  if (words.includes('code_challenge_method'))
    return new AppError('pkce_method_unsupported', came('code_challenge_method'))
  if (words.includes('code_challenge')) return new AppError('pkce_challenge_malformed', facts)
  for (const name of ['max_age', 'claims', 'id_token_hint'])
    if (words.includes(name)) return new AppError('parameter_invalid', { ...facts, about: name })
  return new AppError('authorize_request_invalid', facts)
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
  const params: CameIn = ctx.oidc.params ?? ctx.query
  return (
    ctx.oidc.client !== undefined &&
    isText(params['client_id']) &&
    isText(params['redirect_uri']) &&
    (error as { allow_redirect?: boolean }).allow_redirect === true
  )
}

const isText = (value: unknown): boolean => textOf(value) !== undefined

/**
 * Returns the parameters of the request that the engine is answering. The engine drops some of
 * those that it refuses.
 */
export function cameIn(ctx: Context): CameIn {
  const { params = {} } = (ctx as Partial<KoaContextWithOIDC>).oidc ?? {}
  const kept = Object.entries(params).filter(([, value]) => value !== undefined)
  const all: CameIn = { ...ctx.query, ...Object.fromEntries(kept) }
  return asksForForm(all) ? { ...all, response_mode: 'form_post' } : all
}

// Answers of prompt=none and of a user who said no: the protocol at work, not a refusal.
const ORDINARY = new Set<ErrorCode>([
  'authorize_denied',
  'authorize_login_required',
  'authorize_consent_required',
])

/** Returns whether there is nothing to explain to whoever looks after the app. */
export const isOrdinary = ({ code }: AppError): boolean => ORDINARY.has(code)
