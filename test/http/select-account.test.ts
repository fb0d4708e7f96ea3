// prompt=select_account: with which account to go on, in one tab and in several, on real stores.
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser, type Page } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  registerApp,
  type TestClient,
} from '../support/builders.ts'

let server: TestApp
let web: TestClient

const linkOf = (client: TestClient, parameters: Readonly<Record<string, string>> = {}): string =>
  `${server.issuer}/oauth/authorize?${new URLSearchParams({
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'bookings:read',
    state: 'st&te',
    ...parameters,
  }).toString()}`

const aPerson = () => createAccount(server, { password: PASSWORD })

/** A browser in which that person has signed in and allowed the app. */
async function aSignedInBrowser(email: string): Promise<Browser> {
  const browser = createBrowser(server)
  const consent = await browser.signIn(await browser.open(linkOf(web)), email, PASSWORD)
  backAtApp(await browser.approve(consent))
  return browser
}

/** Returns what the app is told. */
function backAtApp(page: Page): URLSearchParams {
  if (page.status !== 0) throw new Error(`not back at the app: ${page.status} ${wordsOf(page)}`)
  return new URL(page.url).searchParams
}

const wordsOf = ({ html }: Page): string =>
  html
    .replaceAll(/<(svg|head)[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/\s+/g, ' ')

async function eventsOf(accountId: string): Promise<string[]> {
  await server.services.audit.flush()
  const { events } = await server.services.stores.events.list({ accountId })
  return events.map(({ name, reason }) => (reason === undefined ? name : `${name} ${reason}`))
}

describe.each(BACKENDS)('OpenID Connect Core §3.1.2.1 — prompt=select_account on %s', (backend) => {
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
    web = await registerApp(server, { name: 'Studio Planner' })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const CHOOSE = { prompt: 'select_account' }
  const HEADING = 'Choose an account'

  it('asks whether to go on with the account that is signed in, and asks no more', async () => {
    const { email } = await aPerson()
    const browser = await aSignedInBrowser(email)
    const page = await browser.open(linkOf(web, CHOOSE))
    expect(wordsOf(page)).toContain(HEADING)
    expect(wordsOf(page)).toContain(email)
    expect(wordsOf(page)).toContain('Studio Planner')
    const answer = backAtApp(await browser.submit(page, '/select'))
    expect(answer.get('code')).toMatch(/^otesse_ac_/)
  })

  it('leads to another account', async () => {
    const [first, second] = [await aPerson(), await aPerson()]
    const browser = await aSignedInBrowser(first.email)
    const page = await browser.open(linkOf(web, { ...CHOOSE, login_hint: second.email }))
    const signIn = await browser.submit(page, '/switch')
    expect(wordsOf(signIn)).toContain('Sign in')
    expect(signIn.html).not.toContain(first.email)
    expect(signIn.html).toContain(`value="${second.email}"`)
    const consent = await browser.signIn(signIn, second.email, PASSWORD)
    expect(wordsOf(consent)).toContain('wants access')
    backAtApp(await browser.approve(consent))
    expect(await eventsOf(first.id)).toContain('session.ended account_switched')
    expect(await eventsOf(second.id)).toContain('code.issued')
  })

  it('is the sign-in page where nobody is signed in', async () => {
    const { email } = await aPerson()
    const browser = createBrowser(server)
    const signIn = await browser.open(linkOf(web, CHOOSE))
    expect(wordsOf(signIn)).toContain('Sign in')
    const consent = await browser.signIn(signIn, email, PASSWORD)
    backAtApp(await browser.approve(consent))
  })

  it('comes before the password and before consent', async () => {
    const { email } = await aPerson()
    const browser = await aSignedInBrowser(email)
    const link = linkOf(web, { prompt: 'consent login select_account' })
    const page = await browser.open(link)
    expect(wordsOf(page)).toContain(HEADING)
    const again = await browser.submit(page, '/select')
    expect(wordsOf(again)).toContain('Confirm it’s you')
    expect(wordsOf(again)).toContain(email)
    const consent = await browser.submit(again, '/login', { password: PASSWORD })
    expect(wordsOf(consent)).toContain('Studio Planner wants')
    backAtApp(await browser.approve(consent))
  })

  it('can be cancelled, which the app is told', async () => {
    const browser = await aSignedInBrowser((await aPerson()).email)
    const page = await browser.open(linkOf(web, CHOOSE))
    expect(backAtApp(await browser.deny(page)).get('error')).toBe('access_denied')
  })

  it('goes on in several tabs, each with its own question', async () => {
    const { email } = await aPerson()
    const browser = await aSignedInBrowser(email)
    const tabs = [
      await browser.open(linkOf(web, CHOOSE)),
      await browser.open(linkOf(web, { ...CHOOSE, state: 'second' })),
    ]
    for (const [at, state] of ['st&te', 'second'].entries())
      expect(backAtApp(await browser.submit(tabs[at]!, '/select')).get('state')).toBe(state)
  })

  it.each(['/select', ''])(
    'never goes on with an account that another tab has changed meanwhile: %s',
    async (form) => {
      const [first, second] = [await aPerson(), await aPerson()]
      const browser = await aSignedInBrowser(first.email)
      const page = await browser.open(linkOf(web, CHOOSE))
      const other = await browser.open(linkOf(web, CHOOSE))
      await browser.signIn(await browser.submit(other, '/switch'), second.email, PASSWORD)
      const next = await (form === '' ? browser.open(page.url) : browser.submit(page, form))
      expect(wordsOf(next)).toContain(HEADING)
      expect(next.html).toContain(second.email)
      expect(next.html).not.toContain(first.email)
      const consent = await browser.submit(next, '/select')
      expect(wordsOf(consent)).toContain(second.email)
      backAtApp(await browser.approve(consent))
    },
  )

  it.each(['/select', ''])(
    'asks who is there after a sign-out in another tab: %s',
    async (form) => {
      const { email } = await aPerson()
      const browser = await aSignedInBrowser(email)
      const page = await browser.open(linkOf(web, CHOOSE))
      await browser.submit(await browser.open(`${server.issuer}/sign-out`), '/sign-out')
      const next = await (form === '' ? browser.open(page.url) : browser.submit(page, form))
      expect(wordsOf(next)).toContain('Sign in')
      backAtApp(await browser.signIn(next, email, PASSWORD))
    },
  )

  it('goes on where the same user has signed in again in another tab', async () => {
    const { email } = await aPerson()
    const browser = await aSignedInBrowser(email)
    const page = await browser.open(linkOf(web, CHOOSE))
    await browser.submit(await browser.open(`${server.issuer}/sign-out`), '/sign-out')
    await browser.signIn(await browser.open(linkOf(web)), email, PASSWORD)
    backAtApp(await browser.submit(page, '/select'))
  })

  it('with none is refused', async () => {
    const browser = await aSignedInBrowser((await aPerson()).email)
    for (const prompt of ['none select_account', 'select_account none'])
      expect(backAtApp(await browser.open(linkOf(web, { prompt }))).get('error')).toBe(
        'invalid_request',
      )
  })
})
