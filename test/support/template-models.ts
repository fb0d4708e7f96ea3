// What each template is given, by its name: the models of the pages, from beside their routes, and
// those of the parts that pages include. test/unit/templates.test.ts compiles the templates as
// TypeScript against it.
import type { AccountFolderPage, HistoryEntry } from '../../src/account-page/pages.ts'
import type { Preset } from '../../src/admin/console/activity-filter.ts'
import type { ScopeChoice, ScopeChoices } from '../../src/admin/console/app-form.ts'
import type { consoleValues } from '../../src/admin/console/console-views.ts'
import type { LinkTo, Section } from '../../src/admin/console/frame.ts'
import type {
  AccountConnectionsModel,
  AppFormModel,
  BareModels,
  ConsoleModels,
  NamedEvent,
  ShownLogo,
  ShownFinding,
  TokenResult,
  UsageModel,
} from '../../src/admin/console/page-models.ts'
import type { Pager } from '../../src/admin/console/paging.ts'
import type { SortHeading, Sorting } from '../../src/admin/console/sorting.ts'
import type { Snippet } from '../../src/admin/console/snippets.ts'
import type { Badge } from '../../src/admin/console/labels.ts'
import type { AppCard } from '../../src/apps/app-card.ts'
import type { PermissionGroup } from '../../src/apps/permission-groups.ts'
import type { ConnectedApp, ConnectedAppsFolderPage } from '../../src/connected-apps/pages.ts'
import type {
  ConnectAction,
  ConnectableSystem,
  ConnectFolderPage,
  ConnectionCard,
} from '../../src/connections/connect/pages.ts'
import type { ErrorReferencePage } from '../../src/http/error-reference.routes.ts'
import type { TemplateHelpers } from '../../src/http/views.ts'
import type { Letter } from '../../src/mail/letter.ts'
import type { FormAnswerPage } from '../../src/oauth/authorize/form-answer.ts'
import type { SignInFolderPage } from '../../src/sign-in/pages.ts'

type Page =
  | AccountFolderPage
  | SignInFolderPage
  | ConnectedAppsFolderPage
  | ConnectFolderPage
  | ErrorReferencePage
  | FormAnswerPage
type PageTemplates = { [Kind in Page['kind']]: { page: Extract<Page, { kind: Kind }> } }

type ConsoleLayout = ReturnType<typeof consoleValues>
type ConsoleTemplates = {
  [Name in keyof ConsoleModels as `console/${Name}`]: ConsoleModels[Name] & ConsoleLayout
}
type BareTemplates = { [Name in keyof BareModels as `console/${Name}`]: BareModels[Name] }

interface Layouts {
  layout: { title: string; wide?: boolean; script?: string }
  'console/layout': ConsoleLayout
}

interface Mails {
  'mail/text': { letter: Letter }
  'mail/html': { letter: Letter }
}

