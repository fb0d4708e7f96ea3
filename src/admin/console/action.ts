// The rows of which the console is made: pages, which only show, and actions, each a form and what
// sending it does. Invariant: a row says what it does and what it needs; who may open it, which
// form counts, and when, is decided for all rows alike in console.routes.ts. Rows know no HTTP.
import type { Readable } from 'node:stream'
import type { Account } from '../../model/account.ts'
import type { Problem, Refused } from '../../model/problem.ts'
import type { IncomingFile, UploadedFile } from '../../http/multipart.ts'
import type { Parameters } from '../../http/parameters.ts'
import type { WriteAlong } from '../../storage/database.ts'
import type { Operator } from '../operator.ts'
import type { Permission } from '../roles.ts'
import type { Frame, LinkTo } from './frame.ts'
import type { ConsolePage } from './page-models.ts'
import type { Query } from './paging.ts'

/** Who is signed in, with a role that opens the console. */
export interface Admin {
  account: Account
  by: Operator
  /** Whether the password was given lately enough for what is dangerous. */
  hasRecentSignIn: boolean
}

/** The parameters of a path: `/admin/apps/:id` has `{ id: string }`. */
export type ParamsOf<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Record<Name, string> & ParamsOf<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Record<Name, string>
    : unknown

/** Sends the browser on, by GET. */
export interface Redirect {
  redirectTo: string
}

/** A file for the admin to keep. */
export interface Download {
  filename: string
  contentType: string
  content: Readable
}

/** A page that is only looked at. */
export interface PageRow<Path extends string = string> {
  path: Path
  /** What the role must permit; none for what every role may open. */
  scope: Permission | undefined
  show(asked: {
    params: ParamsOf<Path>
    query: Query
    /** The query as it was sent. */
    search: string
    admin: Admin
  }): Promise<ConsolePage | Redirect | Download> | ConsolePage | Redirect | Download
}

/** What a form brought. */
export interface SentForm {
  fields: Parameters
  files: ReadonlyMap<string, UploadedFile>
  /** What became of the file of a form that takes it as it arrives; absent where none came. */
  received?: ReceivedFile | undefined
}

/** How a file was received that is kept to be acted on. */
export type ReceivedFile = { readonly kind: 'received'; readonly id: string } | Refused

/** A form that is to be shown: empty, or as it was sent with what was wrong with it. */
export interface FormState<Target, Typed> {
  target: Target
  typed: Typed
  admin: Admin
  problems: readonly Problem[]
  /** Somebody else changed the target after the form was opened; `target` is how it is now. */
  isConflict: boolean
  /** It was sent too long after the sign-in, and has to be sent again after another. */
  isStale: boolean
  /** Where the form is sent. */
  action: string
  csrf: string
  /** Names this form, which counts once. */
  formId: string
  /**
   * Makes the token of another action of the same path parameters, whose form is on the page too.
   */
  csrfOf(actionName: string): string
  signInAgainUrl: string
}

/** What sending a form came to. */
export type Sent<Target> =
  | { readonly kind: 'done'; readonly redirectTo: string }
  /** It is over, and this page says what came of it. */
  | { readonly kind: 'shown'; readonly page: ConsolePage }
  /** Nothing was changed: the form is shown again, to ask before it is. */
  | { readonly kind: 'asked' }
  /** Nothing was changed; the form is shown again. 422 unless `status` says otherwise. */
  | { readonly kind: 'refused'; readonly problems: readonly Problem[]; readonly status?: 409 }
  /**
   * Somebody else was faster: nothing was changed, and the form is shown again with their target.
   */
  | { readonly kind: 'conflict'; readonly target: Target }

/** What is said when a form comes again that counted already. */
export interface UsedFormNotice {
  frame: Frame
  what: string
  next: string
  link: LinkTo
}

/** A form and what sending it does. */
export interface ActionRow<Path extends string = string, Target = unknown, Typed = unknown> {
  /** Unique: with the parameters of the path it makes the form's token, and what counts once. */
  name: string
  path: Path
  /** What the role must permit to open the form and to send it. */
  scope: Permission | undefined
  /** Where the form stands on the page of another action, it has no page of its own. */
  isPartOfOtherPage?: true
  /**
   * When the password must have been given lately: before the form is shown; or only where the form
   * asks for something dangerous, and then what was typed is kept.
   */
  recentSignIn: 'always' | 'never' | ((target: Target, typed: Typed) => boolean)
  /** Its own page says that the form came too late; else stale-form.ts keeps what was typed. */
  showsStaleForm?: true
  /** Says that the form counts once, however often it is sent; `ledTo` is what was noted. */
  once: false | ((target: Target, ledTo: string) => UsedFormNotice)
  /** How much of a file is read; without it the form has no files. */
  maxFileBytes?: number
  /**
   * Takes a large file as it arrives, when form and admin were checked; `fields` stand before it.
   */
  receive?(file: IncomingFile, fields: Parameters, by: Operator): Promise<ReceivedFile>
  /** @throws {AppError} `not_found` */
  find(params: ParamsOf<Path>): Promise<Target> | Target
  /** Reads what was typed; before a form was sent, how the target is now. */
  read(form: SentForm | undefined, target: Target): Typed
  page(state: FormState<Target, Typed>): Promise<ConsolePage> | ConsolePage
  /** Returns what is wrong with what was typed, before anything is done. */
  check?(typed: Typed, target: Target): readonly Problem[]
  /**
   * Does it.
   *
   * @param note of a form that counts once: writes down, in the transaction, what it led to
   */
  run(target: Target, typed: Typed, by: Operator, note: WriteAlong<string>): Promise<Sent<Target>>
}

/** One row of the console. */
export type Row = PageRow | ActionRow

/** Declares a page. */
export const page = <Path extends string>(row: PageRow<Path>): Row => row

/** Declares an action. */
export const action = <Path extends string, Target, Typed>(
  row: ActionRow<Path, Target, Typed>,
): Row => row as Row

/** Sends the browser on after an action. */
export const redirected = (redirectTo: string) => ({ kind: 'done', redirectTo }) as const
