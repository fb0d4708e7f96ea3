// The use of a refresh token. Invariant: a family has one current refresh token; concurrent uses of one token give one successor.
import { epochSeconds } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import type { ParsedToken } from '../shared/token-format.ts'
import { type Grant, GRANT, parseRecord, REFRESH, type RefreshRecord } from './grant.ts'
import {
  accessPut,
  ATTEMPTS,
  type IssueDeps,
  type Issued,
  outliving,
  refreshPut,
  type Refused,
  type TokenTerms,
} from './issue.ts'
import { decideRefresh } from './refresh-policy.ts'

/** A use of a refresh token. */
export interface RefreshRequest {
  appId: string
  terms: TokenTerms
  /** Asked scopes, or undefined for all that were granted (RFC 6749 §6). */
  scopes: readonly string[] | undefined
  /** Whether a granted scope may still be issued: scopes can be taken from an app or from the catalogue. */
  isPermitted: (scope: string, grant: Grant) => boolean
}

/**
 * Exchanges a refresh token for an access token, and where the app's tokens rotate for its one successor.
 *
 * A replaced token that comes back outside the grace revokes the family: either the app or a thief holds a copy.
 *
 * @see RFC 6749 §6, RFC 9700 §4.14.2
 */
export async function refreshGrant(
  deps: IssueDeps,
  presented: ParsedToken,
  request: RefreshRequest,
): Promise<Issued | Refused> {
  // A token whose server key has left the configuration proves itself by the stored hash alone: it can
  // be current or the immediate predecessor, and never a reason to end the family.
  const generation = deps.refreshTokens.genuineGeneration(presented.token) ?? Infinity
  const unknown = generation === Infinity ? 'refresh_token_malformed' : 'refresh_token_unknown'
  const hash = sha256(presented.token)
  const family = presented.locator
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const [grantText, refreshText] = await deps.store.read(family, [GRANT, REFRESH])
    if (grantText === undefined || refreshText === undefined)
      return { kind: 'refused', reason: unknown }
    const grant = parseRecord<Grant>(grantText)
    const state = parseRecord<RefreshRecord>(refreshText)
    if (grant.appId !== request.appId)
      return { kind: 'refused', reason: 'refresh_token_of_another_client' }
    const decision = decideRefresh(
      state,
      { hash, generation },
      deps.clock(),
      request.terms.graceSeconds * 1000,
    )
    if (decision.kind === 'unknown') return { kind: 'refused', reason: unknown }
    if (decision.kind === 'reused') {
      const revoked = await deps.revoke(family, 'refresh_reuse')
      return { kind: 'refused', reason: 'refresh_token_reused', ...(revoked && { revoked }) }
    }
    const asked = narrow(grant, request)
    if ('reason' in asked) return asked
    const next = nextState(deps, presented.token, state, decision.kind, grant, request.terms)
    // Its successor was made under a server key that is configured no more: the window is closed.
    if (next === undefined) return { kind: 'refused', reason: 'refresh_token_unknown' }
    const access = accessPut(deps.clock, grant, asked.scopes, request.terms)
    const done = await deps.store.commit(family, {
      expect: [
        { name: GRANT, state: 'present' },
        { name: REFRESH, state: 'equals', value: refreshText },
      ],
      put:
        next.record === state
          ? [access.put]
          : [access.put, refreshPut(deps.clock, next.record, request.terms)],
      extend: outliving(
        Math.max(next.record.expiresAt - epochSeconds(deps.clock), request.terms.accessTtlSeconds),
      ),
    })
    if (!done) continue
    return {
      kind: 'issued',
      accessToken: access.token,
      refreshToken: next.token,
      expiresInSeconds: access.expiresInSeconds,
      scopes: asked.scopes,
      grant,
      code: undefined,
      refresh: next.how,
    }
  }
  return { kind: 'refused', reason: 'temporarily_unavailable' }
}

function nextState(
  deps: IssueDeps,
  token: string,
  state: RefreshRecord,
  decision: 'current' | 'repeat',
  grant: Grant,
  terms: TokenTerms,
): { record: RefreshRecord; token: string; how: 'kept' | 'rotated' | 'repeated' } | undefined {
  if (decision === 'repeat') {
    for (const successor of deps.refreshTokens.successors(token))
      if (sha256(successor) === state.hash)
        return { record: state, token: successor, how: 'repeated' }
    return undefined
  }
  const now = deps.clock()
  const expiresAt = terms.sliding
    ? Math.min(
        Math.floor(now / 1000) + terms.refreshTtlSeconds,
        grant.createdAt + terms.maxLifeSeconds,
        grant.endsAt ?? Infinity,
      )
    : state.expiresAt
  if (terms.rotate) {
    const [successor = ''] = deps.refreshTokens.successors(token)
    const record: RefreshRecord = {
      hash: sha256(successor),
      generation: state.generation + 1,
      expiresAt,
      code: state.code,
      previous: { hash: state.hash, replacedAt: now },
    }
    return { record, token: successor, how: 'rotated' }
  }
  if (state.previous === undefined && expiresAt === state.expiresAt)
    return { record: state, token, how: 'kept' }
  // The current token is in use, so the grace of its predecessor is over.
  const { previous: _previous, ...rest } = state
  return { record: { ...rest, expiresAt }, token, how: 'kept' }
}

function narrow(grant: Grant, request: RefreshRequest): { scopes: readonly string[] } | Refused {
  const beyond = request.scopes?.find((scope) => !grant.scopes.includes(scope))
  // RFC 6749 §6: the scope MUST NOT include any that the user did not grant.
  if (beyond !== undefined) return { kind: 'refused', reason: 'scope_exceeds_grant', about: beyond }
  const scopes = [...new Set(request.scopes ?? grant.scopes)].filter((scope) =>
    request.isPermitted(scope, grant),
  )
  return scopes.length === 0 ? { kind: 'refused', reason: 'grant_revoked' } : { scopes }
}
