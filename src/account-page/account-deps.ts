// What the pages of one's own account need of their neighbours; compose/ plugs them in.
import type { Context } from 'koa'
import type { Accounts } from '../accounts/accounts.ts'
import type { Events } from '../audit/events.ts'
import type { Csrf } from '../http/csrf.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import type { Views } from '../http/views.ts'
import type { Account } from '../model/account.ts'
import type { Clock } from '../shared/clock.ts'
import type { HistoryDeps } from './history.ts'
import type { AccountFolderPage } from './pages.ts'

/** A sign-in of the account, as the engine keeps it. */
export interface OwnSession {
  id: string
  device: string | undefined
  network: string | undefined
  signedInAt: Date
}

export interface AccountDeps {
  issuer: string
  /** Returns the account that is signed in in this browser. */
  findUser: (ctx: Context) => Promise<Account | undefined>
  /** Where users sign in on the way to a path of ours; `again` asks for the password once more. */
  signInUrl: (path: string, mode?: 'again') => string
  /** Returns when the user of this browser gave their password, in seconds since the epoch. */
  lastSignIn: (ctx: Context) => Promise<{ at: number } | undefined>
  /** Names the sign-in of this browser. */
  currentSession: (ctx: Context) => Promise<string | undefined>
  /** Signs the user in anew, after what they did ended all sign-ins. */
  signInAgain: (ctx: Context, account: Account) => Promise<void>
  sessions: {
    listOf(accountId: string): Promise<OwnSession[]>
    end(accountId: string, isMeant: (id: string) => boolean): Promise<OwnSession[]>
  }
  accounts: Pick<Accounts, 'update' | 'setPassword'>
  /** Sends a link to a new address; absent where no mail is sent. */
  askForAddress:
    ((account: Account, email: string, address: string) => Promise<'sent' | 'limited'>) | undefined
  history: HistoryDeps
  /** How long events are kept. */
  historyDays: number
  /** Gathers all that is kept of the account. */
  exportData: (account: Account) => Promise<object>
  connectionsUrl: string | undefined
  /** Where the console is. */
  consoleUrl: string
  csrf: Csrf
  views: Views<AccountFolderPage>
  events: Pick<Events, 'sessionEnded'>
  clock: Clock
  /** Bounds all requests to these pages. */
  perAddress: Pick<BatchedLimit, 'hit'>
}
