// A page that was answered in another tab, or ended by its time, while its form is looked at: the
// person is told so, and nothing failed.
import { jest } from '@jest/globals'
import { BACKENDS, startTestApp, type TestApp } from '../support/app.ts'
import { createBrowser } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  registerApp,
  type TestClient,
} from '../support/builders.ts'

describe.each(BACKENDS)('%s', (backend) => {
  let server: TestApp
  let web: TestClient
  beforeAll(async () => {
    server = await startTestApp({ backend })
    await createScopes(server)
    web = await registerApp(server)
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const link = (): string => {
    const query = new URLSearchParams({
      ...{ client_id: web.id, redirect_uri: web.redirectUri, response_type: 'code' },
      ...{ scope: 'bookings:read', state: 'xyz' },
    })
    return `${server.issuer}/oauth/authorize?${query.toString()}`
  }

  it('a sign-in that another tab was quicker with', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const browser = createBrowser(server)
    const page = await browser.open(link())
    const { accounts } = server.services
    const authenticate = accounts.authenticate.bind(accounts)
    const slow = jest.spyOn(accounts, 'authenticate').mockImplementationOnce(async (...args) => {
      const consent = await browser.signIn(page, email, PASSWORD)
      expect((await browser.approve(consent)).status).toBe(0)
      return authenticate(...args)
    })
    const late = await browser.signIn(page, email, PASSWORD)
    slow.mockRestore()
    expect(late.status).toBe(400)
    expect(late.html).toContain('This page is no longer valid')
  })

  it('a consent that another tab was quicker with', async () => {
    const { email } = await createAccount(server, { password: PASSWORD })
    const browser = createBrowser(server)
    const consent = await browser.signIn(await browser.open(link()), email, PASSWORD)
    const { consents } = server.services
    const remember = consents.remember.bind(consents)
    const slow = jest.spyOn(consents, 'remember').mockImplementationOnce(async (...args) => {
      expect((await browser.approve(consent)).status).toBe(0)
      return remember(...args)
    })
    const late = await browser.approve(consent)
    slow.mockRestore()
    expect(late.status).toBe(400)
    expect(late.html).toContain('This page is no longer valid')
  })
})
