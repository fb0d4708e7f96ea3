// Attempts to sign in: what counts against whom, what a success gives back, and that nobody can keep another person out.
import { describe, expect, it } from '@jest/globals'
import { createRateLimiter, type LimitSize } from '../../../src/http/rate-limit.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { createLogger } from '../../../src/shared/logger.ts'
import { createLogin, type LoginOutcome } from '../../../src/sign-in/login.ts'
import type { Account } from '../../../src/accounts/account.store.ts'

const maria: Account = {
  id: 'acc_maria',
  email: 'maria@example.com',
  name: undefined,
  role: 'member',
  status: 'active',
  statusReason: undefined,
  hasPassword: true,
  version: 1,
  createdAt: new Date(0),
}
const RIGHT = ' right, with spaces '
const HOME = '192.0.2.1'
const AWAY = '198.51.100.1'

const OFF: LimitSize = { points: 0, seconds: 60 }
const size = (points: number): LimitSize => ({ points, seconds: 60 })

function aLogin(sizes: { address?: LimitSize; pair?: LimitSize; account?: LimitSize } = {}) {
  const limiter = createRateLimiter({
    redis: undefined,
    keyPrefix: '',
    clock: systemClock,
    logger: createLogger('silent'),
  })
  const events: [name: string, facts: object, context: object | undefined][] = []
  const seen: [email: string, password: string][] = []
  const login = createLogin({
    authenticate(email, password) {
      seen.push([email, password])
      const isRight = email.trim().toLowerCase() === maria.email && password === RIGHT
      return Promise.resolve(
        isRight
          ? { kind: 'authenticated', account: maria }
          : { kind: 'rejected', reason: 'password_wrong', accountId: maria.id },
      )
    },
    limits: {
      perAddress: limiter.createStrictLimit('address', sizes.address ?? OFF),
      perAccountAddress: limiter.createStrictLimit('pair', sizes.pair ?? OFF),
      perAccount: limiter.createStrictLimit('account', sizes.account ?? OFF),
    },
    events: {
      loginSucceeded: (facts, context) => void events.push(['succeeded', facts, context]),
      loginFailed: (facts, context) => void events.push(['failed', facts, context]),
      loginThrottled: (facts, context) => void events.push(['throttled', facts, context]),
    },
  })
  const attempt = (
    password: string,
    { email = maria.email, address = HOME } = {},
  ): Promise<LoginOutcome> =>
    login({ email, password, appId: 'app_1', address, requestId: 'req_1' })
  const kindsOf = async (...attempts: Promise<LoginOutcome>[]) =>
    (await Promise.all(attempts)).map(({ kind }) => kind)
  return { attempt, kindsOf, events, seen }
}

describe('login', () => {
  it('signs in, with the password exactly as it was typed, and says so', async () => {
    const { attempt, events, seen } = aLogin()
    expect(await attempt(RIGHT)).toEqual({ kind: 'signed-in', accountId: maria.id })
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
    async function underAttack() {
      const harness = aLogin({ pair: size(5), account: size(2) })
      for (const last of [1, 2, 3]) await harness.attempt('wrong', { address: `203.0.113.${last}` })
      return harness
    }

    it('leaves each address only a few tries', async () => {
      const { attempt } = await underAttack()
      const kinds = []
      for (let round = 0; round < 5; round += 1) kinds.push((await attempt('wrong')).kind)
      expect(kinds).toEqual(['rejected', 'rejected', 'rejected', 'throttled', 'throttled'])
    })

    it('does not keep the owner out', async () => {
      const { attempt } = await underAttack()
      expect((await attempt('mistyped')).kind).toBe('rejected')
      expect((await attempt(RIGHT)).kind).toBe('signed-in')
    })

    it('holds on to the limit of the account where addresses are not counted', async () => {
      const { attempt } = aLogin({ account: size(1) })
      await attempt('wrong', { address: AWAY })
      expect((await attempt(RIGHT)).kind).toBe('throttled')
    })
  })

  it('offers no sign-in without limits', async () => {
    const away = () => Promise.reject(new AppError('temporarily_unavailable'))
    const limit = { size: size(1), consume: away, peek: away, reward: away }
    let checks = 0
    const login = createLogin({
      authenticate() {
        checks += 1
        return Promise.resolve({ kind: 'authenticated', account: maria })
      },
      limits: { perAddress: limit, perAccountAddress: limit, perAccount: limit },
      events: { loginSucceeded() {}, loginFailed() {}, loginThrottled() {} },
    })
    const attempt = login({
      email: maria.email,
      password: RIGHT,
      appId: undefined,
      address: HOME,
      requestId: 'req_1',
    })
    await expect(attempt).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    expect(checks).toBe(0)
  })
})
