// The life of an authorization: begun with a code, redeemed once, refreshed, revoked. One
// authorization = one grant = one token family. Invariants: a code and a rotating refresh token are
// redeemed in one atomic commit, so of any number of racers one wins; where the grant is gone
// nothing of the family is issued or valid; a replayed code or a replaced refresh token takes the
// family with it. This file binds the functions to their store; each has a file of its own.
import type { Clock } from '../shared/clock.ts'
import type { RefreshTokenForm } from '../shared/token-format.ts'
import { createAppTokens } from './app-tokens.ts'
import { beginGrant } from './begin-grant.ts'
import type { FamilyStore, IndexStore } from './family-store.ts'
import {
  createParsedGrants,
  findAccess,
  findCode,
  type FindDeps,
  findGrant,
  findRefresh,
  isGenuineRefresh,
} from './find-token.ts'
import type { Grant } from './grant.ts'
import type { IssueDeps, Issued } from './issue.ts'
import { createListing } from './listing.ts'
import { redeemCode } from './redeem-code.ts'
import { refreshGrant } from './refresh-grant.ts'
import {
  type OnEnded,
  publishEndAgain,
  repeatRevocation,
  revokeAccess,
  type RevokeDeps,
  revokeGrant,
} from './revoke-grant.ts'

const NO_INCARNATIONS: ReadonlyMap<string, number> = new Map()

/** What the grants are made over. */
export interface GrantsDeps {
  store: FamilyStore & IndexStore
  refreshTokens: RefreshTokenForm
  clock: Clock
  /** The incarnations of the catalogue of now; without it all are 0. */
  incarnations?: () => ReadonlyMap<string, number>
  /** Waited for after the store has forgotten and before a revocation is answered. */
  onEnded?: OnEnded
  /** Told of each refresh, with the end of the refresh token in seconds where that moved. */
  onRefreshed?: (grant: Grant, prolongedTo: number | undefined) => void
}

/** Creates the grants over a store. */
export function createGrants(deps: GrantsDeps) {
  const { store, refreshTokens, clock, incarnations = () => NO_INCARNATIONS, onEnded } = deps
  const listing = createListing(store, clock)
  const finding: FindDeps = { store, refreshTokens, clock, parsedGrants: createParsedGrants() }
  const revoking: RevokeDeps = { store, refreshTokens, clock, onEnded }
  const issuing: IssueDeps = {
    store,
    refreshTokens,
    clock,
    incarnations,
    listRedeemed: listing.redeemed,
    unlist: listing.unlist,
    revoke: (grantId, reason, onDead) => revokeGrant(revoking, grantId, undefined, reason, onDead),
    publishEndAgain: (grantId) => publishEndAgain(revoking, grantId),
    onRefreshed: deps.onRefreshed,
  }
  return {
    begin: beginGrant.bind(undefined, { store, clock, listing, incarnations }),
    redeem: redeemCode.bind(undefined, issuing),
    refresh: refreshGrant.bind(undefined, issuing),
    issueToApp: createAppTokens(issuing).issue,
    /** Takes back what was issued and cannot be answered, so that the app may try again. */
    takeBack: async ({ grant, undo }: Pick<Issued, 'grant' | 'undo'>): Promise<void> =>
      undo && store.takeBack(grant.id, undo()),
    find: findGrant.bind(undefined, finding),
    findAccess: findAccess.bind(undefined, finding),
    findRefresh: findRefresh.bind(undefined, finding),
    findCode: findCode.bind(undefined, finding),
    isGenuineRefresh: isGenuineRefresh.bind(undefined, finding),
    revoke: revokeGrant.bind(undefined, revoking),
    revokeAccess: revokeAccess.bind(undefined, revoking),
    repeatRevocation: repeatRevocation.bind(undefined, revoking),
    listOfAccount: listing.listOfAccount,
    listOfApp: listing.listOfApp,
    walkOfAccount: listing.walkOfAccount,
    walkOfApp: listing.walkOfApp,
  }
}

export type Grants = ReturnType<typeof createGrants>
