// Why a request was refused, in plain words: what happened and what the app's developer should do. Invariant: every reason code that can be
// recorded has words, which a unit test holds against the table of errors. Called by the activity pages.
import type { RevocationReason } from '../../audit/event-names.ts'
import type { ErrorCode } from '../../shared/errors.ts'

/** The words of one reason. */
export interface ReasonWords {
  /** What happened. */
  what: string
  /** What to do about it, and who. */
  todo: string
}

const words = (what: string, todo: string): ReasonWords => ({ what, todo })

const RESTART = 'Send the person through the authorization again.'
const NOTHING = 'Nothing needs to be done.'
const GATEWAY = 'Whoever runs the gateway looks at its configuration.'
const API_CLIENT = 'The developer of the program that calls the admin API corrects the request.'

const REFUSALS: Partial<Record<ErrorCode, ReasonWords>> = {
  body_too_large: words(
    'The request body was larger than 64 KiB.',
    'Send only the parameters that the endpoint knows.',
  ),
  upload_too_large: words(
    'A form with a file was larger than 16 MiB.',
    'Choose a smaller picture.',
  ),
  body_type_unsupported: words(
    'The body was sent with a content type that the endpoint does not read.',
    'Send application/x-www-form-urlencoded or application/json, and say so in Content-Type.',
  ),
  body_not_utf8: words('The body was not valid UTF-8.', 'Encode the body as UTF-8.'),
  body_incomplete: words(
    'The connection ended before the whole body was there.',
    'Look at time-outs and proxies on the way; then try again.',
  ),
  body_not_json: words(
    'The body said that it was JSON and was not a JSON object.',
    'Send one flat JSON object, or a form.',
  ),
  body_is_json: words(
    'The body was JSON and said that it was a form.',
    'Send it with Content-Type: application/json.',
  ),
  body_not_form: words(
    'The body said that it was a form and could not be read as one.',
    'Percent-encode the values; most libraries do that for you.',
  ),
  parameter_duplicated: words(
    'A parameter was sent twice.',
    'Send each parameter once, in the body only.',
  ),
  parameter_not_text: words(
    'A parameter in a JSON body was not a text.',
    'Send every value as a JSON string.',
  ),
  parameter_missing: words(
    'A parameter that is needed was missing or empty.',
    'Compare the request with the code on the Credentials tab.',
  ),
  parameter_invalid: words(
    'A parameter had a value that is not allowed there.',
    'Compare the request with the code on the Credentials tab.',
  ),
  method_not_allowed: words(
    'The address was called with the wrong HTTP method.',
    'Token, revocation and introspection endpoints take POST; the authorization endpoint takes GET in a browser.',
  ),
  already_exists: words('There is one like this already.', API_CLIENT),
  conflict: words(
    'It was changed by somebody else in the meantime.',
    'Read it again and repeat the change.',
  ),
  keys_too_young: words(
    'The next signing key had been published for less than an hour.',
    'Rotate later, or at once in an emergency.',
  ),
  power_missing: words(
    'Whoever asked lacks the admin permission for it.',
    'Give the machine app that permission, or use one that has it.',
  ),
  admin_needed: words(
    'Somebody who is not an admin tried to open the console.',
    'If they should be an admin, change their role.',
  ),
  precondition_missing: words('A change came without If-Match.', API_CLIENT),
  precondition_failed: words(
    'A change was based on an old state.',
    'Read it again and repeat the change.',
  ),
  input_refused: words('The input broke rules; nothing was changed.', API_CLIENT),
  idempotency_key_invalid: words('The Idempotency-Key has not the form of one.', API_CLIENT),
  idempotency_key_reused: words(
    'An Idempotency-Key was used for two different requests.',
    API_CLIENT,
  ),
  idempotency_key_busy: words(
    'A request was repeated while the first one was still being answered.',
    'Wait for the first answer.',
  ),
  parameter_unknown: words('A request had a member that the admin API does not know.', API_CLIENT),
  media_type_unsupported: words('A request had a content type that it must not have.', API_CLIENT),
  logo_too_large: words('A logo was too large.', 'Choose a picture of up to 256 KiB.'),
  import_line_too_long: words(
    'A line of an import was too long.',
    'Correct the file; then import it again.',
  ),
  last_admin: words('The last active admin would have gone.', 'Make another admin first.'),
  link_invalid: words(
    'A one-time link was opened that had been used, had expired or was replaced.',
    'Make a new link, if the person still needs one.',
  ),
  client_authentication_missing: words(
    'The request did not say which app it comes from, or brought no secret.',
    'Send client_id and client_secret in the body, or both by HTTP Basic.',
  ),
  client_authentication_twice: words(
    'The app authenticated in the body and by HTTP Basic at once.',
    'Choose one of the two.',
  ),
  client_authentication_malformed: words(
    'The Authorization header was not a well-formed Basic header.',
    'Write “Basic ” and the base64 of client id, colon, secret.',
  ),
  client_unknown: words(
    'There is no app with that client id.',
    'Compare the client id with the one on the Credentials tab, also which server it is for.',
  ),
  client_secret_missing: words(
    'The app sent no secret, and apps of its type must.',
    'Send client_secret; look whether the environment variable is set where the app runs.',
  ),
  client_secret_wrong: words(
    'The secret was not one of the app’s.',
    'Compare the four characters before its last six with the Credentials tab. If it is lost, create another one and revoke the old.',
  ),
  client_secret_expired: words(
    'The secret was right and has expired.',
    'Create another secret and bring it into the app’s configuration.',
  ),
  client_secret_unexpected: words(
    'The app sent a secret, and apps of its type have none.',
    'Leave client_secret out; the app proves itself with PKCE.',
  ),
  client_suspended: words(
    'The app is suspended.',
    'Activate it on its Overview tab when the reason for it is gone.',
  ),
  introspection_not_allowed: words(
    'A public app asked what a token is worth. It has no secret, so anybody could ask in its name.',
    'Let the API introspect, as a resource server of its own; the app sees at the API whether its token works.',
  ),
  client_not_confidential: words(
    'An app that cannot keep a secret asked for a token of its own.',
    'Register a machine app for that.',
  ),
  client_credentials_off: words(
    'The app asked for a token of its own with client_credentials, and that is switched off for it.',
    'If the app acts without people too, turn on “Client credentials” under Edit, Advanced. Otherwise the app should use authorization_code.',
  ),
  grant_not_allowed: words(
    'Apps of this type may not use that grant type.',
    'People connect web and native apps with authorization_code; machines use client_credentials.',
  ),
  stream_not_allowed: words(
    'An app that is no resource server asked for the stream of revocations.',
    'Register the API as a resource server.',
  ),
  revocation_not_allowed: words(
    'The app tried to revoke a token of another app.',
    'Each app revokes its own tokens; look for mixed-up client ids.',
  ),
  grant_type_unsupported: words(
    'The grant type is not one that this server knows.',
    'Use authorization_code, refresh_token or client_credentials.',
  ),
  grant_type_password: words(
    'The app asked for the password grant, which is not offered.',
    'Use authorization_code with PKCE for people, client_credentials for servers.',
  ),
  code_malformed: words(
    'The code was not one of ours, or was cut off.',
    'Pass on the code exactly as it came, percent-decoded once.',
  ),
  code_unknown: words(
    'The code had expired (after a minute) or never existed.',
    `Exchange it at once. ${RESTART}`,
  ),
  code_of_another_client: words(
    'The code was issued to another app.',
    'Look for mixed-up client ids, of two environments for instance.',
  ),
  code_used: words(
    'The code was used a second time; the tokens from its first use are revoked.',
    `Exchange each code once: look for double requests on page reloads and retries. ${RESTART}`,
  ),
  redirect_uri_mismatch: words(
    'The redirect_uri was another one than in the authorization request.',
    'Send the same redirect_uri in both requests, letter for letter.',
  ),
  pkce_missing: words(
    'No code_verifier came although the authorization had a code_challenge.',
    'Keep the verifier of each authorization in the person’s session and send it with the code.',
  ),
  pkce_mismatch: words(
    'The code_verifier did not fit the code_challenge.',
    'Keep the verifier of each authorization in the person’s session and send that one; the challenge is its SHA-256 in base64url.',
  ),
  pkce_verifier_malformed: words(
    'The code_verifier had fewer than 43 or more than 128 characters.',
    'Make it of 32 random bytes in base64url, which are 43 characters.',
  ),
  pkce_unexpected: words(
    'A code_verifier came although the authorization had no code_challenge.',
    'Send code_challenge and code_challenge_method=S256 in the authorization request.',
  ),
  refresh_token_malformed: words(
    'The refresh token was not one of ours, or was cut off.',
    'Look at how it is stored: columns that are too short, encodings.',
  ),
  refresh_token_unknown: words(
    'The refresh token has expired, was revoked or never existed.',
    RESTART,
  ),
  refresh_token_of_another_client: words(
    'The refresh token was issued to another app.',
    'Look for mixed-up client ids, of two environments for instance.',
  ),
  refresh_token_reused: words(
    'A refresh token was used that had been replaced before: either the app kept an old one, or somebody else has a copy. The authorization is revoked.',
    `Store the new refresh token of each answer before using it. ${RESTART}`,
  ),
  grant_revoked: words(
    'The authorization was revoked: by the person, an admin, or because something looked like theft.',
    RESTART,
  ),
  account_deactivated: words(
    'The account of the person was deactivated.',
    'Nothing, unless the person should have access: then reactivate the account.',
  ),
  scope_unknown: words(
    'The app asked for a permission that is not in the catalogue.',
    'Correct its name in the app, or create it under Scopes.',
  ),
  scope_malformed: words(
    'The list of permissions had characters that permissions never have.',
    'Separate the names by single spaces.',
  ),
  scope_missing: words('The app asked for no permission at all.', 'Name at least one in scope.'),
  scope_not_allowed: words(
    'The app asked for a permission that it may not have.',
    'Tick it on the app’s Permissions tab, or remove it from the request.',
  ),
  scope_exceeds_grant: words(
    'The app asked for more than the person allowed.',
    `Ask for less, or for more from the person. ${RESTART}`,
  ),
  target_unknown: words(
    'The app named an audience that it may not ask for.',
    'Add the audience under Edit → Advanced, or remove it from the request.',
  ),
  token_invalid: words(
    'The access token was expired, revoked or never one.',
    'Refresh once on a 401 and repeat the call; then authorize again.',
  ),
  scope_insufficient: words(
    'The access token lacks a permission that the call needs.',
    'Ask for it in the next authorization.',
  ),
  token_missing: words(
    'An API was called without an access token.',
    'Send “Authorization: Bearer” and the token.',
  ),
  token_malformed: words(
    'The Authorization header was not a well-formed Bearer header.',
    'Write “Bearer ”, then the token, nothing else.',
  ),
  token_sent_twice: words(
    'The access token was sent in two ways at once.',
    'Send it in the header only.',
  ),
  path_ambiguous: words(
    'An API was called with a path that can be read in more than one way.',
    'Write paths without needless escapes and dots.',
  ),
  rule_missing: words('No rule of the gateway allows this call.', GATEWAY),
  gateway_unproven: words('A gateway did not prove who it is.', GATEWAY),
  gateway_misconfigured: words('A gateway asked for something that it cannot ask for.', GATEWAY),
  authorize_app_unknown: words(
    'Somebody was sent here with a client id that does not exist or is switched off.',
    'Compare the client_id of the link with the Credentials tab.',
  ),
  authorize_redirect_uri_unknown: words(
    'Somebody was sent here with a redirect URI that the app has not registered; we went no further.',
    'Add the redirect URI under Edit, letter for letter, or correct it in the app.',
  ),
  authorize_parameter_too_long: words(
    'A parameter of the authorization request was longer than we take; the page named it and its bound.',
    'Keep the app’s own data in its session, and send only a key of it as state.',
  ),
  authorize_request_invalid: words(
    'The authorization request could not be understood.',
    'Compare the link with the code on the Credentials tab.',
  ),
  interaction_expired: words(
    'A sign-in or consent page was left open for too long, was used before, or the browser keeps no cookies.',
    RESTART,
  ),
  preview_over: words(
    'A preview of an app was opened by somebody else than the admin who began it, a second time, or too late.',
    'Nothing was allowed. Who began it can try the app again; many of these from others may be an attack.',
  ),
  interaction_foreign: words(
    'A sign-in or consent page was answered from another browser.',
    RESTART,
  ),
  csrf_mismatch: words(
    'A form did not come from our own page, or was made for somebody else.',
    'Nothing was changed. Many of these from one address may be an attack.',
  ),
  rate_limited: words(
    'There were more requests in a short time than we take.',
    'Wait as long as Retry-After says, and longer after each refusal; keep access tokens for the hour that they live.',
  ),
}

