// What the console tells of a mail. Invariant: not what it says, because it may hold a link that
// opens an account.
import type { Delivery, DeliveryState, DropReason } from '../../deliveries/delivery.ts'
import type { Badge } from './labels.ts'

/** Where mails are listed. */
export const MAIL_PATH = '/admin/mail'

/** What states are called. */
export const DELIVERY_STATES: Readonly<Record<DeliveryState, Badge>> = {
  waiting: { label: 'Waiting', tone: 'off' },
  sent: { label: 'Sent', tone: 'good' },
  dropped: { label: 'Not delivered', tone: 'care' },
}

const DROPPED: Readonly<Record<DropReason, string>> = {
  expired: 'Its link has expired.',
  refused: 'The address was refused.',
  gave_up: 'It failed for a day.',
  unreadable: 'It was encrypted with a key that is no longer set.',
  not_needed: 'No active account has this address.',
}

const PURPOSES: Readonly<Record<string, string>> = {
  invitation: 'Invitation',
  reset: 'New password',
  recovery: 'Forgotten password',
  'notice.password_changed': 'Notice: password changed',
  'notice.new_sign_in': 'Notice: new sign-in',
  'notice.app_connected': 'Notice: sensitive app connected',
  'notice.connection_ended': 'Notice: access of an app ended',
  'notice.reconnect': 'Notice: connect a system again',
  change_address: 'Confirm a new address',
  'notice.address_changed': 'Notice: address changed',
  'notice.address_restored': 'Notice: address changed back',
  reset_request: 'Request for a new password',
}

/** Returns what a mail is about; what we do not know stands for itself. */
const purposeInWords = (purpose: string): string =>
  Object.hasOwn(PURPOSES, purpose) ? (PURPOSES[purpose] ?? purpose) : purpose

/** Returns what the list tells of a mail. */
export const shownDelivery = (delivery: Delivery, mayResend: boolean) => ({
  id: delivery.id,
  badge: DELIVERY_STATES[delivery.state],
  recipient: delivery.recipient ?? '',
  about: purposeInWords(delivery.purpose),
  attempts: delivery.attempts,
  createdAt: delivery.createdAt,
  nextTryAt: delivery.state === 'waiting' ? delivery.dueAt : undefined,
  why: delivery.dropReason && DROPPED[delivery.dropReason],
  answer: delivery.lastAnswer,
  resendUrl: delivery.canResend && mayResend ? `${MAIL_PATH}/${delivery.id}/resend` : undefined,
})

/** A mail as the list shows it. */
export type ShownDelivery = ReturnType<typeof shownDelivery>
