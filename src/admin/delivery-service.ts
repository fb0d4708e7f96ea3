// What admins see and do about mails: the log of the outbox, and sending one once more. Invariant:
// no face shows what a mail says, because it may hold a link that opens an account.
import type { Events } from '../audit/events.ts'
import type { Delivery } from '../deliveries/delivery.ts'
import type { DeliveryQuery, DeliveryStore } from '../deliveries/delivery.store.ts'
import { type Clock, dateNow } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'

/** Each throws `power_missing` for an operator who may not. */
export interface DeliveryService {
  /** Whether mails go anywhere. */
  readonly isSetUp: boolean
  /** Lists the newest first. @throws {AppError} `parameter_invalid` about `cursor` */
  list(
    query: DeliveryQuery,
    by: Operator,
  ): Promise<{ deliveries: Delivery[]; next?: string | undefined }>
  /** @throws {AppError} `not_found` */
  get(id: string, by: Operator): Promise<Delivery>
  /**
   * Sends one that has ended once more, under the same id.
   *
   * @throws {AppError} `not_found`; `conflict` where it still waits, or its link has expired
   */
  resend(id: string, by: Operator): Promise<Delivery>
}

/** Creates the service. */
export function createDeliveryService(deps: {
  isSetUp: boolean
  store: Pick<DeliveryStore, 'list' | 'get' | 'resend'>
  deliver: () => Promise<void>
  events: Pick<Events, 'deliveryResent'>
  clock: Clock
}): DeliveryService {
  const { isSetUp, store, clock } = deps
  return {
    isSetUp,
    list: async (query, by) => {
      assertMay(by, 'admin:accounts:read')
      return store.list(query, dateNow(clock))
    },
    get: async (id, by) => {
      assertMay(by, 'admin:accounts:read')
      return store.get(id, dateNow(clock))
    },
    async resend(id, by) {
      assertMay(by, 'accounts:support')
      const { kind, purpose, accountId } = await store.get(id, dateNow(clock))
      if (!(await store.resend(id, dateNow(clock)))) throw new AppError('conflict')
      deps.events.deliveryResent({ kind, purpose, accountId, delivery: id }, contextOf(by))
      void deps.deliver()
      return store.get(id, dateNow(clock))
    },
  }
}
