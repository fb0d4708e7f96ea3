// The redemption of an authorization code. Invariant: of any number of racers one gets tokens;
// every other redemption of the same code, now or later, revokes what the code gave. Where the
// store may have lost a redemption, no code of before is redeemed.
import { epochSeconds } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import type { ErrorCode } from '../shared/errors.ts'
import type { ParsedToken } from '../shared/token-format.ts'
import type { FamilyChange, Undo } from './family-store.ts'
import {
  type CodeRecord,
  codeName,
  type Grant,
  GRANT,
  parseRecord,
  REFRESH,
  type RefreshRecord,
} from './grant.ts'
import {
  accessPut,
  CODE_SLACK_MILLIS,
  type IssueDeps,
  type Issued,
  outliving,
  refreshPut,
  refuseAndEnd,
  type NotIssued,
  type TokenTerms,
} from './issue.ts'
import { LOST, retryCommit } from '../model/retry-commit.ts'

/**
 * Exchanges a code for tokens, once.
 *
 * @param verify says what is wrong with the redemption (redirect URI, PKCE), if anything; runs
 * before the code is spent
 * @see RFC 6749 §4.1.2 the code is single-use and its reuse revokes what it gave; RFC 6749 §4.1.3
 */
export async function redeemCode(
  deps: IssueDeps,
  presented: ParsedToken,
  appId: string,
  terms: TokenTerms,
  verify: (code: CodeRecord) => ErrorCode | undefined,
  isPermitted: (scope: string, grant: Grant) => boolean,
): Promise<Issued | NotIssued> {
  const hash = sha256(presented.token)
  const family = presented.grantId
  let tried: Issued | undefined
  return retryCommit(async () => {
    const unsettled = deps.store.settled(family)
    if (unsettled !== undefined) await unsettled
    const [grantText, refreshText, codeText] = await deps.store.read(family, [
      GRANT,
      REFRESH,
      codeName(hash),
    ])
    if (grantText === undefined) {
      // Ended while it was being redeemed, and listed anew by that.
      if (tried !== undefined) await deps.unlist(family, tried.grant)
      // It may be a second try after one that ended the family and could not publish it.
      await deps.publishEndAgain(family)
      return { kind: 'refused', reason: 'code_unknown' }
    }
    const grant = parseRecord<Grant>(grantText)
    const state = refreshText === undefined ? undefined : parseRecord<RefreshRecord>(refreshText)
    const isReplay = state?.code === hash
    if (!isReplay && codeText === undefined) return { kind: 'refused', reason: 'code_unknown' }
    if (grant.appId !== appId) return { kind: 'refused', reason: 'code_of_another_client' }
    if (isReplay) {
      // Our own commit: its answer was lost with the connection, which sent it a second time.
      if (tried?.refreshToken !== undefined && state.hash === sha256(tried.refreshToken))
        return tried
      return refuseAndEnd(deps, family, 'code_used', 'code_replay')
    }
    const code = parseRecord<CodeRecord>(codeText ?? '')
    const isLost = code.history !== undefined && code.history !== (await deps.store.history?.())
    if (code.expiresAt <= epochSeconds(deps.clock) || isLost)
      return { kind: 'refused', reason: 'code_unknown' }
    const wrong = verify(code)
    if (wrong !== undefined) return { kind: 'refused', reason: wrong }
    const scopes = grant.scopes.filter((scope) => isPermitted(scope, grant))
    if (scopes.length === 0) return { kind: 'refused', reason: 'grant_revoked' }

    const redeemed = { hash, grant, grantText, code, codeText: codeText ?? '' }
    const { issued, change } = issueForCode(deps, redeemed, scopes, terms)
    tried = issued
    // Lost against another redemption: look again, and find the replay.
    return (await deps.store.commit(family, change)) ? issued : LOST
  })
}

interface RedeemedCode {
  hash: string
  grant: Grant
  grantText: string
  code: CodeRecord
  codeText: string
}

/** Makes the first tokens of a family, and the change that puts them in the place of the code. */
function issueForCode(
  { clock, refreshTokens, listRedeemed }: IssueDeps,
  { hash, grant, grantText, code, codeText }: RedeemedCode,
  scopes: readonly string[],
  terms: TokenTerms,
): { issued: Issued; change: FamilyChange } {
  const refreshToken = refreshTokens.first(grant.id)
  const refresh: RefreshRecord = {
    hash: sha256(refreshToken),
    generation: 0,
    expiresAt: Math.min(epochSeconds(clock) + terms.refreshTtlSeconds, grant.endsAt ?? Infinity),
    code: hash,
  }
  const access = accessPut(clock, grant, scopes, terms)
  const refreshState = refreshPut(clock, refresh, terms)
  const codeMillis = code.expiresAt * 1000 - clock()
  const undo = (): Undo => ({
    expect: [
      { name: GRANT, state: 'equals', value: grantText },
      { name: REFRESH, state: 'equals', value: refreshState.value },
      { name: access.put.name, state: 'present' },
    ],
    put: [
      { name: codeName(hash), value: codeText, ttlMillis: codeMillis },
      { name: GRANT, value: grantText, ttlMillis: codeMillis + CODE_SLACK_MILLIS },
    ],
    remove: [REFRESH, access.put.name],
  })
  const issued: Issued = {
    kind: 'issued',
    accessToken: access.token,
    refreshToken,
    expiresInSeconds: access.expiresInSeconds,
    scopes,
    grant,
    code,
    refresh: undefined,
    undo,
  }
  const change: FamilyChange = {
    expect: [
      { name: GRANT, state: 'present' },
      { name: codeName(hash), state: 'present' },
      { name: REFRESH, state: 'absent' },
    ],
    put: [access.put, refreshState],
    extend: outliving(Math.max(terms.refreshTtlSeconds, terms.accessTtlSeconds)),
    remove: [codeName(hash)],
    undo,
    list: listRedeemed(grant, refresh.expiresAt),
  }
  return { issued, change }
}
