// What each template below views/console is given: one member a template. Invariant: a model has
// facts that were made for its page, never a domain object that knows a hash.
// test/unit/templates.test.ts holds the templates against it.
import type { Scope } from '../../model/scope.ts'
import type { AppType } from '../../model/app.ts'
import type { permissionGroups } from '../../apps/permission-groups.ts'
import type { IntegrationKind } from '../../connections/integration.ts'
import type { KeyFacts } from '../../keys/signing-key.ts'
import type { AccountImport } from '../account-imports.ts'
import type { PreviewOutcome } from '../app-preview.ts'
import type { DeclarationReview } from '../apply/declarations.ts'
import type { UsageOrder } from '../usage-reports.ts'
import type { planSummary } from '../apply/plan.ts'
import type { ActivityFilterName, Preset, UnclearName } from './activity-filter.ts'
import type { AccountFacts } from './account-facts.ts'
import type { connectionsModel } from './connections-model.ts'
import type { Sparkline, StackedBars } from './chart.ts'
import type { AppFieldsModel, ScopeChoice } from './app-form.ts'
import type { Connection } from '../../connections/connection.ts'
import type { IntegrationFault, ShownConnection, ShownCount } from './integration-facts.ts'
import type { IntegrationFieldsModel } from './integration-form.ts'
import type { appFacts, SecretFacts } from './app-frame.ts'
import type { Difference } from './differences.ts'
import type { ShownEvent } from './event-messages.ts'
import type { Narrowing } from './filters.ts'
import type { FirstStep } from './first-steps.ts'
import type { Frame, LinkTo } from './frame.ts'
import type { ShownDelivery } from './mail-facts.ts'
import type { Pager } from './paging.ts'
import type { SortHeading, Sorting } from './sorting.ts'
import type { ReasonMessage } from '../../model/error-guides.ts'
import type { Snippet } from './snippets.ts'
import type { Badge, lifetimesInWords } from './labels.ts'

export type AccountConnectionsModel = Awaited<ReturnType<typeof connectionsModel>>
type AppFacts = ReturnType<typeof appFacts>
type PermissionGroups = ReturnType<typeof permissionGroups>

/** The logo of an app, or the name whose initial stands in its place. */
export interface ShownLogo {
  name: string
  logoUrl: string | undefined
}

/** A form: where it is sent, and its token. */
interface FormModel {
  action: string
  csrf: string
  cancelUrl: string
}

/** A form that may have come too late: it says so, and is sent again after another sign-in. */
interface StaleModel {
  isStale: boolean
  signInAgainUrl: string
}

/** The form of an app, as parts/app-fields.eta shows it. */
export interface AppFormModel extends AppFieldsModel {
  isNew: boolean
  /** A file was sent with a form that is shown again: browsers do not keep it. */
  hadLogo?: boolean
}

/** A field of a confirmation, with what was typed and what is wrong with it. */
interface ConfirmationFieldModel {
  name: string
  label: string
  hint?: string
  kind: 'line' | 'lines' | 'date'
  value: string
  isOptional: boolean
  autocomplete?: 'off'
  problem: string | undefined
}

export interface ConfirmationModel extends FormModel {
  consequences: readonly string[]
  fields: readonly ConfirmationFieldModel[]
  choice:
    | {
        name: string
        legend: string
        options: readonly { value: string; label: string; hint: string; isChosen: boolean }[]
      }
    | undefined
  /** A checkbox. */
  tick: { name: string; label: string; hint?: string | undefined; isOn: boolean } | undefined
  hidden: Readonly<Record<string, string>>
  button: string
  isDangerous: boolean
}

/** What is in the fields of a scope. */
export interface ScopeForm {
  name: string
  sentence: string
  group: string
  audience: string
  sensitive: boolean
  deprecated: boolean
}

/** How many apps may ask for a scope, and where they are listed. */
export interface ShownScopeUse {
  isUsed: boolean
  label: string
  href: string
}

/** An event with the names of the accounts and apps that it mentions, by their ids. */
export interface NamedEvent extends ShownEvent {
  names: Readonly<Record<string, string | undefined>>
}

