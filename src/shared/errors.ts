// One closed table: reason code → HTTP status → OAuth error → public sentence. The code is stable,
// goes to the event log and the metrics, and tells an admin why a request was refused; the sentence
// is all that the outside sees. Invariant: what is private (detail, cause) never shares a field
// with what is public (the sentence, and `about`: a name that we chose).

import { TOKEN_PATTERN } from './token-format.ts'

interface ErrorRow {
  status: number
  /** The `error` member on the wire (RFC 6749 §5.2, RFC 6750 §3.1). */
  error: string
  /**
   * Plain ASCII without quotes or backslashes (RFC 6749 §5.2); `{about}` is replaced by the name of
   * a parameter, `{came}` by the value that came.
   */
  sentence: string
  /** Which page explains it, where it has none of its own: codes that look alike share one. */
  page?: string
}

const row = (status: number, error: string, sentence: string, page?: string): ErrorRow => ({
  status,
  error,
  sentence,
  ...(page === undefined ? {} : { page }),
})

const AUTHENTICATION_FAILED = 'client_authentication_failed'

export const ERRORS = {
  // The request itself
  body_too_large: row(413, 'invalid_request', 'The request body is larger than 64 KiB.'),
  upload_too_large: row(413, 'invalid_request', 'The form is larger than this page takes.'),
  body_type_unsupported: row(
    400,
    'invalid_request',
    'Send the body as application/json or application/x-www-form-urlencoded.',
  ),
  body_not_utf8: row(400, 'invalid_request', 'The request body is not valid UTF-8.'),
  body_incomplete: row(400, 'invalid_request', 'The request body is incomplete.'),
  body_not_json: row(400, 'invalid_request', 'The request body is not a JSON object.'),
  body_is_json: row(
    400,
    'invalid_request',
    'The request body looks like JSON: send it with Content-Type: application/json.',
  ),
  body_not_form: row(
    400,
    'invalid_request',
    'The request body is not a well-formed form: check its percent-encoding.',
  ),
  parameter_duplicated: row(
    400,
    'invalid_request',
    'The parameter {about} must not be sent more than once.',
  ),
  parameter_not_text: row(400, 'invalid_request', 'The parameter {about} must be a string.'),
  parameter_missing: row(400, 'invalid_request', 'The parameter {about} is missing.'),
  parameter_invalid: row(400, 'invalid_request', 'The parameter {about} is not valid.'),
  method_not_allowed: row(405, 'invalid_request', 'This endpoint does not support that method.'),
  not_found: row(404, 'not_found', 'There is nothing at this address.'),
  already_exists: row(409, 'already_exists', 'One with this name or address already exists.'),
  conflict: row(409, 'conflict', 'It was changed in the meantime. Read it again.'),

  // Administration
  power_missing: row(403, 'insufficient_scope', 'The scope {about} is required.'),
  admin_needed: row(403, 'access_denied', 'Admin access required.'),
  precondition_missing: row(
    428,
    'precondition_required',
    'Send If-Match with the ETag of what you read, so that no other change is lost.',
  ),
  precondition_failed: row(
    412,
    'precondition_failed',
    'It was changed in the meantime. Read it again and repeat your change.',
  ),
  precondition_weak: row(
    412,
    'precondition_failed',
    'The ETag in If-Match is weak, because a proxy that compresses responses put W/ in front of it. Turn off compression for /admin/api there, or send the ETag without W/.',
  ),
  input_refused: row(422, 'input_refused', 'The input is invalid. Nothing was changed.'),
  idempotency_key_invalid: row(
    400,
    'invalid_request',
    'An Idempotency-Key must have 1 to 200 visible characters.',
  ),
  idempotency_key_reused: row(
    422,
    'idempotency_key_reused',
    'This Idempotency-Key was used with a different request. Use a new one.',
  ),
  idempotency_key_busy: row(
    409,
    'idempotency_key_busy',
    'The first request with this Idempotency-Key is still in progress.',
  ),
  parameter_unknown: row(400, 'invalid_request', 'Unknown parameter {about}.'),
  media_type_unsupported: row(
    415,
    'invalid_request',
    'Send the body as one of the content types in the Accept header of this response.',
  ),
  logo_too_large: row(413, 'invalid_request', 'A logo may have at most 256 KiB.'),
  import_line_too_long: row(
    413,
    'invalid_request',
    'A line of the import is longer than 64 KiB. Earlier lines may have been imported.',
  ),
  keys_too_young: row(
    409,
    'conflict',
    'The next key may not be known everywhere yet, because key sets are cached for an hour. It can be used from {about} on, or now in an emergency.',
  ),
  last_admin: row(
    409,
    'last_admin',
    'This is the last active admin. Make another account an admin first.',
  ),
  link_invalid: row(
    400,
    'link_invalid',
    'This link is no longer valid: it was used, has expired, or was replaced by a newer one.',
  ),

  // The client
  client_authentication_missing: row(
    401,
    'invalid_client',
    'Client authentication failed: send client_id and client_secret in the body or with HTTP Basic.',
  ),
  client_authentication_twice: row(
    400,
    'invalid_request',
    'Authenticate the client in one way only: in the body or with HTTP Basic.',
  ),
  client_authentication_malformed: row(
    401,
    'invalid_client',
    'The Authorization header is not a well-formed Basic header {came}.',
  ),
  client_unknown: row(
    401,
    'invalid_client',
    'Client authentication failed.',
    AUTHENTICATION_FAILED,
  ),
  client_secret_missing: row(
    401,
    'invalid_client',
    'Client authentication failed: this client must send its client_secret.',
  ),
  client_secret_wrong: row(
    401,
    'invalid_client',
    'Client authentication failed.',
    AUTHENTICATION_FAILED,
  ),
  client_secret_expired: row(
    401,
    'invalid_client',
    'Client authentication failed.',
    AUTHENTICATION_FAILED,
  ),
  client_secret_unexpected: row(
    401,
    'invalid_client',
    'Client authentication failed.',
    AUTHENTICATION_FAILED,
  ),
  client_suspended: row(
    401,
    'invalid_client',
    'Client authentication failed.',
    AUTHENTICATION_FAILED,
  ),
  client_not_confidential: row(
    400,
    'unauthorized_client',
    'This grant is for confidential clients only.',
  ),
  client_credentials_off: row(
    400,
    'unauthorized_client',
    'The app may not use client_credentials. An admin can turn it on if the app needs tokens for itself.',
  ),
  introspection_not_allowed: row(
    401,
    'invalid_client',
    'Introspection is only for clients that authenticate with a secret, which public clients do not have.',
  ),
  grant_not_allowed: row(400, 'unauthorized_client', 'This client may not use this grant type.'),
  stream_not_allowed: row(
    403,
    'unauthorized_client',
    'Only resource servers may read the revocation stream.',
  ),
  revocation_not_allowed: row(400, 'invalid_request', 'The token was not issued to this client.'),

  // The grant
  grant_type_unsupported: row(
    400,
    'unsupported_grant_type',
    'The grant_type must be authorization_code, refresh_token or client_credentials {came}.',
  ),
  grant_type_password: row(
    400,
    'unsupported_grant_type',
    'The password grant is not offered (RFC 9700 forbids it): use authorization_code with PKCE for users, or client_credentials for servers.',
  ),
  code_malformed: row(400, 'invalid_grant', 'The authorization code is not valid.'),
  code_unknown: row(
    400,
    'invalid_grant',
    'The authorization code is not valid or has expired.',
    'code_invalid',
  ),
  code_of_another_client: row(
    400,
    'invalid_grant',
    'The authorization code is not valid or has expired.',
    'code_invalid',
  ),
  pkce_verifier_malformed: row(
    400,
    'invalid_grant',
    'A code_verifier must have 43 to 128 characters.',
  ),
  code_used: row(
    400,
    'invalid_grant',
    'The authorization code was already used, so the tokens from its first use were revoked. Exchange each code once: React StrictMode and double submits send it twice.',
  ),
  redirect_uri_mismatch: row(
    400,
    'invalid_grant',
    'The redirect_uri differs from the one in the authorization request {came}.',
  ),
  pkce_missing: row(
    400,
    'invalid_grant',
    'The code_verifier is missing: the authorization request had a code_challenge.',
  ),
  pkce_mismatch: row(400, 'invalid_grant', 'The code_verifier does not match the code_challenge.'),
  pkce_unexpected: row(
    400,
    'invalid_grant',
    'A code_verifier was sent, but the authorization request had no code_challenge.',
  ),
  refresh_token_malformed: row(400, 'invalid_grant', 'The refresh token is not valid.'),
  refresh_token_unknown: row(
    400,
    'invalid_grant',
    'The refresh token is not valid, has expired or was revoked.',
    'refresh_token_invalid',
  ),
  refresh_token_of_another_client: row(
    400,
    'invalid_grant',
    'The refresh token is not valid, has expired or was revoked.',
    'refresh_token_invalid',
  ),
  refresh_token_reused: row(
    400,
    'invalid_grant',
    'The refresh token was already replaced, so the authorization was revoked.',
  ),
  grant_revoked: row(
    400,
    'invalid_grant',
    'The authorization was revoked.',
    'authorization_revoked',
  ),
  account_deactivated: row(
    400,
    'invalid_grant',
    'The authorization was revoked.',
    'authorization_revoked',
  ),
  scope_unknown: row(400, 'invalid_scope', 'The scope {about} does not exist.'),
  scope_malformed: row(400, 'invalid_scope', 'The scope parameter has invalid characters.'),
  scope_missing: row(400, 'invalid_scope', 'Request at least one scope.'),
  scope_not_allowed: row(400, 'invalid_scope', 'This client may not request the scope {about}.'),
  scope_exceeds_grant: row(
    400,
    'invalid_scope',
    'The scope {about} is not part of what the user authorized.',
  ),
  subject_token_invalid: row(
    400,
    'invalid_request',
    'The subject_token is not a live access token of this app.',
  ),
  target_unknown: row(400, 'invalid_target', 'This client may not request that audience.'),

  // The resource side
  token_invalid: row(401, 'invalid_token', 'The access token is expired, revoked or not valid.'),
  scope_insufficient: row(403, 'insufficient_scope', 'The access token lacks a required scope.'),
  token_missing: row(401, 'unauthorized', 'Send an access token: Authorization: Bearer (token).'),
  token_malformed: row(
    400,
    'invalid_request',
    'The Authorization header is not a well-formed Bearer header.',
  ),
  token_sent_twice: row(400, 'invalid_request', 'Send the access token once, in one way only.'),
  path_ambiguous: row(
    400,
    'invalid_request',
    'The path can be read in more than one way. Send it without unnecessary escapes and dots.',
  ),
  rule_missing: row(403, 'access_denied', 'No rule allows this request.'),
  gateway_unproven: row(
    403,
    'gateway_unproven',
    'The gateway in front of this API did not authenticate to the authorization server.',
  ),
  gateway_misconfigured: row(
    403,
    'gateway_misconfigured',
    'The gateway in front of this API sent a requirement that the authorization server does not understand.',
  ),

  // Calls to other systems
  proxy_method_refused: row(
    403,
    'access_denied',
    'The integration does not allow calls with this method.',
  ),
  proxy_host_refused: row(
    403,
    'access_denied',
    'The integration does not allow calls to this host.',
  ),
  proxy_body_too_large: row(413, 'invalid_request', 'A proxied call has at most 10 MiB.'),
  webhook_not_set_up: row(
    409,
    'webhook_not_set_up',
    'The integration has no webhook secret, or it is not known how its provider signs.',
  ),
  webhook_too_large: row(413, 'invalid_request', 'A webhook to be checked has at most 4 MiB.'),
  provider_address_refused: row(
    502,
    'provider_address_refused',
    'The address of the other system is not one that this server may call.',
  ),
  provider_unreachable: row(
    502,
    'provider_unreachable',
    'The other system cannot be reached, or ended the connection.',
  ),
  provider_timed_out: row(504, 'provider_timed_out', 'The other system did not answer in time.'),
  provider_answer_refused: row(
    502,
    'provider_answer_refused',
    'The other system gave an answer that cannot be passed on: a redirect to another host, or an encoding that was not asked for.',
  ),
  provider_busy: row(
    503,
    'provider_busy',
    'Too many calls to the other system are under way: try again in a moment.',
  ),

  // The authorization endpoint: on a page while the redirect URI is not trusted, to the app once it
  // is
  authorize_client_id_missing: row(400, 'invalid_request', 'The parameter client_id is missing.'),
  authorize_app_unknown: row(
    400,
    'invalid_client',
    'The app that sent you here is not registered with us, or is suspended.',
  ),
  authorize_redirect_uri_missing: row(
    400,
    'invalid_request',
    'The parameter redirect_uri is missing: send one that is registered for the app.',
  ),
  authorize_redirect_uri_unknown: row(
    400,
    'invalid_redirect_uri',
    'The app asked us to send you to an address that it has not registered {came}.',
  ),
  authorize_redirect_uri_port: row(
    400,
    'invalid_redirect_uri',
    'The app asked us to send you to a port of localhost that it has not registered {came}.',
  ),
  authorize_parameter_too_long: row(
    400,
    'invalid_request',
    'The parameter {about} is too long {bound}.',
  ),
  authorize_response_type_missing: row(
    400,
    'invalid_request',
    'The parameter response_type is missing: send response_type=code.',
  ),
  authorize_response_type_unsupported: row(
    400,
    'unsupported_response_type',
    'The response_type must be code {came}.',
  ),
  authorize_response_mode_unsupported: row(
    400,
    'invalid_request',
    'This response_mode is not supported {came}.',
  ),
  authorize_prompt_unsupported: row(
    400,
    'invalid_request',
    'This prompt is not supported {came}; none must be sent by itself.',
  ),
  authorize_request_object_unsupported: row(
    400,
    'request_not_supported',
    'Request objects are not supported: send the parameters themselves, without {about}.',
  ),
  pkce_required: row(
    400,
    'invalid_request',
    'This app must use PKCE: send code_challenge and code_challenge_method=S256.',
  ),
  pkce_method_unsupported: row(
    400,
    'invalid_request',
    'The code_challenge_method must be S256 {came}.',
  ),
  pkce_challenge_missing: row(
    400,
    'invalid_request',
    'A code_challenge_method was sent without a code_challenge.',
  ),
  pkce_challenge_malformed: row(
    400,
    'invalid_request',
    'A code_challenge for S256 must have 43 characters: letters, digits, - and _.',
  ),
  authorize_denied: row(400, 'access_denied', 'The user did not allow the app.'),
  authorize_login_required: row(
    400,
    'login_required',
    'The user must sign in, which prompt=none does not allow.',
  ),
  authorize_consent_required: row(
    400,
    'consent_required',
    'The user must be asked for consent, which prompt=none does not allow.',
  ),
  authorize_request_invalid: row(
    400,
    'invalid_request',
    'The app sent a request that we cannot understand.',
  ),

  // People
  preview_over: row(400, 'preview_over', 'This preview is over, or was started by someone else.'),
  interaction_expired: row(400, 'interaction_expired', 'This page is no longer valid.'),
  interaction_foreign: row(400, 'interaction_foreign', 'This page belongs to another browser.'),
  csrf_mismatch: row(403, 'csrf_mismatch', 'The form did not come from our own page.'),

  // Connections to other systems
  connection_unknown: row(404, 'not_connected', 'There is no such connection.'),
  return_address_unknown: row(
    400,
    'invalid_request',
    'The return_to is registered neither for the app nor for the integration.',
  ),
  app_not_trusted: row(
    403,
    'access_denied',
    'The app may not act for accounts through this integration.',
  ),
  connection_disabled: row(
    409,
    'connection_disabled',
    'The connection was switched off by an admin.',
  ),
  reconnect_needed: row(
    409,
    'reconnect_needed',
    'The connection no longer works: its owner must connect again.',
  ),
  integration_misconfigured: row(
    409,
    'integration_misconfigured',
    'The other system refuses this server: an admin must correct the integration.',
  ),
  provider_unavailable: row(
    503,
    'provider_unavailable',
    'The other system cannot be reached right now: try again later.',
  ),
  refresh_in_progress: row(
    503,
    'refresh_in_progress',
    'The token is just being renewed: try again in a moment.',
  ),

  // The state of the server
  rate_limited: row(429, 'rate_limited', 'Too many requests. Wait and try again.'),
  temporarily_unavailable: row(
    503,
    'temporarily_unavailable',
    'The server cannot do this right now. Try again in a moment.',
  ),
  server_error: row(500, 'server_error', 'Something went wrong on our side.'),
} as const satisfies Record<string, ErrorRow>

