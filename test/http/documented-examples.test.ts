// The examples of the public documentation, replayed literally with curl. Only host, code, tokens
// and credentials are filled in.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { startTestApp, type TestApp } from '../support/app.ts'
import { approveInBrowser } from '../support/browser-flow.ts'
import {
  createAccount,
  createScopes,
  PASSWORD,
  registerApp,
  type TestClient,
} from '../support/builders.ts'
import { getBinary } from '../support/binaries.ts'

const run = promisify(execFile)
const person = { email: 'ada@example.com', password: PASSWORD }

let server: TestApp
let app: TestClient
beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  app = await registerApp(server, { redirectUris: ['https://yourapp.com/callback'] })
  await createAccount(server, person)
})
afterAll(() => server[Symbol.asyncDispose]())

/** Runs curl with what a documentation page would show after its name. */
async function curl(...args: string[]): Promise<{ status: number; body: Record<string, unknown> }> {
  const { stdout } = await run(getBinary('curl', 'curl'), ['-s', '-w', '\n%{http_code}', ...args])
  const cut = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(cut)), body: JSON.parse(stdout.slice(0, cut)) }
}

const postJson = (path: string, body: string) =>
  curl('-X', 'POST', server.url + path, '-H', 'Content-Type: application/json', '-d', body)

async function getCode(): Promise<string> {
  const url = `${server.url}/oauth/authorize?client_id=${app.id}&redirect_uri=https://yourapp.com/callback&response_type=code&scope=bookings:read customers:read&state=random_state_string`
  const back = await approveInBrowser(server, url, person)
  expect(back.href).toMatch(/^https:\/\/yourapp\.com\/callback\?/)
  expect(back.searchParams.get('state')).toBe('random_state_string')
  expect(back.searchParams.get('iss')).toBe(server.issuer)
  return back.searchParams.get('code') ?? ''
}

const exchange = async () =>
  postJson(
    '/oauth/token',
    `{"grant_type":"authorization_code","code":"${await getCode()}","redirect_uri":"https://yourapp.com/callback",
     "client_id":"${app.id}","client_secret":"${app.secret ?? ''}"}`,
  )

const documentedAnswer = {
  access_token: expect.stringMatching(/^otesse_at_/),
  refresh_token: expect.stringMatching(/^otesse_rt_/),
  token_type: 'Bearer',
  expires_in: 3600,
  scope: 'bookings:read customers:read',
}

it('exchanges a code, JSON', async () => {
  expect(await exchange()).toEqual({ status: 200, body: documentedAnswer })
})

it('exchanges a code, form and HTTP Basic', async () => {
  const answer = await curl(
    ...['-X', 'POST', `${server.url}/oauth/token`, '-u', `${app.id}:${app.secret ?? ''}`],
    ...['-d', 'grant_type=authorization_code', '-d', `code=${await getCode()}`],
    ...['--data-urlencode', 'redirect_uri=https://yourapp.com/callback'],
  )
  expect(answer).toEqual({ status: 200, body: documentedAnswer })
})

it('refreshes, JSON and form', async () => {
  const { body } = await exchange()
  const refreshToken = String(body['refresh_token'])
  const json = await postJson(
    '/oauth/token',
    `{"grant_type":"refresh_token","refresh_token":"${refreshToken}","client_id":"${app.id}","client_secret":"${app.secret ?? ''}"}`,
  )
  expect(json).toEqual({ status: 200, body: documentedAnswer })
  const form = await curl(
    ...['-X', 'POST', `${server.url}/oauth/token`],
    ...['-d', 'grant_type=refresh_token', '-d', `refresh_token=${refreshToken}`],
    ...['-d', `client_id=${app.id}`, '-d', `client_secret=${app.secret ?? ''}`],
  )
  expect(form).toEqual({ status: 200, body: documentedAnswer })
})

it('revokes, and the access tokens are dead at once', async () => {
  const { body } = await exchange()
  const revoked = await postJson(
    '/oauth/revoke',
    `{"token":"${String(body['refresh_token'])}","token_type_hint":"refresh_token","client_id":"${app.id}","client_secret":"${app.secret ?? ''}"}`,
  )
  expect(revoked).toEqual({ status: 200, body: {} })
  const introspected = await curl(
    ...['-X', 'POST', `${server.url}/oauth/introspect`, '-u', `${app.id}:${app.secret ?? ''}`],
    ...['-d', `token=${String(body['access_token'])}`],
  )
  expect(introspected).toEqual({ status: 200, body: { active: false } })
})

it('gets a token for the app itself, with the fields of a generic connector', async () => {
  const answer = await postJson(
    '/oauth/token',
    `{"grant_type":"client_credentials","client_id":"${app.id}","client_secret":"${app.secret ?? ''}","scope":"bookings:read,customers:read","audience":"https://api.otesse.com/v1"}`,
  )
  expect(answer).toMatchObject({ status: 200, body: { scope: 'bookings:read customers:read' } })
})

it('answers a wrong code as documented', async () => {
  const answer = await postJson(
    '/oauth/token',
    `{"grant_type":"authorization_code","code":"wrong","redirect_uri":"https://yourapp.com/callback","client_id":"${app.id}","client_secret":"${app.secret ?? ''}"}`,
  )
  expect(answer).toMatchObject({
    status: 400,
    body: { error: 'invalid_grant', error_description: expect.any(String) },
  })
})
