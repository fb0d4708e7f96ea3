// The life of an authorization over a store: redemption, refresh, revocation and app tokens, races
// included. Run on each store, because its guarantees depend on the store's atomicity.
import { createAppTokens, appFamily } from '../../src/grants/app-tokens.ts'
import type { CodeRecord, Grant } from '../../src/grants/grant.ts'
import { createGrants, type Grants } from '../../src/grants/grants.ts'
import type { OnEnded } from '../../src/grants/revoke-grant.ts'
import type { Issued, NotIssued, TokenTerms } from '../../src/grants/issue.ts'
import {
  createServerKeys,
  equalInConstantTime,
  pkceChallenge,
  sha256,
} from '../../src/shared/crypto.ts'
import { newAccountId, newClientId } from '../../src/shared/ids.ts'
import { Secret } from '../../src/shared/secret.ts'
import {
  createRefreshTokenForm,
  newAccessToken,
  newCode,
  newGrantId,
  parseToken,
  type ParsedToken,
} from '../../src/shared/token-format.ts'
import { AppError } from '../../src/shared/errors.ts'
import { MOST_REPEATS } from '../../src/grants/refresh-policy.ts'
import type { OpenedStore } from './short-lived-stores.ts'

const DAY_SECONDS = 86_400
const DAY_MILLIS = DAY_SECONDS * 1000
const SECRETS = [new Secret('a server secret that is long enough for the tests')]

export const refreshTokens = createRefreshTokenForm(createServerKeys(SECRETS))
const forgedTokens = createRefreshTokenForm(
  createServerKeys([new Secret('a key that the server does not have')]),
)

/** The terms of a confidential app as documented: 1 h, 30 d, kept. */
export const TERMS: TokenTerms = {
  accessTtlSeconds: 3600,
  refreshTtlSeconds: 30 * DAY_SECONDS,
  rotate: false,
  sliding: false,
  maxLifeSeconds: 90 * DAY_SECONDS,
  graceSeconds: 30,
}
const ROTATING: TokenTerms = { ...TERMS, rotate: true }

export const parsed = (token: string): ParsedToken => {
  const result = parseToken(token)
  if (result === undefined) throw new Error('not one of our tokens')
  return result
}

const always = () => true
const reasonOf = (outcome: Issued | NotIssued) =>
  outcome.kind === 'refused' ? outcome.reason : outcome.kind

export function assertIssued(outcome: Issued | NotIssued): asserts outcome is Issued {
  if (outcome.kind !== 'issued') throw new Error(`refused: ${outcome.reason}`)
}