/** One part of what a preview shows that the app would get. */
export interface PreviewPart {
  id: string
  title: string
  hint: string
  code: string
}

/** One line of what is known of a token. */
export interface Fact {
  label: string
  value: string
  href: string | undefined
}

/** What was found out about one token, or became of it. */
export interface TokenResult {
  title: string
  badge: Badge | undefined
  facts: Fact[]
}

/** What a file would change of one scope or app. */
export interface PlanRow {
  what: 'Scope' | 'App'
  name: string
  href: string | undefined
  badge: Badge
  remark: string | undefined
  changes: { label: string; removed: string[]; added: string[] }[]
}

/** One thing to look at. */
export interface ShownFinding {
  title: string
  /** The app's name; absent where it is about the server. */
  app: string | undefined
  /** The number, and since when. */
  what: string
  why: string
  todo: string
  href: string
}

/** A figure, with what it was before, its course, and the list behind it. */
export interface UsageTile {
  label: string
  definition: string
  /** In short; `full` has every digit. */
  value: string
  full: string
  change: string
  /** Another figure beside it. */
  more: string | undefined
  href: string
  spark: Sparkline
}

/** The numbers of all charts of a page, a row for each step. */
export interface FigureTable {
  columns: readonly string[]
  rows: readonly { at: string; values: readonly string[] }[]
  totals: readonly string[]
}

/** A reason and how often it was given. */
export interface ReasonRow extends ReasonMessage {
  code: string
  count: string
  /** Of the most frequent one, in percent. */
  share: number
  href: string
}

/** The headings by which the apps of the Overview are sorted. */
export type AppHeadings = Readonly<Record<UsageOrder, SortHeading>>

/** The Overview, and the usage of one app. */
export interface UsageModel {
  ranges: readonly { label: string; href: string; isCurrent: boolean }[]
  rangeLabel: string
  tiles: readonly UsageTile[]
  tokens: StackedBars
  countedAt: Date | undefined
  hasData: boolean
  table: FigureTable
  csvUrl: string
  refusals: readonly ReasonRow[]
  revocations: readonly ReasonRow[]
  definitions: readonly { label: string; definition: string }[]
}

