// Why something was refused, revoked or not signed in, in plain words, by the name of its event.
// Refusals have their words in model/error-guides.ts. Called by the activity pages.
import type { RevocationReason } from '../../audit/event-names.ts'
import { message, type ReasonMessage, REFUSAL_GUIDES } from '../../model/error-guides.ts'

const NOTHING = 'No action is needed.'

const LOGINS: Readonly<Record<string, ReasonMessage>> = {
  account_unknown: message('No account has that e-mail address.', NOTHING),
  password_wrong: message(
    'The password was wrong.',
    'If the user has forgotten it, create a reset link.',
  ),
  password_unset: message(
    'The account has no password yet, because its invitation was not accepted.',
    'Create a new link for the user.',
  ),
  signed_out: message('The user signed out.', NOTHING),
  signed_out_everywhere: message('The user signed out in all browsers at once.', NOTHING),
  account_switched: message('Another user signed in with the same browser.', NOTHING),
}

const REVOCATIONS: Record<RevocationReason, ReasonMessage> = {
  client: message('The app itself revoked it.', NOTHING),
  code_replay: message(
    'A code was used twice.',
    'Check the app for repeated requests. If there are none, someone may have intercepted the code.',
  ),
  refresh_reuse: message(
    'A refresh token was used after it had been replaced.',
    'Check that the app stores each new one. If it does, someone may have a copy.',
  ),
  user: message('The user disconnected the app.', NOTHING),
  admin: message('An admin revoked it.', NOTHING),
  app_suspended: message('The app was suspended.', NOTHING),
  app_deleted: message('The app was deleted.', NOTHING),
  account_deactivated: message('The account was deactivated.', NOTHING),
  leaked: message(
    'It was reported as leaked.',
    'Find out where it was exposed, such as logs, repositories or chats.',
  ),
  password_changed: message('The user’s password was changed.', NOTHING),
  preview: message('It was issued for an admin’s preview of the app. Nobody else had it.', NOTHING),
}

/** Returns the message of a reason; a code that we do not know stands for itself. */
export function reasonMessage(eventName: string, reason: string): ReasonMessage {
  const table: Readonly<Record<string, ReasonMessage>> =
    eventName === 'request.refused'
      ? REFUSAL_GUIDES
      : eventName.endsWith('.revoked')
        ? REVOCATIONS
        : { ...REFUSAL_GUIDES, ...LOGINS }
  return Object.hasOwn(table, reason) ? (table[reason] ?? message(reason, '')) : message(reason, '')
}
