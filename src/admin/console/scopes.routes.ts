// The catalogue of scopes: listed in groups, created, edited, deprecated, removed. Built-in scopes are shown and cannot be changed.
import Router from '@koa/router'
import { isAdminScope, isBuiltInScope, type Scope, type ScopeInput } from '../../apps/scope.ts'
import type { Problem } from '../../model/problem.ts'
import type { Parameters } from '../../http/parameters.ts'
import { AppError } from '../../shared/errors.ts'
import { formProblems, sentencesByField } from './app-form.ts'
import type { ConsoleDeps } from './console-deps.ts'
import type { Frame } from './console-views.ts'
import { differences } from './differences.ts'
import { type Admin, CONFIRMED_PATH, type Gate, goTo, type Visit } from './gate.routes.ts'
import { doneOf, linkWith, queryOf } from './paging.ts'
import { questionPage } from './question.ts'
import { numberInWords } from './words.ts'

const PATH = '/admin/scopes'
const CRUMBS = [{ label: 'Scopes', href: PATH }]
const LABELS = {
  name: 'Name',
  sentence: 'Sentence',
  group: 'Group',
  audience: 'Audience',
  sensitive: 'Sensitive',
  deprecated: 'Deprecated',
}
const DONE: Readonly<Record<string, string>> = {
  created: 'The scope is created. Apps can be given it at once.',
  saved: 'The changes are saved. They count everywhere within a second.',
  removed: 'The scope is removed. It can no longer be asked for.',
}

interface ScopeForm {
  name: string
  sentence: string
  group: string
  audience: string
  sensitive: boolean
  deprecated: boolean
}

const EMPTY: ScopeForm = {
  name: '',
  sentence: '',
  group: '',
  audience: '',
  sensitive: false,
  deprecated: false,
}

const formOf = (scope: Scope): ScopeForm => ({
  name: scope.name,
  sentence: scope.sentence,
  group: scope.group,
  audience: scope.audience ?? '',
  sensitive: scope.sensitive,
  deprecated: scope.deprecated,
})

const readForm = (fields: Parameters): ScopeForm => ({
  name: fields.get('name')?.trim() ?? '',
  sentence: fields.get('sentence')?.trim() ?? '',
  group: fields.get('group')?.trim() ?? '',
  audience: fields.get('audience')?.trim() ?? '',
  sensitive: fields.get('sensitive') === 'on',
  deprecated: fields.get('deprecated') === 'on',
})

const inputOf = ({ audience, ...form }: ScopeForm): ScopeInput => ({
  ...form,
  audience: audience === '' ? undefined : audience,
})

const scopePath = (name: string, below = ''): string =>
  `${PATH}/${encodeURIComponent(name)}${below}`

/** How many apps may ask for a scope, and where they are listed. */
interface ScopeUse {
  isUsed: boolean
  label: string
  href: string
}

const useOf = (name: string, count: number): ScopeUse => ({
  isUsed: count > 0,
  label: `${numberInWords(count)} ${count === 1 ? 'app' : 'apps'}`,
  href: linkWith('/admin/apps', { scope: name }),
})

