// Attempts to sign in: what counts against whom, what a success gives back, and that nobody can
// lock another user out.
import { describe, expect, it } from '@jest/globals'
import { createRateLimiter } from '../../../src/http/rate-limit.ts'
import type { LimitSize } from '../../../src/http/limit.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { createLogger } from '../../../src/shared/logger.ts'
import { createKnownPlaces } from '../../../src/sign-in/known-places.ts'
import { createServerKeys } from '../../../src/shared/crypto.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { createLogin, type LoginOutcome } from '../../../src/sign-in/login.ts'
import { type Account, FIRST_GENERATION } from '../../../src/model/account.ts'

const maria: Account = {
  id: 'acc_maria',
  email: 'maria@example.com',
  name: undefined,
  role: 'member',
  status: 'active',
  statusReason: undefined,
  hasPassword: true,
  version: 1,
  ...FIRST_GENERATION,
  createdAt: new Date(0),
}
const RIGHT = ' right, with spaces '
const HOME = '192.0.2.1'
const AWAY = '198.51.100.1'

const OFF: LimitSize = { points: 0, seconds: 60 }
const size = (points: number): LimitSize => ({ points, seconds: 60 })

interface Sizes {
  address?: LimitSize
  network?: LimitSize
  pair?: LimitSize
  account?: LimitSize
  everywhere?: LimitSize
  browser?: LimitSize
}

function aLogin(sizes: Sizes = {}) {
  const records = new Map<string, string>()
  let isAway = false
  const places = createKnownPlaces(
    createServerKeys([new Secret('a key of the server, of 32 letters')]).all('known-place'),
    {
      findRecord: (key) => Promise.resolve(records.get(key)),
      putRecord: (key, value) => Promise.resolve(void records.set(key, value)),
    },
  )
  const lanes: { group: string; isKnown: boolean }[] = []
  const limiter = createRateLimiter({
    redis: undefined,
    keyPrefix: '',
    clock: systemClock,
    logger: createLogger('silent'),
  })
  const events: [name: string, facts: object, context: object | undefined][] = []
  const seen: [email: string, password: string][] = []
  const login = createLogin({
    authenticate(email, password, place) {
      seen.push([email, password])
      lanes.push(place)
      if (isAway) return Promise.reject(new AppError('temporarily_unavailable'))
      const isRight = email.trim().toLowerCase() === maria.email && password === RIGHT
      return Promise.resolve(
        isRight
          ? { kind: 'authenticated', account: maria, generation: 0, checkedAt: 0 }
          : { kind: 'rejected', reason: 'password_wrong', accountId: maria.id },
      )
    },
    limits: {
      perAddress: limiter.createStrictLimit('address', sizes.address ?? OFF),
      perAccountAddress: limiter.createStrictLimit('pair', sizes.pair ?? OFF),
      perAccount: limiter.createStrictLimit('account', sizes.account ?? OFF),
      perNetwork: limiter.createStrictLimit('network', sizes.network ?? OFF),
      everywhere: limiter.createStrictLimit('everywhere', sizes.everywhere ?? OFF),
      perBrowser: limiter.createStrictLimit('browser', sizes.browser ?? OFF),
    },
    places,
    tellNewPlace: () => Promise.resolve(),
    events: {
      loginSucceeded: (facts, context) => void events.push(['succeeded', facts, context]),
      loginFailed: (facts, context) => void events.push(['failed', facts, context]),
      loginThrottled: (facts, context) => void events.push(['throttled', facts, context]),
    },
  })
  const attempt = (
    password: string,
    {
      email = maria.email,
      address = HOME,
      browser,
    }: { email?: string; address?: string; browser?: string | undefined } = {},
  ): Promise<LoginOutcome> =>
    login({
      email,
      password,
      appId: 'app_1',
      address,
      browser,
      device: 'Firefox',
      requestId: 'req_1',
    })
  /** Signs in and returns the browser's cookie. */
  const cookieOf = async (where: { address?: string; email?: string } = {}) => {
    const outcome = await attempt(RIGHT, where)
    if (outcome.kind !== 'signed-in') throw new Error(outcome.kind)
    return outcome.browser
  }
  const kindsOf = async (...attempts: Promise<LoginOutcome>[]) =>
    (await Promise.all(attempts)).map(({ kind }) => kind)
  return {
    attempt,
    cookieOf,
    kindsOf,
    events,
    seen,
    lanes,
    records,
    setAway: (now: boolean) => void (isAway = now),
  }
}

