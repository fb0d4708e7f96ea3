// The budget of wrong client secrets, tokens and gateway credentials. Invariants: only failures
// count, after they were judged, so that a right secret is heard however many wrong ones came from
// its address or for its client; and what strangers fail at takes nothing from the budgets of
// honest apps.
import type { BatchedLimit } from './rate-limit.ts'
import type { LimitOutcome } from './limit.ts'

/** Counts proofs that failed. */
export interface FailedProofs {
  /**
   * Counts one of an address, and of the client that it named; says whether it may be answered as
   * what it was.
   */
  count(address: string, clientId?: string): LimitOutcome
  /**
   * Counts a client id that is not in memory, which costs a query to find out whether there is such
   * a client.
   */
  countLookUp(address: string): LimitOutcome
}

/** Creates the budget. */
export function createFailedProofs(limits: {
  perAddress: BatchedLimit
  perClient: BatchedLimit
  lookUpsPerAddress: BatchedLimit
}): FailedProofs {
  return {
    count(address, clientId) {
      const ofAddress = limits.perAddress.hit(address)
      if (!ofAddress.allowed || clientId === undefined) return ofAddress
      const ofClient = limits.perClient.hit(clientId)
      return ofClient.allowed ? ofAddress : ofClient
    },
    countLookUp: (address) => limits.lookUpsPerAddress.hit(address),
  }
}
