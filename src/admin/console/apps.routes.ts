// The list of apps, the overview of one, its permissions, and editing it. Invariant: of two admins who edit one app the second is told what the
// first changed, and keeps what was typed.
import Router from '@koa/router'
import { permissionGroups } from '../../apps/permission-groups.ts'
import { MAX_LOGO_BYTES } from '../../apps/logo.ts'
import {
  APP_TYPES,
  canActForItself,
  type App,
  type AppChange,
  type AppStatus,
  type AppType,
} from '../../model/app.ts'
import type { Problem } from '../../model/problem.ts'
import {
  type AppFormValues,
  FIELD_LABELS,
  formOfApp,
  formProblems,
  inputOf,
  readAppForm,
  scopeChoices,
  sentencesByField,
} from './app-form.ts'
import { appFacts, appFrame, appPath, belowApp } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { differences } from './differences.ts'
import { narrowingOf } from './filters.ts'
import type { Admin, Gate, Visit } from './gate.routes.ts'
import { CONFIRMED_PATH, goTo } from './gate.routes.ts'
import { doneOf, pagerOf, queryOf } from './paging.ts'
import { appBadge, lifetimesInWords, TYPE_WORDS } from './words.ts'

const PAGE = 25
const STATUSES: readonly AppStatus[] = ['active', 'suspended', 'deleted']

const DONE: Readonly<Record<string, string>> = {
  saved: 'The changes are saved. They count everywhere within a second.',
  logo: 'The logo is changed.',
  'logo-removed': 'The logo is removed.',
  suspended: 'The app is suspended. Its tokens have stopped working.',
  activated: 'The app is active again. People and servers need new tokens.',
}

