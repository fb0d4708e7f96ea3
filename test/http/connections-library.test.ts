// What services use instead of HTTP calls of their own: createConnections of the package, as its
// tarball, and the Python file of examples/connections. Both against a running server.
import { jest } from '@jest/globals'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { getBinary } from '../support/binaries.ts'
import { createAccount } from '../support/builders.ts'
import { connectTo, OPERATOR, type TestConnection } from '../support/connected-company.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')

jest.setTimeout(180_000)

let project: string
let server: TestApp
let connection: TestConnection
let issued = 0
const seen: string[] = []
// An API that takes the newest token only, and the authorization server that issues it.
const api = createServer((request, answer) => {
  answer.setHeader('content-type', 'application/json')
  if (request.url === '/token') {
    issued += 1
    answer.end(JSON.stringify({ access_token: `fresh-token-${issued}`, expires_in: 3600 }))
    return
  }
  const { authorization = '' } = request.headers
  seen.push(authorization)
  if (authorization !== `Bearer fresh-token-${issued}`) answer.writeHead(401)
  answer.end(JSON.stringify({ path: request.url }))
})

beforeAll(async () => {
  await new Promise<void>((done) => api.listen(0, '127.0.0.1', done))
  const origin = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
  server = await startTestApp({
    backend: 'embedded',
    overrides: { OTESSE_CONNECTIONS: 'true', OTESSE_UNSAFE_PRIVATE_DESTINATIONS: '127.0.0.1' },
  })
  connection = await connectTo(server, {
    origin,
    baseUrl: `${origin}/api`,
    accessToken: 'a-token-that-was-withdrawn',
  })
  project = await mkdtemp(join(tmpdir(), 'otesse-test-library-'))
  await run('npm', [
    'pack',
    join(ROOT, 'packages/resource-server'),
    ...['--pack-destination', project],
  ])
  const [tarball = ''] = (await readdir(project)).filter((name) => name.endsWith('.tgz'))
  await writeFile(join(project, 'package.json'), '{ "name": "service", "private": true }')
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${tarball}`], {
    cwd: project,
  })
})
afterAll(async () => {
  api.closeAllConnections()
  api.close()
  await server[Symbol.asyncDispose]()
  await rm(project, { recursive: true, force: true })
})
beforeEach(() => {
  seen.length = 0
})

const READ = `import { createConnections, ConnectionError } from '@otesse/resource-server'
const [, , issuer, clientId, clientSecret, connection] = process.argv
const connections = createConnections({ issuer, clientId, clientSecret })
`

async function service(code: string, secret = connection.client.secret ?? ''): Promise<unknown> {
  const file = join(project, 'service.mjs')
  await writeFile(file, READ + code)
  const { stdout } = await run(process.execPath, [
    file,
    ...[server.url, connection.client.id, secret, connection.id],
  ])
  return JSON.parse(stdout)
}

test('ten calls that meet a 401 report it once, and all succeed', async () => {
  const before = issued
  const statuses = await service(`
const answers = await Promise.all(Array.from({ length: 10 }, (_, at) =>
  connections.fetch(connection, '/things/' + at, { method: 'POST', body: 'x' })))
console.log(JSON.stringify(await Promise.all(answers.map(async (each) => [each.status, (await each.json()).path]))))`)
  expect(statuses).toEqual(Array.from({ length: 10 }, (_, at) => [200, `/api/things/${at}`]))
  expect(issued).toBe(before + 1)
})

test('a token comes with all that a call needs', async () => {
  const token = await service(`
const { accessToken, headers, expiresAt, scopes, baseUrl } =
  await connections.getToken(connection, { minValiditySeconds: 300 })
console.log(JSON.stringify({ accessToken, headers, hasEnd: expiresAt > new Date(), scopes, baseUrl }))`)
  expect(token).toMatchObject({
    accessToken: `fresh-token-${issued}`,
    headers: { Authorization: `Bearer fresh-token-${issued}` },
    hasEnd: true,
    scopes: [],
    baseUrl: expect.stringMatching(/\/api$/) as string,
  })
})

test('a refusal says why, and no credential is in it', async () => {
  const CATCH = `.catch((error) => console.log(JSON.stringify([error instanceof ConnectionError, error.code, error.status, error.connectUrl])))`
  expect(await service(`await connections.getToken('con_nothing')${CATCH}`)).toEqual([
    true,
    'not_connected',
    404,
    `${server.issuer}/connections`,
  ])
  expect(await service(`await connections.getToken(connection)${CATCH}`, 'wrong')).toEqual([
    true,
    'invalid_client',
    401,
    null,
  ])
})

test('a link leads a person to connect, for a service that the integration trusts', async () => {
  const { infrastructure, services } = server
  const admin = createAdminServices(infrastructure, services)
  const person = await createAccount(server)
  const returnTo = 'https://service.example/back'
  const link = (account: string): Promise<unknown> =>
    service(`
const options = { returnTo: '${returnTo}', account: '${account}', state: 's' }
await connections.connectLink('crm', options).then(
  ({ url, expiresAt }) => console.log(JSON.stringify([url, expiresAt > new Date()])),
  (error) => console.log(JSON.stringify([error instanceof ConnectionError, error.code])))`)
  const change = async (trustedApps: string[]): Promise<void> => {
    const { version } = await admin.integrations.get('crm')
    const settings = { trustedApps, returnAddresses: [returnTo] }
    await admin.integrations.update('crm', version, settings, OPERATOR)
  }
  await change([])
  expect(await link(person.id)).toEqual([true, 'access_denied'])
  await change([connection.client.id])
  expect(await link(person.id)).toEqual([
    expect.stringMatching(`^${server.issuer}/connections/session/[0-9A-Za-z]{43}$`),
    true,
  ])
  expect(await link('acc_nobody')).toEqual([true, 'invalid_request'])
})

test('Python calls the API, and tries a 401 once more', async () => {
  // Everything before it is refused from now on.
  issued += 1
  const before = issued
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/api/hello`
  const file = join(ROOT, 'examples/connections/call_with_connection.py')
  const { stdout } = await run(getBinary('python3', 'python3'), ['-B', file, connection.id, url], {
    env: {
      ...process.env,
      ISSUER: server.url,
      CLIENT_ID: connection.client.id,
      CLIENT_SECRET: connection.client.secret,
    },
  })
  expect(stdout.trim()).toBe('200 {"path":"/api/hello"}')
  expect(issued).toBe(before + 1)
  expect(seen).toHaveLength(2)
})