/** The closed set of reason codes. */
export type ErrorCode = keyof typeof ERRORS

/** Returns which page of `/errors/` the outside is sent to for a code. */
export const errorPageOf = (code: ErrorCode): string => ERRORS[code].page ?? code

interface ErrorFacts {
  /** A name that we chose (a parameter, a scope that the client itself sent): public. */
  about?: string
  /** The bytes that what it is about may have: public. */
  mostBytes?: number
  /** The value that came, of a parameter that is no secret: shown escaped and bounded. */
  came?: string | undefined
  /** More members of a JSON answer, such as a link that helps: public. */
  members?: Readonly<Record<string, string>>
  /** For the log only. */
  detail?: string
  cause?: unknown
  /** Seconds after which trying again makes sense. */
  retryAfterSeconds?: number
  /** The app that it concerns, where that is known: for the event log. */
  appId?: string | undefined
}

// A scope comes from outside; what is not of RFC 6749 §3.3's letters is not repeated.
const SAFE_ABOUT = /^[\x21\x23-\x5B\x5D-\x7E]{1,80}$/

const MOST_CAME = 200
const UNSAFE_LETTERS = /[^\x21\x23-\x5B\x5D-\x7E]+/g
const USER_PART = /\/\/[^/?#]*@/

/**
 * Writes a value from outside so that it can stand in any answer: percent-encoded, at most 200
 * characters, without what may be a password or a token.
 */
function shownValue(value: string): string {
  const safe = value
    .slice(0, 4 * MOST_CAME)
    .replace(TOKEN_PATTERN, 'otesse_$1_[redacted]')
    .replace(USER_PART, '//[redacted]@')
    .replace(UNSAFE_LETTERS, (letters) => encodeURIComponent(Buffer.from(letters).toString()))
  return safe.length > MOST_CAME ? `${safe.slice(0, MOST_CAME)}...` : safe
}

/** The one error class: a reason code, its public face from the table, and private facts for the log. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly about: string | undefined
  readonly mostBytes: number | undefined
  /** Safe to show; see `ErrorFacts`. */
  readonly came: string | undefined
  readonly members: Readonly<Record<string, string>> | undefined
  readonly detail: string | undefined
  readonly retryAfterSeconds: number | undefined
  /** Set later, where the app is known only further out. */
  appId: string | undefined

  constructor(code: ErrorCode, facts: ErrorFacts = {}) {
    super(code, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.name = 'AppError'
    this.code = code
    this.about = facts.about !== undefined && SAFE_ABOUT.test(facts.about) ? facts.about : undefined
    this.mostBytes = facts.mostBytes
    this.came = facts.came === undefined ? undefined : shownValue(facts.came)
    this.members = facts.members
    this.detail = facts.detail
    this.retryAfterSeconds = facts.retryAfterSeconds
    this.appId = facts.appId
  }

  /** The HTTP status. */
  get status(): number {
    return ERRORS[this.code].status
  }

  /** The `error` member on the wire. */
  get error(): string {
    return ERRORS[this.code].error
  }

  /** Which page of `/errors/` explains it; it tells no more than the sentence. */
  get page(): string {
    return errorPageOf(this.code)
  }

  /** The `error_description` on the wire: the table's sentence with what came. */
  get sentence(): string {
    // A function, because a name may have a $ in it, which replace() reads as a pattern.
    return ERRORS[this.code].sentence
      .replace(' {about}', () => (this.about === undefined ? '' : ` ${this.about}`))
      .replace(' {bound}', this.mostBytes === undefined ? '' : ` (at most ${this.mostBytes} bytes)`)
      .replace(' {came}', () => (this.came === undefined ? '' : ` (it was ${this.came})`))
  }
}

/** Returns whether the failure is one of the stores being away, so that the answer is 503 and not 500. */
export const isUnavailable = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'temporarily_unavailable'
