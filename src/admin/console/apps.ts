// The list of apps, the overview of one, its permissions, and editing it. Invariant: of two admins
// who edit one app the second is told what the first changed, and keeps what was typed.
import { permissionGroups } from '../../apps/permission-groups.ts'
import { MAX_LOGO_BYTES } from '../../apps/logo.ts'
import { APP_TYPES, type App, type AppChange, type AppStatus } from '../../model/app.ts'
import type { Problem } from '../../model/problem.ts'
import { mayGiveScopes } from '../operator.ts'
import { action, redirected, type FormState, page, type Row, type SentForm } from './action.ts'
import {
  appFields,
  type AppFormValues,
  FIELD_LABELS,
  formOfApp,
  formProblems,
  inputOf,
  readAppForm,
} from './app-form.ts'
import { appFacts, appFrame, appPath, belowApp } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { differences } from './differences.ts'
import { narrowingOf } from './filters.ts'
import { firstSteps } from './first-steps.ts'
import { doneOf, pagerOf } from './paging.ts'
import { appBadge, lifetimesInWords, TYPE_LABELS } from './labels.ts'
import { sortingOf, totalInWords } from './sorting.ts'
import { figuresInShort } from './usage-pages.ts'

const PAGE = 25
const STATUSES: readonly AppStatus[] = ['active', 'suspended', 'deleted']

const DONE: Readonly<Record<string, string>> = {
  saved: 'Changes saved. They take effect everywhere within a second.',
  logo: 'Logo changed.',
  'logo-removed': 'Logo removed.',
  suspended: 'App suspended. Its tokens no longer work.',
  activated: 'App activated. Users have to connect it again, and servers need new tokens.',
}

/** Returns the rows. */
export const appRows = (deps: ConsoleDeps): Row[] => [
  list(deps),
  overview(deps),
  permissions(deps),
  edit(deps),
  changeLogo(deps),
  page({
    path: '/admin/apps/:id/logo',
    scope: 'admin:apps:read',
    show: ({ params }) => ({ redirectTo: appPath(params.id, '/edit') }),
  }),
]

const SORTED = {
  name: { label: 'App', up: 'Name, A to Z', down: 'Name, Z to A' },
  created: { label: 'Registered', up: 'Oldest first', down: 'Newest first' },
} as const

const list = ({ apps, catalogue, eventStore }: ConsoleDeps): Row =>
  page({
    path: '/admin/apps',
    scope: 'admin:apps:read',
    async show({ query, admin }) {
      const search = query.get('search')
      const type = APP_TYPES.find((each) => each === query.get('type'))
      const status = STATUSES.find((each) => each === query.get('status'))
      const scope = query.get('scope')
      const cursor = query.get('cursor')
      const sorting = sortingOf('/admin/apps', query, SORTED, { by: 'created', descending: true })
      const matching = { search, type, status, scope }
      const [found, total] = await Promise.all([
        apps.list({ ...matching, order: sorting.order, cursor, limit: PAGE }),
        apps.count(matching),
      ])
      const narrowing = narrowingOf('/admin/apps', query, [
        { name: 'search', label: 'Search', value: search },
        { name: 'type', label: 'Type', value: type && TYPE_LABELS[type].label },
        { name: 'status', label: 'Status', value: status && appBadge({ status }).label },
        { name: 'scope', label: 'Scope', value: scope },
      ])
      return {
        template: 'apps',
        frame: {
          title: 'Apps',
          narrowedTo: narrowing.text,
          section: 'apps',
          crumbs: [],
          action: { label: 'Register an app', href: '/admin/apps/new' },
          otherAction: { label: 'Import and export', href: '/admin/apply' },
          done:
            query.get('removed') === undefined
              ? undefined
              : 'App deleted. Its tokens no longer work.',
        },
        apps: found.apps.map((app) => ({
          ...appFacts(app),
          badge: appBadge(app),
          logo: logoOf(app),
        })),
        narrowing,
        sorting,
        total: totalInWords(total, 'app', 'apps'),
        steps:
          narrowing.text === '' && cursor === undefined
            ? await firstSteps({ catalogue, eventStore }, found.apps, total.count, admin.by)
            : [],
        filter: {
          search: search ?? '',
          type: type ?? '',
          status: status ?? '',
          scope: scope ?? '',
        },
        scopeNames: [...catalogue().keys()].sort(),
        types: APP_TYPES.map((each) => ({ value: each, label: TYPE_LABELS[each].label })),
        pager: pagerOf('/admin/apps', query, found.next),
      }
    },
  })

const overview = ({ apps, lifetimes, catalogue, reports }: ConsoleDeps): Row =>
  page({
    path: '/admin/apps/:id',
    scope: 'admin:apps:read',
    async show({ params, query }) {
      const app = await apps.get(params.id)
      const all = catalogue()
      return {
        template: 'app-overview',
        frame: appFrame(app, 'overview', {
          action: unlessDeleted(app, { label: 'Edit', href: appPath(app.id, '/edit') }),
          otherAction:
            app.type === 'resource_server'
              ? undefined
              : unlessDeleted(app, { label: 'Try it', href: appPath(app.id, '/try') }),
          done: doneOf(query, DONE),
        }),
        app: appFacts(app),
        defaults: lifetimesInWords(lifetimes),
        permissions: app.scopes.flatMap((name) => all.get(name) ?? []),
        figures: figuresInShort(await reports.report('30d', app.id)),
      }
    },
  })