/** The models by the name of their template. */
export interface ConsoleModels {
  overview: UsageModel & {
    /** What to look at; none where everything is as usual. */
    attention: readonly ShownFinding[]
    headings: AppHeadings
    apps: {
      name: string
      href: string
      live: string
      issued: string
      refreshed: string
      refreshesPerDay: string
      refused: string
      lastUsedAt: Date | undefined
    }[]
    /** How many apps there are, shown or not. */
    total: number
  }
  'app-usage': UsageModel & {
    refreshes: { rate: string; isTooOften: boolean; healthy: string }
  }
  apps: {
    apps: (AppFacts & { badge: Badge; logo: ShownLogo })[]
    filter: { search: string; type: string; status: string; scope: string }
    narrowing: Narrowing
    /** What a new server still needs; none when it has it. */
    steps: readonly FirstStep[]
    sorting: Sorting<'name' | 'created'>
    total: string
    scopeNames: string[]
    types: { value: AppType; label: string }[]
    pager: Pager
  }
  'app-overview': {
    app: AppFacts
    defaults: ReturnType<typeof lifetimesInWords>
    permissions: readonly Scope[]
    figures: { label: string; value: string }[]
  }
  'app-permissions': {
    app: AppFacts
    groups: PermissionGroups
    deprecated: string[]
    /** The app names them, and they are not in the catalogue. */
    gone: string[]
  }
  'app-credentials': {
    app: AppFacts
    secrets: SecretFacts[]
    isConfidential: boolean
    snippets: Snippet[]
  }
  'app-activity': {
    events: NamedEvent[]
    isRefusals: boolean
    /** What the events are narrowed to; empty where they are not. */
    requestId: string
    when: string
    presets: Preset[]
    allUrl: string
    refusedUrl: string
    pager: Pager
  }
  'app-edit': AppFormModel &
    FormModel &
    StaleModel & {
      app: AppFacts
      logo: ShownLogo
      /** Of the app that the form was filled in from. */
      version: number
      conflict: Difference[] | undefined
      conflictUrl: string
      logoAction: string
      logoCsrf: string
    }
  register: AppFormModel &
    Omit<FormModel, 'cancelUrl'> &
    StaleModel & {
      types: { value: AppType; label: string; sentence: string }[]
      formId: string
    }
  registered: { app: AppFacts; secret: string | undefined; snippets: Snippet[] }
  secret: { secret: string; expiresAt: Date | undefined; link: string }
  preview: FormModel & {
    app: AppFacts
    isMachine: boolean
    groups: { title: string; choices: ScopeChoice[] }[]
    /** Where a real flow would lead. */
    host: string | undefined
  }
  'preview-result': {
    app: AppFacts
    kind: PreviewOutcome['kind']
    isMachine: boolean
    redirect: PreviewOutcome['redirect']
    address: string | undefined
    reason: (ReasonMessage & { code: string }) | undefined
    parts: PreviewPart[]
    againUrl: string
    backUrl: string
  }
  activity: {
    events: NamedEvent[]
    filter: Readonly<Record<ActivityFilterName, string>>
    /** Whose days the dates of the filter are. */
    zone: string
    unclear: UnclearName | undefined
    presets: Preset[]
    kinds: { value: string; label: string }[]
    narrowing: Narrowing
    csvUrl: string
    ndjsonUrl: string
    pager: Pager
  }
  scopes: {
    groups: {
      title: string
      scopes: (Scope & { href: string | undefined; use: ShownScopeUse })[]
    }[]
    adminScopes: Scope[]
  }
  'scope-form': FormModel &
    StaleModel & {
      values: ScopeForm
      problems: Readonly<Record<string, readonly string[]>>
      groups: string[]
      /** The next four are undefined for a new scope. */
      version: number | undefined
      use: ShownScopeUse | undefined
      conflict: Difference[] | undefined
      removeUrl: string | undefined
    }
  accounts: {
    accounts: AccountFacts[]
    filter: { search: string; status: string; role: string }
    roles: { value: string; label: string }[]
    narrowing: Narrowing
    sorting: Sorting<'email' | 'created'>
    total: string
    pager: Pager
  }
  account: AccountConnectionsModel & {
    account: AccountFacts
    isSelf: boolean
    /** Whether the admin's role permits acts on an account of this one. */
    mayDecide: boolean
    connectionsUrl: string
    activityUrl: string
  }
  apply: FormModel & {
    problems: string[]
    prune: boolean
    maxSize: string
    yamlUrl: string
    jsonUrl: string
  }
  'apply-plan': FormModel &
    StaleModel & {
      state: DeclarationReview['state']
      fileName: string
      prune: boolean
      /** Apps whose logos the file names. */
      logos: readonly string[]
      problems: readonly { sentence: string }[]
      /** Absent where there is no plan. */
      summary: ReturnType<typeof planSummary> | undefined
      rows: PlanRow[]
      makesSecrets: boolean
      /** Absent where there is nothing to apply. */
      button: string | undefined
      fingerprint: string
      discardAction: string
      discardCsrf: string
      againUrl: string
    }
  'apply-result': {
    done: readonly string[]
    stopped: { at: string; because: string } | undefined
    registered: {
      handle: string
      clientId: string
      path: string
      secret: string | undefined
    }[]
    planUrl: string
    appsUrl: string
  }
  'account-import': FormModel & {
    formats: { value: string; label: string; isChosen: boolean }[]
    hashConfig: string
    problems: string[]
    maxSize: string
  }
  'account-import-review': FormModel &
    StaleModel & {
      state: AccountImport['state']
      facts: Fact[]
      lineLabel: string
      /** The first of them; `more` lines are not shown. */
      problems: { line: string; field: string; sentence: string }[]
      more: number
      left: string[]
      dropped: string[]
      /** Absent where there is nothing to import. */
      button: string | undefined
      discardAction: string
      discardCsrf: string
      againUrl: string
    }
  link: { link: string; expiresAt: Date; account: AccountFacts }
  tokens: Omit<FormModel, 'cancelUrl'> & StaleModel & { text: string; problems: string[] }
  /** Asks before tokens end; `text` is sent on. */
  'token-question': FormModel & {
    text: string
    act: 'inspect' | 'revoke' | 'report'
    results: readonly TokenResult[]
    consequences: readonly string[]
    button: string
  }
  'token-results': { results: TokenResult[]; link: string }
  mail: {
    isSetUp: boolean
    mails: ShownDelivery[]
    states: { value: string; label: string }[]
    filter: { to: string; state: string }
    narrowing: Narrowing
    pager: Pager
  }
  keys: { keys: (KeyFacts & { badge: Badge })[]; jwksUrl: string; resealUrl: string }
  integrations: {
    integrations: {
      name: string
      href: string
      /** The key of its provider. */
      provider: string
      kind: string
      badge: Badge
      /** A code; only where it is misconfigured. */
      reason: string | undefined
      counts: ShownCount[]
    }[]
    addUrl: string
  }
  'integration-add': {
    search: string
    path: string
    ownUrl: string
    providers: {
      name: string
      kind: string
      href: string
      isUnconfirmed: boolean
      /** An admin described it. */
      isOwn: boolean
    }[]
  }
  'integration-form': IntegrationFieldsModel &
    FormModel &
    StaleModel & {
      /** None where there is nothing to choose. */
      kinds: { value: IntegrationKind; label: string; sentence: string }[]
      isOwn: boolean
      isNew: boolean
      isUnconfirmed: boolean
      docsUrl: string | undefined
      callback: string
      hasSecret: boolean
      /** A secret was typed into a form that is shown again. */
      hadSecret: boolean
      /** Other integrations that a change of the provider changes too. */
      shared: readonly string[]
      /** Of the integration that the form was filled in from. */
      version: number | undefined
      isConflict: boolean
    }
  integration: {
    path: string
    handle: string
    fault: IntegrationFault | undefined
    callback: string | undefined
    docsUrl: string | undefined
    isUnconfirmed: boolean
    isDisabled: boolean
    hasClientSecret: boolean
    isKeys: boolean
    facts: Fact[]
    counts: ShownCount[]
    connectionsUrl: string
  }
  connections: {
    connections: ShownConnection[]
    integrations: { handle: string; name: string }[]
    statuses: { value: string; label: string }[]
    filter: { integration: string; status: string; owner: string }
    total: string
    narrowing: Narrowing
    pager: Pager
  }
  connection: {
    path: string
    id: string
    integration: { name: string; href: string }
    fault: IntegrationFault | undefined
    owner: ShownConnection['owner']
    reason: string | undefined
    connection: Pick<
      Connection,
      | 'status'
      | 'statusSince'
      | 'grantedScopes'
      | 'missingScopes'
      | 'createdAt'
      | 'lastRefreshedAt'
      | 'accessExpiresAt'
      | 'refreshExpiresAt'
      | 'lastCheckedAt'
      | 'lastCheck'
    >
    uses: { app: string; href: string; at: Date }[]
    mayRenew: boolean
    mayDelete: boolean
  }
  confirmation: ConfirmationModel
  /** One plain statement and the way on. */
  'used-form': { what: string; next: string; link: LinkTo | undefined }
}

/** A page of the console: its template, what stands around it, and its model. */
export type ConsolePage = {
  [Name in keyof ConsoleModels]: { template: Name; frame: Frame } & ConsoleModels[Name]
}[keyof ConsoleModels]

/** The models of pages without navigation, for those who are not let in. */
export interface BareModels {
  /** For who is signed in with a role that does not permit it. */
  'admins-only': {
    account: { email: string; name: string | undefined }
    /** Absent for members, who may see nothing of the console. */
    role: string | undefined
    otherUrl: string
  }
  'stale-form': {
    action: string
    hasFiles: boolean
    hadFile: boolean
    fields: (readonly [name: string, value: string])[]
    confirmUrl: string
  }
}

/** A page without navigation. */
export type BarePage = {
  [Name in keyof BareModels]: { template: Name } & BareModels[Name]
}[keyof BareModels]
