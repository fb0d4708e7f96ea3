// The pages at the door: what each template is given. test/unit/templates.test.ts holds the
// templates against these models. Called by the routes of this folder.
import type { AppCard } from '../apps/app-card.ts'
import type { PermissionGroup } from '../apps/permission-groups.ts'
import type { SafeLink } from '../http/safe-links.ts'

/** Posts `csrf`, `email` and `password` to `action`; the other actions are posted `csrf` alone. */
export interface SignInPage {
  kind: 'sign-in'
  app: AppCard | undefined
  action: string
  csrf: string
  email: string
  /** Shown above the fields and announced; the whole sentence. */
  problem: string | undefined
  cancelAction: string | undefined
  /** The way back where no app waits for an answer. */
  cancelUrl?: string | undefined
  /**
   * The same user is asked again: `email` is fixed, `switchAction` is the way to another account.
   */
  reauthenticate: boolean
  switchAction: string | undefined
  /** Where somebody goes who forgot the password; absent where no mail is sent. */
  forgotUrl?: string | undefined
  /** What the user goes on to where no app sent them: completes "Use your account to …". */
  purpose?: string | undefined
}

/** Posts `csrf` and `account`, its id, to one of the three actions. */
export interface SelectAccountPage {
  kind: 'select-account'
  app: AppCard
  account: { id: string; email: string; name: string | undefined }
  selectAction: string
  /** Absent where nobody else may go on. */
  switchAction: string | undefined
  cancelAction: string
  csrf: string
}

/** Posts `csrf` to one of the three actions. */
export interface ConsentPage {
  kind: 'consent'
  app: AppCard
  account: { email: string; name: string | undefined }
  approveAction: string
  denyAction: string
  /** Absent where nobody else may go on. */
  switchAction: string | undefined
  csrf: string
  newPermissions: PermissionGroup[]
  /** Allowed earlier to this app: shown folded. */
  heldPermissions: PermissionGroup[]
  /** Who receives the data; `scheme` is the private-use scheme of a native app (RFC 8252 §7.1). */
  recipient: { host: string; loopback: boolean; scheme: string | undefined }
  /**
   * An admin began this to see what the app would get: nobody else receives anything, and
   * `recipient` says nothing.
   */
  isPreview?: boolean
  /** `openid` is asked for: with nothing else, the app only wants to know who the user is. */
  signsIn: boolean
}

/** Posts `csrf` to `action`. */
export interface SignOutPage {
  kind: 'sign-out'
  action: string
  csrf: string
  email: string
}

export interface SignedOutPage {
  kind: 'signed-out'
}

export interface HomePage {
  kind: 'home'
  issuer: string
  discoveryUrl: string
}

/**
 * Shown for a moment after a form was sent; a `Refresh` header beside it takes the browser to
 * `url`, and the link is for where it does not.
 */
export interface RedirectPage {
  kind: 'redirect'
  /** On our own origin. */
  url: SafeLink
  /** The app that the user returns to; undefined where the next step is ours. */
  appName: string | undefined
}

/** Posts `csrf` and `email` to `action`. */
export interface ForgotPage {
  kind: 'forgot'
  action: string
  csrf: string
  email: string
  /** The whole sentence. */
  problem: string | undefined
}

export interface ForgotSentPage {
  kind: 'forgot-sent'
  /** As it was typed; empty where it was too long to keep. */
  email: string
  againUrl: string
}

/**
 * Posts `csrf`, `password`, `again`, and for the setup `name` and `email`, to `action`; for a
 * recovery perhaps `apps`.
 */
export interface OneTimeLinkPage {
  kind: 'one-time-link'
  /** A recovery is a reset that its owner asked for: apps stay connected unless they tick it. */
  purpose: 'setup' | 'invite' | 'reset' | 'recovery'
  action: string
  csrf: string
  /** What was typed; of an account that exists, its own. */
  email: string
  name: string
  /** What a password must be, said before it is typed. */
  passwordRule: string
  /** What was wrong, by field; whole sentences. */
  problems: Partial<Record<'name' | 'email' | 'password' | 'again', string>>
}

export interface ErrorPage {
  kind: 'error'
  status: number
  title: string
  /** What happened, in plain words. */
  what: string
  /** What the user can do now. */
  next: string
  /** The app to start again at; its name replaces `next`. */
  app: AppCard | undefined
  code: string
  /** Explains the error to the app's developer; on our own origin. */
  guideUrl: string
  /** What the app sent, where that is the reason; escaped and bounded. */
  came: string | undefined
  requestId: string
  retryAfterSeconds: number | undefined
  homeUrl: SafeLink | undefined
  /** On our own origin; where signing in is a way on. */
  signInUrl?: string | undefined
}

/** A page of this folder. */
export type SignInFolderPage =
  | SignInPage
  | SelectAccountPage
  | ConsentPage
  | SignOutPage
  | SignedOutPage
  | HomePage
  | RedirectPage
  | OneTimeLinkPage
  | ForgotPage
  | ForgotSentPage
  | ErrorPage

/** Their kinds; a record, so that the compiler asks for the line of a new page. */
export const SIGN_IN_PAGES: Readonly<Record<SignInFolderPage['kind'], true>> = {
  'sign-in': true,
  'select-account': true,
  consent: true,
  'sign-out': true,
  'signed-out': true,
  home: true,
  redirect: true,
  'one-time-link': true,
  forgot: true,
  'forgot-sent': true,
  error: true,
}
