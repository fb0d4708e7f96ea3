// The user of this browser, for pages that no app led to: who it is, and how somebody becomes it.
import type { Context } from 'koa'
import type { Account } from '../model/account.ts'
import { requestFacts } from '../http/request-context.ts'
import type { FindAccount, Interactions, Proof, SignInEvents } from './ports.ts'

/** Returns the account that is signed in, unless it was shut down meanwhile. */
export type FindUser = (ctx: Context) => Promise<Account | undefined>

/** Creates the look-up. */
export const createFindUser =
  (signedIn: Interactions['signedIn'], accounts: FindAccount): FindUser =>
  async (ctx) => {
    const accountId = await signedIn(ctx)
    const account = accountId === undefined ? undefined : await accounts.find(accountId)
    return account?.status === 'active' ? account : undefined
  }

/** Signs a user in under a new session; that of another user in this browser ends. */
export async function startSession(
  deps: {
    interactions: Pick<Interactions, 'signedIn' | 'signInDirectly'>
    events: Pick<SignInEvents, 'sessionEnded'>
  },
  ctx: Context,
  proof: Proof,
): Promise<void> {
  const before = await deps.interactions.signedIn(ctx)
  await deps.interactions.signInDirectly(ctx, proof)
  if (before !== undefined && before !== proof.accountId)
    deps.events.sessionEnded(
      { accountId: before, reason: 'account_switched' },
      { ...requestFacts(ctx), actor: before },
    )
}
