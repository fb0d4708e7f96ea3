// Sign-in under a flood and through an outage: real requests, real stores, real concurrency.
import { startPostgres, startRedis } from '../support/backends.ts'
import { openNetworkedStores, startTestApp, type TestApp } from '../support/app.ts'
import { createBrowser } from '../support/browser-flow.ts'
import { createAccount, PASSWORD } from '../support/builders.ts'

type Browser = ReturnType<typeof createBrowser>
const SIGN_IN = '/sign-in?to=%2Fconnected-apps'

/** Opens the sign-in page and returns how to send its form, from any address. */
async function openSignIn(server: TestApp, browser: Browser = createBrowser(server)) {
  const page = await browser.open(`${server.issuer}${SIGN_IN}`)
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
  return async (address: string, email: string, password: string) => {
    const answer = await browser.request(`${server.issuer}${SIGN_IN}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-forwarded-for': address,
      },
      body: new URLSearchParams({ csrf, email, password }).toString(),
    })
    // What was wrong is shown by the page that the form's answer leads to.
    const next = answer.headers.get('location') ?? ''
    if (!next.includes('shows=')) return answer.status
    const headers = { 'x-forwarded-for': address }
    return (await browser.request(new URL(next, server.issuer).href, { headers })).status
  }
}

/** The same browser after its session has ended. */
function signedOut(server: TestApp, browser: Browser): Browser {
  const copy = createBrowser(server)
  for (const [name, cookie] of browser.jar)
    if (!name.startsWith('otesse_session')) copy.jar.set(name, cookie)
  return copy
}

describe('while strangers send wrong passwords from everywhere', () => {
  let server: TestApp
  beforeAll(async () => {
    server = await startTestApp({
      backend: 'redis',
      overrides: { OTESSE_TRUSTED_PROXIES: '127.0.0.1' },
    })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it('the owner of an account signs in, in a browser in which they did before', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const browser = createBrowser(server)
    const before = await openSignIn(server, browser)
    expect(await before('192.0.2.7', email, PASSWORD)).toBe(303)

    const flood = await openSignIn(server)
    let isOver = false
    let sent = 0
    const strangers = Promise.all(
      Array.from({ length: 230 }, async () => {
        while (!isOver) {
          const at = (sent += 1)
          const address = `2001:db8:${(at >> 4).toString(16)}:${at.toString(16)}::1`
          await flood(address, `nobody${at}@example.com`, 'wrong wrong wrong')
        }
      }),
    )
    const mine: number[] = []
    for (let at = 0; at < 5; at += 1) {
      const again = await openSignIn(server, signedOut(server, browser))
      mine.push(await again(`198.51.${at}.9`, email, PASSWORD))
    }
    isOver = true
    await strangers
    expect(mine).toEqual([303, 303, 303, 303, 303])
    expect(sent).toBeGreaterThan(230)
  })

  it('all strangers together have so many guesses at one account as the setting says', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const guess = await openSignIn(server)
    const statuses = await Promise.all(
      Array.from({ length: 140 }, (_, at) =>
        guess(`2001:db8:77:${at.toString(16)}::1`, email, `wrong guess ${at}`),
      ),
    )
    expect(statuses.filter((status) => status === 422)).toHaveLength(100)
    expect(statuses.filter((status) => status === 429)).toHaveLength(40)
    expect(await guess('203.0.113.77', email, PASSWORD)).toBe(429)
  })
})

it('an outage of a store counts against nobody', async () => {
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres()])
  try {
    await using stores = await openNetworkedStores({
      redisUrl: redis.url,
      postgresUrl: postgres.url,
    })
    await using server = await startTestApp({
      backend: 'redis',
      stores,
      overrides: {
        OTESSE_LIMIT_LOGIN_PER_ACCOUNT_ADDRESS: '4/900',
        OTESSE_LIMIT_LOGIN_PER_ADDRESS: '4/900',
      },
    })
    const { email } = await createAccount(server, { password: PASSWORD })
    const send = await openSignIn(server)
    for (const store of [postgres, redis]) {
      store.pause()
      const during: number[] = []
      for (let round = 0; round < 2; round += 1)
        during.push(
          ...(await Promise.all(
            Array.from({ length: 4 }, () => send('127.0.0.1', email, PASSWORD)),
          )),
        )
      // Before anything is judged: what is still open must be able to end.
      store.resume()
      expect(during).toEqual(Array(8).fill(503))
      const deadline = performance.now() + 15_000
      let status = 503
      while (status !== 303 && performance.now() < deadline)
        status = await send('127.0.0.1', email, PASSWORD)
      expect(status).toBe(303)
    }
  } finally {
    await Promise.all([redis.stop(), postgres.stop()])
  }
})
