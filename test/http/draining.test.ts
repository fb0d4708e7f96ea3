// The real process on Redis and PostgreSQL: SIGTERM under load loses no request and ends with exit
// code 0.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { openTestStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import { createDatabase } from '../support/backends.ts'
import { createScopes, registerApp, type TestClient } from '../support/builders.ts'
import { findFreePort } from '../support/ports.ts'
import { encode } from '../support/oauth-client.ts'
import { waitUntil } from '../support/server-process.ts'

const SECRETS = {
  OTESSE_SECRET_KEY: 'tests-sign-with-this-key-0123456789',
  OTESSE_ENCRYPTION_KEY: 'tests-seal-with-this-key-9876543210',
}
const CONNECTIONS = 20

let stores: TestStores
let office: TestApp
let client: TestClient
beforeAll(async () => {
  stores = await openTestStores('redis')
  // Only to register an app; it shares the stores with the process under test.
  office = await startTestApp({ backend: 'redis', stores })
  await createScopes(office)
  client = await registerApp(office, { type: 'machine' })
})
afterAll(async () => {
  await office[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

interface Running {
  child: ChildProcess
  port: number
  output: () => string
}

async function startProcess(overrides: Record<string, string> = {}): Promise<Running> {
  const port = await findFreePort()
  const child = spawn(process.execPath, ['src/main.ts'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      ...SECRETS,
      ...stores.settings,
      OTESSE_ISSUER: `http://127.0.0.1:${port}`,
      OTESSE_HOST: '127.0.0.1',
      OTESSE_PORT: String(port),
      ...overrides,
    },
  })
  let text = ''
  child.stdout.on('data', (part: Buffer) => (text += part.toString()))
  child.stderr.on('data', (part: Buffer) => (text += part.toString()))
  const running = { child, port, output: () => text }
  try {
    await waitUntil('the process to be ready', () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${text}`)
      return Promise.resolve(text.includes('"msg":"ready"'))
    })
    return running
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** One request on a kept connection. */
function ask(
  agent: Agent,
  port: number,
): Promise<{ status: number; connection: string | undefined }> {
  const { type, text } = encode({
    grant_type: 'client_credentials',
    client_id: client.id,
    client_secret: client.secret,
  })
  return new Promise((resolve, reject) => {
    const sending = httpRequest(
      {
        agent,
        host: '127.0.0.1',
        port,
        path: '/oauth/token',
        method: 'POST',
        headers: { 'content-type': type, 'content-length': text.length },
      },
      (answer) => {
        answer.resume()
        answer.once('end', () =>
          resolve({ status: answer.statusCode ?? 0, connection: answer.headers.connection }),
        )
        answer.once('error', reject)
      },
    )
    sending.once('error', reject)
    sending.end(text)
  })
}

it('answers everything that it has accepted, tells clients to go elsewhere, and exits with 0', async () => {
  const { child, port, output } = await startProcess()
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>
  const agents = Array.from(
    { length: CONNECTIONS },
    () => new Agent({ keepAlive: true, maxSockets: 1 }),
  )
  const failures: string[] = []
  let answered = 0
  let answeredAfterSignal = 0
  let signalled = false
  /** What a client behind a load balancer does: asks again and again until it is told to leave. */
  const load = async (agent: Agent): Promise<void> => {
    for (;;) {
      try {
        const { status, connection } = await ask(agent, port)
        answered += 1
        if (signalled) answeredAfterSignal += 1
        if (status !== 200) failures.push(`status ${status}`)
        if (connection === 'close') return
      } catch (error) {
        failures.push(String(error))
        return
      }
    }
  }
  try {
    const loads = agents.map(load)
    await waitUntil('each connection to be in use', () =>
      Promise.resolve(answered >= 2 * CONNECTIONS),
    )
    signalled = true
    child.kill('SIGTERM')
    await Promise.all(loads)
    const [code] = await exited
    expect(failures).toEqual([])
    expect(answeredAfterSignal).toBeGreaterThanOrEqual(CONNECTIONS)
    expect(code).toBe(0)
    expect(output()).toContain('"msg":"stopped"')
  } finally {
    child.kill('SIGKILL')
    for (const agent of agents) agent.destroy()
  }
})

it('finishes a request that was half sent when the signal came', async () => {
  const { child, port } = await startProcess()
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>
  try {
    const { type, text } = encode({
      grant_type: 'client_credentials',
      client_id: client.id,
      client_secret: client.secret,
    })
    const slow = httpRequest({
      host: '127.0.0.1',
      port,
      path: '/oauth/token',
      method: 'POST',
      headers: { 'content-type': type, 'content-length': text.length },
    })
    const answer = once(slow, 'response') as Promise<[IncomingMessage]>
    slow.write(text.slice(0, 20))
    await sleep(200)
    child.kill('SIGTERM')
    await sleep(1500)
    slow.end(text.slice(20))
    const [{ statusCode }] = await answer
    expect(statusCode).toBe(200)
    slow.destroy()
    const [code] = await exited
    expect(code).toBe(0)
  } finally {
    child.kill('SIGKILL')
  }
})

it('says that it is not ready while it drains, and keeps what happened', async () => {
  const { child, port } = await startProcess()
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>
  try {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    expect((await ask(agent, port)).status).toBe(200)
    child.kill('SIGTERM')
    await waitUntil('the process to say that it drains', async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
      if (answer === undefined) throw new Error('it closed before it had said so')
      return answer.status === 503
    })
    agent.destroy()
    expect((await exited)[0]).toBe(0)
    // The event was waiting to be written when the signal came.
    const { events } = await office.services.stores.events.list({
      name: 'token.issued',
      limit: 500,
    })
    expect(events.length).toBeGreaterThan(0)
  } finally {
    child.kill('SIGKILL')
  }
})

it('refuses to start on a database that was not migrated, with exit code 1 and what to do', async () => {
  await using empty = await createDatabase(process.env['OTESSE_TEST_POSTGRES_URL'] ?? '')
  await expect(startProcess({ OTESSE_DATABASE_URL: empty.url })).rejects.toThrow(
    /ended with 1.*otesse migrate/s,
  )
})
