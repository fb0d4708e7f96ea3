// Why a request was refused, in plain words: what happened and what the app's developer should do. Invariant: every reason code that can be
// recorded has a message, which a unit test holds against the table of errors. Called by the activity pages.
import type { RevocationReason } from '../../audit/event-names.ts'
import type { ErrorCode } from '../../shared/errors.ts'

/** What is said of one reason. */
export interface ReasonMessage {
  /** What happened. */
  what: string
  /** What to do about it, and who. */
  todo: string
}

const message = (what: string, todo: string): ReasonMessage => ({ what, todo })

const RESTART = 'Send the person through the authorization again.'
const NOTHING = 'Nothing needs to be done.'
const GATEWAY = 'Whoever runs the gateway looks at its configuration.'
const API_CLIENT = 'The developer of the program that calls the admin API corrects the request.'

const REFUSALS: Partial<Record<ErrorCode, ReasonMessage>> = {
  body_too_large: message(
    'The request body was larger than 64 KiB.',
    'Send only the parameters that the endpoint knows.',
  ),
  upload_too_large: message(
    'A form with a file was larger than 16 MiB.',
    'Choose a smaller picture.',
  ),
  body_type_unsupported: message(
    'The body was sent with a content type that the endpoint does not read.',
    'Send application/x-www-form-urlencoded or application/json, and say so in Content-Type.',
  ),
  body_not_utf8: message('The body was not valid UTF-8.', 'Encode the body as UTF-8.'),
  body_incomplete: message(
    'The connection ended before the whole body was there.',
    'Look at time-outs and proxies on the way; then try again.',
  ),
  body_not_json: message(
    'The body said that it was JSON and was not a JSON object.',
    'Send one flat JSON object, or a form.',
  ),
  body_is_json: message(
    'The body was JSON and said that it was a form.',
    'Send it with Content-Type: application/json.',
  ),
  body_not_form: message(
    'The body said that it was a form and could not be read as one.',
    'Percent-encode the values; most libraries do that for you.',
  ),
  parameter_duplicated: message(
    'A parameter was sent twice.',
    'Send each parameter once, in the body only.',
  ),
  parameter_not_text: message(
    'A parameter in a JSON body was not a text.',
    'Send every value as a JSON string.',
  ),
  parameter_missing: message(
    'A parameter that is needed was missing or empty.',
    'Compare the request with the code on the Credentials tab.',
  ),
  parameter_invalid: message(
    'A parameter had a value that is not allowed there.',
    'Compare the request with the code on the Credentials tab.',
  ),
  method_not_allowed: message(
    'The address was called with the wrong HTTP method.',
    'Token, revocation and introspection endpoints take POST; the authorization endpoint takes GET in a browser.',
  ),
  already_exists: message('There is one like this already.', API_CLIENT),
  conflict: message(
    'It was changed by somebody else in the meantime.',
    'Read it again and repeat the change.',
  ),
  keys_too_young: message(
    'The next signing key had been published for less than an hour.',
    'Rotate later, or at once in an emergency.',
  ),
  power_missing: message(
    'Whoever asked lacks the admin permission for it.',
    'Give the machine app that permission, or use one that has it.',
  ),
  admin_needed: message(
    'Somebody who is not an admin tried to open the console.',
    'If they should be an admin, change their role.',
  ),
  precondition_missing: message('A change came without If-Match.', API_CLIENT),
  precondition_failed: message(
    'A change was based on an old state.',
    'Read it again and repeat the change.',
  ),
  input_refused: message('The input broke rules; nothing was changed.', API_CLIENT),
  idempotency_key_invalid: message('The Idempotency-Key has not the form of one.', API_CLIENT),
  idempotency_key_reused: message(
    'An Idempotency-Key was used for two different requests.',
    API_CLIENT,
  ),
  idempotency_key_busy: message(
    'A request was repeated while the first one was still being answered.',
    'Wait for the first answer.',
  ),
  parameter_unknown: message(
    'A request had a member that the admin API does not know.',
    API_CLIENT,
  ),
  media_type_unsupported: message(
    'A request had a content type that it must not have.',
    API_CLIENT,
  ),
  logo_too_large: message('A logo was too large.', 'Choose a picture of up to 256 KiB.'),
  import_line_too_long: message(
    'A line of an import was too long.',
    'Correct the file; then import it again.',
  ),
  last_admin: message('The last active admin would have gone.', 'Make another admin first.'),
  link_invalid: message(
    'A one-time link was opened that had been used, had expired or was replaced.',
    'Make a new link, if the person still needs one.',
  ),
  client_authentication_missing: message(
    'The request did not say which app it comes from, or brought no secret.',
    'Send client_id and client_secret in the body, or both by HTTP Basic.',
  ),
  client_authentication_twice: message(
    'The app authenticated in the body and by HTTP Basic at once.',
    'Choose one of the two.',
  ),
  client_authentication_malformed: message(
    'The Authorization header was not a well-formed Basic header.',
    'Write “Basic ” and the base64 of client id, colon, secret.',
  ),
  client_unknown: message(
    'There is no app with that client id.',
    'Compare the client id with the one on the Credentials tab, also which server it is for.',
  ),
  client_secret_missing: message(
    'The app sent no secret, and apps of its type must.',
    'Send client_secret; look whether the environment variable is set where the app runs.',
  ),
  client_secret_wrong: message(
    'The secret was not one of the app’s.',
    'Compare the four characters before its last six with the Credentials tab. If it is lost, create another one and revoke the old.',
  ),
  client_secret_expired: message(
    'The secret was right and has expired.',
    'Create another secret and bring it into the app’s configuration.',
  ),
  client_secret_unexpected: message(
    'The app sent a secret, and apps of its type have none.',
    'Leave client_secret out; the app proves itself with PKCE.',
  ),
  client_suspended: message(
    'The app is suspended.',
    'Activate it on its Overview tab when the reason for it is gone.',
  ),
  introspection_not_allowed: message(
    'A public app asked what a token is worth. It has no secret, so anybody could ask in its name.',
    'Let the API introspect, as a resource server of its own; the app sees at the API whether its token works.',
  ),
  client_not_confidential: message(
    'An app that cannot keep a secret asked for a token of its own.',
    'Register a machine app for that.',
  ),
  client_credentials_off: message(
    'The app asked for a token of its own with client_credentials, and that is switched off for it.',
    'If the app acts without people too, turn on “Client credentials” under Edit, Advanced. Otherwise the app should use authorization_code.',
  ),
  grant_not_allowed: message(
    'Apps of this type may not use that grant type.',
    'People connect web and native apps with authorization_code; machines use client_credentials.',
  ),
  stream_not_allowed: message(
    'An app that is no resource server asked for the stream of revocations.',
    'Register the API as a resource server.',
  ),
  revocation_not_allowed: message(
    'The app tried to revoke a token of another app.',
    'Each app revokes its own tokens; look for mixed-up client ids.',
  ),
  grant_type_unsupported: message(
    'The grant type is not one that this server knows.',
    'Use authorization_code, refresh_token or client_credentials.',
  ),
  grant_type_password: message(
    'The app asked for the password grant, which is not offered.',
    'Use authorization_code with PKCE for people, client_credentials for servers.',
  ),
  code_malformed: message(
    'The code was not one of ours, or was cut off.',
    'Pass on the code exactly as it came, percent-decoded once.',
  ),
  code_unknown: message(
    'The code had expired (after a minute) or never existed.',
    `Exchange it at once. ${RESTART}`,
  ),
  code_of_another_client: message(
    'The code was issued to another app.',
    'Look for mixed-up client ids, of two environments for instance.',
  ),
  code_used: message(
    'The code was used a second time; the tokens from its first use are revoked.',
    `Exchange each code once: look for double requests on page reloads and retries. ${RESTART}`,
  ),
  redirect_uri_mismatch: message(
    'The redirect_uri was another one than in the authorization request.',
    'Send the same redirect_uri in both requests, letter for letter.',
  ),
  pkce_missing: message(
    'No code_verifier came although the authorization had a code_challenge.',
    'Keep the verifier of each authorization in the person’s session and send it with the code.',
  ),
  pkce_mismatch: message(
    'The code_verifier did not fit the code_challenge.',
    'Keep the verifier of each authorization in the person’s session and send that one; the challenge is its SHA-256 in base64url.',
  ),
  pkce_verifier_malformed: message(
    'The code_verifier had fewer than 43 or more than 128 characters.',
    'Make it of 32 random bytes in base64url, which are 43 characters.',
  ),
  pkce_unexpected: message(
    'A code_verifier came although the authorization had no code_challenge.',
    'Send code_challenge and code_challenge_method=S256 in the authorization request.',
  ),
  refresh_token_malformed: message(
    'The refresh token was not one of ours, or was cut off.',
    'Look at how it is stored: columns that are too short, encodings.',
  ),
  refresh_token_unknown: message(
    'The refresh token has expired, was revoked or never existed.',
    RESTART,
  ),
  refresh_token_of_another_client: message(
    'The refresh token was issued to another app.',
    'Look for mixed-up client ids, of two environments for instance.',
  ),
  refresh_token_reused: message(
    'A refresh token was used that had been replaced before: either the app kept an old one, or somebody else has a copy. The authorization is revoked.',
    `Store the new refresh token of each answer before using it. ${RESTART}`,
  ),
  grant_revoked: message(
    'The authorization was revoked: by the person, an admin, or because something looked like theft.',
    RESTART,
  ),
  account_deactivated: message(
    'The account of the person was deactivated.',
    'Nothing, unless the person should have access: then reactivate the account.',
  ),
  scope_unknown: message(
    'The app asked for a permission that is not in the catalogue.',
    'Correct its name in the app, or create it under Scopes.',
  ),
  scope_malformed: message(
    'The list of permissions had characters that permissions never have.',
    'Separate the names by single spaces.',
  ),
  scope_missing: message('The app asked for no permission at all.', 'Name at least one in scope.'),
  scope_not_allowed: message(
    'The app asked for a permission that it may not have.',
    'Tick it on the app’s Permissions tab, or remove it from the request.',
  ),
  scope_exceeds_grant: message(
    'The app asked for more than the person allowed.',
    `Ask for less, or for more from the person. ${RESTART}`,
  ),
  target_unknown: message(
    'The app named an audience that it may not ask for.',
    'Add the audience under Edit → Advanced, or remove it from the request.',
  ),
  token_invalid: message(
    'The access token was expired, revoked or never one.',
    'Refresh once on a 401 and repeat the call; then authorize again.',
  ),
  scope_insufficient: message(
    'The access token lacks a permission that the call needs.',
    'Ask for it in the next authorization.',
  ),
  token_missing: message(
    'An API was called without an access token.',
    'Send “Authorization: Bearer” and the token.',
  ),
  token_malformed: message(
    'The Authorization header was not a well-formed Bearer header.',
    'Write “Bearer ”, then the token, nothing else.',
  ),
  token_sent_twice: message(
    'The access token was sent in two ways at once.',
    'Send it in the header only.',
  ),
  path_ambiguous: message(
    'An API was called with a path that can be read in more than one way.',
    'Write paths without needless escapes and dots.',
  ),
  rule_missing: message('No rule of the gateway allows this call.', GATEWAY),
  gateway_unproven: message('A gateway did not prove who it is.', GATEWAY),
  gateway_misconfigured: message('A gateway asked for something that it cannot ask for.', GATEWAY),
  authorize_app_unknown: message(
    'Somebody was sent here with a client id that does not exist or is switched off.',
    'Compare the client_id of the link with the Credentials tab.',
  ),
  authorize_redirect_uri_unknown: message(
    'Somebody was sent here with a redirect URI that the app has not registered; we went no further.',
    'Add the redirect URI under Edit, letter for letter, or correct it in the app.',
  ),
  authorize_parameter_too_long: message(
    'A parameter of the authorization request was longer than we take; the page named it and its bound.',
    'Keep the app’s own data in its session, and send only a key of it as state.',
  ),
  authorize_request_invalid: message(
    'The authorization request could not be understood.',
    'Compare the link with the code on the Credentials tab.',
  ),
  interaction_expired: message(
    'A sign-in or consent page was left open for too long, was used before, or the browser keeps no cookies.',
    RESTART,
  ),
  preview_over: message(
    'A preview of an app was opened by somebody else than the admin who began it, a second time, or too late.',
    'Nothing was allowed. Who began it can try the app again; many of these from others may be an attack.',
  ),
  interaction_foreign: message(
    'A sign-in or consent page was answered from another browser.',
    RESTART,
  ),
  csrf_mismatch: message(
    'A form did not come from our own page, or was made for somebody else.',
    'Nothing was changed. Many of these from one address may be an attack.',
  ),
  rate_limited: message(
    'There were more requests in a short time than we take.',
    'Wait as long as Retry-After says, and longer after each refusal; keep access tokens for the hour that they live.',
  ),
}

