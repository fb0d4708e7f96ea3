// The code that the console gives to developers is run as it is: pasted into a shell or into Node,
// with nothing added but the secret.
import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { snippetsFor } from '../../src/admin/console/snippets.ts'
import type { AppInput } from '../../src/model/app.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { getBinary } from '../support/binaries.ts'
import { approveInBrowser } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const run = promisify(execFile)
let server: TestApp

beforeAll(async () => {
  server = await startTestApp({ backend: 'embedded' })
  await createScopes(server)
  getBinary('curl', 'curl')
  getBinary('openssl', 'openssl')
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

/** An app and the code for its developer. */
async function anApp(input: Partial<AppInput>) {
  const client = await registerApp(server, input)
  const code = (id: string): string =>
    snippetsFor(client.app, server.issuer).find((each) => each.id === id)?.code ?? ''
  return {
    client,
    code,
    environment: { ...process.env, OTESSE_CLIENT_SECRET: client.secret ?? '' },
  }
}

describe('for a machine', () => {
  const input = { type: 'machine', scopes: ['bookings:read', 'bookings:write'] } as const

  it('curl gets a token with all its permissions', async () => {
    const { code, environment } = await anApp(input)
    const { stdout } = await run('bash', ['-c', code('curl')], { env: environment })
    expect(JSON.parse(stdout)).toMatchObject({ scope: 'bookings:read bookings:write' })
  })

  it('curl names the audience of an app that has one', async () => {
    const { code, environment } = await anApp({ ...input, audiences: ['https://api.example.com'] })
    const { stdout } = await run('bash', ['-c', code('curl')], { env: environment })
    expect(JSON.parse(stdout)).toMatchObject({ token_type: 'Bearer' })
  })

  it('Node gets a token', async () => {
    const { code, environment } = await anApp(input)
    const args = ['--input-type=module', '-e', code('node')]
    const { stdout } = await run(process.execPath, args, { env: environment })
    expect(stdout).toMatch(/^otesse_at_\S+ for 3600 seconds/)
  })
})

describe('for an API', () => {
  it('curl and Node tell what a token is worth', async () => {
    const { code, environment } = await anApp({ type: 'resource_server' })
    const machine = await registerApp(server, { type: 'machine', scopes: ['bookings:read'] })
    const { body } = await createOAuthClient(server, machine).credentials()
    const curl = await talk(code('curl'), environment, () => Promise.resolve(body.access_token), '')
    expect(JSON.parse(curl)).toMatchObject({ active: true, scope: 'bookings:read' })
    const node = `${code('node')}\nconsole.log(JSON.stringify(await introspect(process.argv[1])))`
    const args = ['--input-type=module', '-e', node, body.access_token]
    const { stdout } = await run(process.execPath, args, { env: environment })
    expect(JSON.parse(stdout)).toMatchObject({ active: true, client_id: machine.id })
  })
})

describe('for people', () => {
  it.each(['web', 'public'] as const)('curl leads a person through a %s app', async (type) => {
    const { code, environment } = await anApp({ type })
    const { email } = await createAccount(server, { password: PASSWORD })
    const approve = async (url: string): Promise<string> => {
      const back = await approveInBrowser(server, url, { email, password: PASSWORD })
      return back.searchParams.get('code') ?? ''
    }
    const answer = await talk(code('curl'), environment, approve, 'http')
    expect(JSON.parse(answer)).toMatchObject({ token_type: 'Bearer' })
    expect((JSON.parse(answer) as { refresh_token: string }).refresh_token).toMatch(/^otesse_rt_/)
  })
})

/**
 * Runs a script that prints one line with this beginning and asks for an answer to it. Returns what
 * it prints after that.
 */
async function talk(
  script: string,
  env: NodeJS.ProcessEnv,
  answer: (line: string) => Promise<string>,
  shows: string,
): Promise<string> {
  const shell = spawn('bash', ['-c', script], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  let written = ''
  const state = { isAnswered: false }
  const reply = async (line: string): Promise<void> => {
    state.isAnswered = true
    shell.stdin.end(`${await answer(line)}\n`)
  }
  if (shows === '') await reply('')
  for await (const chunk of shell.stdout.setEncoding('utf8')) {
    written += String(chunk)
    const end = written.indexOf('\n')
    if (state.isAnswered || end < 0) continue
    const line = written.slice(0, end)
    expect(line.startsWith(shows)).toBe(true)
    written = written.slice(end + 1)
    await reply(line)
  }
  return written
}