/** Runs the suite on the store that `open` opens. */
export function describeGrants(name: string, open: () => Promise<OpenedStore>): void {
  describe(name, () => {
    let opened: OpenedStore
    let grants: Grants
    beforeAll(async () => {
      opened = await open()
      grants = newGrants()
    })
    afterAll(() => opened[Symbol.asyncDispose]())

    const newGrants = () =>
      createGrants({ store: opened.store, clock: opened.clock, refreshTokens })
    const newGrantsOn = (store: Partial<OpenedStore['store']>) =>
      createGrants({ store: { ...opened.store, ...store }, clock: opened.clock, refreshTokens })
    const nowSeconds = () => Math.floor(opened.clock() / 1000)

    /** Begins an authorization, as the consent page does. */
    async function begin(
      overrides: { grant?: Partial<Grant>; code?: Partial<CodeRecord>; lifeSeconds?: number } = {},
    ) {
      const grant = {
        id: newGrantId(),
        appId: newClientId(),
        accountId: newAccountId(),
        scopes: ['bookings:read', 'customers:read'],
        createdAt: nowSeconds(),
        ...overrides.grant,
      }
      const code = newCode(grant.id)
      const record = {
        redirectUri: 'https://app.example/cb',
        expiresAt: nowSeconds() + 60,
        ...overrides.code,
      }
      await grants.begin(grant, code, record, overrides.lifeSeconds ?? TERMS.refreshTtlSeconds)
      return { grant, code }
    }
    const redeem = (code: string, appId: string, terms = TERMS, on = grants) =>
      on.redeem(parsed(code), appId, terms, () => undefined, always)
    const refresh = (
      token: string,
      appId: string,
      terms = TERMS,
      scopes?: string[],
      isPermitted: (scope: string) => boolean = always,
    ) => grants.refresh(parsed(token), { appId, terms, scopes, isPermitted })
    const findAccess = (token: string) => grants.findAccess(parsed(token))

    /** Begins and redeems. */
    async function authorize(terms = TERMS, overrides: Parameters<typeof begin>[0] = {}) {
      const { grant, code } = await begin(overrides)
      const issued = await redeem(code, grant.appId, terms)
      assertIssued(issued)
      return { grant, code, access: issued.accessToken, refreshToken: issued.refreshToken ?? '' }
    }
    async function refreshed(token: string, appId: string, terms = TERMS) {
      const outcome = await refresh(token, appId, terms)
      assertIssued(outcome)
      return {
        access: outcome.accessToken,
        refreshToken: outcome.refreshToken ?? '',
        how: outcome.refresh,
      }
    }
    const isAlive = async (grantId: string) => (await grants.find(grantId)) !== undefined

    describe('a code', () => {
      it('is exchanged for an access and a refresh token of its family', async () => {
        const { grant, code } = await begin({ code: { nonce: 'n', authTime: 7 } })
        expect(await grants.find(grant.id)).toMatchObject(grant)
        const issued = await redeem(code, grant.appId)
        expect(issued).toMatchObject({
          kind: 'issued',
          expiresInSeconds: 3600,
          scopes: grant.scopes,
          grant,
          code: { redirectUri: 'https://app.example/cb', nonce: 'n', authTime: 7 },
          refresh: undefined,
        })
        assertIssued(issued)
        expect(parsed(issued.accessToken)).toMatchObject({ kind: 'access', grantId: grant.id })
        expect(parsed(issued.refreshToken ?? '')).toMatchObject({
          kind: 'refresh',
          grantId: grant.id,
        })
        const found = await findAccess(issued.accessToken)
        const issuedAt = found?.access.issuedAt ?? 0
        expect(found).toMatchObject({ grant, access: { expiresAt: issuedAt + 3600 } })
        expect(issuedAt).toBeGreaterThanOrEqual(grant.createdAt)
        expect(issuedAt).toBeLessThanOrEqual(nowSeconds())
        expect(await grants.findRefresh(parsed(issued.refreshToken ?? ''))).toMatchObject({
          isCurrent: true,
          grant,
        })
      })

      it('is unknown where it never was, is of another family, or its time is over', async () => {
        const { grant, code } = await begin()
        expect(reasonOf(await redeem(newCode(newGrantId()), grant.appId))).toBe('code_unknown')
        expect(reasonOf(await redeem(newCode(grant.id), grant.appId))).toBe('code_unknown')
        opened.clock.move(60_000)
        expect(reasonOf(await redeem(code, grant.appId))).toBe('code_unknown')
      })

      it('is refused to another client, and stays good for its own', async () => {
        const { grant, code } = await begin()
        expect(reasonOf(await redeem(code, newClientId()))).toBe('code_of_another_client')
        assertIssued(await redeem(code, grant.appId))
        expect(reasonOf(await redeem(code, newClientId()))).toBe('code_of_another_client')
        expect(await isAlive(grant.id)).toBe(true)
      })

      it('is refused for what the caller finds wrong, and is not spent by it', async () => {
        const codeChallenge = pkceChallenge('verifier')
        const { grant, code } = await begin({ code: { codeChallenge } })
        const withVerifier = (verifier: string) =>
          grants.redeem(
            parsed(code),
            grant.appId,
            TERMS,
            (record) =>
              equalInConstantTime(record.codeChallenge ?? '', pkceChallenge(verifier))
                ? undefined
                : 'pkce_mismatch',
            always,
          )
        expect(reasonOf(await withVerifier('wrong'))).toBe('pkce_mismatch')
        assertIssued(await withVerifier('verifier'))
      })

      it('gives only what may still be issued, and nothing where that is nothing', async () => {
        const one = await begin()
        const narrowed = await grants.redeem(
          parsed(one.code),
          one.grant.appId,
          TERMS,
          () => undefined,
          (scope) => scope === 'bookings:read',
        )
        assertIssued(narrowed)
        expect(narrowed.scopes).toEqual(['bookings:read'])
        expect((await findAccess(narrowed.accessToken))?.access.scopes).toEqual(['bookings:read'])
        const other = await begin()
        const none = await grants.redeem(
          parsed(other.code),
          other.grant.appId,
          TERMS,
          () => undefined,
          () => false,
        )
        expect(reasonOf(none)).toBe('grant_revoked')
      })

      it('is unknown after its grant was revoked', async () => {
        const { grant, code } = await begin()
        await grants.revoke(grant.id)
        expect(reasonOf(await redeem(code, grant.appId))).toBe('code_unknown')
      })

      it('that comes back takes the whole family with it (RFC 6749 §4.1.2), also after refreshes', async () => {
        const { grant, code, access, refreshToken } = await authorize(ROTATING)
        const next = await refreshed(refreshToken, grant.appId, ROTATING)
        const replay = await redeem(code, grant.appId)
        expect(replay).toMatchObject({ kind: 'refused', reason: 'code_used', revoked: grant })
        expect(await findAccess(access)).toBeUndefined()
        expect(await findAccess(next.access)).toBeUndefined()
        expect(reasonOf(await refresh(next.refreshToken, grant.appId))).toBe(
          'refresh_token_unknown',
        )
        expect(reasonOf(await redeem(code, grant.appId))).toBe('code_unknown')
      })

      it.each([20, 50])(
        'gives tokens to one of %d parallel redemptions, and then its family is dead',
        async (racers) => {
          const { grant, code } = await begin()
          const other = newGrants()
          const outcomes = await Promise.all(
            Array.from({ length: racers }, (_, at) =>
              redeem(code, grant.appId, TERMS, at % 2 === 0 ? grants : other),
            ),
          )
          const winners = outcomes.filter((outcome) => outcome.kind === 'issued')
          expect(winners).toHaveLength(1)
          const reasons = outcomes.map(reasonOf)
          expect(reasons).toContain('code_used')
          // Who comes when the family is dead already finds nothing.
          expect(['code_used', 'code_unknown', 'issued']).toEqual(expect.arrayContaining(reasons))
          // The end of the family is reported once, however many replays there were.
          expect(
            outcomes.filter(
              (outcome) => outcome.kind === 'refused' && outcome.revoked !== undefined,
            ),
          ).toHaveLength(1)
          expect(await isAlive(grant.id)).toBe(false)
          expect(await findAccess(winners[0]?.accessToken ?? '')).toBeUndefined()
          expect(reasonOf(await refresh(winners[0]?.refreshToken ?? '', grant.appId))).toBe(
            'refresh_token_unknown',
          )
        },
      )

      it('is not taken for a replay when the connection sent its redemption twice', async () => {
        const { grant, code } = await begin()
        const twice = createGrants({
          store: {
            ...opened.store,
            commit: async (family, change) => {
              await opened.store.commit(family, change)
              return opened.store.commit(family, change)
            },
          },
          clock: opened.clock,
          refreshTokens,
        })
        const issued = await redeem(code, grant.appId, TERMS, twice)
        assertIssued(issued)
        expect(await findAccess(issued.accessToken)).toMatchObject({ grant })
        expect(await refresh(issued.refreshToken ?? '', grant.appId)).toMatchObject({
          refresh: 'kept',
        })
      })
    })

    describe('a beginning', () => {
      it('whose commit the connection sent twice is a beginning', async () => {
        const grant = {
          id: newGrantId(),
          appId: newClientId(),
          accountId: newAccountId(),
          scopes: ['a'],
          createdAt: nowSeconds(),
        }
        const commit: OpenedStore['store']['commit'] = async (family, change) => {
          await opened.store.commit(family, change)
          return opened.store.commit(family, change)
        }
        const twice = createGrants({
          store: { ...opened.store, commit },
          clock: opened.clock,
          refreshTokens,
        })
        const code = newCode(grant.id)
        await twice.begin(grant, code, { redirectUri: 'x', expiresAt: nowSeconds() + 60 }, 1000)
        assertIssued(await redeem(code, grant.appId))
      })

      it('fails where the grant is there already, and leaves that one alone', async () => {
        const { grant } = await begin()
        const other = newCode(grant.id)
        await expect(
          grants.begin(
            { ...grant, accountId: newAccountId() },
            other,
            { redirectUri: 'x', expiresAt: nowSeconds() + 60 },
            1000,
          ),
        ).rejects.toMatchObject({ code: 'grant_revoked' })
        expect(await grants.find(grant.id)).toMatchObject(grant)
        expect(reasonOf(await redeem(other, grant.appId))).toBe('code_unknown')
      })

      it('fails where the grant was ended between its index and its record', async () => {
        const grant = {
          id: newGrantId(),
          appId: newClientId(),
          accountId: newAccountId(),
          scopes: ['a'],
          createdAt: nowSeconds(),
        }
        const late = createGrants({
          store: {
            ...opened.store,
            // As on a Cluster, where the indexes are on other nodes.
            commit: async (family, { list, ...change }) => {
              for (const { index, member, endsAtMillis } of list?.entries ?? [])
                await opened.store.addToIndex(index, member, endsAtMillis, opened.clock())
              for (const { grantId, appId } of await grants.walkOfAccount(
                grant.accountId,
                undefined,
                10,
              ))
                await grants.revoke(grantId, { appId, accountId: grant.accountId })
              return opened.store.commit(family, change)
            },
          },
          clock: opened.clock,
          refreshTokens,
        })
        const beginning = late.begin(
          grant,
          newCode(grant.id),
          { redirectUri: 'x', expiresAt: nowSeconds() + 60 },
          1000,
        )
        await expect(beginning).rejects.toMatchObject({ code: 'grant_revoked' })
        expect(await isAlive(grant.id)).toBe(false)
      })
    })

    describe('a refresh token that does not rotate', () => {
      it('is kept, gives new access tokens, and the older ones live on', async () => {
        const { grant, access, refreshToken } = await authorize()
        const second = await refreshed(refreshToken, grant.appId)
        expect(second).toMatchObject({ refreshToken, how: 'kept' })
        expect(second.access).not.toBe(access)
        expect(await findAccess(access)).toBeDefined()
        expect(await findAccess(second.access)).toBeDefined()
      })

      it('ends 30 days after the authorization, however often it is used', async () => {
        const { grant, refreshToken } = await authorize()
        opened.clock.move(29 * DAY_MILLIS)
        await refreshed(refreshToken, grant.appId)
        opened.clock.move(DAY_MILLIS)
        expect(reasonOf(await refresh(refreshToken, grant.appId))).toBe('refresh_token_unknown')
        expect(await grants.findRefresh(parsed(refreshToken))).toBeUndefined()
      })

      it('gives 20 parallel uses 20 access tokens', async () => {
        const { grant, refreshToken } = await authorize()
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, () => refreshed(refreshToken, grant.appId)),
        )
        expect(new Set(outcomes.map(({ access }) => access)).size).toBe(20)
        for (const { access } of outcomes) expect(await findAccess(access)).toBeDefined()
      })

      it('is refused to another client and to a request for more scopes, by reason', async () => {
        const { grant, refreshToken } = await authorize()
        expect(reasonOf(await refresh(refreshToken, newClientId()))).toBe(
          'refresh_token_of_another_client',
        )
        expect(
          await refresh(refreshToken, grant.appId, TERMS, ['bookings:read', 'bookings:write']),
        ).toMatchObject({
          kind: 'refused',
          reason: 'scope_exceeds_grant',
          about: 'bookings:write',
        })
        expect(
          reasonOf(await refresh(refreshToken, grant.appId, TERMS, undefined, () => false)),
        ).toBe('grant_revoked')
        expect(await isAlive(grant.id)).toBe(true)
      })

      it('narrows the scopes of one access token, not of the next (RFC 6749 §6)', async () => {
        const { grant, refreshToken } = await authorize()
        const narrow = await refresh(refreshToken, grant.appId, TERMS, [
          'customers:read',
          'customers:read',
        ])
        assertIssued(narrow)
        expect(narrow.scopes).toEqual(['customers:read'])
        expect((await findAccess(narrow.accessToken))?.access.scopes).toEqual(['customers:read'])
        const whole = await refresh(refreshToken, grant.appId)
        assertIssued(whole)
        expect(whole.scopes).toEqual(grant.scopes)
      })

      it('is unknown in another family, before redemption, and after revocation', async () => {
        const begun = await begin()
        const { grant, refreshToken } = await authorize()
        expect(
          reasonOf(await refresh(refreshTokens.first(begun.grant.id), begun.grant.appId)),
        ).toBe('refresh_token_unknown')
        expect(reasonOf(await refresh(refreshTokens.first(grant.id), grant.appId))).toBe(
          'refresh_token_unknown',
        )
        await grants.revoke(grant.id)
        expect(reasonOf(await refresh(refreshToken, grant.appId))).toBe('refresh_token_unknown')
      })
    })

    describe('a sliding refresh token', () => {
      const SLIDING: TokenTerms = { ...TERMS, sliding: true }
      const lifeSeconds = TERMS.maxLifeSeconds

      it('begins its 30 days anew at each use, up to the longest life, and its grant outlives it', async () => {
        const { grant, refreshToken } = await authorize(SLIDING, { lifeSeconds })
        const ends: number[] = []
        for (let day = 0; day < 100; day += 25) {
          const outcome = await refresh(refreshToken, grant.appId, SLIDING)
          if (outcome.kind === 'refused') break
          const state = await grants.findRefresh(parsed(refreshToken))
          ends.push(((state?.refresh.expiresAt ?? 0) - grant.createdAt) / DAY_SECONDS)
          const left = ((state?.refresh.expiresAt ?? 0) - nowSeconds()) * 1000
          expect(await opened.remainingMillis(grant.id, 'g')).toBeGreaterThan(left + 3_500_000)
          opened.clock.move(25 * DAY_MILLIS)
        }
        expect(ends.map(Math.round)).toEqual([30, 55, 80, 90])
        expect(reasonOf(await refresh(refreshToken, grant.appId, SLIDING))).toBe(
          'refresh_token_unknown',
        )
      })

      it('is kept by 20 parallel uses', async () => {
        const { grant, refreshToken } = await authorize(SLIDING, { lifeSeconds })
        opened.clock.move(DAY_MILLIS)
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, () => refresh(refreshToken, grant.appId, SLIDING)),
        )
        expect(new Set(outcomes.map(reasonOf))).toEqual(new Set(['issued']))
      })

      it('never outlives what the indexes know of its grant, also where sliding or a long access life came later', async () => {
        const { grant, refreshToken } = await authorize(TERMS)
        opened.clock.move(30 * DAY_MILLIS - 60_000)
        const generous: TokenTerms = { ...SLIDING, accessTtlSeconds: 10 * DAY_SECONDS }
        const outcome = await refresh(refreshToken, grant.appId, generous)
        assertIssued(outcome)
        const live = await findAccess(outcome.accessToken)
        expect(live?.access.expiresAt).toBe((live?.access.issuedAt ?? 0) + outcome.expiresInSeconds)
        expect(outcome.expiresInSeconds).toBeGreaterThanOrEqual(3600)
        const refreshEnd = (await grants.findRefresh(parsed(refreshToken)))?.refresh.expiresAt ?? 0
        const lastMillis = Math.max(live?.access.expiresAt ?? 0, refreshEnd) * 1000 - 1
        expect(
          await opened.store.listIndex(`u:${grant.accountId}`, lastMillis, 0, 10),
        ).toHaveLength(1)
        expect(await opened.store.listIndex(`p:${grant.appId}`, lastMillis, 0, 10)).toHaveLength(1)
      })
    })

    describe('a rotating refresh token (RFC 9700 §4.14.2)', () => {
      it('is replaced at each use, one generation on, by a token that works', async () => {
        const { grant, refreshToken } = await authorize(ROTATING)
        const second = await refreshed(refreshToken, grant.appId, ROTATING)
        const third = await refreshed(second.refreshToken, grant.appId, ROTATING)
        expect(second.how).toBe('rotated')
        expect(
          [refreshToken, second.refreshToken, third.refreshToken].map((token) =>
            refreshTokens.genuineGeneration(token),
          ),
        ).toEqual([0, 1, 2])
        expect(await isAlive(grant.id)).toBe(true)
      })

      it('does not lengthen the life of the authorization', async () => {
        const { grant, refreshToken } = await authorize(ROTATING)
        opened.clock.move(20 * DAY_MILLIS)
        const second = await refreshed(refreshToken, grant.appId, ROTATING)
        opened.clock.move(10 * DAY_MILLIS)
        expect(reasonOf(await refresh(second.refreshToken, grant.appId, ROTATING))).toBe(
          'refresh_token_unknown',
        )
      })

      it('answers its immediate predecessor with the same successor inside the grace', async () => {
        const { grant, refreshToken } = await authorize(ROTATING)
        const second = await refreshed(refreshToken, grant.appId, ROTATING)
        opened.clock.move(29_000)
        const again = await refreshed(refreshToken, grant.appId, ROTATING)
        expect(again).toMatchObject({ refreshToken: second.refreshToken, how: 'repeated' })
        expect(await findAccess(again.access)).toBeDefined()
        expect(await findAccess(second.access)).toBeDefined()
      })

      it('is refused, and no failure, where the clock of a server is a month ahead', async () => {
        const { grant, refreshToken } = await authorize(ROTATING)
        const monthMillis = 31 * DAY_MILLIS
        const ahead = createGrants({
          store: { ...opened.store, skewMillis: () => -monthMillis },
          clock: () => opened.clock() + monthMillis,
          refreshTokens,
        })
        const outcome = await ahead.refresh(parsed(refreshToken), {
          appId: grant.appId,
          terms: ROTATING,
          scopes: undefined,
          isPermitted: always,
        })
        expect(outcome).toEqual({ kind: 'refused', reason: 'refresh_token_unknown' })
      })

      it('measures the grace by the clock that processes share, however theirs go apart', async () => {
        const apart = (skewMillis: number) =>
          createGrants({
            store: { ...opened.store, skewMillis: () => skewMillis },
            clock: () => opened.clock() - skewMillis,
            refreshTokens,
          })
        const [behind, ahead] = [apart(120_000), apart(-120_000)]
        const { grant, refreshToken } = await authorize(ROTATING)
        const request = { appId: grant.appId, terms: ROTATING, scopes: undefined }
        const on = (one: Grants) =>
          one.refresh(parsed(refreshToken), { ...request, isPermitted: always })
        expect(await on(behind)).toMatchObject({ refresh: 'rotated' })
        for (const one of [grants, ahead, behind])
          expect(await on(one)).toMatchObject({ refresh: 'repeated' })
      })

      it('answers within the grace a bounded number of times; what comes beyond is reuse (RFC 9700 §4.14.2)', async () => {
        const { grant, refreshToken } = await authorize(ROTATING)
        const second = await refreshed(refreshToken, grant.appId, ROTATING)
        const repeats = await Promise.all(
          Array.from({ length: MOST_REPEATS }, () => refresh(refreshToken, grant.appId, ROTATING)),
        )
        expect(new Set(repeats.map(reasonOf))).toEqual(new Set(['issued']))
        expect(await refresh(refreshToken, grant.appId, ROTATING)).toMatchObject({
          reason: 'refresh_token_reused',
          because: 'refresh_reuse',
          revoked: grant,
        })
        expect(await findAccess(second.access)).toBeUndefined()
      })

      it('counts the answers of the grace anew after each rotation', async () => {
        const { grant, refreshToken } = await authorize(ROTATING)
        let current = refreshToken
        for (let round = 0; round < 3; round += 1) {
          const next = await refreshed(current, grant.appId, ROTATING)
          for (let at = 0; at < MOST_REPEATS - 10; at += 1)
            await refreshed(current, grant.appId, ROTATING)
          current = next.refreshToken
        }
        expect(await isAlive(grant.id)).toBe(true)
      })

      it('tells a repeat from another network from one of the same', async () => {
        const { grant, refreshToken } = await authorize(ROTATING)
        const from = (network?: string) =>
          grants.refresh(parsed(refreshToken), {
            appId: grant.appId,
            terms: ROTATING,
            scopes: undefined,
            isPermitted: always,
            ...(network !== undefined && { network }),
          })
        await from('192.0.2.1')
        expect(await from('192.0.2.1')).toMatchObject({
          refresh: 'repeated',
          isFromElsewhere: false,
        })
        expect(await from('192.0.2.2')).toMatchObject({
          refresh: 'repeated',
          isFromElsewhere: true,
        })
        expect((await opened.dump()).join('\n')).not.toContain('192.0.2.')
      })

      describe('that somebody copied', () => {
        const use = (token: string, appId: string, from: string, isProven = false) =>
          grants.refresh(parsed(token), {
            appId,
            terms: ROTATING,
            scopes: undefined,
            isPermitted: always,
            network: from,
            isProven,
          })

        /**
         * The app refreshes once an hour, and somebody repeats that; returns after how many hours
         * that ended.
         */
        async function hoursUntilNoticed(
          delayMillis: (hour: number) => number,
          thiefFrom: string,
          isProven = false,
        ): Promise<number> {
          const { grant, refreshToken } = await authorize(ROTATING)
          let current = refreshToken
          for (let hour = 1; hour <= 12; hour += 1) {
            opened.clock.move(3_600_000)
            const own = await use(current, grant.appId, '192.0.2.1', isProven)
            assertIssued(own)
            opened.clock.move(delayMillis(hour))
            const copy = await use(current, grant.appId, thiefFrom, isProven)
            if (copy.kind === 'refused') {
              expect(copy).toMatchObject({ reason: 'refresh_token_reused', revoked: grant })
              expect(await isAlive(grant.id)).toBe(false)
              return hour
            }
            current = own.refreshToken ?? ''
          }
          return Infinity
        }

        it.each([
          ['late after each rotation', () => 20_000, '192.0.2.1'],
          ['at once, from another network', () => 0, '198.51.100.7'],
          ['now late, now at once', (hour: number) => (hour % 2 === 1 ? 20_000 : 0), '192.0.2.1'],
        ])(
          'is noticed within a few rotations when the copy is used %s',
          async (_title, delayMillis, from) => {
            expect(await hoursUntilNoticed(delayMillis, from)).toBeLessThanOrEqual(5)
          },
        )

        it('is no matter where workers refresh at one moment, hour after hour, or the app proves itself', async () => {
          expect(await hoursUntilNoticed(() => 1000, '192.0.2.1')).toBe(Infinity)
          expect(await hoursUntilNoticed(() => 20_000, '192.0.2.2', true)).toBe(Infinity)
        })

        it('is forgotten where answers got lost two times, and then not', async () => {
          const { grant, refreshToken } = await authorize(ROTATING)
          let current = refreshToken
          for (let hour = 1; hour <= 12; hour += 1) {
            const next = await refreshed(current, grant.appId, ROTATING)
            opened.clock.move(20_000)
            if (hour % 3 !== 0) await refreshed(current, grant.appId, ROTATING)
            current = next.refreshToken
          }
          expect(await isAlive(grant.id)).toBe(true)
        })

        it('gets nothing once the successor was used, in any race: 30 rounds', async () => {
          let wasRepeated = 0
          let wasReused = 0
          await Promise.all(
            Array.from({ length: 30 }, async (_, round) => {
              const { grant, refreshToken } = await authorize(ROTATING)
              const second = await refreshed(refreshToken, grant.appId, ROTATING)
              const racers = [second.refreshToken, refreshToken].map(
                (token) => () => use(token, grant.appId, '192.0.2.1'),
              )
              if (round % 2 === 0) racers.reverse()
              const outcomes = await Promise.all(racers.map((race) => race()))
              if (round % 2 === 0) outcomes.reverse()
              const [successor, predecessor] = outcomes
              if (predecessor?.kind === 'issued') {
                wasRepeated += 1
                expect(predecessor.refreshToken).toBe(second.refreshToken)
              } else wasReused += 1
              if (successor?.kind === 'issued')
                expect(reasonOf(await use(refreshToken, grant.appId, '192.0.2.1'))).not.toBe(
                  'issued',
                )
              expect(await isAlive(grant.id)).toBe(false)
            }),
          )
          expect(wasRepeated + wasReused).toBe(30)
        })
      })

      it.each([
        ['outside the grace', 31_000, false],
        ['inside the grace, when the successor is in use', 1000, true],
      ])(
        'takes the family with it when the predecessor comes back %s',
        async (_title, afterMillis, isSuccessorUsed) => {
          const { grant, access, refreshToken } = await authorize(ROTATING)
          const second = await refreshed(refreshToken, grant.appId, ROTATING)
          let last = second
          if (isSuccessorUsed) last = await refreshed(second.refreshToken, grant.appId, ROTATING)
          opened.clock.move(afterMillis)
          const reuse = await refresh(refreshToken, grant.appId, ROTATING)
          expect(reuse).toMatchObject({
            kind: 'refused',
            reason: 'refresh_token_reused',
            revoked: grant,
          })
          for (const token of [access, second.access, last.access])
            expect(await findAccess(token)).toBeUndefined()
          expect(reasonOf(await refresh(last.refreshToken, grant.appId, ROTATING))).toBe(
            'refresh_token_unknown',
          )
        },
      )

      it('that the app does not rotate any more closes the grace at its use as well', async () => {
        const { grant, refreshToken } = await authorize(ROTATING)
        const second = await refreshed(refreshToken, grant.appId, ROTATING)
        expect(await refreshed(second.refreshToken, grant.appId, TERMS)).toMatchObject({
          how: 'kept',
          refreshToken: second.refreshToken,
        })
        expect(reasonOf(await refresh(refreshToken, grant.appId, TERMS))).toBe(
          'refresh_token_reused',
        )
      })

      it('is not revoked by an invented token of an old generation with a good checksum', async () => {
        const { grant, refreshToken } = await authorize(ROTATING)
        const second = await refreshed(refreshToken, grant.appId, ROTATING)
        const forged = forgedTokens.first(grant.id)
        expect(parseToken(forged)).toMatchObject({ kind: 'refresh', grantId: grant.id })
        expect(reasonOf(await refresh(forged, grant.appId, ROTATING))).toBe(
          'refresh_token_malformed',
        )
        expect(await grants.findRefresh(parsed(forged))).toBeUndefined()
        await refreshed(second.refreshToken, grant.appId, ROTATING)
      })

      describe('whose last rotations the store has lost', () => {
        /** Rotates twice; the store then knows the first token as the current one again. */
        async function loseTwo() {
          const { grant, refreshToken: first } = await authorize(ROTATING)
          const [before] = await opened.store.read(grant.id, ['r'])
          const second = await refreshed(first, grant.appId, ROTATING)
          const third = await refreshed(second.refreshToken, grant.appId, ROTATING)
          await opened.store.commit(grant.id, {
            expect: [],
            put: [{ name: 'r', value: before ?? '', ttlMillis: DAY_MILLIS }],
          })
          return { grant, first, second: second.refreshToken, third: third.refreshToken }
        }

        it('is the current one, and goes on from there', async () => {
          const { grant, first, third } = await loseTwo()
          expect(await grants.findRefresh(parsed(third))).toMatchObject({ isCurrent: true })
          const fourth = await refreshed(third, grant.appId, ROTATING)
          expect(fourth.how).toBe('rotated')
          expect(refreshTokens.genuineGeneration(fourth.refreshToken)).toBe(3)
          expect(await grants.findRefresh(parsed(first))).toMatchObject({ isCurrent: false })
          const again = await refreshed(third, grant.appId, ROTATING)
          expect(again.refreshToken).toBe(fourth.refreshToken)
          expect(reasonOf(await refresh(first, grant.appId, ROTATING))).toBe('refresh_token_reused')
          expect(await isAlive(grant.id)).toBe(false)
        })

        it('is kept where the app does not rotate any more', async () => {
          const { grant, second, third } = await loseTwo()
          expect(await refreshed(third, grant.appId, TERMS)).toMatchObject({
            how: 'kept',
            refreshToken: third,
          })
          expect(await grants.findRefresh(parsed(third))).toMatchObject({ isCurrent: true })
          expect(await grants.findRefresh(parsed(second))).toMatchObject({ isCurrent: false })
        })

        it('a replaced one that the store takes for current gives its one successor again', async () => {
          const { grant, first, second, third } = await loseTwo()
          expect((await refreshed(first, grant.appId, ROTATING)).refreshToken).toBe(second)
          expect((await refreshed(third, grant.appId, ROTATING)).how).toBe('rotated')
          expect(reasonOf(await refresh(second, grant.appId, ROTATING))).toBe(
            'refresh_token_reused',
          )
        })

        it('helps nobody where the authorization has ended', async () => {
          const { grant, third } = await loseTwo()
          await grants.revoke(grant.id)
          expect(reasonOf(await refresh(third, grant.appId, ROTATING))).toBe(
            'refresh_token_unknown',
          )
        })

        it('many workers that come with it get one successor', async () => {
          const { grant, third } = await loseTwo()
          const outcomes = await Promise.all(
            Array.from({ length: 20 }, () => refreshed(third, grant.appId, ROTATING)),
          )
          expect(new Set(outcomes.map((outcome) => outcome.refreshToken)).size).toBe(1)
          expect(outcomes.filter(({ how }) => how === 'rotated')).toHaveLength(1)
        })
      })

      it('gives 20 parallel uses one successor, and one family is alive', async () => {
        const { grant, refreshToken } = await authorize(ROTATING)
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, () => refreshed(refreshToken, grant.appId, ROTATING)),
        )
        expect(new Set(outcomes.map((outcome) => outcome.refreshToken)).size).toBe(1)
        expect(outcomes.filter(({ how }) => how === 'rotated')).toHaveLength(1)
        for (const { access } of outcomes) expect(await findAccess(access)).toBeDefined()
        expect(await grants.listOfAccount(grant.accountId, 0, 10)).toEqual([
          { grantId: grant.id, appId: grant.appId },
        ])
        const next = await refreshed(outcomes[0]?.refreshToken ?? '', grant.appId, ROTATING)
        expect(next.how).toBe('rotated')
      })

      describe('while the server key is changed', () => {
        const NEW = new Secret('the new server secret, just as long')
        const nodeWith = (...secrets: Secret<string>[]) =>
          createGrants({
            store: opened.store,
            clock: opened.clock,
            refreshTokens: createRefreshTokenForm(createServerKeys(secrets)),
          })
        const request = (appId: string, terms = ROTATING) => ({
          appId,
          terms,
          scopes: undefined,
          isPermitted: always,
        })

        it('gets one successor from nodes between the two steps of the change: 50 rounds', async () => {
          const prepared = nodeWith(...SECRETS, NEW)
          const changed = nodeWith(NEW, ...SECRETS)
          for (let round = 0; round < 50; round += 1) {
            const { grant, refreshToken } = await authorize(ROTATING)
            const [one, other] = await Promise.all([
              changed.refresh(parsed(refreshToken), request(grant.appId)),
              prepared.refresh(parsed(refreshToken), request(grant.appId)),
            ])
            assertIssued(one)
            assertIssued(other)
            expect(one.refreshToken).toBe(other.refreshToken)
          }
        })

        it('moves to the new key with its first rotation, and goes on when the old key has left', async () => {
          const { grant, refreshToken } = await authorize(ROTATING)
          const moved = await nodeWith(NEW, ...SECRETS).refresh(
            parsed(refreshToken),
            request(grant.appId),
          )
          assertIssued(moved)
          const after = nodeWith(NEW)
          const next = await after.refresh(parsed(moved.refreshToken ?? ''), request(grant.appId))
          assertIssued(next)
          expect(next.refresh).toBe('rotated')
          // A replay of what was made under the new key is noticed.
          opened.clock.move(DAY_MILLIS)
          const replay = await after.refresh(parsed(moved.refreshToken ?? ''), request(grant.appId))
          expect(reasonOf(replay)).toBe('refresh_token_reused')
        })

        it('is known by its stored hash when its key has left, and then moves on', async () => {
          const { grant, refreshToken } = await authorize(ROTATING)
          const after = nodeWith(NEW)
          expect((await after.findRefresh(parsed(refreshToken)))?.isCurrent).toBe(true)
          const next = await after.refresh(parsed(refreshToken), request(grant.appId))
          assertIssued(next)
          // Its grace repeats the same answer.
          const again = await after.refresh(parsed(refreshToken), request(grant.appId))
          assertIssued(again)
          expect(again.refreshToken).toBe(next.refreshToken)
          // Beyond the grace it is refused. It cannot be told from an invented one, so it ends
          // nothing.
          opened.clock.move(DAY_MILLIS)
          expect(reasonOf(await after.refresh(parsed(refreshToken), request(grant.appId)))).toBe(
            'refresh_token_malformed',
          )
          expect(await isAlive(grant.id)).toBe(true)
        })

        it('goes on being kept where tokens do not rotate, also when its key has left', async () => {
          const { grant, refreshToken } = await authorize()
          const after = nodeWith(NEW)
          for (let use = 0; use < 3; use += 1) {
            const outcome = await after.refresh(parsed(refreshToken), request(grant.appId, TERMS))
            assertIssued(outcome)
            expect(outcome.refreshToken).toBe(refreshToken)
          }
        })
      })
    })

    describe('a revocation', () => {
      it('ends every token of the family at once, returns the grant once, and clears the indexes', async () => {
        const { grant, access, refreshToken } = await authorize()
        const second = await refreshed(refreshToken, grant.appId)
        expect(await grants.revoke(grant.id)).toMatchObject(grant)
        expect(await findAccess(access)).toBeUndefined()
        expect(await findAccess(second.access)).toBeUndefined()
        expect(await grants.findRefresh(parsed(refreshToken))).toBeUndefined()
        expect(await grants.revoke(grant.id)).toBeUndefined()
        expect(await grants.listOfAccount(grant.accountId, 0, 10)).toEqual([])
        expect(await grants.listOfApp(grant.appId, 0, 10)).toEqual([])
      })

      /**
       * Grants whose commits reach the store, and whose answers are lost: the connection sends each
       * once more.
       */
      const withLostAnswers = (onEnded?: OnEnded) =>
        createGrants({
          store: {
            ...opened.store,
            commit: async (family, change) => {
              await opened.store.commit(family, change)
              return opened.store.commit(family, change)
            },
          },
          clock: opened.clock,
          refreshTokens,
          ...(onEnded && { onEnded }),
        })
      const tellingTo =
        (told: string[]): OnEnded =>
        ({ family, token }) => {
          told.push(token === undefined ? `grant ${family}` : `token ${token}`)
          return Promise.resolve()
        }

      it('is told, and returns the grant, also where the connection sent it twice', async () => {
        const { grant } = await authorize()
        const told: string[] = []
        const ended = await withLostAnswers(tellingTo(told)).revoke(grant.id)
        expect(ended).toMatchObject(grant)
        expect(told).toEqual([`grant ${grant.id}`])
      })

      it.each(['a code that comes back', 'a refresh token that comes back'])(
        'for %s is reported also where the connection sent it twice',
        async (what) => {
          const { grant, code, refreshToken } = await authorize(ROTATING)
          const told: string[] = []
          const lossy = withLostAnswers(tellingTo(told))
          if (what.startsWith('a refresh')) {
            const second = await refreshed(refreshToken, grant.appId, ROTATING)
            await refreshed(second.refreshToken, grant.appId, ROTATING)
            const request = {
              appId: grant.appId,
              terms: ROTATING,
              scopes: undefined,
              isPermitted: always,
            }
            expect(await lossy.refresh(parsed(refreshToken), request)).toMatchObject({
              because: 'refresh_reuse',
              revoked: grant,
            })
          } else
            expect(await redeem(code, grant.appId, ROTATING, lossy)).toMatchObject({
              because: 'code_replay',
              revoked: grant,
            })
          expect(told).toEqual([`grant ${grant.id}`])
        },
      )

      it.each(['a code that comes back', 'a refresh token that comes back'])(
        'for %s that could not be told is reported, answered as a failure, and told at the second try',
        async (what) => {
          const { grant, code, refreshToken } = await authorize(ROTATING)
          const second = await refreshed(refreshToken, grant.appId, ROTATING)
          await refreshed(second.refreshToken, grant.appId, ROTATING)
          const told: string[] = []
          let isAway = true
          const telling = createGrants({
            ...opened,
            refreshTokens,
            onEnded: (ended) =>
              isAway
                ? Promise.reject(new AppError('temporarily_unavailable'))
                : tellingTo(told)(ended),
          })
          const present = () =>
            what.startsWith('a code')
              ? redeem(code, grant.appId, ROTATING, telling)
              : telling.refresh(parsed(refreshToken), {
                  appId: grant.appId,
                  terms: ROTATING,
                  scopes: undefined,
                  isPermitted: always,
                })
          expect(await present()).toMatchObject({
            kind: 'refused',
            reason: 'temporarily_unavailable',
            revoked: grant,
          })
          isAway = false
          expect((await present()).kind).toBe('refused')
          expect(told).toEqual([`grant ${grant.id}`])
        },
      )

      it('is told also of a grant that ended a short while ago: whoever ended it may not have come to that', async () => {
        const told: string[] = []
        const telling = createGrants({ ...opened, refreshTokens, onEnded: tellingTo(told) })
        const { grant } = await authorize()
        await grants.revoke(grant.id)
        expect(await telling.revoke(grant.id)).toBeUndefined()
        await telling.revoke(newGrantId())
        expect(told).toEqual([`grant ${grant.id}`])
      })

      it('of the tokens of an app for itself names the one that ended when it is told again', async () => {
        const appId = newClientId()
        const { grant } = await grants.issueToApp(
          { id: appId, generation: 0 },
          ['a'],
          undefined,
          TERMS,
        )
        await grants.revoke(grant.id)
        const epochs: unknown[] = []
        const telling = createGrants({
          ...opened,
          refreshTokens,
          onEnded: ({ epoch }) => Promise.resolve(void epochs.push(epoch)),
        })
        await telling.revoke(grant.id)
        expect(epochs).toEqual([grant.epoch])
      })

      it('keeps the grant from rising when its beginning is delivered a second time', async () => {
        let deliverAgain = () => Promise.resolve(true)
        const late = createGrants({
          store: {
            ...opened.store,
            commit(family, change) {
              deliverAgain = () => opened.store.commit(family, change)
              return deliverAgain()
            },
          },
          clock: opened.clock,
          refreshTokens,
        })
        const id = newGrantId()
        const code = newCode(id)
        const record = { redirectUri: 'x', expiresAt: nowSeconds() + 60 }
        const grant = {
          id,
          appId: newClientId(),
          accountId: newAccountId(),
          scopes: ['a'],
          createdAt: nowSeconds(),
        }
        await late.begin(grant, code, record, 1000)
        const again = deliverAgain
        await grants.revoke(id)
        expect(await again()).toBe(false)
        expect(await isAlive(id)).toBe(false)
        expect(reasonOf(await redeem(code, grant.appId))).toBe('code_unknown')
      })

      it('of one access token leaves the others and the family alone', async () => {
        const { grant, access, refreshToken } = await authorize()
        const second = await refreshed(refreshToken, grant.appId)
        await grants.revokeAccess(parsed(access))
        expect(await findAccess(access)).toBeUndefined()
        expect(await findAccess(second.access)).toBeDefined()
        await refreshed(refreshToken, grant.appId)
      })

      it('of one access token that could not be told is told when it is repeated, for what it was', async () => {
        const { access } = await authorize()
        const expiresAt = (await findAccess(access))?.access.expiresAt ?? 0
        const told: Parameters<OnEnded>[0][] = []
        let isAway = true
        const telling = createGrants({
          ...opened,
          refreshTokens,
          onEnded: (ended) =>
            isAway
              ? Promise.reject(new AppError('temporarily_unavailable'))
              : Promise.resolve(void told.push(ended)),
        })
        await expect(telling.revokeAccess(parsed(access), 'client', expiresAt)).rejects.toThrow()
        isAway = false
        expect(await findAccess(access)).toBeUndefined()
        await telling.repeatRevocation(parsed(access))
        expect(told).toMatchObject([{ token: sha256(access), reason: 'client' }])
        // Kept for as long as some copy may know the token, not for as long as a family may live.
        expect((told[0]?.keepUntil ?? 0) / 1000 - expiresAt).toBeLessThan(2 * DAY_SECONDS)
      })

      it('is repeated also for an access token whose family has ended, and never for an invented one', async () => {
        const { grant, access } = await authorize()
        const alive = await authorize()
        await grants.revoke(grant.id)
        const told: string[] = []
        const telling = createGrants({ ...opened, refreshTokens, onEnded: tellingTo(told) })
        for (const family of [grant.id, alive.grant.id, newGrantId()]) {
          await telling.repeatRevocation(parsed(newAccessToken(family)))
          await telling.repeatRevocation(parsed(forgedTokens.first(family)))
        }
        expect(told).toEqual([])
        await telling.repeatRevocation(parsed(access))
        expect(told).toEqual([`token ${sha256(access)}`])
      })

      it('of 20 callers at one moment gives the grant to one', async () => {
        const { grant } = await authorize()
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, () => grants.revoke(grant.id)),
        )
        expect(outcomes.filter((outcome) => outcome !== undefined)).toHaveLength(1)
      })

      it('takes a grant that is gone out of the indexes where it is still listed', async () => {
        const accountId = newAccountId()
        const appId = newClientId()
        const gone = newGrantId()
        const endsAt = opened.clock() + 60_000
        await opened.store.addToIndex(`u:${accountId}`, `${gone} ${appId}`, endsAt, opened.clock())
        await opened.store.addToIndex(`p:${appId}`, gone, endsAt, opened.clock())
        expect(await grants.revoke(gone, { accountId, appId })).toBeUndefined()
        expect(await grants.listOfAccount(accountId, 0, 10)).toEqual([])
        expect(await grants.listOfApp(appId, 0, 10)).toEqual([])
      })

      it('that races with issuing leaves no token alive that was issued: 100 rounds', async () => {
        // Each round begins the revocation at another step of redemption and refresh.
        const yields = async (count: number) => {
          for (let turn = 0; turn < count; turn += 1)
            await new Promise((resolve) => setImmediate(resolve))
        }
        let issuedInTime = 0
        let refusedInTime = 0
        await Promise.all(
          Array.from({ length: 100 }, async (_, round) => {
            const { grant, code } = await begin()
            const first = round % 2 === 0 ? undefined : await redeem(code, grant.appId, ROTATING)
            const token = first?.kind === 'issued' ? (first.refreshToken ?? '') : ''
            const issue = () =>
              round % 2 === 0
                ? redeem(code, grant.appId, ROTATING)
                : refresh(token, grant.appId, ROTATING)
            const racing = [issue(), yields(Math.random() * 8).then(issue)]
            await yields(Math.random() * 12)
            await grants.revoke(grant.id)
            const outcomes = await Promise.all(racing)
            for (const outcome of outcomes) {
              if (outcome.kind === 'refused') {
                refusedInTime += 1
                continue
              }
              issuedInTime += 1
              expect(await findAccess(outcome.accessToken)).toBeUndefined()
              expect((await refresh(outcome.refreshToken ?? '', grant.appId, ROTATING)).kind).toBe(
                'refused',
              )
            }
            expect(await isAlive(grant.id)).toBe(false)
          }),
        )
        // Both sides won now and then, or the rounds showed nothing.
        expect(issuedInTime).toBeGreaterThan(0)
        expect(refusedInTime).toBeGreaterThan(0)
      })
    })

    describe('lists', () => {
      it('name the grants of an account and of an app', async () => {
        const accountId = newAccountId()
        const appId = newClientId()
        const one = await authorize(TERMS, { grant: { accountId, appId } })
        opened.clock.move(1000)
        const two = await authorize(TERMS, { grant: { accountId } })
        expect(await grants.listOfAccount(accountId, 0, 10)).toEqual([
          { grantId: one.grant.id, appId },
          { grantId: two.grant.id, appId: two.grant.appId },
        ])
        expect(await grants.listOfAccount(accountId, 1, 1)).toEqual([
          { grantId: two.grant.id, appId: two.grant.appId },
        ])
        expect(await grants.listOfApp(appId, 0, 10)).toEqual([one.grant.id])
      })

      /** Every index entry of the grant's account and app. */
      const listed = async ({ accountId, appId }: { accountId: string; appId: string }) => [
        ...(await opened.store.listIndex(`u:${accountId}`, opened.clock(), 0, 100)),
        ...(await opened.store.listIndex(`p:${appId}`, opened.clock(), 0, 100)),
      ]
      const found = async ({ accountId, appId }: { accountId: string; appId: string }) => [
        ...(await grants.walkOfAccount(accountId, undefined, 100)),
        ...(await grants.walkOfApp(appId, undefined, 100)),
      ]

      it.each([60, 600])(
        'show no code of %i s that nobody redeemed, and forget it when it ends; whoever ends grants finds it until then',
        async (codeSeconds) => {
          const code = { expiresAt: nowSeconds() + codeSeconds }
          const { grant } = await begin({ code })
          expect(await grants.listOfAccount(grant.accountId, 0, 10)).toEqual([])
          expect(await grants.listOfApp(grant.appId, 0, 10)).toEqual([])
          expect(await found(grant)).toMatchObject([{ grantId: grant.id }, { grantId: grant.id }])
          opened.clock.move(codeSeconds * 1000)
          expect(await listed(grant)).toEqual([])
        },
      )

      it('know what was redeemed for as long as it can live, up to its last second', async () => {
        const { grant } = await authorize(TERMS)
        opened.clock.move((60 + TERMS.refreshTtlSeconds) * 1000 - 2000)
        expect(await grants.listOfAccount(grant.accountId, 0, 10)).toHaveLength(1)
        expect(await grants.listOfApp(grant.appId, 0, 10)).toEqual([grant.id])
        expect(await found(grant)).toHaveLength(2)
      })

      it('find what was redeemed in the last moment of its code and came in after it', async () => {
        const late = newGrantsOn({
          commit: async (family, change) => {
            // While the commit is on its way the code ends, and somebody ends all grants.
            opened.clock.move(2000)
            for (const each of await grants.walkOfAccount(grant.accountId, undefined, 10))
              await grants.revoke(each.grantId, each)
            return opened.store.commit(family, change)
          },
        })
        const { grant, code } = await begin()
        opened.clock.move(58_500)
        expect(reasonOf(await redeem(code, grant.appId, TERMS, late))).toBe('code_unknown')
        expect(await isAlive(grant.id)).toBe(false)
        expect(await listed(grant)).toEqual([])
      })

      it('do not keep a grant that ended while its code was redeemed by several', async () => {
        const { grant, code } = await begin()
        const outcomes = await Promise.all(
          Array.from({ length: 10 }, () => redeem(code, grant.appId)),
        )
        expect(outcomes.map(reasonOf)).toContain('code_used')
        expect(await isAlive(grant.id)).toBe(false)
        expect(await listed(grant)).toEqual([])
      })
    })

    describe('tokens of an app for itself', () => {
      const issue = (appId: string, on: Pick<Grants, 'issueToApp'> = grants) =>
        on.issueToApp(
          { id: appId, generation: 0 },
          ['reports:read'],
          ['https://api.example'],
          TERMS,
        )

      it('carry their scopes and audience, and have no refresh token', async () => {
        const appId = newClientId()
        const issued = await issue(appId)
        expect(issued).toMatchObject({
          kind: 'issued',
          refreshToken: undefined,
          expiresInSeconds: 3600,
          scopes: ['reports:read'],
        })
        expect(parsed(issued.accessToken).grantId).toBe(appFamily(appId))
        const live = await findAccess(issued.accessToken)
        expect(live).toMatchObject({
          grant: { appId },
          access: { scopes: ['reports:read'], audience: ['https://api.example'] },
        })
        expect(live?.grant.accountId).toBeUndefined()
      })

      it('of older times stay dead when the app gets new ones after a revocation', async () => {
        const appId = newClientId()
        const elsewhere = newGrants()
        const old = await issue(appId)
        const oldElsewhere = await issue(appId, elsewhere)
        expect(await findAccess(oldElsewhere.accessToken)).toBeDefined()
        await grants.revoke(appFamily(appId))
        expect(await findAccess(old.accessToken)).toBeUndefined()
        // The other process still remembers the grant that is gone.
        const renewed = await issue(appId, elsewhere)
        const own = await issue(appId)
        expect(await findAccess(renewed.accessToken)).toBeDefined()
        expect(await findAccess(own.accessToken)).toBeDefined()
        expect(await findAccess(old.accessToken)).toBeUndefined()
        expect(await findAccess(oldElsewhere.accessToken)).toBeUndefined()
      })

      it('are issued to 50 at one moment, by two processes that know nothing of each other, from one grant', async () => {
        const appId = newClientId()
        const elsewhere = newGrants()
        const issued = await Promise.all(
          Array.from({ length: 50 }, (_, at) => issue(appId, at % 2 === 0 ? grants : elsewhere)),
        )
        for (const { accessToken } of issued) expect(await findAccess(accessToken)).toBeDefined()
        expect(new Set(issued.map(({ grant }) => grant.epoch)).size).toBe(1)
      })

      it('live while the app goes on getting more, and the grant outlives them', async () => {
        const appId = newClientId()
        await issue(appId)
        opened.clock.move(1_800_000)
        const later = await issue(appId)
        expect(await opened.remainingMillis(appFamily(appId), 'g')).toBeGreaterThan(
          3_600_000 + 3_500_000,
        )
        opened.clock.move(3_599_000)
        expect(await findAccess(later.accessToken)).toBeDefined()
        opened.clock.move(1000)
        expect(await findAccess(later.accessToken)).toBeUndefined()
      })

      it('are revoked one by one', async () => {
        const appId = newClientId()
        const [one, other] = [await issue(appId), await issue(appId)]
        await grants.revokeAccess(parsed(one.accessToken))
        expect(await findAccess(one.accessToken)).toBeUndefined()
        expect(await findAccess(other.accessToken)).toBeDefined()
      })

      it('that race with revocations are dead or of the epoch after it', async () => {
        const appId = newClientId()
        for (let round = 0; round < 10; round += 1) {
          const before = await Promise.all(Array.from({ length: 5 }, () => issue(appId)))
          const [, ...during] = await Promise.all([
            grants.revoke(appFamily(appId)),
            issue(appId),
            issue(appId),
          ])
          for (const { accessToken } of before)
            expect(await findAccess(accessToken)).toBeUndefined()
          const current = await grants.find(appFamily(appId))
          for (const { accessToken, grant } of during)
            expect((await findAccess(accessToken)) !== undefined).toBe(
              grant.epoch === current?.epoch,
            )
        }
      })
    })

    it('an access token is found only as it is: expired, foreign and invented ones are not', async () => {
      const { grant, access } = await authorize()
      expect(await findAccess(newAccessToken(grant.id))).toBeUndefined()
      expect(await findAccess(newAccessToken(newGrantId()))).toBeUndefined()
      opened.clock.move(3_590_000)
      expect(await findAccess(access)).toBeDefined()
      opened.clock.move(10_000)
      expect(await findAccess(access)).toBeUndefined()
    })

    it('a dump of the whole store opens nothing: neither a token nor a code nor a secret part of one is in it', async () => {
      const bearers: string[] = []
      const { grant, code } = await begin({
        code: { codeChallenge: pkceChallenge('verifier'), nonce: 'n' },
      })
      const issued = await redeem(code, grant.appId, ROTATING)
      assertIssued(issued)
      const second = await refreshed(issued.refreshToken ?? '', grant.appId, ROTATING)
      const again = await refreshed(issued.refreshToken ?? '', grant.appId, ROTATING)
      const open = await begin()
      const own = await createAppTokens({ ...opened, incarnations: () => new Map() }).issue(
        { id: newClientId(), generation: 0 },
        ['a'],
        undefined,
        TERMS,
      )
      bearers.push(
        code,
        open.code,
        issued.accessToken,
        issued.refreshToken ?? '',
        second.access,
        second.refreshToken,
        again.access,
        own.accessToken,
      )

      const dump = (await opened.dump()).join('\n')
      // The dump is real: it has the families and the hashes of what is secret.
      expect(dump).toContain(grant.id)
      for (const bearer of [open.code, issued.accessToken, second.refreshToken, own.accessToken])
        expect(dump).toContain(sha256(bearer))
      for (const bearer of bearers) {
        const secretPart = bearer.slice('otesse_at_'.length + 16)
        for (let at = 0; at + 8 <= secretPart.length; at += 1)
          expect(dump).not.toContain(secretPart.slice(at, at + 8))
      }
      expect(dump).not.toMatch(/otesse_(at|rt|ac|cs)_/)
      expect(dump).not.toContain('verifier')
    })
  })
}
