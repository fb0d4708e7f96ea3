// A plan as people read it before they say yes: what is made, changed setting by setting, left as
// it is, suspended; and the same as data.
import type { Change } from '../model/diff.ts'
import { type AppStep, type Plan, planSummary, type ScopeStep } from '../admin/apply/plan.ts'
import type { SystemsPlan } from '../admin/apply/systems.ts'
import type { Terminal } from './terminal.ts'

type Paint = Terminal['paint']

const MARKS = { create: '+', update: '~', unchanged: '=' } as const
const COLOURS = { create: 'green', update: 'yellow', unchanged: 'dim' } as const

/** Shows a plan to scripts. */
export const planJson = (plan: Plan): object => ({
  summary: planSummary(plan),
  scopes: plan.scopes.map(({ kind, name, changes }) => ({
    kind,
    name,
    changes: changesJson(changes),
  })),
  apps: plan.apps.map((step) => ({
    kind: step.kind,
    handle: step.handle,
    id: step.kind === 'create' ? null : step.app.id,
    status: step.kind === 'create' ? 'active' : step.app.status,
    changes: changesJson(step.changes),
  })),
  suspensions: plan.suspensions.map(({ id, handle, name }) => ({ id, handle, name })),
})

const changesJson = (changes: readonly Change[]): object[] =>
  changes.map(({ field, before, after }) => ({
    field,
    before: before ?? null,
    after: after ?? null,
  }))

/** Shows providers and integrations to scripts. */
export const systemsJson = ({ providers, integrations }: SystemsPlan): object => {
  const shown = ({
    kind,
    name,
    changes,
  }: SystemsPlan['providers'][number] | SystemsPlan['integrations'][number]) => ({
    kind,
    name,
    changes: changesJson(changes),
  })
  return { providers: providers.map(shown), integrations: integrations.map(shown) }
}

/** Shows providers and integrations to people. */
export const systemsText = ({ providers, integrations }: SystemsPlan, paint: Paint): string =>
  [
    ...section(
      'Providers',
      providers.flatMap((step) => stepLines(step, step.name, '', paint)),
    ),
    ...section(
      'Integrations',
      integrations.flatMap((step) => stepLines(step, step.name, '', paint)),
    ),
  ]
    .map((line) => `${line}\n`)
    .join('')

/** Shows a plan to people. */
export function planText(plan: Plan, paint: Paint): string {
  const { create, update, unchanged, suspend } = planSummary(plan)
  const total = `${create} to create, ${update} to change, ${unchanged} unchanged${
    suspend === 0 ? '' : `, ${suspend} to suspend`
  }.`
  return [
    ...section(
      'Scopes',
      plan.scopes.flatMap((step) => stepLines(step, step.name, '', paint)),
    ),
    ...section('Apps', [
      ...plan.apps.flatMap((step) => stepLines(step, step.handle, remarkOf(step), paint)),
      ...plan.suspensions.map((app) =>
        paint(
          'red',
          `  ! ${app.handle ?? app.id}  is suspended: the file does not name it (${app.name}, ${app.id})`,
        ),
      ),
    ]),
    total,
    '',
  ].join('\n')
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [title, ...lines, '']

function remarkOf(step: AppStep): string {
  if (step.kind === 'create') return ''
  return step.app.status === 'suspended'
    ? `  (is suspended and stays so: otesse app activate ${step.app.id})`
    : ''
}

function stepLines(
  { kind, changes }: Pick<ScopeStep | AppStep, 'kind' | 'changes'>,
  name: string,
  remark: string,
  paint: Paint,
): string[] {
  const width = Math.max(0, ...changes.map(({ field }) => field.length))
  return [
    paint(COLOURS[kind], `  ${MARKS[kind]} ${name}`) + remark,
    // The handle of a new app stands above already.
    ...changes
      .filter(({ field }) => kind !== 'create' || field !== 'handle')
      .flatMap((change) => changeLines(change, width, kind === 'create', paint)),
  ]
}

function changeLines(
  { field, before, after }: Change,
  width: number,
  isNew: boolean,
  paint: Paint,
): string[] {
  const label = `      ${field.padEnd(width)}  `
  const indent = ' '.repeat(label.length)
  if (Array.isArray(before) || Array.isArray(after)) {
    const lines = listChanges(texts(before), texts(after)).map(([mark, value]) =>
      paint(mark === '+' ? 'green' : 'red', `${mark} ${value}`),
    )
    return lines.map((line, at) => (at === 0 ? label : indent) + line)
  }
  return [isNew ? label + shown(after) : `${label}${shown(before)} → ${shown(after)}`]
}

const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [])

const listChanges = (
  before: readonly string[],
  after: readonly string[],
): ['+' | '-', string][] => [
  ...before.filter((value) => !after.includes(value)).map((value): ['-', string] => ['-', value]),
  ...after.filter((value) => !before.includes(value)).map((value): ['+', string] => ['+', value]),
]

// Texts are quoted, so that a change of a space can be seen and nothing in them reaches the
// terminal as a control character.
const shown = (value: unknown): string => (value === undefined ? '(none)' : JSON.stringify(value))
