// How the app gets its answer. The engine answers in the query alone; where a form is asked for,
// the query becomes one at the end (form-answer.ts).

/** The modes that are served. */
export const RESPONSE_MODES = ['query', 'form_post'] as const

/** Carries response_mode=form_post past the engine. */
export const FORM_POST = 'otesse_form_post'

/** Hides response_mode=form_post from the engine. */
export function takeFormPost(query: URLSearchParams): void {
  const [mode, ...more] = query.getAll('response_mode')
  if (mode !== 'form_post' || more.length > 0) return
  query.delete('response_mode')
  query.set(FORM_POST, 'yes')
}

/** Returns whether the answer goes to the app as a form. */
export const asksForForm = (params: Readonly<Record<string, unknown>>): boolean =>
  params[FORM_POST] !== undefined
