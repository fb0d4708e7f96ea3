// What pages tell about an account. Invariant: nothing of its password but whether there is one.
import type { Account } from '../../model/account.ts'
import { accountBadge, ROLE_LABELS } from './labels.ts'

/** Where accounts are listed. */
export const ACCOUNTS_PATH = '/admin/accounts'

/** Returns the path of an account's page, or of one below it. */
export const accountPath = ({ id }: Pick<Account, 'id'>, below = ''): string =>
  `${ACCOUNTS_PATH}/${encodeURIComponent(id)}${below}`

/** Returns what a page tells about an account. */
export const accountFacts = (account: Account) => ({
  id: account.id,
  email: account.email,
  name: account.name,
  role: ROLE_LABELS[account.role].label,
  status: account.status,
  statusReason: account.statusReason,
  isInvited: !account.hasPassword,
  mailRefusedAt: account.mailRefusedAt,
  createdAt: account.createdAt,
  sessionsValidFrom: account.sessionsValidFrom,
  badge: accountBadge(account),
  path: accountPath(account),
})
export type AccountFacts = ReturnType<typeof accountFacts>
