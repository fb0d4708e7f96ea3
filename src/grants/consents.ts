// What a person has allowed an app, remembered apart from the grants, so that it is not asked
// again. Invariant: forgetting a consent and writing down the revocation of its grants are one
// transaction. Called by sign-in (find, remember), connected-apps (list) and disconnect.ts
// (forget).
import { type Clock, dateNow } from '../shared/clock.ts'
import type { ConsentStore, EndedConnection, RememberedConsent } from './consent.store.ts'
import { rememberedName, scopeRemembered } from './scope-generations.ts'

const NO_INCARNATIONS: ReadonlyMap<string, number> = new Map()

/** Remembers consents. */
export interface Consents {
  /** Returns the scopes that the account has allowed the app, or `undefined` where it never allowed any. */
  find(accountId: string, appId: string): Promise<string[] | undefined>
  /**
   * Adds scopes to what the account has allowed the app.
   *
   * @throws {AppError} `not_found` where the account or the app is gone
   */
  remember(accountId: string, appId: string, scopes: readonly string[]): Promise<void>
  /**
   * Forgets what the account has allowed the app and writes down the revocation of its grants;
   * disconnect.ts carries it out at once. Also for an app whose consent is never remembered: it may
   * have grants all the same.
   *
   * @param reason the reason code that each revoked grant will carry
   * @returns the purge job
   */
  forget(accountId: string, appId: string, reason: string): Promise<EndedConnection>
  /** Lists what the account has allowed, the latest change first, up to `limit` or all of it. */
  listOfAccount(accountId: string, limit?: number): Promise<RememberedConsent[]>
}

/** Creates the consents. */
export function createConsents(deps: {
  store: ConsentStore
  clock: Clock
  /** The incarnations of the catalogue of now; without it all are 0. */
  incarnations?: () => ReadonlyMap<string, number>
}): Consents {
  const { store, clock } = deps
  const current = deps.incarnations ?? (() => NO_INCARNATIONS)
  // What was allowed of an earlier scope of the same name is not remembered.
  const ofNow = (remembered: readonly string[]): string[] =>
    remembered.flatMap((name) => scopeRemembered(name, current()) ?? [])
  return {
    async find(accountId, appId) {
      const remembered = await store.find(accountId, appId)
      return remembered && ofNow(remembered)
    },
    remember: (accountId, appId, scopes) =>
      store.addScopes(
        accountId,
        appId,
        scopes.map((name) => rememberedName(name, current())),
        dateNow(clock),
      ),
    forget: (accountId, appId, reason) => store.remove(accountId, appId, reason, dateNow(clock)),
    async listOfAccount(accountId, limit) {
      const consents = await store.listOfAccount(accountId, limit)
      return consents.map((consent) => ({ ...consent, scopes: ofNow(consent.scopes) }))
    },
  }
}
