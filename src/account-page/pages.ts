// The pages of one's own account: what each template is given. test/unit/templates.test.ts holds
// the templates against these models. Called by the routes of this folder.

interface Owner {
  email: string
  name: string | undefined
}

/** Something that happened, in words. */
export interface HistoryEntry {
  at: Date
  /** The whole sentence. */
  what: string
  /** What its owner should look at. */
  isWarning: boolean
  /** The network that it came from. */
  network: string | undefined
}

/** A place where the account is signed in. */
export interface ShownSession {
  id: string
  device: string
  network: string | undefined
  signedInAt: Date
  isCurrent: boolean
}

/** Everything about one's account, and the ways on. */
export interface OwnAccountPage {
  kind: 'account'
  account: Owner
  /** What was done just now, in words. */
  done: string | undefined
  /** Whether the address can be changed: that needs mail. */
  canChangeAddress: boolean
  /** Mail to the address is refused. */
  isMailRefused: boolean
  /** What happened lately that its owner should know. */
  warnings: readonly HistoryEntry[]
  /** Where other systems are connected; absent where they are switched off. */
  connectionsUrl: string | undefined
  /** Where the console is; absent for those who may not open it. */
  consoleUrl: string | undefined
}

/** Lists sign-ins. Posts `csrf` and `session`, or `others`, to `action`. */
export interface SessionsPage {
  kind: 'account-sessions'
  account: Owner
  sessions: readonly ShownSession[]
  done: string | undefined
  action: string
  csrf: string
}

export interface HistoryPage {
  kind: 'account-history'
  account: Owner
  entries: readonly HistoryEntry[]
  days: number
}

/** A change, with its fields. Posts `csrf` and the fields to `action`. */
export interface AccountFormPage {
  kind: 'account-form'
  account: Owner
  title: string
  lead: string
  fields: readonly AccountField[]
  tick: { name: string; label: string } | undefined
  button: string
  action: string
  csrf: string
}

export interface AccountField {
  name: string
  label: string
  type: 'text' | 'password'
  value: string
  autocomplete: string
  hint: string | undefined
  problem: string | undefined
}

/** Asks before an address changes. Posts `csrf` to `action`. */
export interface AddressLinkPage {
  kind: 'address-link'
  purpose: 'change' | 'undo'
  email: string
  /** Another account has it. */
  isTaken: boolean
  action: string
  csrf: string
}

export interface AddressChangedPage {
  kind: 'address-changed'
  purpose: 'change' | 'undo'
  email: string
}

/** A page of this folder. */
export type AccountFolderPage =
  | OwnAccountPage
  | SessionsPage
  | HistoryPage
  | AccountFormPage
  | AddressLinkPage
  | AddressChangedPage

/** Their kinds; a record, so that the compiler asks for the line of a new page. */
export const ACCOUNT_PAGES: Readonly<Record<AccountFolderPage['kind'], true>> = {
  account: true,
  'account-sessions': true,
  'account-history': true,
  'account-form': true,
  'address-link': true,
  'address-changed': true,
}
