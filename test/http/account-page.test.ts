// One's own account, as its owner changes it; and that nobody else can.
import { MINUTE } from '../../src/shared/clock.ts'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { type Browser, createBrowser, type Page } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { type MailSink, startMailSink } from '../support/mail-sink.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const NEW = 'another horse battery staple'
const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; rv:141.0) Gecko/20100101 Firefox/141.0'
const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1'

describe.each(BACKENDS)('The account page on %s stores', (backend) => {
  let sink: MailSink
  let server: TestApp
  beforeAll(async () => {
    sink = await startMailSink()
    server = await startTestApp({ backend, overrides: sink.settings })
    await createScopes(server)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await sink[Symbol.asyncDispose]()
  })
  beforeEach(() => void (sink.mails.length = 0))

  const at = (path: string): string => server.issuer + path
  const words = ({ html }: Page): string =>
    html
      .slice(html.indexOf('<main'))
      .replaceAll(/<[^>]+>|\s+/g, ' ')
      .replaceAll(/ +/g, ' ')

  async function signedIn(
    email: string,
    userAgent = FIREFOX,
    password = PASSWORD,
  ): Promise<Browser> {
    const browser = createBrowser({
      url: server.url,
      issuer: server.issuer,
      headers: { 'user-agent': userAgent },
    })
    const page = await browser.open(at('/account'))
    const inside = await browser.submit(page, '/sign-in?to=%2Faccount', { email, password })
    expect(inside.html).toContain('<h1>Your account</h1>')
    return browser
  }

  it('changes a name, and says beside the field what is wrong with it', async () => {
    const { id, email } = await createAccount(server, { password: PASSWORD })
    const browser = await signedIn(email)
    const form = await browser.open(at('/account/name'))
    const refused = await browser.submit(form, '/account/name', { name: 'x'.repeat(201) })
    expect(refused.status).toBe(422)
    expect(words(refused)).toContain('at most 200 characters')
    const done = await browser.submit(refused, '/account/name', { name: 'Ada Lovelace' })
    expect(words(done)).toMatch(/Your name was changed\..*Ada Lovelace/)
    expect(await server.services.accounts.get(id)).toMatchObject({ name: 'Ada Lovelace' })
    // The notice is shown once, and reload repeats nothing.
    expect(words(await browser.open(at('/account')))).not.toContain('was changed.')
  })

  it('changes a password: signed in here, signed out elsewhere, apps kept, told by mail', async () => {
    const { id, email } = await createAccount(server, { password: PASSWORD })
    const client = createOAuthClient(server, await registerApp(server))
    const { access } = await client.authorize({ accountId: id })
    const [here, elsewhere] = [await signedIn(email), await signedIn(email, SAFARI)]
    const form = await here.open(at('/account/password'))
    const differ = await here.submit(form, '/account/password', { password: NEW, again: 'other' })
    expect(words(differ)).toContain('The passwords do not match')
    expect(differ.html).not.toContain(NEW)
    const done = await here.submit(differ, '/account/password', { password: NEW, again: NEW })
    expect(words(done)).toContain('Your password was changed.')
    expect((await elsewhere.open(at('/account'))).html).toContain('name="password"')
    expect((await server.services.inspectToken(access)).active).toBe(true)
    expect(await server.services.accounts.authenticate(email, NEW)).toMatchObject({
      kind: 'authenticated',
    })
    await server.services.deliveries.deliverer.deliver()
    const notices = sink.mails.filter(({ headers }) =>
      /password was changed/.test(headers.get('subject') ?? ''),
    )
    expect(notices.map(({ to }) => to)).toEqual([email])
    expect(notices[0]?.text).not.toContain(NEW)
  })

  it('disconnects all apps with the password where its owner ticks it', async () => {
    const { id, email } = await createAccount(server, { password: PASSWORD })
    const client = createOAuthClient(server, await registerApp(server))
    const { access } = await client.authorize({ accountId: id })
    const browser = await signedIn(email)
    const form = await browser.open(at('/account/password'))
    const sent = { password: NEW, again: NEW, apps: 'on' }
    expect(words(await browser.submit(form, '/account/password', sent))).toContain('was changed')
    expect((await server.services.inspectToken(access)).active).toBe(false)
    expect((await browser.open(at('/account'))).html).toContain('<h1>Your account</h1>')
  })

  it('asks for the password again for what matters, after ten minutes', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const browser = await signedIn(email)
    server.clock.move(11 * MINUTE)
    for (const path of ['/account/password', '/account/data']) {
      const page = await browser.open(at(path))
      expect(words(page)).toContain('Confirm it’s you')
    }
    const page = await browser.open(at('/account/password'))
    const form = await browser.submit(page, 'mode=again', { password: PASSWORD })
    expect(words(form)).toContain('Change your password')
    expect((await browser.open(at('/account/sessions'))).status).toBe(200)
  })

  it('lists sign-ins by device and network, ends one, ends all others', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const here = await signedIn(email)
    const phone = await signedIn(email, SAFARI)
    const third = await signedIn(email, 'curl/8.5.0')
    const page = await here.open(at('/account/sessions'))
    const shown = words(page)
    expect(shown).toMatch(/Firefox on Windows.*This browser\./)
    expect(shown).toContain('Safari on iPhone')
    expect(shown).toContain('Unknown browser')
    expect(shown).toContain('network 127.0.0.0/24')

    const phoneId =
      /name="session" value="([^"]*)">\s*<button[^>]*>Sign out<span[^>]*> Safari/.exec(
        page.html,
      )?.[1]
    const ended = await here.submit(page, '/account/sessions', { session: phoneId ?? '' })
    expect(words(ended)).toContain('1 sign-in was ended.')
    expect((await phone.open(at('/account'))).html).toContain('name="password"')
    expect((await third.open(at('/account'))).html).toContain('<h1>Your account</h1>')

    const csrf = /name="csrf" value="([^"]*)"/.exec(ended.html)?.[1] ?? ''
    await here.request(at('/account/sessions'), {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ csrf }).toString(),
    })
    expect((await third.open(at('/account'))).html).toContain('name="password"')
    expect((await here.open(at('/account'))).html).toContain('<h1>Your account</h1>')
    expect(words(await here.open(at('/account/sessions')))).not.toContain('Unknown browser')
  })

  it('a sign-in on an app’s way is listed too', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const app = await registerApp(server)
    const phone = createBrowser({
      url: server.url,
      issuer: server.issuer,
      headers: { 'user-agent': SAFARI },
    })
    const asked = await phone.open(
      at(
        `/oauth/authorize?client_id=${app.id}&response_type=code&redirect_uri=${app.redirectUri}&scope=bookings:read`,
      ),
    )
    await phone.signIn(asked, email, PASSWORD)
    const here = await signedIn(email)
    expect(words(await here.open(at('/account/sessions')))).toContain('Safari on iPhone')
  })

  it('tells what happened in words, and warns of wrong passwords', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const stranger = createBrowser(server)
    const asked = await stranger.open(at('/account'))
    await stranger.submit(asked, '/sign-in?to=%2Faccount', { email, password: 'wrong' })
    const browser = await signedIn(email)
    await server.services.audit.flush()
    const history = words(await browser.open(at('/account/history')))
    expect(history).toMatch(
      /You signed in\..*Someone tried to sign in with a wrong password\..*Your account was created\./,
    )
    expect(words(await browser.open(at('/account')))).toMatch(/Was this you\?.*wrong password/)
  })

  it('changes an address: confirmed at the new one, taken back from the old one', async () => {
    const { id, email } = await createAccount(server, { password: PASSWORD })
    const browser = await signedIn(email)
    const deliver = () => server.services.deliveries.deliverer.deliver()
    const linkTo = async (address: string): Promise<string> => {
      await deliver()
      return sink.mails.findLast(({ to }) => to === address)?.link ?? 'no link'
    }
    const next = `new-${email}`
    const form = await browser.open(at('/account/email'))
    const sent = await browser.submit(form, '/account/email', { email: next })
    expect(words(sent)).toContain('We sent a link to the new address.')
    const addressNow = async () => (await server.services.accounts.get(id)).email
    const link = await linkTo(next)
    const stranger = createBrowser(server)
    const question = await stranger.open(link)
    expect(await addressNow()).toBe(email)
    await stranger.submit(question, new URL(link).pathname)
    expect(await addressNow()).toBe(next)
    expect((await stranger.open(link)).status).toBe(400)
    expect(words(await browser.open(at('/account')))).toContain(next)

    // Whoever did that also changes the password; the owner gets the address back all the same.
    await server.services.accounts.setPassword(id, NEW, {}, { keepsApps: true })
    const undo = await linkTo(email)
    expect(undo).not.toBe(link)
    const asked = await stranger.open(undo)
    expect(words(asked)).toContain('Take the change back?')
    const undone = await stranger.submit(asked, new URL(undo).pathname)
    expect(words(undone)).toContain('The change was taken back')
    expect(await addressNow()).toBe(email)
    expect((await browser.open(at('/account'))).html).toContain('name="password"')
  })

  it.each([true, false])(
    'who changed the address twice cannot undo what its owner took back',
    async (isThiefFirst) => {
      const { id, email } = await createAccount(server, { password: PASSWORD })
      const browser = await signedIn(email)
      const stranger = createBrowser(server)
      async function change(to: string): Promise<string> {
        const form = await browser.open(at('/account/email'))
        const { email: from } = await server.services.accounts.get(id)
        await browser.submit(form, '/account/email', { email: to })
        await server.services.deliveries.deliverer.deliver()
        const link = sink.mails.findLast((mail) => mail.to === to)?.link ?? ''
        await stranger.submit(await stranger.open(link), new URL(link).pathname)
        await server.services.deliveries.deliverer.deliver()
        return sink.mails.findLast((mail) => mail.to === from)?.link ?? ''
      }
      const toOwner = await change(`thief-1-${email}`)
      server.clock.move(MINUTE)
      const toThief = await change(`thief-2-${email}`)
      const press = async (link: string) =>
        stranger.submit(await stranger.open(link), new URL(link).pathname)
      if (isThiefFirst) await press(toThief)
      await press(toOwner)
      expect((await server.services.accounts.get(id)).email).toBe(email)
      expect((await stranger.open(toThief)).status).toBe(400)
    },
  )

  it('an address of another account is refused where it is confirmed, and tells nothing before', async () => {
    const other = await createAccount(server, { password: PASSWORD })
    const { id, email } = await createAccount(server, { password: PASSWORD })
    const browser = await signedIn(email)
    const form = await browser.open(at('/account/email'))
    const sent = await browser.submit(form, '/account/email', { email: other.email })
    expect(words(sent)).toContain('We sent a link to the new address.')
    await server.services.deliveries.deliverer.deliver()
    const link = sink.mails.findLast(({ to }) => to === other.email)?.link ?? ''
    const refused = await browser.submit(await browser.open(link), new URL(link).pathname)
    expect(refused.status).toBe(409)
    expect(words(refused)).toContain('Another account has this address.')
    expect((await server.services.accounts.get(id)).email).toBe(email)
  })

  it('gives its owner all that is kept, and no secret', async () => {
    const { id, email } = await createAccount(server, { password: PASSWORD })
    const browser = await signedIn(email)
    await server.services.audit.flush()
    const answer = await browser.open(at('/account/data'))
    expect(answer.headers.get('content-disposition')).toContain('my-data.json')
    const data = JSON.parse(answer.html) as Record<string, unknown>
    expect(data).toMatchObject({
      account: { id, email },
      signIns: [{ device: 'Firefox on Windows' }],
    })
    expect(answer.html).not.toMatch(/hash|argon2/)
  })

  it('a form that was made for somebody else changes nothing', async () => {
    const ada = await createAccount(server, { password: PASSWORD })
    const eve = await createAccount(server, { password: PASSWORD })
    const form = await (await signedIn(eve.email)).open(at('/account/name'))
    const answer = await (
      await signedIn(ada.email)
    ).submit(form, '/account/name', { name: 'Chosen by Eve' })
    expect(answer.status).toBe(403)
    expect((await server.services.accounts.get(ada.id)).name).not.toBe('Chosen by Eve')
  })
})
