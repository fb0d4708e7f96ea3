// An action that asks first: what will happen, what is needed for it, and the two ways on.
// Invariant: what was typed is shown again when it is refused, beside what is wrong with it.
import type { Problem } from '../../model/problem.ts'
import type { Parameters } from '../../http/parameters.ts'
import { type ActionRow, action, type FormState, type Row } from './action.ts'
import type { Frame } from './frame.ts'
import type { ConfirmationModel } from './page-models.ts'

/** A field of the question. */
export interface ConfirmationField {
  name: string
  label: string
  hint?: string
  kind: 'line' | 'lines' | 'date'
  /** What is in it before anything was typed. */
  value?: string | undefined
  isOptional?: true
  autocomplete?: 'off'
}

/** What is asked. */
export interface ConfirmationQuestion {
  frame: Frame
  /** What will happen, one line each. */
  consequences: readonly string[]
  fields?: readonly ConfirmationField[]
  /** One of several, as radio buttons. */
  choice?: ConfirmationModel['choice']
  /** A checkbox, as it is before anything was typed. */
  tick?: ConfirmationModel['tick']
  hidden?: Readonly<Record<string, string>>
  button: string
  isDangerous: boolean
  cancelUrl: string
}

/** What was typed, by field. */
export type Typed = Parameters

type Confirmation<Path extends string, Target> = Pick<
  ActionRow<Path, Target, Typed>,
  'name' | 'path' | 'scope' | 'once' | 'find' | 'check' | 'run'
> & {
  recentSignIn: 'always' | 'never'
  ask(
    target: Target,
    state: Pick<FormState<Target, Typed>, 'admin' | 'isConflict' | 'typed'>,
  ): ConfirmationQuestion
}

/** Declares an action that asks first. */
export const confirmation = <Path extends string, Target>(row: Confirmation<Path, Target>): Row =>
  action<Path, Target, Typed>({
    ...row,
    read: (form) => form?.fields ?? new Map(),
    page: (state) => {
      const question = row.ask(state.target, state)
      const formId = row.once === false ? {} : { form: state.formId }
      return confirmationPage(question, state, formId)
    },
  })

/** Returns a line that was typed, without spaces around it. */
export const line = (typed: Typed, name: string): string => typed.get(name)?.trim() ?? ''

/** Returns a text of several lines as it was typed. */
export const lines = (typed: Typed, name: string): string => typed.get(name) ?? ''

function confirmationPage(
  question: ConfirmationQuestion,
  state: FormState<unknown, Typed>,
  formId: Readonly<Record<string, string>>,
) {
  const { frame, fields = [], choice, tick, hidden = {}, ...rest } = question
  const { typed, isConflict } = state
  const shown = fields.map(({ value = '', isOptional = false, ...field }) => {
    const before = field.kind === 'lines' ? typed.get(field.name) : typed.get(field.name)?.trim()
    return {
      ...field,
      isOptional,
      value: before ?? value,
      problem: sentencesOf(state.problems.filter((problem) => problem.field === field.name)),
    }
  })
  const others = state.problems.filter(({ field }) => fields.every(({ name }) => name !== field))
  return {
    template: 'confirmation',
    frame: {
      ...frame,
      problem: sentencesOf(others) ?? frame.problem,
      problems: shown.flatMap(({ name, label, problem }) =>
        problem === undefined ? [] : [{ anchor: `f-${name}`, label, sentence: problem }],
      ),
    },
    ...rest,
    fields: shown,
    choice,
    tick: tick && { ...tick, isOn: typed.size === 0 ? tick.isOn : typed.has(tick.name) },
    hidden: {
      ...Object.fromEntries(
        Object.entries(hidden).map(([name, value]) => [
          name,
          isConflict ? value : (typed.get(name) ?? value),
        ]),
      ),
      ...formId,
    },
    action: state.action,
    csrf: state.csrf,
  } as const
}

const sentencesOf = (problems: readonly Problem[]): string | undefined =>
  problems.length === 0 ? undefined : problems.map(({ sentence }) => sentence).join(' ')

/** Why an admin did something: other admins read it. */
export const reasonField = (of: 'account' | 'app'): ConfirmationField => ({
  name: 'reason',
  label: 'Reason',
  hint: `Shown to other admins on the page of the ${of} and in the activity.`,
  kind: 'lines',
})

/** The problem of an explanation that an admin must give. */
export const REASON_NEEDED: Problem = {
  field: 'reason',
  rule: 'reason-missing',
  sentence: 'Enter a reason of 1 to 500 characters. It is kept in the activity.',
}
