// prompt=select_account (OpenID Connect Core §3.1.2.1): the user chooses the account to go on with.
// It is asked first, since it decides whose password and whose consent count; where nobody is
// signed in, the sign-in page asks. Invariant: a choice counts for the account that was shown, and
// where another tab has changed the account since, the user is asked again.
import { interactionPolicy } from 'oidc-provider'

export const SELECT_ACCOUNT = 'select_account'

/** The values of `prompt` that are served. */
export const PROMPTS = ['none', 'login', 'consent', SELECT_ACCOUNT] as const

/** What says in an interaction's result which account was chosen. */
interface SelectedAccount {
  accountId: string
}

/** Returns what says that a user chose an account. */
export const selected = (accountId: string): Record<string, SelectedAccount> => ({
  [SELECT_ACCOUNT]: { accountId },
})

/** Returns the engine's rule of when to ask. */
export function selectAccountPrompt(): interactionPolicy.Prompt {
  const prompt = new interactionPolicy.Prompt({ name: SELECT_ACCOUNT, requestable: true })
  prompt.checks.remove(`${SELECT_ACCOUNT}_prompt`)
  prompt.checks.add(
    new interactionPolicy.Check('not_selected', 'the account was not chosen', (ctx) => {
      const { account, prompts, result } = ctx.oidc
      if (account === undefined || !prompts.has(SELECT_ACCOUNT)) return false
      const choice = result?.[SELECT_ACCOUNT] as SelectedAccount | undefined
      return choice?.accountId !== account.accountId
    }),
  )
  return prompt
}
