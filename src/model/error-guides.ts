// What happened and what to do about it, for each reason code: the one table behind the pages of
// /errors/, docs/errors.md, and the activity pages of the console. Invariant: a code without a
// guide does not compile. Nothing here depends on a request, so that any of it may be public.
import { type ErrorCode, ERRORS, errorPageOf } from '../shared/errors.ts'

/** What is said of one reason. */
export interface ReasonMessage {
  /** What happened. */
  what: string
  /** What to do about it, and who. */
  todo: string
}

export const message = (what: string, todo: string): ReasonMessage => ({ what, todo })

const RESTART = 'Send the user through authorization again.'
const GATEWAY = 'The operator of the gateway should check its configuration.'
const API_CLIENT =
  'The developer of the program that calls the admin API should correct the request.'

export const REFUSAL_GUIDES: Readonly<Record<ErrorCode, ReasonMessage>> = {
  body_too_large: message(
    'The request body was larger than 64 KiB.',
    'Send only the parameters that the endpoint supports.',
  ),
  upload_too_large: message(
    'A form with a file was larger than the page takes.',
    'Choose a smaller file. Accounts can also be imported with the command line, which takes files of any size.',
  ),
  body_type_unsupported: message(
    'The body had a content type that the endpoint does not support.',
    'Send application/x-www-form-urlencoded or application/json, with the matching Content-Type.',
  ),
  body_not_utf8: message('The body was not valid UTF-8.', 'Encode the body as UTF-8.'),
  body_incomplete: message(
    'The connection ended before the whole body arrived.',
    'Check timeouts and proxies along the way, then try again.',
  ),
  body_not_json: message(
    'The body was declared as JSON but was not a JSON object.',
    'Send one flat JSON object, or a form.',
  ),
  body_is_json: message(
    'The body was JSON but was declared as a form.',
    'Send it with Content-Type: application/json.',
  ),
  body_not_form: message(
    'The body was declared as a form but could not be read as one.',
    'Percent-encode the values; most libraries do that for you.',
  ),
  parameter_duplicated: message(
    'A parameter was sent twice.',
    'Send each parameter once, in the body only.',
  ),
  parameter_not_text: message(
    'A parameter in a JSON body was not a string.',
    'Send every value as a JSON string.',
  ),
  parameter_missing: message(
    'A required parameter was missing or empty.',
    'Compare the request with the sample code on the Credentials tab.',
  ),
  parameter_invalid: message(
    'A parameter had an invalid value.',
    'Compare the request with the sample code on the Credentials tab.',
  ),
  method_not_allowed: message(
    'The endpoint was called with the wrong HTTP method.',
    'Token, revocation and introspection endpoints take POST; the authorization endpoint takes GET in a browser.',
  ),
  not_found: message(
    'Nothing is at this address.',
    'Compare the address with the discovery document. Addresses are exact: no trailing slash, all lower case.',
  ),
  already_exists: message('One with this name or address already exists.', API_CLIENT),
  conflict: message(
    'Someone else changed it in the meantime.',
    'Read it again and repeat the change.',
  ),
  keys_too_young: message(
    'The next signing key was published less than an hour before.',
    'Rotate later, or force it in an emergency.',
  ),
  power_missing: message(
    'The caller lacks the required admin scope.',
    'Give the machine app that scope, or use an app that has it.',
  ),
  admin_needed: message(
    'A user who is not an admin tried to open the console.',
    'If they should have access, change their role.',
  ),
  precondition_missing: message('A change was sent without If-Match.', API_CLIENT),
  precondition_failed: message(
    'A change was based on an outdated version.',
    'Read it again and repeat the change.',
  ),
  precondition_weak: message(
    'A change was sent with a weak ETag, which a proxy that compresses responses had created.',
    'Turn off compression for /admin/api in the proxy, or send the ETag without W/.',
  ),
  input_refused: message('The input was invalid. Nothing was changed.', API_CLIENT),
  idempotency_key_invalid: message('The Idempotency-Key was malformed.', API_CLIENT),
  idempotency_key_reused: message(
    'An Idempotency-Key was used for two different requests.',
    API_CLIENT,
  ),
  idempotency_key_busy: message(
    'A request was repeated while the first one was still in progress.',
    'Wait for the first response.',
  ),
  parameter_unknown: message(
    'A request had a member that the admin API does not support.',
    API_CLIENT,
  ),
  media_type_unsupported: message('A request had an unsupported content type.', API_CLIENT),
  logo_too_large: message('A logo was too large.', 'Choose a picture of up to 256 KiB.'),
  import_line_too_long: message(
    'A line of an import was too long.',
    'Correct the file, then import it again.',
  ),
  last_admin: message(
    'The change would have removed the last active admin.',
    'Make another account an admin first.',
  ),
  link_invalid: message(
    'A one-time link was opened that was already used, expired or replaced.',
    'Create a new link if the user still needs one.',
  ),
  client_authentication_missing: message(
    'The request did not identify its app, or had no secret.',
    'Send client_id and client_secret in the body, or both with HTTP Basic.',
  ),
  client_authentication_twice: message(
    'The app authenticated both in the body and with HTTP Basic.',
    'Use only one of the two.',
  ),
  client_authentication_malformed: message(
    'The Authorization header was not a well-formed Basic header.',
    'Send “Basic ” followed by the base64 of client ID, colon and secret. If an HTTP interceptor adds an access token to every request, leave this endpoint out of it.',
  ),
  client_unknown: message(
    'No app has that client ID.',
    'Compare the client ID with the one on the Credentials tab, and check that the request went to the right server.',
  ),
  client_secret_missing: message(
    'The app sent no secret, but apps of its type must send one.',
    'Send client_secret. Check that the environment variable is set where the app runs.',
  ),
  client_secret_wrong: message(
    'The secret does not belong to the app.',
    'Compare the four characters before its last six with the Credentials tab. If the secret is lost, create another one and revoke the old one.',
  ),
  client_secret_expired: message(
    'The secret was correct but has expired.',
    'Create another secret and put it in the app’s configuration.',
  ),
  client_secret_unexpected: message(
    'The app sent a secret, but apps of its type have none.',
    'Do not send client_secret. The app uses PKCE instead.',
  ),
  client_suspended: message(
    'The app is suspended.',
    'Activate it on its Overview tab once the reason for the suspension is resolved.',
  ),
  introspection_not_allowed: message(
    'A public app tried to introspect a token. It has no secret, so anyone could do that in its name.',
    'Let the API introspect tokens, registered as a resource server. The app learns from the API whether its token works.',
  ),
  client_not_confidential: message(
    'An app that cannot keep a secret requested a token for itself.',
    'Register a machine app for that.',
  ),
  client_credentials_off: message(
    'The app requested a token for itself with client_credentials, which is turned off for it.',
    'If the app also works without users, turn on “Client credentials” under Edit → Advanced. Otherwise the app should use authorization_code.',
  ),
  grant_not_allowed: message(
    'Apps of this type cannot use that grant type.',
    'Users connect web and native apps with authorization_code; machine apps use client_credentials.',
  ),
  stream_not_allowed: message(
    'An app that is not a resource server requested the revocation stream.',
    'Register the API as a resource server.',
  ),
  revocation_not_allowed: message(
    'The app tried to revoke another app’s token.',
    'An app can revoke only its own tokens. Check for mixed-up client IDs.',
  ),
  grant_type_unsupported: message(
    'This server does not support the grant type.',
    'Use authorization_code, refresh_token or client_credentials.',
  ),
  grant_type_password: message(
    'The app asked for the password grant, which is not offered.',
    'Use authorization_code with PKCE for users, and client_credentials for servers.',
  ),
  code_malformed: message(
    'The code was malformed or cut off.',
    'Send the code exactly as received, percent-decoded once.',
  ),
  code_unknown: message(
    'The code had expired (after one minute) or never existed.',
    `Exchange codes right away. ${RESTART}`,
  ),
  code_of_another_client: message(
    'The code was issued to another app.',
    'Check for mixed-up client IDs, for example of two environments.',
  ),
  code_used: message(
    'The same code was exchanged twice, so the tokens from its first use were revoked. Most often a React component in StrictMode runs its effect twice, a form is submitted twice, or the callback page is reloaded.',
    `Exchange the code outside the component, or keep the pending exchange and reuse its promise. Remove the code from the address before the exchange, and do not retry one that was answered. ${RESTART}`,
  ),
  redirect_uri_mismatch: message(
    'The redirect_uri differs from the one in the authorization request.',
    'Send exactly the same redirect_uri in both requests.',
  ),
  pkce_missing: message(
    'No code_verifier was sent, although the authorization request had a code_challenge.',
    'Keep the verifier of each authorization in the user’s session, and send it with the code.',
  ),
  pkce_mismatch: message(
    'The code_verifier does not match the code_challenge.',
    'Keep the verifier of each authorization in the user’s session, and send that one. The challenge is its SHA-256 hash in base64url.',
  ),
  pkce_verifier_malformed: message(
    'The code_verifier had fewer than 43 or more than 128 characters.',
    'Generate it from 32 random bytes in base64url, which gives 43 characters.',
  ),
  pkce_unexpected: message(
    'A code_verifier was sent, although the authorization request had no code_challenge.',
    'Send code_challenge and code_challenge_method=S256 in the authorization request.',
  ),
  refresh_token_malformed: message(
    'The refresh token was malformed or cut off.',
    'Check how it is stored, for example for columns that are too short.',
  ),
  refresh_token_unknown: message(
    'The refresh token has expired, was revoked or never existed.',
    RESTART,
  ),
  refresh_token_of_another_client: message(
    'The refresh token was issued to another app.',
    'Check for mixed-up client IDs, for example of two environments.',
  ),
  refresh_token_reused: message(
    'A refresh token was used after it had been replaced: either the app kept an old one, or someone else has a copy. The authorization was revoked.',
    `Store the new refresh token from each response before using it. ${RESTART}`,
  ),
  grant_revoked: message(
    'The authorization was revoked by the user or an admin, or because of suspected theft.',
    RESTART,
  ),
  account_deactivated: message(
    'The user’s account was deactivated.',
    'If the user should have access, reactivate the account.',
  ),
  scope_unknown: message(
    'The app requested a scope that is not in the catalogue.',
    'Correct its name in the app, or create the scope under Scopes.',
  ),
  scope_malformed: message(
    'The scope parameter had invalid characters.',
    'Separate scope names with single spaces.',
  ),
  scope_missing: message(
    'The app requested no scope.',
    'Name at least one in the scope parameter.',
  ),
  scope_not_allowed: message(
    'The app requested a scope that it is not allowed to have.',
    'Add it on the app’s Scopes tab, or remove it from the request.',
  ),
  scope_exceeds_grant: message(
    'The app requested more than the user allowed.',
    `Request fewer scopes, or ask the user for more. ${RESTART}`,
  ),
  target_unknown: message(
    'The app named an audience that it is not allowed to request.',
    'Add the audience under Edit → Advanced, or remove it from the request.',
  ),
  token_invalid: message(
    'The access token was expired, revoked or invalid.',
    'On a 401, refresh once and repeat the call. If that fails, authorize again.',
  ),
  scope_insufficient: message(
    'The access token lacks a scope that the call requires.',
    'Request it in the next authorization.',
  ),
  token_missing: message(
    'An API was called without an access token.',
    'Send “Authorization: Bearer” followed by the token.',
  ),
  token_malformed: message(
    'The Authorization header was not a well-formed Bearer header.',
    'Send “Bearer ” followed by the token, and nothing else.',
  ),
  token_sent_twice: message(
    'The access token was sent in two ways at once.',
    'Send it in the header only.',
  ),
  path_ambiguous: message(
    'An API was called with a path that can be read in more than one way.',
    'Send paths without unnecessary escapes and dots.',
  ),
  rule_missing: message('No rule of the gateway allows this call.', GATEWAY),
  gateway_unproven: message('A gateway did not authenticate.', GATEWAY),
  gateway_misconfigured: message('A gateway sent a requirement that is not valid.', GATEWAY),
  proxy_method_refused: message(
    'A proxied call had a method that the integration does not allow.',
    'An admin can allow it: otesse integration set --proxy-method.',
  ),
  proxy_host_refused: message(
    'A proxied call named a host that the integration does not allow, or the provider has no base address and the call named none.',
    'Name one of the integration’s hosts in X-Otesse-Host. An admin can allow more: otesse integration set --proxy-host.',
  ),
  proxy_body_too_large: message(
    'The body of a proxied call was larger than 10 MiB.',
    'Get a token from /connect/v1 and call the other system directly.',
  ),
  webhook_not_set_up: message(
    'A service asked whether a provider signed a call, and the server has no secret to check it with, or the provider has no webhook facts.',
    'An admin can store the secret: otesse webhook-secret add. For a provider of your own, describe how it signs under webhook in its file.',
  ),
  webhook_too_large: message(
    'The call to be checked was larger than 4 MiB.',
    'Check calls of that size in the service itself.',
  ),
  provider_address_refused: message(
    'The provider’s address is not https on the public Internet, or DNS gives a private address for it.',
    'If it is an internal system, an operator can allow its network with OTESSE_UNSAFE_PRIVATE_DESTINATIONS.',
  ),
  provider_unreachable: message(
    'DNS, TCP or TLS failed, or the other system ended the connection before it answered.',
    'Try again. If it lasts, look at the status page of the other system, and at the firewall of this server.',
  ),
  provider_timed_out: message(
    'The other system took longer than a minute.',
    'Try again later, or ask for less at once.',
  ),
  provider_answer_refused: message(
    'The other system redirected to another host, or compressed its answer in an unknown way, so that a credential in it could not be found.',
    'Get a token from /connect/v1 and call the other system directly.',
  ),
  provider_busy: message(
    'As many calls of this integration are under way as this server allows, and too many wait.',
    'Wait for Retry-After. An operator can raise OTESSE_OUTGOING_CALLS_AT_ONCE.',
  ),
  authorize_client_id_missing: message(
    'The link to the authorization endpoint has no client_id.',
    'Add the client_id of the app, as shown on its Credentials tab. Check that the setting it comes from is not empty.',
  ),
  authorize_app_unknown: message(
    'A user was sent here with a client ID that is unknown or suspended.',
    'Compare the client_id in the link with the one on the Credentials tab, check that the app is active, and that the link leads to the right server.',
  ),
  authorize_redirect_uri_missing: message(
    'The link to the authorization endpoint has no redirect_uri.',
    'Send the redirect_uri in every authorization request, also when the app has registered only one.',
  ),
  authorize_redirect_uri_unknown: message(
    'A user was sent here with a redirect URI that the app has not registered. The flow was stopped.',
    'Add exactly this redirect URI under Edit, or correct it in the app. Every character counts: scheme, host, port, path, query and a slash at the end. Schemes such as cursor: need a switch of the app.',
  ),
  authorize_redirect_uri_port: message(
    'A user was sent here with a redirect URI that is registered for http://localhost with another port. The flow was stopped.',
    'Register and use http://127.0.0.1 instead, which is accepted with any port. Where the client cannot, turn on “Any port on localhost” (localhost_any_port) for the app.',
  ),
  authorize_parameter_too_long: message(
    'A parameter of the authorization request was too long. The error page named it and its limit.',
    'Keep the app’s own data in its session, and send only its key as state.',
  ),
  authorize_response_type_missing: message(
    'The authorization request has no response_type.',
    'Send response_type=code.',
  ),
  authorize_response_type_unsupported: message(
    'The authorization request asked for another response type than code. The implicit and hybrid flows are not offered (RFC 9700).',
    'Send response_type=code and exchange the code at the token endpoint. Browser apps use PKCE for that.',
  ),
  authorize_response_mode_unsupported: message(
    'The authorization request asked for a response mode that is not offered, or for form_post with a redirect URI that cannot receive a form, such as a private-use scheme.',
    'Omit response_mode, or use one that the discovery document lists.',
  ),
  authorize_prompt_unsupported: message(
    'The prompt parameter had a value that is not supported, or none together with another one.',
    'Use the values that the discovery document lists. Send none by itself.',
  ),
  authorize_request_object_unsupported: message(
    'The app sent its request as a request object (request, request_uri or registration).',
    'Send the parameters themselves in the query.',
  ),
  pkce_required: message(
    'The app must use PKCE, but the authorization request has no code_challenge.',
    'Generate a code_verifier for each authorization, and send its SHA-256 hash in base64url as code_challenge with code_challenge_method=S256.',
  ),
  pkce_method_unsupported: message(
    'The code_challenge_method was not S256. If it is missing, RFC 7636 reads it as plain, which protects nothing and is not accepted.',
    'Send code_challenge_method=S256, and as code_challenge the SHA-256 hash of the verifier in base64url.',
  ),
  pkce_challenge_missing: message(
    'A code_challenge_method came without a code_challenge.',
    'Send both, or neither if the app does not have to use PKCE.',
  ),
  pkce_challenge_malformed: message(
    'The code_challenge was not a SHA-256 hash in base64url.',
    'Hash the verifier as ASCII text, encode the 32 bytes in base64url without the = at the end, which gives 43 characters.',
  ),
  authorize_denied: message(
    'The user chose not to allow the app.',
    'Explain in the app why it needs the access, and offer to connect again.',
  ),
  authorize_login_required: message(
    'Nobody is signed in in this browser, and prompt=none forbids asking.',
    'Send the user through authorization again without prompt=none.',
  ),
  authorize_consent_required: message(
    'The user has not yet allowed everything that the app requests, and prompt=none forbids asking.',
    'Send the user through authorization again without prompt=none.',
  ),
  authorize_request_invalid: message(
    'The authorization request was invalid.',
    'Compare the link with the sample code on the Credentials tab.',
  ),
  interaction_expired: message(
    'A sign-in or consent page was left open for too long or was already used, or the browser blocks cookies.',
    RESTART,
  ),
  preview_over: message(
    'A preview of an app was opened a second time, too late, or by someone other than the admin who started it.',
    'Nothing was allowed. The admin can start another preview. Many of these from others may be an attack.',
  ),
  interaction_foreign: message(
    'A sign-in or consent page was answered from another browser.',
    RESTART,
  ),
  csrf_mismatch: message(
    'A form did not come from our own page, or was made for someone else.',
    'Nothing was changed. Many of these from one address may be an attack.',
  ),
  rate_limited: message(
    'Too many requests were sent in a short time.',
    'Wait as long as Retry-After says, and longer after each refusal. Reuse each access token until it expires.',
  ),
  subject_token_invalid: message(
    'The token to be exchanged has ended, was revoked, or belongs to another app.',
    'Exchange an access token that this app got itself, and refresh it first where it has expired.',
  ),
  connection_unknown: message(
    'There is no connection of that id that the token may use.',
    'List the connections of the account. Where there is none, send the person to connect_url.',
  ),
  return_address_unknown: message(
    'An app asked for a link to connect another system, and the address to come back to is not registered.',
    'Use a redirect URI of the app, character by character. An admin can allow more: otesse integration set --return-address.',
  ),
  app_not_trusted: message(
    'A machine app named an account in a request for a link, and is not among the trusted apps of the integration.',
    'Use the token of the person, or let an admin trust the app: otesse integration set --trusted-app.',
  ),
  connection_disabled: message(
    'An admin has switched the connection, or the whole integration, off.',
    'Ask an admin to switch it on again.',
  ),
  reconnect_needed: message(
    'The other system refuses the connection for good, for example because the person withdrew it there.',
    'Send the person to connect_url. The connection keeps its id.',
  ),
  integration_misconfigured: message(
    'The other system refuses the client of this server there: often its secret was changed.',
    'An admin should correct the integration. Its connections stay as they are, and work again then.',
  ),
  provider_unavailable: message(
    'The other system did not answer, or asked us to wait.',
    'Try again after the time in Retry-After. The connection is not lost.',
  ),
  refresh_in_progress: message(
    'Another request is renewing the token of this connection.',
    'Try again after the time in Retry-After.',
  ),
  temporarily_unavailable: message(
    'A store of the server could not be reached in time, or the server is shutting down. Nothing happened.',
    'Wait as long as Retry-After says, then send the same request again.',
  ),
  server_error: message(
    'Something failed on the server. This is not the app’s fault.',
    'Try again later. If it keeps failing, give the request ID to whoever runs this server: it is in the log.',
  ),
}