const LOGINS: Readonly<Record<string, ReasonWords>> = {
  account_unknown: words('There is no account with that e-mail address.', NOTHING),
  password_wrong: words(
    'The password was wrong.',
    'If the person has forgotten it, make a reset link.',
  ),
  password_unset: words(
    'The account has no password yet: its invitation was not accepted.',
    'Make a new link for the person.',
  ),
  signed_out: words('The person signed out.', NOTHING),
  signed_out_everywhere: words('The person signed out in all browsers at once.', NOTHING),
  account_switched: words('Another person signed in in the same browser.', NOTHING),
}

const REVOCATIONS: Record<RevocationReason, ReasonWords> = {
  client: words('The app itself revoked it.', NOTHING),
  code_replay: words(
    'A code was used twice.',
    'Look for double requests in the app; if there are none, somebody may have read the code.',
  ),
  refresh_reuse: words(
    'A refresh token was used that had been replaced.',
    'Look whether the app stores each new one; if it does, somebody may have a copy.',
  ),
  user: words('The person disconnected the app.', NOTHING),
  admin: words('An admin revoked it.', NOTHING),
  app_suspended: words('The app was suspended.', NOTHING),
  app_deleted: words('The app was deleted.', NOTHING),
  account_deactivated: words('The account was deactivated.', NOTHING),
  leaked: words(
    'It was reported as leaked.',
    'Find out where it was readable: logs, repositories, chats.',
  ),
  password_changed: words('The person’s password was changed.', NOTHING),
  preview: words('It came of an admin’s preview of the app, and nobody else had it.', NOTHING),
}

/** Returns the words of a reason; a code that we do not know stands for itself. */
export function reasonWords(eventName: string, reason: string): ReasonWords {
  const table: Readonly<Record<string, ReasonWords>> =
    eventName === 'request.refused'
      ? REFUSALS
      : eventName.endsWith('.revoked')
        ? REVOCATIONS
        : { ...REFUSALS, ...LOGINS }
  return Object.hasOwn(table, reason) ? (table[reason] ?? words(reason, '')) : words(reason, '')
}

/** Returns whether a refusal has words of its own; for the test that holds them against the errors. */
export const hasWords = (code: string): boolean => Object.hasOwn(REFUSALS, code)
