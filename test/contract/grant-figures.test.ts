// What is known of grants beside themselves, on each short-lived store: how many are alive, of how
// many people, when they were used. And that it comes true again where it is not.
import { createGrantFigures } from '../../src/grants/grant-figures.ts'
import { openGrantUses, USE_MILLIS } from '../../src/grants/grant-uses.ts'
import { createGrants } from '../../src/grants/grants.ts'
import type { IndexStore } from '../../src/grants/family-store.ts'
import { newAccountId, newClientId } from '../../src/shared/ids.ts'
import { newCode, newGrantId } from '../../src/shared/token-format.ts'
import { assertIssued, parsed, refreshTokens, TERMS } from './grants.contract.ts'
import { OPENERS, type OpenedStore, quiet } from './short-lived-stores.ts'

const REFRESH_MILLIS = TERMS.refreshTtlSeconds * 1000
const SLIDING = { ...TERMS, sliding: true }

describe.each(Object.keys(OPENERS))('The figures of grants on %s', (name) => {
  let opened: OpenedStore
  beforeAll(async () => {
    const open = OPENERS[name]
    if (open === undefined) throw new Error('no such store')
    opened = await open()
  })
  afterAll(() => opened[Symbol.asyncDispose]())

  /** A server over the store; `written` has what it wrote of uses. */
  function setUp(store = opened.store) {
    const { clock } = opened
    const written: string[] = []
    const uses = openGrantUses({
      store: {
        raiseInIndex(index, places, options) {
          written.push(...places.map(({ member }) => `${index.slice(0, 2)} ${member}`))
          return opened.store.raiseInIndex(index, places, options)
        },
      },
      clock,
      logger: quiet,
      flushEveryMillis: 3_600_000,
    })
    const grants = createGrants({ store, clock, refreshTokens, onRefreshed: uses.refreshed })
    const figures = createGrantFigures({
      store: opened.store,
      walkOfApp: grants.walkOfApp,
      clock,
    })
    return { grants, uses, figures, written }
  }

  async function begin(
    { grants }: ReturnType<typeof setUp>,
    appId: string,
    accountId = newAccountId(),
  ) {
    const createdAt = Math.floor(opened.clock() / 1000)
    const grant = { id: newGrantId(), appId, accountId, scopes: ['a:b'], createdAt }
    const code = newCode(grant.id)
    const record = { redirectUri: 'https://app.example/cb', expiresAt: createdAt + 60 }
    await grants.begin(grant, code, record, TERMS.maxLifeSeconds)
    return { grant, code }
  }

  async function authorize(
    server: ReturnType<typeof setUp>,
    appId: string,
    { accountId, terms = TERMS }: { accountId?: string; terms?: typeof TERMS } = {},
  ) {
    const { grant, code } = await begin(server, appId, accountId)
    const verdict = () => undefined
    const issued = await server.grants.redeem(parsed(code), appId, terms, verdict, () => true)
    assertIssued(issued)
    return { grant, refreshToken: issued.refreshToken ?? '' }
  }

  test('count what was redeemed until its refresh token ends, and no code', async () => {
    const server = setUp()
    const appId = newClientId()
    await begin(server, appId)
    expect(await server.figures.countLive(appId)).toBe(0)
    const { grant } = await authorize(server, appId)
    await authorize(server, appId, { accountId: grant.accountId })
    const { grant: third } = await authorize(server, appId)
    expect(await server.figures.countLive(appId)).toBe(3)
    const sample = await server.figures.sampleApp(appId)
    expect(sample.live).toBe(3)
    expect([...sample.accountIds].sort()).toEqual([grant.accountId, third.accountId].sort())
    await server.grants.revoke(third.id)
    expect(await server.figures.countLive(appId)).toBe(2)
    // The grant itself may live three times as long.
    opened.clock.move(REFRESH_MILLIS + 1000)
    expect(await server.figures.countLive(appId)).toBe(0)
  })

  test('follow a refresh token that each use prolongs, and raise nothing that has ended', async () => {
    const server = setUp()
    const appId = newClientId()
    const { grant, refreshToken } = await authorize(server, appId, { terms: SLIDING })
    const ended = await authorize(server, appId, { terms: SLIDING })
    opened.clock.move(REFRESH_MILLIS / 2)
    for (const { token } of [{ token: refreshToken }, { token: ended.refreshToken }])
      assertIssued(
        await server.grants.refresh(parsed(token), {
          appId,
          terms: SLIDING,
          scopes: undefined,
          isPermitted: () => true,
        }),
      )
    const refreshedAt = opened.clock()
    await server.grants.revoke(ended.grant.id)
    expect(await server.uses.flush()).toBe(true)
    expect(await server.figures.countLive(appId)).toBe(1)
    const [times] = await server.figures.timesOf(appId, [grant])
    expect(times?.lastUsedAt).toBeUndefined()
    expect(Math.abs(refreshedAt - (times?.lastRefreshedAt?.getTime() ?? 0))).toBeLessThan(1000)
    opened.clock.move((REFRESH_MILLIS * 3) / 4)
    expect(await server.figures.countLive(appId)).toBe(1)
    opened.clock.move(REFRESH_MILLIS / 2)
    expect(await server.figures.countLive(appId)).toBe(0)
  })

  test('tell the last use, at most five minutes late, with one write in that time', async () => {
    const server = setUp()
    const appId = newClientId()
    const { grant } = await authorize(server, appId)
    const start = opened.clock()
    for (let second = 0; second < 4 * 60; second += 1) {
      server.uses.used(grant)
      opened.clock.move(1000)
      if (second % 60 === 0) await server.uses.flush()
    }
    expect(server.written).toEqual([`pu ${grant.id}`])
    const lastUse = async () =>
      (await server.figures.timesOf(appId, [grant]))[0]?.lastUsedAt?.getTime() ?? 0
    expect(Math.abs((await lastUse()) - start)).toBeLessThan(1000)
    opened.clock.move(USE_MILLIS)
    server.uses.used(grant)
    const again = opened.clock()
    await server.uses[Symbol.asyncDispose]()
    expect(server.written).toHaveLength(2)
    expect(Math.abs((await lastUse()) - again)).toBeLessThan(1000)
    const sample = await server.figures.sampleApp(appId)
    expect(sample.used).toBe(1)
    expect(Math.abs((sample.lastUsedAt?.getTime() ?? 0) - again)).toBeLessThan(1000)
    opened.clock.move(3_600_000 + USE_MILLIS)
    expect((await server.figures.sampleApp(appId)).used).toBe(0)
  })

  test('come true again: for grants of an earlier release, and for what it ended', async () => {
    const server = setUp()
    const appId = newClientId()
    const live = `pl:${appId}`
    const known = await authorize(server, appId)
    const { grant } = await authorize(server, appId)
    const stranger = newGrantId()
    await opened.store.removeFromIndex(live, [`${grant.id} ${grant.accountId}`])
    const nowMillis = opened.clock()
    await opened.store.raiseInIndex(
      live,
      [{ member: `${stranger} acc_1`, endsAtMillis: nowMillis + 60_000 }],
      { nowMillis },
    )
    expect(await server.figures.makeTrue(appId)).toBe(2)
    const members = await opened.store.listIndex(live, opened.clock(), 0, 10)
    expect(members.sort()).toEqual(
      [known.grant, grant].map(({ id, accountId }) => `${id} ${accountId}`).sort(),
    )
  })

  test('A store that is away costs no request, and loses no use', async () => {
    let isAway = true
    const raised: Parameters<IndexStore['raiseInIndex']>[] = []
    const uses = openGrantUses({
      store: {
        async raiseInIndex(...call) {
          await Promise.resolve()
          if (isAway) throw new Error('away')
          raised.push(call)
        },
      },
      clock: opened.clock,
      logger: quiet,
    })
    const appId = newClientId()
    uses.used({ id: 'g1', appId, scopes: [], createdAt: 0 })
    expect(await uses.flush()).toBe(false)
    isAway = false
    expect(await uses.flush()).toBe(true)
    expect(raised[0]?.[1]).toMatchObject([{ member: 'g1' }])
    await uses[Symbol.asyncDispose]()
  })
})