const LOGINS: Readonly<Record<string, ReasonMessage>> = {
  account_unknown: message('There is no account with that e-mail address.', NOTHING),
  password_wrong: message(
    'The password was wrong.',
    'If the person has forgotten it, make a reset link.',
  ),
  password_unset: message(
    'The account has no password yet: its invitation was not accepted.',
    'Make a new link for the person.',
  ),
  signed_out: message('The person signed out.', NOTHING),
  signed_out_everywhere: message('The person signed out in all browsers at once.', NOTHING),
  account_switched: message('Another person signed in in the same browser.', NOTHING),
}

const REVOCATIONS: Record<RevocationReason, ReasonMessage> = {
  client: message('The app itself revoked it.', NOTHING),
  code_replay: message(
    'A code was used twice.',
    'Look for double requests in the app; if there are none, somebody may have read the code.',
  ),
  refresh_reuse: message(
    'A refresh token was used that had been replaced.',
    'Look whether the app stores each new one; if it does, somebody may have a copy.',
  ),
  user: message('The person disconnected the app.', NOTHING),
  admin: message('An admin revoked it.', NOTHING),
  app_suspended: message('The app was suspended.', NOTHING),
  app_deleted: message('The app was deleted.', NOTHING),
  account_deactivated: message('The account was deactivated.', NOTHING),
  leaked: message(
    'It was reported as leaked.',
    'Find out where it was readable: logs, repositories, chats.',
  ),
  password_changed: message('The person’s password was changed.', NOTHING),
  preview: message('It came of an admin’s preview of the app, and nobody else had it.', NOTHING),
}

/** Returns the message of a reason; a code that we do not know stands for itself. */
export function reasonMessage(eventName: string, reason: string): ReasonMessage {
  const table: Readonly<Record<string, ReasonMessage>> =
    eventName === 'request.refused'
      ? REFUSALS
      : eventName.endsWith('.revoked')
        ? REVOCATIONS
        : { ...REFUSALS, ...LOGINS }
  return Object.hasOwn(table, reason) ? (table[reason] ?? message(reason, '')) : message(reason, '')
}

/** Returns whether a refusal has a message of its own; for the test that holds them against the errors. */
export const hasMessage = (code: string): boolean => Object.hasOwn(REFUSALS, code)
