// Whether an authorization request is already answered: by the approval that was just given, or by one that is remembered. Each answer is a
// grant of its own, so that revoking one connection leaves the others alone.
import type { KoaContextWithOIDC } from 'oidc-provider'
import type Provider from 'oidc-provider'
import { newLocator } from '../shared/token-format.ts'
import { unsavedGrant } from './engine-internals.ts'

/** What is remembered of earlier approvals. */
export interface RememberedConsents {
  /** Returns the scopes that the account allowed the app, or undefined where nothing is remembered or nothing may be. */
  find(accountId: string, appId: string): Promise<readonly string[] | undefined>
}

/** What sign-in/ leaves in an interaction's result when a person approved. */
export interface Approval {
  accountId: string
  scopes: string[]
}

/** Returns a new grant that covers the request, or undefined where the person must be asked. */
export async function loadGrant(
  provider: Provider,
  ctx: KoaContextWithOIDC,
  consents: RememberedConsents,
): Promise<InstanceType<Provider['Grant']> | undefined> {
  const { account, client, result } = ctx.oidc
  if (account === undefined || client === undefined) return undefined
  const requested = [...ctx.oidc.requestParamOIDCScopes]
  const approval = result?.['approval'] as Approval | undefined
  // An approval counts only for the person who gave it.
  const approved =
    approval?.accountId === account.accountId
      ? approval.scopes
      : await consents.find(account.accountId, client.clientId)
  if (approved === undefined || !requested.every((scope) => approved.includes(scope)))
    return undefined
  return unsavedGrant(provider, {
    id: newLocator(),
    accountId: account.accountId,
    clientId: client.clientId,
    scopes: requested,
  })
}
