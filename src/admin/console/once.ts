// The one phase of every form that counts once: take the form, act, and give it back where the act
// came
// to nothing. Invariant: a form whose act was refused or failed can be sent again; one whose act
// succeeded does nothing a second time. Called by the routes whose answer shows something once.
import type { UsedForms } from './used-forms.store.ts'

/** How sending a form went. */
export type SentForm<T> =
  | { readonly kind: 'acted'; readonly outcome: T }
  /** It was sent before, and its act succeeded or is still under way. */
  | { readonly kind: 'used' }

/**
 * Acts for a form, once.
 *
 * @param key the form, which nobody else can have made
 * @throws whatever the act throws; the form can be sent again then
 */
export async function once<T extends object>(
  usedForms: Pick<UsedForms, 'take' | 'giveBack'>,
  key: string,
  act: () => Promise<T>,
): Promise<SentForm<T>> {
  if (!(await usedForms.take(key))) return { kind: 'used' }
  let outcome: T
  try {
    outcome = await act()
  } catch (error) {
    // What stands in the way of giving it back is most likely what the act failed of.
    await usedForms.giveBack(key).catch(() => undefined)
    throw error
  }
  if ('kind' in outcome && outcome.kind === 'refused') await usedForms.giveBack(key)
  return { kind: 'acted', outcome }
}
