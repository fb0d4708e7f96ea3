// The pages on which people connect other systems: what each template is given.
// test/unit/templates.test.ts holds the templates against these models. Called by the routes of
// this folder.
import type { SafeLink } from '../../http/safe-links.ts'
import type { CheckResult } from '../connection.ts'

interface SignedIn {
  account: { email: string; name: string | undefined }
}

/** One connection of the person. */
export interface ConnectionCard {
  id: string
  /** The integration's name. */
  name: string
  /** Whom the provider knows. */
  label: string | undefined
  since: Date
  /** A sentence on what is wrong; absent where all is well. */
  remark: string | undefined
  /** What the person gave; the provider's own names. */
  scopes: readonly string[]
  missingScopes: readonly string[]
  /** Apps that used it, the last one first. */
  uses: readonly { app: string; at: Date }[]
  /** What the last try has shown. */
  tried: { at: Date; result: CheckResult } | undefined
  /** Tries it: a form with `csrf`; absent where there is nothing to try. */
  tryOut: { action: string; csrf: string } | undefined
  /** Connects it again: a form that is posted, or a page with fields. */
  again: ConnectAction | undefined
  disconnectUrl: string
}

/** Posts `csrf`, `connection` and `owner` to `action`, or leads to `url` where `asksFirst`. */
export interface ConnectAction {
  action: string
  csrf: string
  connection: string | undefined
  owner: 'account' | 'company'
  url: string
  asksFirst: boolean
}

/** What the person can connect. */
export interface ConnectableSystem {
  name: string
  /** There is a connection already; another account can be added. */
  isAnother: boolean
  connect: ConnectAction
}

/** What was done just now. */
export type ConnectionNews =
  | {
      did: 'connected' | 'renewed'
      name: string
      label: string | undefined
      missing: readonly string[]
    }
  | {
      did: 'disconnected'
      name: string
      withdrawal: 'done' | 'later' | 'impossible'
      at: SafeLink | undefined
    }
  | { did: 'tried'; name: string; result: CheckResult }

/** The systems that a person has connected, or can connect. */
export interface ConnectionsPage extends SignedIn {
  kind: 'connections'
  needsYou: readonly ConnectionCard[]
  connected: readonly ConnectionCard[]
  available: readonly ConnectableSystem[]
  /** The company's own, for those who look after them. */
  company:
    { connections: readonly ConnectionCard[]; available: readonly ConnectableSystem[] } | undefined
  news: ConnectionNews | undefined
}

/** A value that is typed. */
export interface ConnectField {
  name: string
  label: string
  isSecret: boolean
  hint: string | undefined
  /** Never that of a secret. */
  value: string
  choices: readonly string[] | undefined
  problem: string | undefined
}

/** Asks what a provider needs, or only whether to go there. Posts it with `csrf` to `action`. */
export interface ConnectPage extends SignedIn {
  kind: 'connect'
  name: string
  action: string
  csrf: string
  owner: 'account' | 'company'
  /** The connection that is made again, with the account that it leads to. */
  again: { connection: string; label: string | undefined } | undefined
  /** Goes to the provider's own page afterwards. */
  isOAuth: boolean
  /** The provider's own names. */
  scopes: readonly string[]
  fields: readonly ConnectField[]
  docsUrl: SafeLink | undefined
  /** The app whose link it is; `session` is posted. */
  asking: { session: string; app: string; backUrl: SafeLink } | undefined
}

/**
 * Shown for a moment on the way to a provider, or back to an app; a `Refresh` header beside it goes
 * on.
 */
export interface ConnectAwayPage {
  kind: 'connect-away'
  name: string
  url: SafeLink
  isBack: boolean
}

/** Posts `csrf` and `answer`, which is `replace` or `add`, to `action`. */
export interface ConnectChoicePage extends SignedIn {
  kind: 'connect-choice'
  name: string
  before: string
  now: string
  action: string
  csrf: string
}

/** Connecting did not work. */
export interface ConnectProblemPage {
  kind: 'connect-problem'
  title: string
  what: string
  next: string
  name: string | undefined
  /** Where it begins again. */
  retryUrl: string | undefined
  /** Where another account signs in. */
  otherAccountUrl: string | undefined
  /** The app whose link it was. */
  back: { app: string; url: SafeLink } | undefined
  listUrl: string
}

/** Asks before a connection ends. Posts `csrf` to `action`. */
export interface EndConnectionPage extends SignedIn {
  kind: 'connection-disconnect'
  name: string
  label: string | undefined
  /** Names of apps that used it. */
  apps: readonly string[]
  /** Whether the provider is told. */
  isWithdrawable: boolean
  action: string
  csrf: string
}

/** A page of this folder. */
export type ConnectFolderPage =
  | ConnectionsPage
  | ConnectPage
  | ConnectAwayPage
  | ConnectChoicePage
  | ConnectProblemPage
  | EndConnectionPage

/** Their kinds; a record, so that the compiler asks for the line of a new page. */
export const CONNECT_PAGES: Readonly<Record<ConnectFolderPage['kind'], true>> = {
  connections: true,
  connect: true,
  'connect-away': true,
  'connect-choice': true,
  'connect-problem': true,
  'connection-disconnect': true,
}
