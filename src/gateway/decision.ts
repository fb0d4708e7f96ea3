// May this API call pass? One pure decision over the token's status and what the gateway requires,
// whatever the gateway's preset. Invariant: it allows only what it can name a reason for;
// everything else is denied with the reason that the client gets. Called by verify-endpoint.ts.
import type { ActiveToken, TokenStatus } from '../model/token-status.ts'
import { findRule, readPath, type Rule } from './rules.ts'

/** Scopes that a call needs. */
export interface ScopeNeed {
  readonly scopes: readonly string[]
  readonly match: 'all' | 'any'
}

/** What a gateway requires of every call that it asks about. */
export interface Requirement extends ScopeNeed {
  /** The token must name one of them; absent: see `Caller.audiences`. */
  readonly audiences: readonly string[] | undefined
  /** The first rule that fits the call adds its scopes; a call that fits none is denied. */
  readonly rules: readonly Rule[] | undefined
  /**
   * The path of the call must have one reading only: the gateway chose this requirement by its own.
   * Rules imply it.
   */
  readonly plainPath: boolean
  /** Where clients learn how to get a token (RFC 9728); absent: the server's own setting. */
  readonly resourceMetadata: string | undefined
}

/** The gateway that asks, after it proved itself. */
export interface Caller {
  /** What its own limit is counted by. */
  readonly key: string
  /** The names of its API in tokens; absent for a gateway that is known by its network alone. */
  readonly audiences: readonly string[] | undefined
}

/** The API call that the gateway asks about. */
export interface OriginalRequest {
  readonly method: string
  /** Path and query as the client sent them. */
  readonly uri: string
}

/** Why a call may not pass: codes of the error table. */
export type DenialReason =
  | 'token_missing'
  | 'token_malformed'
  | 'token_sent_twice'
  | 'token_invalid'
  | 'scope_insufficient'
  | 'path_ambiguous'
  | 'rule_missing'
  | 'gateway_misconfigured'

export type Decision =
  | { readonly kind: 'allow'; readonly token: ActiveToken }
  | {
      readonly kind: 'deny'
      readonly reason: DenialReason
      /** The app whose token it is, where that is known. */
      readonly appId?: string
      /** The scopes that the call needs, for `scope_insufficient`. */
      readonly scopes?: readonly string[]
    }

/** Returns a denial. */
export const deny = (reason: DenialReason): Decision => ({ kind: 'deny', reason })

/**
 * Decides.
 *
 * @param request needed where the requirement looks at the path, and unused otherwise
 */
export function decide(
  token: TokenStatus,
  requirement: Requirement,
  caller: Caller,
  request: OriginalRequest | undefined,
): Decision {
  if (!token.active || token.kind !== 'access' || !isFor(token, requirement, caller))
    return deny('token_invalid')
  const needs: ScopeNeed[] = [requirement]
  if (requirement.rules !== undefined || requirement.plainPath) {
    if (request === undefined) return deny('gateway_misconfigured')
    const path = readPath(request.uri)
    if (path === undefined) return deny('path_ambiguous')
    if (requirement.rules !== undefined) {
      const rule = findRule(requirement.rules, request.method, path)
      if (rule === undefined) return { kind: 'deny', reason: 'rule_missing', appId: token.app.id }
      needs.push(rule)
    }
  }
  if (needs.every((need) => isMet(need, token.scopes))) return { kind: 'allow', token }
  return {
    kind: 'deny',
    reason: 'scope_insufficient',
    appId: token.app.id,
    scopes: [...new Set(needs.flatMap(({ scopes }) => scopes))],
  }
}

/**
 * A token that names audiences is good for these alone; what is said of the gateway's API must be
 * among them.
 */
function isFor(
  { audience }: ActiveToken,
  { audiences: required }: Requirement,
  { audiences: own }: Caller,
): boolean {
  if (audience === undefined) return required === undefined
  const names = (list: readonly string[]): boolean => list.some((name) => audience.includes(name))
  return (own === undefined ? required !== undefined : names(own)) && (!required || names(required))
}

function isMet({ scopes, match }: ScopeNeed, held: readonly string[]): boolean {
  if (scopes.length === 0) return true
  const isHeld = (scope: string): boolean => held.includes(scope)
  return match === 'all' ? scopes.every(isHeld) : scopes.some(isHeld)
}
