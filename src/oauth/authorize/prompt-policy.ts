// When a user is asked to sign in or to allow an app: all of it is decided here. The engine's own
// rules hold (prompt, max_age, id_token_hint); two of ours come on top, and consent is asked for
// unless it was just given or is remembered. Each answer is a grant of its own, so that revoking
// one connection leaves the others alone.
import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider'
import type Provider from 'oidc-provider'
import { type App, remembersConsent } from '../../model/app.ts'
import { newGrantId } from '../../shared/token-format.ts'
import { unsavedGrant } from './engine/internals.ts'
import { selectAccountPrompt } from './select-account.ts'

/** What is remembered of earlier approvals. */
export interface ConsentLookup {
  /** Returns the scopes that the account allowed the app; `undefined` where it allowed none. */
  find(accountId: string, appId: string): Promise<readonly string[] | undefined>
}

/** What sign-in/ leaves in an interaction's result when a user approved. */
export interface Approval {
  accountId: string
  scopes: string[]
}

/** What the policy needs. */
export interface PromptPolicyDeps {
  consents: ConsentLookup
  findApp: (appId: string) => Promise<App | undefined>
}

/** Returns the engine's rules of when to ask, with ours. */
export function promptPolicy(): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base()
  policy.add(selectAccountPrompt(), 0)
  // An account that was shut down while its session lived: without this the engine goes on to
  // consent and fails on a missing grant.
  policy.get('login')?.checks.add(
    new interactionPolicy.Check('account_gone', 'the account can no longer be used', (ctx) => {
      const { session } = ctx.oidc
      return session?.accountId !== undefined && ctx.oidc.account === undefined
    }),
  )
  return policy
}

/** Returns a new grant that covers the request, or undefined where the user must be asked. */
export async function findAllowedGrant(
  provider: Provider,
  ctx: KoaContextWithOIDC,
  deps: PromptPolicyDeps,
): Promise<InstanceType<Provider['Grant']> | undefined> {
  const { account, client, result } = ctx.oidc
  if (account === undefined || client === undefined) return undefined
  const requested = [...ctx.oidc.requestParamOIDCScopes]
  const approval = result?.['approval'] as Approval | undefined
  // An approval counts only for the user who gave it.
  const approved =
    approval?.accountId === account.accountId
      ? approval.scopes
      : await rememberedScopes(deps, account.accountId, client.clientId)
  if (approved === undefined || !requested.every((scope) => approved.includes(scope)))
    return undefined
  return unsavedGrant(provider, {
    id: newGrantId(),
    accountId: account.accountId,
    clientId: client.clientId,
    scopes: requested,
  })
}

async function rememberedScopes(
  { consents, findApp }: PromptPolicyDeps,
  accountId: string,
  appId: string,
): Promise<readonly string[] | undefined> {
  const app = await findApp(appId)
  return app !== undefined && remembersConsent(app) ? consents.find(accountId, appId) : undefined
}