/** Creates the routes. */
export function createScopeRoutes(deps: ConsoleDeps, gate: Gate): Router {
  const { scopes, acts, catalogue, apps } = deps
  const router = new Router({ strict: true, sensitive: true })
  const nameOf = (visit: Visit): string => visit.params['name'] ?? ''

  router.get(
    PATH,
    ...gate.admins(async (visit, admin) => {
      const counts = await apps.countByScope()
      const groups = new Map<string, (Scope & { href: string | undefined; use: ScopeUse })[]>()
      for (const scope of catalogue().values()) {
        if (isAdminScope(scope.name)) continue
        const href = isBuiltInScope(scope.name) ? undefined : scopePath(scope.name)
        groups.set(scope.group, [
          ...(groups.get(scope.group) ?? []),
          { ...scope, href, use: useOf(scope.name, counts.get(scope.name) ?? 0) },
        ])
      }
      gate.show(visit, admin, {
        template: 'scopes',
        frame: {
          title: 'Scopes',
          section: 'scopes',
          crumbs: [],
          lead: 'What apps can ask for, in the words of the consent page.',
          action: { label: 'Create a scope', href: `${PATH}/new` },
          done: doneOf(queryOf(visit), DONE),
        },
        groups: [...groups]
          .map(([title, list]) => ({
            title,
            scopes: list.sort((left, right) => (left.name < right.name ? -1 : 1)),
          }))
          .sort((left, right) => left.title.localeCompare(right.title, 'en')),
        adminScopes: [...catalogue().values()].filter(({ name }) => isAdminScope(name)),
      })
    }),
  )

  router.get(`${PATH}/new`, ...gate.admins((visit, admin) => showForm(visit, admin, EMPTY)))
  router.post(
    `${PATH}/new`,
    ...gate.admins(async (visit, admin) => {
      const form = readForm(await gate.readForm(visit, admin, 'scope.create'))
      const outcome = await acts.scopes.create(inputOf(form), admin.by)
      if (outcome.kind === 'saved') goTo(visit, `${PATH}?done=created`)
      else await showForm(visit, admin, form, { problems: outcome.problems })
    }),
  )

  router.get(
    `${PATH}/:name`,
    ...gate.admins(async (visit, admin) => {
      const scope = await scopes.get(nameOf(visit))
      await showForm(visit, admin, formOf(scope), { scope })
    }),
  )
  router.post(
    `${PATH}/:name`,
    ...gate.admins(async (visit, admin) => {
      const name = nameOf(visit)
      const fields = await gate.readForm(visit, admin, `scope.edit ${name}`)
      const form = { ...readForm(fields), name }
      const version = Number(fields.get('version'))
      if (!Number.isSafeInteger(version))
        throw new AppError('parameter_invalid', { about: 'version' })
      const { name: _name, ...change } = inputOf(form)
      if (!admin.isFresh) {
        const scope = await scopes.get(name)
        // It is what people agree to, and the mark is what warns them.
        if (scope.sentence !== change.sentence || (scope.sensitive && !change.sensitive)) {
          await showForm(visit, admin, form, { scope: { ...scope, version }, isStale: true })
          return
        }
      }
      const outcome = await acts.scopes.update(name, version, change, admin.by)
      if (outcome.kind === 'saved') goTo(visit, `${PATH}?done=saved`)
      else if (outcome.kind === 'conflict')
        await showForm(visit, admin, form, { scope: outcome.scope, isConflict: true })
      else {
        const scope = await scopes.get(name)
        const answer = { scope: { ...scope, version }, problems: outcome.problems }
        await showForm(visit, admin, form, answer)
      }
    }),
  )

  router.get(
    `${PATH}/:name/remove`,
    ...gate.confirmed(async (visit, admin) => {
      const { name, sentence } = await scopes.get(nameOf(visit))
      const use = useOf(name, await apps.countOfScope(name))
      gate.show(
        visit,
        admin,
        questionPage(below(name, `Remove ${name}?`), {
          consequences: [
            use.isUsed ? `${use.label} may ask for it now.` : 'No app may ask for it now.',
            `“${sentence}” can no longer be asked for: such requests are refused within a second.`,
            'Apps that have it keep its name, and it counts for nothing. Tokens that have it lose it.',
            'To let the apps of today keep it and give it to no others, deprecate it instead.',
          ],
          action: scopePath(name, '/remove'),
          csrf: gate.token(admin, `scope.remove ${name}`),
          button: 'Remove',
          isDangerous: true,
          cancelUrl: scopePath(name),
        }),
      )
    }),
  )
  router.post(
    `${PATH}/:name/remove`,
    ...gate.confirmed(async (visit, admin) => {
      const name = nameOf(visit)
      await gate.readForm(visit, admin, `scope.remove ${name}`)
      await acts.scopes.remove(name, admin.by)
      goTo(visit, `${PATH}?done=removed`)
    }),
  )

  const below = (name: string, title: string, extra: Partial<Frame> = {}): Frame => ({
    title,
    section: 'scopes',
    crumbs: [...CRUMBS, { label: name, href: scopePath(name) }],
    ...extra,
  })

  /** Shows the form of a scope that is to be created, or of one that is there. */
  async function showForm(
    visit: Visit,
    admin: Admin,
    values: ScopeForm,
    answer: {
      scope?: Scope
      problems?: readonly Problem[]
      isConflict?: boolean
      isStale?: boolean
    } = {},
  ): Promise<void> {
    const { scope, problems = [], isConflict = false, isStale = false } = answer
    const act = scope === undefined ? 'scope.create' : `scope.edit ${scope.name}`
    gate.show(
      visit,
      admin,
      {
        template: 'scope-form',
        frame: {
          title: scope === undefined ? 'Create a scope' : scope.name,
          section: 'scopes',
          crumbs: CRUMBS,
          problems: formProblems(problems, LABELS),
        },
        values,
        problems: sentencesByField(problems),
        version: scope?.version,
        use: scope && useOf(scope.name, await apps.countOfScope(scope.name)),
        conflict:
          scope !== undefined && isConflict
            ? differences({ ...formOf(scope) }, { ...values }, LABELS)
            : undefined,
        groups: [
          ...new Set(
            [...catalogue().values()]
              .filter(({ name }) => !isBuiltInScope(name))
              .map(({ group }) => group),
          ),
        ].sort(),
        action: scope === undefined ? `${PATH}/new` : scopePath(scope.name),
        csrf: gate.token(admin, act),
        isStale,
        signInAgainUrl: gate.signInAgainUrl(CONFIRMED_PATH),
        cancelUrl: PATH,
        removeUrl: scope === undefined ? undefined : scopePath(scope.name, '/remove'),
      },
      isStale ? 403 : isConflict ? 409 : problems.length > 0 ? 422 : 200,
    )
  }

  return router
}
