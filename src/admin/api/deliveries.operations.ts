// The operations on mails. Invariant: no answer shows what a mail says.
import type { Delivery } from '../../deliveries/delivery.ts'
import type { DeliveryService } from '../delivery-service.ts'
import { pageParameters } from './lists.ts'
import {
  type ApiResource,
  type Call,
  createResource,
  done,
  type OperationRow,
  pageOf,
  type Reply,
} from './operation.ts'
import { answer, choice, orNull, pageSchema, ref, text, timestamp, whole } from './schema.ts'

const STATES = ['waiting', 'sent', 'dropped'] as const
const REASONS = ['expired', 'refused', 'gave_up', 'unreadable', 'not_needed'] as const
const ONE = { deliveryId: text('The ID of the delivery.') }
const MOST = 200

const DELIVERY = answer({
  id: text('The ID, which is also in the Message-ID of the mail.'),
  kind: choice('How it is delivered.', ['mail', 'reset_request']),
  purpose: text('What it is about, like `invitation`.'),
  recipient: orNull(text('Where it goes.')),
  account_id: orNull(text('The account that it is about.')),
  state: choice('Dropped: it will not be tried any more.', [...STATES]),
  attempts: whole('How often it was tried.'),
  last_answer: orNull(text('What was answered to the last try.')),
  drop_reason: orNull(choice('Why it was dropped.', [...REASONS])),
  created_at: timestamp('When it was written.'),
  due_at: orNull(timestamp('When it is tried next.')),
  ended_at: orNull(timestamp('When it was sent or dropped.')),
})

const show = (delivery: Delivery) => ({
  id: delivery.id,
  kind: delivery.kind,
  purpose: delivery.purpose,
  recipient: delivery.recipient ?? null,
  account_id: delivery.accountId ?? null,
  state: delivery.state,
  attempts: delivery.attempts,
  last_answer: delivery.lastAnswer ?? null,
  drop_reason: delivery.dropReason ?? null,
  created_at: delivery.createdAt,
  due_at: delivery.dueAt ?? null,
  ended_at: delivery.endedAt ?? null,
})

interface Deps {
  service: DeliveryService
}

const idOf = (call: Call): string => call.path('deliveryId')

async function list({ service }: Deps, call: Call): Promise<Reply> {
  const query = {
    state: STATES.find((state) => state === call.text('state')),
    recipient: call.text('recipient'),
    accountId: call.text('account_id'),
    cursor: call.text('cursor'),
    limit: call.number('limit'),
  }
  const { deliveries, next } = await service.list(query, call.by)
  return pageOf(deliveries.map(show), next)
}

const OPERATIONS: readonly OperationRow<Deps>[] = [
  {
    id: 'listDeliveries',
    method: 'GET',
    path: '/deliveries',
    summary: 'List mails, newest first',
    description: 'Mails are listed for 30 days.',
    scope: 'admin:accounts:read',
    query: [
      { name: 'state', schema: choice('Without it, all.', [...STATES]) },
      { name: 'recipient', schema: text('Mails to this whole address.') },
      { name: 'account_id', schema: text('Mails about this account.') },
      ...pageParameters(MOST),
    ],
    answers: { 200: { description: 'A page of mails.', schema: pageSchema(ref('Delivery')) } },
    handle: list,
  },
  {
    id: 'getDelivery',
    method: 'GET',
    path: '/deliveries/{deliveryId}',
    summary: 'Get a mail',
    scope: 'admin:accounts:read',
    inPath: ONE,
    answers: { 200: { description: 'The mail.', schema: ref('Delivery') } },
    handle: async ({ service }, call) => done(show(await service.get(idOf(call), call.by))),
  },
  {
    id: 'resendDelivery',
    method: 'POST',
    path: '/deliveries/{deliveryId}/resend',
    summary: 'Send a mail again',
    scope: 'admin:accounts:write',
    inPath: ONE,
    answers: { 200: { description: 'The mail.', schema: ref('Delivery') } },
    errors: { 409: 'It is still waiting, or its link has expired.' },
    handle: async ({ service }, call) => done(show(await service.resend(idOf(call), call.by))),
  },
]

/** Creates the operations. */
export const deliveryOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Mail',
    description: 'Mails that this server sends.',
    schemas: { Delivery: DELIVERY },
    operations: OPERATIONS,
  })
