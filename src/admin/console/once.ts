// The one phase of every form that counts once: take the form, act, and give it back where the act
// came to nothing. Invariant: a form whose act was refused or failed can be sent again; one whose
// act succeeded does nothing a second time, also where the news of it got lost: the act notes in
// its own transaction what the form led to. Called by the routes whose answer shows something once.
import type { WriteAlong } from '../../storage/database.ts'
import type { UsedForms } from './used-forms.store.ts'

/** How sending a form went. */
export type OnceOutcome<T> =
  | { readonly kind: 'acted'; readonly outcome: T }
  /** It was sent before, and its act succeeded or is still under way. */
  | { readonly kind: 'used' }

/**
 * AdminServices for a form, once.
 *
 * @param key the form, which nobody else can have made
 * @param act is handed what notes the id of what the form led to
 * @throws whatever the act throws; the form can be sent again then
 */
export async function once<T extends object>(
  usedForms: Pick<UsedForms, 'take' | 'giveBack' | 'note'>,
  key: string,
  act: (note: WriteAlong<string>) => Promise<T>,
): Promise<OnceOutcome<T>> {
  if (!(await usedForms.take(key))) return { kind: 'used' }
  let outcome: T
  try {
    outcome = await act((transaction, ledTo) => usedForms.note(key, ledTo, transaction))
  } catch (error) {
    // What stands in the way of giving it back is most likely what the act failed of.
    await usedForms.giveBack(key).catch(() => undefined)
    throw error
  }
  if ('kind' in outcome && (outcome.kind === 'refused' || outcome.kind === 'conflict'))
    await usedForms.giveBack(key)
  return { kind: 'acted', outcome }
}
