// An account as the rest of the server knows it. Its password is not part of it.
import { newAccountId } from '../shared/ids.ts'

/**
 * The roles of accounts: a member administers nothing. What each of the others may is in
 * admin/roles.ts.
 */
export const ROLES = ['member', 'support', 'auditor', 'app_manager', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** Somebody who can sign in. */
export interface Account {
  id: string
  /** As its owner writes it. */
  email: string
  name: string | undefined
  role: Role
  status: 'active' | 'deactivated'
  /** Why it was deactivated, in an admin's words. */
  statusReason: string | undefined
  /** Whether there is anything to sign in with; not so while the account is only invited. */
  hasPassword: boolean
  /** Goes up with every change. */
  version: number
  /**
   * Goes up with every act that ends something of the account; what is begun carries the value of
   * its moment.
   */
  generation: number
  /** Login sessions with a lower generation have ended. */
  sessionsFrom: number
  /** Grants with a lower generation have ended. */
  grantsFrom: number
  /** Remembered consents with a lower generation do not count. */
  consentsFrom: number
  /** When the sessions were ended last. */
  sessionsValidFrom: Date | undefined
  /** When mail to its address was last refused for good; absent where it is not. */
  mailRefusedAt?: Date | undefined
  createdAt: Date
}

/** What ended nothing yet. */
export const FIRST_GENERATION = {
  generation: 0,
  sessionsFrom: 0,
  grantsFrom: 0,
  consentsFrom: 0,
  sessionsValidFrom: undefined,
} as const satisfies Partial<Account>

/** What may change; a name that is present with `undefined` is emptied. */
export interface AccountChange {
  name?: string | undefined
  role?: Account['role']
}

/** An account that is to be written. */
export interface AccountToInsert {
  account: Account
  emailKey: string
  passwordHash: string | undefined
}

/** Makes an active account that has ended nothing yet. */
export const newAccount = (
  given: Pick<Account, 'email' | 'name' | 'role' | 'hasPassword'>,
  createdAt: Date,
): Account => ({
  id: newAccountId(),
  ...given,
  status: 'active',
  statusReason: undefined,
  version: 1,
  ...FIRST_GENERATION,
  createdAt,
})
