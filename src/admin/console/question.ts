// A question before something happens that cannot be taken back easily: what will happen, what is needed for it, and the two ways on.
// Called by the routes that ask.
import type { ConsolePage, Frame } from './console-views.ts'

/** A field of the question. */
export interface QuestionField {
  name: string
  label: string
  hint?: string | undefined
  value: string
  kind: 'line' | 'lines' | 'date'
  isOptional?: boolean
  autocomplete?: 'off'
  problem?: string | undefined
}

/** What is asked. */
export interface Question {
  /** What will happen, one line each. */
  consequences: readonly string[]
  fields?: readonly QuestionField[]
  /** One of several, as radio buttons. */
  choice?: {
    name: string
    legend: string
    options: readonly { value: string; label: string; hint: string; isChosen: boolean }[]
  }
  action: string
  csrf: string
  /** More hidden fields. */
  hidden?: Readonly<Record<string, string>>
  button: string
  isDangerous: boolean
  cancelUrl: string
}

/** Returns the page of a question. */
export function questionPage(frame: Frame, question: Question): ConsolePage {
  const problems = (question.fields ?? []).flatMap(({ name, label, problem }) =>
    problem === undefined ? [] : [{ anchor: `f-${name}`, label, sentence: problem }],
  )
  return {
    template: 'question',
    frame: { ...frame, problems },
    question: { fields: [], hidden: {}, ...question },
  }
}

/** The sentence about an explanation that an admin must give. */
export const REASON_NEEDED = 'Write why, in 1 to 500 characters: it is kept in the activity.'