/** A page of `/errors/`: the codes that it explains, all of which look alike from outside. */
export interface ErrorGuide {
  page: string
  status: number
  error: string
  sentence: string
  reasons: readonly (ReasonMessage & { code: ErrorCode })[]
}

const codes = Object.keys(ERRORS) as ErrorCode[]

/** The sentence of a code without what a request adds to it. */
const plainSentence = (code: ErrorCode): string =>
  ERRORS[code].sentence.replace(/ \{(?:about|bound|came)\}/g, '')

function guideOf(page: string, explained: readonly ErrorCode[]): ErrorGuide[] {
  const [first] = explained
  if (first === undefined) return []
  const { status, error } = ERRORS[first]
  const reasons = explained.map((code) => ({ code, ...REFUSAL_GUIDES[code] }))
  return [{ page, status, error, sentence: plainSentence(first), reasons }]
}

/**
 * Every page by its name: one for each code, and one more where several codes look alike from
 * outside.
 */
export const ERROR_GUIDES: ReadonlyMap<string, ErrorGuide> = new Map(
  [...new Set([...codes, ...codes.map(errorPageOf)])].flatMap((page) => {
    const isCode = Object.hasOwn(ERRORS, page)
    const explained = isCode
      ? [page as ErrorCode]
      : codes.filter((code) => errorPageOf(code) === page)
    return guideOf(page, explained).map((guide) => [page, guide] as const)
  }),
)
