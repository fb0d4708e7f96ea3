// What people are told by mail about their account. Invariant: such notices cannot be switched off;
// each is written with what it tells of where that is one transaction.
import type { TellPasswordChanged } from '../accounts/accounts.ts'
import type { Mailbox } from '../deliveries/mailbox.ts'
import { networkKey } from '../http/client-address.ts'
import { type Clock, dateNow } from '../shared/clock.ts'

/** Creates the notice of a password that was changed. */
export const createPasswordNotice =
  ({ post, letters }: Pick<Mailbox, 'post' | 'letters'>, clock: Clock): TellPasswordChanged =>
  (transaction, { id: accountId, email }, { address }) => {
    const network = address === undefined ? undefined : networkKey(address)
    const letter = letters.passwordChanged({ at: dateNow(clock), network })
    return post(transaction, { email, accountId }, letter)
  }
