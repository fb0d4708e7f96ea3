// Tokens that an app gets for itself (client_credentials). All of them hang on one grant whose id
// follows from the app's; revoking replaces that grant by one of another epoch, so that older
// tokens stay dead. Invariant: one round trip once the grant is known to this process.
import { LRUCache } from 'lru-cache'
import { epochSeconds } from '../shared/clock.ts'
import { base62Hash, randomBase62 } from '../shared/crypto.ts'
import { type Grant, GRANT, parseRecord } from './grant.ts'
import {
  accessPut,
  GRANT_SLACK_SECONDS,
  type IssueDeps,
  type Issued,
  outliving,
  type TokenTerms,
} from './issue.ts'
import { LOST, retryCommit } from '../model/retry-commit.ts'
import { scopeGenerationsFor } from './scope-generations.ts'

/** The family of an app's own tokens: a function of its id, so that every node finds the same one. */
export const appFamily = (appId: string): string => base62Hash(`app ${appId}`, 16)

type AppTokenDeps = Pick<IssueDeps, 'store' | 'clock' | 'incarnations'>

/** What a token is to hold. */
interface Asked {
  scopes: readonly string[]
  audience: readonly string[] | undefined
  generation: number
}

interface KnownGrant {
  grant: Grant
  /** As it is stored, to be compared in the commit. */
  text: string
}

/** The app, as whoever issues knows it. */
export interface TokenOwner {
  id: string
  /** Goes into the token, which is dead where the app's own tokens of it have ended meanwhile. */
  generation: number
}

/** Issues tokens to apps for themselves. */
export interface AppTokens {
  /** Issues an access token (RFC 6749 §4.4). */
  issue: (
    app: TokenOwner,
    scopes: readonly string[],
    audience: readonly string[] | undefined,
    terms: TokenTerms,
  ) => Promise<Issued>
}

/** Creates the issuer; it remembers each app's own grant, which spares a read and at worst costs a second attempt. */
export function createAppTokens(deps: AppTokenDeps): AppTokens {
  const remembered = new LRUCache<string, KnownGrant>({ max: 10_000 })
  return {
    async issue({ id: appId, generation }, scopes, audience, terms) {
      let known = remembered.get(appId)
      let attempts = 0
      return retryCommit(async () => {
        // A grant of before the app's own tokens were ended is replaced: a purge that comes late
        // means that one, and not its successor.
        const isOld = known !== undefined && (known.grant.appGeneration ?? 0) < generation
        const next = known === undefined || isOld ? newAppGrant(deps, appId, generation) : known
        const asked = { scopes, audience, generation }
        const issued = await issueFrom(deps, next, known, asked, terms)
        attempts += 1
        if (issued !== undefined) {
          if (next !== known || attempts > 1) remembered.set(appId, next)
          return issued
        }
        // Revoked, expired, or made by another node in the meantime.
        const [text] = await deps.store.read(next.grant.id, [GRANT])
        known = text === undefined ? undefined : { grant: parseRecord<Grant>(text), text }
        return LOST
      })
    },
  }
}

function newAppGrant(deps: AppTokenDeps, appId: string, generation: number): KnownGrant {
  const grant: Grant = {
    id: appFamily(appId),
    appId,
    scopes: [],
    createdAt: epochSeconds(deps.clock),
    epoch: randomBase62(8),
    ...(generation > 0 && { appGeneration: generation }),
  }
  return { grant, text: JSON.stringify(grant) }
}

async function issueFrom(
  deps: AppTokenDeps,
  { grant, text }: KnownGrant,
  stored: KnownGrant | undefined,
  { scopes, audience, generation }: Asked,
  terms: TokenTerms,
): Promise<Issued | undefined> {
  const incarnations = scopeGenerationsFor(scopes, deps.incarnations())
  const access = accessPut(deps.clock, grant, scopes, terms, {
    ...(incarnations && { incarnations }),
    ...(generation > 0 && { generation }),
    ...(audience === undefined ? {} : { audience: [...audience] }),
    ...(grant.epoch === undefined ? {} : { epoch: grant.epoch }),
  })
  const ttlMillis = (terms.accessTtlSeconds + GRANT_SLACK_SECONDS) * 1000
  const done = await deps.store.commit(grant.id, {
    expect: [
      stored === undefined
        ? { name: GRANT, state: 'absent' }
        : { name: GRANT, state: 'equals', value: stored.text },
    ],
    put:
      stored?.text === text ? [access.put] : [{ name: GRANT, value: text, ttlMillis }, access.put],
    extend: outliving(terms.accessTtlSeconds),
  })
  if (!done) return undefined
  return {
    kind: 'issued',
    accessToken: access.token,
    refreshToken: undefined,
    expiresInSeconds: access.expiresInSeconds,
    scopes,
    grant,
    code: undefined,
    refresh: undefined,
  }
}