interface Parts {
  'console/parts/attention': { attention: readonly ShownFinding[] }
  'console/parts/ranges': Pick<UsageModel, 'ranges'>
  'console/parts/tiles': Pick<UsageModel, 'tiles'>
  'console/parts/stacked-bars': { chart: UsageModel['tokens'] }
  'console/parts/figure-table': Pick<
    UsageModel,
    'table' | 'csvUrl' | 'definitions' | 'rangeLabel' | 'countedAt'
  >
  'console/parts/reason-bars': {
    id: string
    title: string
    rows: UsageModel['refusals']
    none: string
    rangeLabel: string
    withAdvice: boolean
  }
  'console/parts/account-connections': AccountConnectionsModel & { mayEnd: boolean }
  'parts/account': {
    account: { email: string; name?: string | undefined }
    /** A form that lets somebody else sign in. */
    switchTo?: { action: string; csrf: string; label: string; hint?: string } | undefined
    /** A link to the page that asks. */
    signOut?: boolean
  }
  'parts/app-links': { app: AppCard }
  'parts/app-logo': { app: AppCard }
  'parts/connect-action': {
    connect: ConnectAction
    label: string
    /** Read out after the label. */
    hint: string
    isPrimary: boolean
  }
  'parts/connectable-systems': { available: readonly ConnectableSystem[]; isAlone: boolean }
  'parts/connection': { connection: ConnectedApp; at: number; isOpen: boolean }
  'parts/field': {
    name: string
    label: string
    type: 'text' | 'email' | 'password'
    value?: string
    autocomplete: string
    hint?: string | undefined
    problem?: string | undefined
    /** Markup of our own making only. */
    attributes?: string
    /** The one to begin with. */
    isFirst?: boolean
    /** What the button of a password says. */
    showLabel?: string
  }
  'parts/foreign-connection': { card: ConnectionCard; needsYou: boolean }
  'parts/history': { entries: readonly HistoryEntry[] }
  'parts/icon': {
    name:
      | 'check'
      | 'lock'
      | 'send'
      | 'device'
      | 'undo'
      | 'alert'
      | 'clock'
      | 'done'
      | 'chevron'
      | 'eye'
      | 'eye-off'
      | 'stop'
      | 'pencil'
      | 'outside'
    className?: string
  }
  'parts/password-input': {
    name: string
    autocomplete: string
    showLabel: string
    /** Markup of our own making only. */
    attributes: string
  }
  'parts/permissions': { heading: 'h2' | 'h3'; groups: readonly PermissionGroup[] }
  'console/parts/app-fields': AppFormModel
  'console/parts/badge': Badge
  'console/parts/confirm-first': { signInAgainUrl: string }
  'console/parts/connection-counts': { counts: readonly { label: string; href: string }[] }
  'console/parts/events': { events: readonly NamedEvent[]; ofApp: boolean }
  'console/parts/field': {
    name: string
    label: string
    value: string
    hint?: string | undefined
    problems?: readonly string[] | undefined
    kind?: 'line' | 'lines' | 'date' | 'number' | 'choice'
    /** Of a choice. */
    choices?: readonly string[]
    /** Says that it may stay empty. */
    optional?: boolean
    /** Markup of our own making only. */
    attributes?: string
    id?: string
    rows?: number
    className?: string
  }
  'console/parts/glyph': { name: Section }
  'console/parts/logo': { logo: ShownLogo }
  'console/parts/once': { id: string; label: string; value: string }
  'console/parts/pager': { pager: Pager }
  'console/parts/presets': { presets: readonly Preset[] }
  'console/parts/problems': { id: string; problems: readonly string[] }
  'console/parts/scope-choice': { choice: ScopeChoice }
  'console/parts/scope-choices': {
    choices: ScopeChoices
    problems?: readonly string[] | undefined
    /** Offers the scopes of the admin API. */
    isMachine: boolean
    /** Offers the scopes about a person. */
    takesPeople: boolean
  }
  'console/parts/sort-choice': { choices: Sorting<string>['choices'] }
  'console/parts/sort-heading': SortHeading
  'console/parts/snippets': { snippets: readonly Snippet[] }
  'console/parts/switch': { name: string; label: string; hint?: string | undefined; isOn: boolean }
  'console/parts/token-facts': { results: readonly TokenResult[] }
  'console/parts/time': { at: Date }
  'console/parts/widen': {
    title: string
    hint: string
    text: string
    widen: readonly LinkTo[]
    allUrl: string
    allLabel: string
  }
}

/** What each template is given, as `it`. */
export type TemplateModels = PageTemplates &
  ConsoleTemplates &
  BareTemplates &
  Mails &
  Parts & { [Name in keyof Layouts]: Layouts[Name] & { body: string } }

/** What a template can call. */
export interface TemplateScope extends TemplateHelpers {
  include: <Name extends keyof Parts>(name: `@${Name}`, model: Parts[Name]) => string
  layout: ((name: '@layout', model: Layouts['layout']) => void) &
    ((name: '@console/layout', model: Record<string, never>) => void)
  /** Writes a value into the page. */
  write: (value: string | number) => void
}