describe('login', () => {
  it('signs in, with the password exactly as it was typed, and says so', async () => {
    const { attempt, events, seen } = aLogin()
    expect(await attempt(RIGHT)).toMatchObject({ kind: 'signed-in', accountId: maria.id })
    expect(seen).toEqual([[maria.email, RIGHT]])
    expect(events).toEqual([
      [
        'succeeded',
        { accountId: maria.id, appId: 'app_1' },
        { requestId: 'req_1', address: HOME, actor: maria.id },
      ],
    ])
  })

  it('keeps the reason of a rejection to the event log', async () => {
    const { attempt, events } = aLogin()
    expect(await attempt('wrong')).toEqual({ kind: 'rejected' })
    expect(events).toEqual([
      [
        'failed',
        { reason: 'password_wrong', accountId: maria.id, appId: 'app_1' },
        { requestId: 'req_1', address: HOME },
      ],
    ])
  })

  it('never gives an event what was typed', async () => {
    const { attempt, events } = aLogin({ pair: size(1) })
    await attempt('hunter2')
    await attempt('hunter2')
    expect(events.map(([name]) => name)).toEqual(['failed', 'throttled'])
    expect(JSON.stringify(events)).not.toMatch(/hunter2|example\.com/)
  })

  it('stops guessing of one account from one address, without looking at the password', async () => {
    const { attempt, seen } = aLogin({ pair: size(2) })
    await attempt('wrong')
    await attempt('wrong')
    const outcome = await attempt(RIGHT)
    expect(outcome).toEqual({ kind: 'throttled', retryAfterSeconds: expect.any(Number) })
    expect(outcome.kind === 'throttled' && outcome.retryAfterSeconds).toBeGreaterThan(50)
    expect(seen).toHaveLength(2)
  })

  it('counts one account however its e-mail is written', async () => {
    const { attempt } = aLogin({ pair: size(1) })
    await attempt('wrong')
    expect((await attempt('wrong', { email: '  MARIA@Example.com ' })).kind).toBe('throttled')
  })

  it('lets no parallel guesses slip through', async () => {
    const { attempt, kindsOf, seen } = aLogin({ pair: size(3) })
    const kinds = await kindsOf(...Array.from({ length: 20 }, () => attempt('wrong')))
    expect(kinds.filter((kind) => kind === 'rejected')).toHaveLength(3)
    expect(seen).toHaveLength(3)
  })

  it('gives back what a right password counted, so that only failures add up', async () => {
    const { attempt } = aLogin({ address: size(2), pair: size(2), account: size(2) })
    for (let round = 0; round < 5; round += 1) expect((await attempt(RIGHT)).kind).toBe('signed-in')
    await attempt('wrong')
    expect((await attempt(RIGHT)).kind).toBe('signed-in')
  })

  it('does not let a right password to an own account buy guesses at another', async () => {
    const { attempt } = aLogin({ address: size(2) })
    await attempt('wrong', { email: 'victim@example.com' })
    await attempt(RIGHT)
    await attempt('wrong', { email: 'victim@example.com' })
    expect((await attempt('wrong', { email: 'victim@example.com' })).kind).toBe('throttled')
  })

  it('leaves the person alone at another address', async () => {
    const { attempt } = aLogin({ address: size(5), pair: size(1) })
    await attempt('wrong', { address: AWAY })
    expect((await attempt('wrong', { address: AWAY })).kind).toBe('throttled')
    expect((await attempt(RIGHT)).kind).toBe('signed-in')
  })

  it('stops guessing of many accounts from one address', async () => {
    const { attempt } = aLogin({ address: size(2) })
    await attempt('wrong', { email: 'a@example.com' })
    await attempt('wrong', { email: 'b@example.com' })
    expect((await attempt('wrong', { email: 'c@example.com' })).kind).toBe('throttled')
    expect((await attempt('wrong', { email: 'c@example.com', address: AWAY })).kind).toBe(
      'rejected',
    )
  })

  it('takes the addresses of one IPv6 network for one', async () => {
    const { attempt } = aLogin({ address: size(1) })
    await attempt('wrong', { address: '2001:db8::1' })
    expect((await attempt('wrong', { address: '2001:db8::2' })).kind).toBe('throttled')
    expect((await attempt('wrong', { address: '2001:db8:0:1::1' })).kind).toBe('rejected')
  })

  describe('when many addresses guess at one account', () => {
    const sizes = { pair: size(5), account: size(2), browser: size(4) }
    /** The account's limit is used up; `before` runs while there is peace. */
    async function underAttack<T>(before: (harness: ReturnType<typeof aLogin>) => Promise<T>) {
      const harness = aLogin(sizes)
      const prepared = await before(harness)
      for (const last of [1, 2, 3]) await harness.attempt('wrong', { address: `203.0.113.${last}` })
      return { ...harness, prepared }
    }

    it('bounds the guesses of all strangers together, from wherever they come', async () => {
      const { attempt, seen } = await underAttack(() => Promise.resolve())
      const kinds = []
      for (let at = 0; at < 40; at += 1)
        kinds.push((await attempt('wrong', { address: `2001:db8:77:${at.toString(16)}::1` })).kind)
      expect(new Set(kinds)).toEqual(new Set(['throttled']))
      expect((await attempt(RIGHT)).kind).toBe('throttled')
      expect(seen).toHaveLength(2)
    })

    it('does not keep the owner out in a browser that signed the account in before, wherever it is', async () => {
      const { attempt, prepared, lanes } = await underAttack(({ cookieOf }) => cookieOf())
      const where = { address: '2001:db8:77:ff::1', browser: prepared }
      expect((await attempt('mistyped', where)).kind).toBe('rejected')
      expect((await attempt(RIGHT, where)).kind).toBe('signed-in')
      expect(lanes.at(-1)).toEqual({ group: '2001:db8:77::/48', isKnown: true })
    })

    it('does not keep the owner out in a network that signed the account in before', async () => {
      const { attempt, lanes } = await underAttack(({ cookieOf }) => cookieOf())
      expect((await attempt('mistyped')).kind).toBe('rejected')
      expect((await attempt(RIGHT)).kind).toBe('signed-in')
      expect(lanes.at(-1)).toEqual({ group: '192.0.2.0/24', isKnown: true })
    })

    it('bounds the guesses of a known network, and of a known browser in any number of networks', async () => {
      const { attempt, prepared } = await underAttack(({ cookieOf }) => cookieOf())
      const ofNetwork = []
      for (let at = 0; at < 8; at += 1) ofNetwork.push((await attempt('wrong')).kind)
      expect(ofNetwork.filter((kind) => kind === 'rejected')).toHaveLength(5)
      const ofBrowser = []
      for (let at = 0; at < 8; at += 1)
        ofBrowser.push(
          (await attempt('wrong', { address: `198.51.${at}.1`, browser: prepared })).kind,
        )
      expect(ofBrowser.filter((kind) => kind === 'rejected')).toHaveLength(4)
    })

    it('takes no browser for known at another account, nor a cookie that somebody made', async () => {
      const { attempt, prepared } = await underAttack(({ cookieOf }) => cookieOf())
      const [name = '', mark = ''] = prepared.split('.')
      const other = name.split('').reverse().join('')
      for (const browser of [name, `${other}.${mark}`, `${prepared}x`, 'x', undefined])
        expect((await attempt('wrong', { address: AWAY, browser })).kind).toBe('throttled')
      const elsewhere = aLogin({ ...sizes, account: size(1) })
      const victim = 'victim@example.com'
      await elsewhere.attempt('wrong', { email: victim, address: AWAY })
      expect((await elsewhere.attempt('wrong', { email: victim, browser: prepared })).kind).toBe(
        'throttled',
      )
    })
  })

  it('bounds failed sign-ins of a network, and of everybody', async () => {
    const ofNetwork = aLogin({ network: size(3) })
    const kinds = []
    for (let at = 0; at < 5; at += 1)
      kinds.push(
        (await ofNetwork.attempt('wrong', { address: `2001:db8:1:${at}::1`, email: `a${at}@b.co` }))
          .kind,
      )
    expect(kinds).toEqual(['rejected', 'rejected', 'rejected', 'throttled', 'throttled'])
    expect((await ofNetwork.attempt('wrong', { address: '2001:db8:2::1' })).kind).toBe('rejected')
    const all = aLogin({ everywhere: size(2) })
    const cookie = await all.cookieOf()
    for (let at = 0; at < 3; at += 1) await all.attempt('wrong', { address: `10.${at}.0.1` })
    expect((await all.attempt('wrong', { address: AWAY })).kind).toBe('throttled')
    expect((await all.attempt(RIGHT, { address: AWAY, browser: cookie })).kind).toBe('signed-in')
  })

  it('counts an outage against nobody', async () => {
    const all = size(2)
    const harness = aLogin({ address: all, network: all, pair: all, account: all, everywhere: all })
    harness.setAway(true)
    for (let at = 0; at < 10; at += 1)
      await expect(harness.attempt(RIGHT)).rejects.toMatchObject({
        code: 'temporarily_unavailable',
      })
    harness.setAway(false)
    expect((await harness.attempt('mistyped')).kind).toBe('rejected')
    expect((await harness.attempt(RIGHT)).kind).toBe('signed-in')
  })

  it('counts what was throttled against nobody else at the address', async () => {
    const { attempt } = aLogin({ address: size(4), pair: size(2) })
    for (let at = 0; at < 20; at += 1) await attempt('wrong')
    expect((await attempt('wrong', { email: 'b@example.com' })).kind).toBe('rejected')
  })

  it('keeps no name of an account or network, in the browser or in the store', async () => {
    const { cookieOf, records } = aLogin()
    const cookie = await cookieOf({ address: HOME })
    expect(JSON.stringify([cookie, ...records])).not.toMatch(/maria|example|192\.0|acc_/)
    expect(cookie).toMatch(/^[0-9A-Za-z]{16}\.[0-9A-Za-z]{22}$/)
  })

  it('offers no sign-in without limits', async () => {
    const away = () => Promise.reject(new AppError('temporarily_unavailable'))
    const limit = {
      size: size(1),
      consume: away,
      peek: away,
      giveBack: () => Promise.resolve(),
    }
    let checks = 0
    const login = createLogin({
      authenticate() {
        checks += 1
        return Promise.resolve({
          kind: 'authenticated',
          account: maria,
          generation: 0,
          checkedAt: 0,
        })
      },
      limits: {
        perAddress: limit,
        perNetwork: limit,
        perAccountAddress: limit,
        perAccount: limit,
        everywhere: limit,
        perBrowser: limit,
      },
      places: {
        browserOf: () => undefined,
        isKnownNetwork: () => Promise.resolve(false),
        remember: () => Promise.resolve(''),
      },
      events: { loginSucceeded() {}, loginFailed() {}, loginThrottled() {} },
      tellNewPlace: () => Promise.resolve(),
    })
    const attempt = login({
      email: maria.email,
      password: RIGHT,
      appId: undefined,
      address: HOME,
      browser: undefined,
      device: 'Firefox',
      requestId: 'req_1',
    })
    await expect(attempt).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    expect(checks).toBe(0)
  })
})
