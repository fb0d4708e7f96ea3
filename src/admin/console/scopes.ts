// The catalogue of scopes: listed in groups, created, edited, deprecated, removed. Built-in scopes
// are shown and cannot be changed.
import type { Scope } from '../../model/scope.ts'
import { isAdminScope, isBuiltInScope, type ScopeInput } from '../../apps/scope.ts'
import type { Parameters } from '../../http/parameters.ts'
import { AppError } from '../../shared/errors.ts'
import { action, redirected, type FormState, page, type Row } from './action.ts'
import { formProblems, sentencesByField } from './app-form.ts'
import { confirmation } from './confirmation.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { differences } from './differences.ts'
import type { ConsoleModels, ScopeForm, ShownScopeUse } from './page-models.ts'
import { doneOf, linkWith } from './paging.ts'
import { numberInWords } from './labels.ts'

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
  created: 'Scope created. You can give it to apps right away.',
  saved: 'Changes saved. They take effect everywhere within a second.',
  removed: 'Scope removed. It can no longer be requested.',
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

const useOf = (name: string, count: number): ShownScopeUse => ({
  isUsed: count > 0,
  label: `${numberInWords(count)} ${count === 1 ? 'app' : 'apps'}`,
  href: linkWith('/admin/apps', { scope: name }),
})

/** Returns the rows. */
export const scopeRows = (deps: ConsoleDeps): Row[] => [
  list(deps),
  create(deps),
  edit(deps),
  remove(deps),
]

const list = ({ apps, catalogue }: ConsoleDeps): Row =>
  page({
    path: PATH,
    scope: 'admin:scopes:read',
    async show({ query }) {
      const counts = await apps.countByScope()
      const scopes = [...catalogue().values()]
      const groups = new Map<string, ConsoleModels['scopes']['groups'][number]['scopes']>()
      for (const scope of scopes.toSorted((left, right) => (left.name < right.name ? -1 : 1))) {
        const { name, group } = scope
        if (isAdminScope(name)) continue
        const href = isBuiltInScope(name) ? undefined : scopePath(name)
        const found = groups.get(group) ?? []
        groups.set(group, [...found, { ...scope, href, use: useOf(name, counts.get(name) ?? 0) }])
      }
      return {
        template: 'scopes',
        frame: {
          title: 'Scopes',
          section: 'scopes',
          crumbs: [],
          lead: 'What apps can request, as described on the consent page.',
          action: { label: 'Create a scope', href: `${PATH}/new` },
          done: doneOf(query, DONE),
        },
        groups: [...groups]
          .map(([title, found]) => ({ title, scopes: found }))
          .sort((left, right) => left.title.localeCompare(right.title, 'en')),
        adminScopes: scopes.filter(({ name }) => isAdminScope(name)),
      }
    },
  })

const create = (deps: ConsoleDeps): Row =>
  action({
    name: 'scope.create',
    path: `${PATH}/new`,
    scope: 'admin:scopes:write',
    find: () => undefined,
    read: (form) => (form === undefined ? EMPTY : readForm(form.fields)),
    recentSignIn: 'never',
    once: false,
    page: (state) => formPage(deps, state, state.typed),
    async run(_, typed, by) {
      const outcome = await deps.services.scopes.create(inputOf(typed), by)
      return outcome.kind === 'saved' ? redirected(`${PATH}?done=created`) : outcome
    },
  })

/** What was typed, and the version of the scope that the form was filled in from. */
interface Edit {
  form: ScopeForm
  version: number
}

const edit = (deps: ConsoleDeps): Row =>
  action({
    name: 'scope.edit',
    path: `${PATH}/:name`,
    scope: 'admin:scopes:write',
    find: ({ name }) => deps.scopes.get(name),
    read(sent, scope): Edit {
      if (sent === undefined) return { form: formOf(scope), version: scope.version }
      const version = Number(sent.fields.get('version'))
      if (!Number.isSafeInteger(version))
        throw new AppError('parameter_invalid', { about: 'version' })
      return { form: { ...readForm(sent.fields), name: scope.name }, version }
    },
    // A sentence is what people agree to, and the mark is what warns them.
    recentSignIn: (scope, { form }) =>
      scope.sentence !== form.sentence || (scope.sensitive && !form.sensitive),
    once: false,
    async page(state) {
      const { target: scope, typed, isConflict } = state
      return formPage(deps, state, typed.form, {
        version: isConflict ? scope.version : typed.version,
        use: useOf(scope.name, await deps.apps.countOfScope(scope.name)),
        conflict: isConflict
          ? differences({ ...formOf(scope) }, { ...typed.form }, LABELS)
          : undefined,
        removeUrl: scopePath(scope.name, '/remove'),
      })
    },
    async run({ name }, { form, version }, by) {
      const { name: _name, ...change } = inputOf(form)
      const outcome = await deps.services.scopes.update(name, version, change, by)
      if (outcome.kind === 'saved') return redirected(`${PATH}?done=saved`)
      return outcome.kind === 'conflict' ? { kind: 'conflict', target: outcome.scope } : outcome
    },
  })

const remove = ({ scopes, apps, services }: ConsoleDeps): Row =>
  confirmation({
    name: 'scope.remove',
    path: `${PATH}/:name/remove`,
    scope: 'admin:scopes:write',
    async find({ name }) {
      const { sentence } = await scopes.get(name)
      return { name, sentence, use: useOf(name, await apps.countOfScope(name)) }
    },
    recentSignIn: 'always',
    once: false,
    ask: ({ name, sentence, use }) => ({
      frame: {
        title: `Remove ${name}?`,
        section: 'scopes',
        crumbs: [...CRUMBS, { label: name, href: scopePath(name) }],
      },
      consequences: [
        use.isUsed ? `${use.label} can request it now.` : 'No app can request it now.',
        `“${sentence}” can no longer be requested: such requests are refused within a second.`,
        'Apps that have it still list it, but it has no effect. Tokens that have it lose it.',
        'To keep it for the apps that have it now, deprecate it instead.',
      ],
      button: 'Remove',
      isDangerous: true,
      cancelUrl: scopePath(name),
    }),
    async run({ name }, _, by) {
      await services.scopes.remove(name, by)
      return redirected(`${PATH}?done=removed`)
    },
  })

/** What the form of a scope that is there has besides. */
interface OfScope {
  version: number
  use: ShownScopeUse
  conflict: ReturnType<typeof differences> | undefined
  removeUrl: string
}

function formPage(
  { catalogue }: ConsoleDeps,
  state: Omit<FormState<unknown, unknown>, 'typed'>,
  values: ScopeForm,
  ofScope?: OfScope,
) {
  const groups = [...catalogue().values()]
    .filter(({ name }) => !isBuiltInScope(name))
    .map(({ group }) => group)
  return {
    template: 'scope-form',
    frame: {
      title: ofScope === undefined ? 'Create a scope' : values.name,
      section: 'scopes',
      crumbs: CRUMBS,
      problems: formProblems(state.problems, LABELS),
    },
    values,
    problems: sentencesByField(state.problems),
    version: ofScope?.version,
    use: ofScope?.use,
    conflict: ofScope?.conflict,
    groups: [...new Set(groups)].sort(),
    action: state.action,
    csrf: state.csrf,
    isStale: state.isStale,
    signInAgainUrl: state.signInAgainUrl,
    cancelUrl: PATH,
    removeUrl: ofScope?.removeUrl,
  } as const
}
