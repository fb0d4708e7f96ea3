// The pages of connected apps: what each template is given. test/unit/templates.test.ts holds the
// templates against these models. Called by the routes of this folder.
import type { AppCard } from '../apps/app-card.ts'
import type { PermissionGroup } from '../apps/permission-groups.ts'

/** An app that a user has connected. */
export interface ConnectedApp {
  app: AppCard
  status: 'active' | 'suspended' | 'deleted'
  /** When it was first allowed. */
  since: Date
  /** To five minutes; absent where it was not used, or is not alive. */
  lastUsedAt: Date | undefined
  permissions: PermissionGroup[]
  /**
   * How many of its authorizations are alive; an app that is allowed may have none at the moment.
   */
  connections: number
  disconnectUrl: string
}

/** The apps that may act for a user. */
export interface ConnectedAppsPage {
  kind: 'connected-apps'
  account: { email: string; name: string | undefined }
  apps: ConnectedApp[]
  /** There are more than are shown. */
  isCut: boolean
  /** The name of the app that was disconnected just now. */
  disconnected: string | undefined
  /** Where the user's connections to other systems are. */
  connectionsUrl: string | undefined
}

/** Asks before a connection ends. Posts `csrf` to `action`. */
export interface DisconnectPage {
  kind: 'disconnect'
  account: { email: string; name: string | undefined }
  app: AppCard
  connections: number
  action: string
  csrf: string
}

/** Asks before all sign-ins of a user end. Posts `csrf`, and perhaps `apps`, to `action`. */
export interface SignOutEverywherePage {
  kind: 'sign-out-everywhere'
  account: { email: string; name: string | undefined }
  action: string
  csrf: string
}

export interface SignedOutEverywherePage {
  kind: 'signed-out-everywhere'
  areAppsDisconnected: boolean
}

/** A page of this folder; who is signed out already sees the page of signing out. */
export type ConnectedAppsFolderPage =
  | ConnectedAppsPage
  | DisconnectPage
  | SignOutEverywherePage
  | SignedOutEverywherePage
  | { kind: 'signed-out' }

/** Their kinds; a record, so that the compiler asks for the line of a new page. */
export const CONNECTED_APPS_PAGES: Readonly<Record<ConnectedAppsFolderPage['kind'], true>> = {
  'connected-apps': true,
  disconnect: true,
  'sign-out-everywhere': true,
  'signed-out-everywhere': true,
  'signed-out': true,
}