/** Creates the routes. */
export function createAppRoutes(deps: ConsoleDeps, gate: Gate): Router {
  const { apps, acts, catalogue } = deps
  const router = new Router({ strict: true, sensitive: true })

  router.get(
    '/admin/apps',
    ...gate.admins(async (visit, admin) => {
      const query = queryOf(visit)
      const search = query.get('search')
      const type = APP_TYPES.find((each) => each === query.get('type'))
      const status = STATUSES.find((each) => each === query.get('status'))
      const scope = query.get('scope')
      const cursor = query.get('cursor')
      const { apps: found, next } = await apps.list({
        search,
        type,
        status,
        scope,
        cursor,
        limit: PAGE,
      })
      const narrowing = narrowingOf('/admin/apps', query, [
        { name: 'search', label: 'Search', value: search },
        { name: 'type', label: 'Type', value: type && TYPE_WORDS[type].label },
        { name: 'status', label: 'State', value: status && appBadge({ status }).label },
        { name: 'scope', label: 'Permission', value: scope },
      ])
      const removed = query.get('removed')
      gate.show(visit, admin, {
        template: 'apps',
        frame: {
          title: 'Apps',
          narrowedTo: narrowing.words,
          section: 'apps',
          crumbs: [],
          action: { label: 'Register an app', href: '/admin/apps/new' },
          done:
            removed === undefined
              ? undefined
              : 'The app is deleted. Its tokens have stopped working.',
        },
        apps: found.map((app) => ({
          ...appFacts(app),
          badge: appBadge(app),
          logo: { name: app.name, logoUrl: logoUrl(app) },
        })),
        narrowing,
        filter: {
          search: search ?? '',
          type: type ?? '',
          status: status ?? '',
          scope: scope ?? '',
        },
        scopeNames: [...catalogue().keys()].sort(),
        types: APP_TYPES.map((each) => ({ value: each, label: TYPE_WORDS[each].label })),
        pager: pagerOf('/admin/apps', query, next),
      })
    }),
  )

  router.get(
    '/admin/apps/:id',
    ...gate.admins(async (visit, admin) => {
      const app = await apps.get(visit.params['id'] ?? '')
      gate.show(visit, admin, {
        template: 'app-overview',
        frame: appFrame(app, 'overview', {
          action:
            app.status === 'deleted'
              ? undefined
              : { label: 'Edit', href: appPath(app.id, '/edit') },
          done: doneOf(queryOf(visit), DONE),
        }),
        app: appFacts(app),
        defaults: lifetimesInWords(deps.lifetimes),
      })
    }),
  )

  router.get(
    '/admin/apps/:id/permissions',
    ...gate.admins(async (visit, admin) => {
      const app = await apps.get(visit.params['id'] ?? '')
      const all = catalogue()
      gate.show(visit, admin, {
        template: 'app-permissions',
        frame: appFrame(app, 'permissions', {
          action:
            app.status === 'deleted'
              ? undefined
              : { label: 'Change', href: `${appPath(app.id, '/edit')}#f-scopes` },
        }),
        app: appFacts(app),
        groups: permissionGroups(
          app.scopes.filter((name) => all.has(name)),
          all,
        ),
        deprecated: app.scopes.filter((name) => all.get(name)?.deprecated === true),
        gone: app.scopes.filter((name) => !all.has(name)),
      })
    }),
  )

  router.get(
    '/admin/apps/:id/edit',
    ...gate.admins(async (visit, admin) => {
      const app = await changeable(visit)
      showEdit(visit, admin, app, formOfApp(app))
    }),
  )

  router.post(
    '/admin/apps/:id/edit',
    ...gate.admins(async (visit, admin) => {
      const id = visit.params['id'] ?? ''
      const fields = await gate.readForm(visit, admin, `app.edit ${id}`)
      const values = readAppForm(fields)
      const version = Number(fields.get('version'))
      const { type: _type, ...change } = inputOf(values)
      if (!admin.isFresh) {
        const before = await changeable(visit)
        if (widens(before, change)) {
          const typed = { ...values, type: before.type }
          showEdit(visit, admin, before, typed, { isStale: true, status: 403, version })
          return
        }
      }
      const outcome = await acts.apps.update(id, version, change, admin.by)
      if (outcome.kind === 'updated') {
        goTo(visit, appPath(id, '?done=saved'))
        return
      }
      const app = outcome.kind === 'conflict' ? outcome.app : await changeable(visit)
      if (outcome.kind === 'conflict')
        showEdit(
          visit,
          admin,
          app,
          { ...values, type: app.type },
          { isConflict: true, status: 409 },
        )
      else {
        const typed = { ...values, type: app.type }
        showEdit(visit, admin, app, typed, { problems: outcome.problems, status: 422, version })
      }
    }),
  )

  router.get(
    '/admin/apps/:id/logo',
    ...gate.admins((visit) => goTo(visit, appPath(visit.params['id'] ?? '', '/edit'))),
  )
  router.post(
    '/admin/apps/:id/logo',
    ...gate.admins(async (visit, admin) => {
      const id = visit.params['id'] ?? ''
      const { fields, files } = await gate.readUpload(
        visit,
        admin,
        `app.logo ${id}`,
        MAX_LOGO_BYTES,
      )
      if (fields.get('remove') !== undefined) {
        await acts.apps.removeLogo(id, admin.by)
        goTo(visit, appPath(id, '?done=logo-removed'))
        return
      }
      const logo = files.get('logo')
      const outcome =
        logo === undefined
          ? { kind: 'refused' as const, problems: [NO_FILE] }
          : await acts.apps.setLogo(id, logo, admin.by)
      if (outcome.kind === 'updated') {
        goTo(visit, appPath(id, '?done=logo'))
        return
      }
      const app = await changeable(visit)
      showEdit(visit, admin, app, formOfApp(app), { problems: outcome.problems, status: 422 })
    }),
  )

  async function changeable(visit: Visit): Promise<App> {
    return deps.getChangeable(visit.params['id'] ?? '')
  }

  function showEdit(
    visit: Visit,
    admin: Admin,
    app: App,
    values: AppFormValues,
    answer: {
      problems?: readonly Problem[]
      isConflict?: boolean
      isStale?: boolean
      status?: number
      /** Of what the form was filled in from. */
      version?: number
    } = {},
  ): void {
    const { problems = [], isConflict = false, isStale = false } = answer
    const { status = 200, version = app.version } = answer
    gate.show(
      visit,
      admin,
      {
        template: 'app-edit',
        frame: belowApp(app, `Edit ${app.name}`, { problems: formProblems(problems) }),
        app: appFacts(app),
        logo: { name: app.name, logoUrl: logoUrl(app) },
        values,
        problems: sentencesByField(problems),
        choices: scopeChoices(catalogue(), values.scopes),
        version,
        conflict: isConflict ? differences(formOfApp(app), values, FIELD_LABELS) : undefined,
        conflictUrl: appPath(app.id, '/activity'),
        isStale,
        signInAgainUrl: gate.signInAgainUrl(CONFIRMED_PATH),
        action: appPath(app.id, '/edit'),
        csrf: gate.token(admin, `app.edit ${app.id}`),
        logoAction: appPath(app.id, '/logo'),
        logoCsrf: gate.token(admin, `app.logo ${app.id}`),
        cancelUrl: appPath(app.id),
        isNew: false,
        canActForItself: canActForItself(app.type),
        isMachine: app.type === 'machine',
        takesPeople: takesPeople(app.type),
        lifetimes: lifetimesInWords(deps.lifetimes),
      },
      status,
    )
  }

  return router
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

const NO_FILE: Problem = { field: 'logo', rule: 'logo-missing', sentence: 'Choose a file first.' }

const takesPeople = (type: AppType): boolean => type === 'web' || type === 'public'
const logoUrl = ({ logoId }: App): string | undefined =>
  logoId === undefined ? undefined : `/logos/${logoId}`