const permissions = ({ apps, catalogue }: ConsoleDeps): Row =>
  page({
    path: '/admin/apps/:id/permissions',
    scope: 'admin:apps:read',
    async show({ params }) {
      const app = await apps.get(params.id)
      const all = catalogue()
      const href = `${appPath(app.id, '/edit')}#f-scopes`
      return {
        template: 'app-permissions',
        frame: appFrame(app, 'permissions', {
          action: unlessDeleted(app, { label: 'Change', href }),
        }),
        app: appFacts(app),
        groups: permissionGroups(
          app.scopes.filter((name) => all.has(name)),
          all,
        ),
        deprecated: app.scopes.filter((name) => all.get(name)?.deprecated === true),
        gone: app.scopes.filter((name) => !all.has(name)),
      }
    },
  })

/** What was typed, and the version of the app that the form was filled in from. */
interface Edit {
  values: AppFormValues
  version: number
}

const editOf = (app: App): Edit => ({ values: formOfApp(app), version: app.version })

const changeOf = ({ values }: Edit): AppChange => {
  const { type: _type, ...change } = inputOf(values)
  return change
}

const edit = (deps: ConsoleDeps): Row =>
  action({
    name: 'app.edit',
    path: '/admin/apps/:id/edit',
    scope: 'admin:apps:write',
    find: ({ id }) => deps.getChangeable(id),
    read: (form, app): Edit =>
      form === undefined
        ? editOf(app)
        : {
            values: { ...readAppForm(form.fields), type: app.type },
            version: Number(form.fields.get('version')),
          },
    recentSignIn: (app, typed) => widens(app, changeOf(typed)),
    once: false,
    page: (state) => editPage(deps, state, state.csrf, state.csrfOf(LOGO)),
    async run({ id }, typed, by) {
      const outcome = await deps.services.apps.update(id, typed.version, changeOf(typed), by)
      if (outcome.kind === 'updated') return redirected(appPath(id, '?done=saved'))
      return outcome.kind === 'conflict' ? { kind: 'conflict', target: outcome.app } : outcome
    },
  })

const LOGO = 'app.logo'
const NO_FILE: Problem = { field: 'logo', rule: 'logo-missing', sentence: 'Choose a file first.' }

const changeLogo = (deps: ConsoleDeps): Row =>
  action({
    name: LOGO,
    path: '/admin/apps/:id/logo',
    scope: 'admin:apps:write',
    find: ({ id }) => deps.getChangeable(id),
    read: (form: SentForm | undefined) => ({
      isRemoval: form?.fields.has('remove') === true,
      logo: form?.files.get('logo'),
    }),
    recentSignIn: 'never',
    isPartOfOtherPage: true,
    once: false,
    maxFileBytes: MAX_LOGO_BYTES,
    page: (state) =>
      editPage(
        deps,
        { ...state, typed: editOf(state.target) },
        state.csrfOf('app.edit'),
        state.csrf,
      ),
    check: ({ isRemoval, logo }) => (isRemoval || logo !== undefined ? [] : [NO_FILE]),
    async run({ id }, { isRemoval, logo }, by) {
      if (isRemoval || logo === undefined) {
        await deps.services.apps.removeLogo(id, by)
        return redirected(appPath(id, '?done=logo-removed'))
      }
      const outcome = await deps.services.apps.setLogo(id, logo, by)
      return outcome.kind === 'updated' ? redirected(appPath(id, '?done=logo')) : outcome
    },
  })

function editPage(
  { catalogue, lifetimes }: ConsoleDeps,
  state: FormState<App, Edit>,
  csrf: string,
  logoCsrf: string,
) {
  const { target: app, problems, isConflict, isStale } = state
  const { values, version } = state.typed
  return {
    template: 'app-edit',
    frame: belowApp(app, `Edit ${app.name}`, { problems: formProblems(problems) }),
    app: appFacts(app),
    logo: logoOf(app),
    ...appFields({
      values,
      problems,
      catalogue: mayGiveScopes(state.admin.by, catalogue()),
      lifetimes,
      type: app.type,
    }),
    version: isConflict ? app.version : version,
    conflict: isConflict ? differences(formOfApp(app), values, FIELD_LABELS) : undefined,
    conflictUrl: appPath(app.id, '/activity'),
    isStale,
    signInAgainUrl: state.signInAgainUrl,
    action: appPath(app.id, '/edit'),
    csrf,
    logoAction: appPath(app.id, '/logo'),
    logoCsrf,
    cancelUrl: appPath(app.id),
    isNew: false,
  } as const
}

/**
 * Whether a change opens a way that was closed: where codes are sent, what tokens may and where
 * they count, how a code is proved, and that none is needed.
 */
const widens = (before: App, change: AppChange): boolean =>
  (['redirectUris', 'scopes', 'audiences'] as const).some(
    (field) => change[field]?.some((value) => !before[field].includes(value)) === true,
  ) ||
  (before.requirePkce && change.requirePkce === false) ||
  (!before.clientCredentials && change.clientCredentials === true)

const unlessDeleted = <T>({ status }: App, value: T): T | undefined =>
  status === 'deleted' ? undefined : value

const logoOf = ({ name, logoId }: App) => ({
  name,
  logoUrl: logoId === undefined ? undefined : `/logos/${logoId}`,
})
