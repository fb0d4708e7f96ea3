// The code that the console gives to developers is run as it is: taken from the page, put into a
// file and started, with nothing added but the secret; on an http and on an https issuer.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { AppInput } from '../../src/model/app.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { findBinary, getBinary } from '../support/binaries.ts'
import { approveInBrowser, type Browser, createBrowser } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { type Certificates, makeCertificates } from '../support/certificates.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

interface Runner {
  /** The program that runs it, and its Debian package. */
  binary: string
  package: string
  file: string
  arguments?: readonly string[]
}

const RUNNERS: Readonly<Record<string, Runner>> = {
  curl: { binary: 'bash', package: 'bash', file: 'connect.sh' },
  node: { binary: process.execPath, package: 'nodejs', file: 'connect.mjs' },
  python: { binary: 'python3', package: 'python3', file: 'connect.py' },
  go: { binary: 'go', package: 'golang-go', file: 'connect.go', arguments: ['run'] },
  php: { binary: 'php', package: 'php-cli', file: 'connect.php' },
  ruby: { binary: 'ruby', package: 'ruby', file: 'connect.rb' },
  java: { binary: 'java', package: 'default-jdk-headless', file: 'Connect.java' },
}
const LANGUAGES = Object.keys(RUNNERS)

let directory: string
let certificates: Certificates
let front: Server
let plain: TestApp
let secure: TestApp
let trust: NodeJS.ProcessEnv

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'otesse-test-snippets-'))
  certificates = await makeCertificates()
  const { key, cert } = certificates.server
  front = createServer({ key, cert }, (incoming, outgoing) => {
    const { method, rawHeaders, url = '' } = incoming
    const sent = request(secure.url + url, { method, headers: rawHeaders }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(outgoing)
    })
    sent.once('error', () => outgoing.destroy())
    incoming.pipe(sent)
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  const { port } = front.address() as AddressInfo
  plain = await startTestApp({ backend: 'embedded' })
  secure = await startTestApp({ backend: 'embedded', issuer: `https://127.0.0.1:${port}` })
  for (const server of [plain, secure]) await createScopes(server)
  trust = await trustOf(certificates.caFile)
})
afterAll(async () => {
  front.closeAllConnections()
  front.close()
  await Promise.all([plain[Symbol.asyncDispose](), secure[Symbol.asyncDispose]()])
  certificates[Symbol.dispose]()
  rmSync(directory, { recursive: true })
})

/** How each language learns of an authority that the machine does not know. */
async function trustOf(caFile: string): Promise<NodeJS.ProcessEnv> {
  const store = join(directory, 'trust.p12')
  if (findBinary('keytool') !== undefined)
    await promisify(execFile)('keytool', [
      ...['-importcert', '-noprompt', '-alias', 'test', '-file', caFile],
      ...['-keystore', store, '-storepass', 'changeit', '-storetype', 'PKCS12'],
    ])
  return {
    CURL_CA_BUNDLE: caFile,
    NODE_EXTRA_CA_CERTS: caFile,
    SSL_CERT_FILE: caFile,
    JAVA_TOOL_OPTIONS: `-Djavax.net.ssl.trustStore=${store} -Djavax.net.ssl.trustStorePassword=changeit`,
  }
}

/** An admin's browser at the console. */
async function aConsole(server: TestApp): Promise<Browser> {
  const { email } = await createAccount(server, { password: PASSWORD, role: 'admin' })
  const browser = createBrowser(server)
  const page = await browser.open(`${server.issuer}/sign-in?to=/admin/apps`)
  await browser.submit(page, 'to=%2Fadmin%2Fapps', { email, password: PASSWORD })
  return browser
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
}

/** An app, and its programs as its page shows them. */
async function anApp(server: TestApp, input: Partial<AppInput>) {
  const client = await registerApp(server, input)
  const browser = await aConsole(server)
  const { html } = await browser.open(`${server.issuer}/admin/apps/${client.id}/credentials`)
  const code = (language: string): string => {
    const [, shown] = new RegExp(`<code id="snippet-${language}">([^]*?)</code>`).exec(html) ?? []
    if (shown === undefined) throw new Error(`the page has no code for ${language}`)
    return shown.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity)
  }
  return { client, code }
}

/** Starts a program; a language that is not there is skipped, but not in CI. */
function start(language: string, code: string, secret: string | undefined): Started | undefined {
  const runner = RUNNERS[language]
  if (runner === undefined) throw new Error(`nothing runs ${language}`)
  const binary = runner.binary.startsWith('/') ? runner.binary : findBinary(runner.binary)
  if (binary === undefined) {
    if (process.env['CI'] !== undefined) getBinary(runner.binary, runner.package)
    console.warn(`skipped: ${runner.binary} is not on this machine (${runner.package})`)
    return undefined
  }
  const folder = mkdtempSync(join(directory, `${language}-`))
  writeFileSync(join(folder, runner.file), code)
  const { PATH = '', HOME = folder } = process.env
  const options = language === 'php' ? ['-d', `openssl.cafile=${certificates.caFile}`] : []
  return new Started(
    spawn(binary, [...options, ...(runner.arguments ?? []), runner.file], {
      cwd: folder,
      env: {
        PATH: [PATH, '/usr/local/go/bin'].join(delimiter),
        HOME,
        ...trust,
        ...(secret !== undefined && { OTESSE_CLIENT_SECRET: secret }),
      },
    }),
  )
}

/** A program that is talked with. */
class Started {
  #written = ''
  #problems = ''
  readonly #child: ChildProcess
  readonly #ended: Promise<number | null>
  #waiting: (() => void) | undefined

  constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#written += text
      this.#waiting?.()
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#problems += text))
    this.#ended = new Promise((resolve) =>
      child.once('close', (code) => {
        this.#waiting?.()
        resolve(code)
      }),
    )
  }

  /** Waits for a line that begins so, and returns the rest of it. */
  async line(start: string): Promise<string> {
    for (;;) {
      const lines = this.#written.split('\n').slice(0, -1)
      const found = lines.find((line) => line.startsWith(start))
      if (found !== undefined) return found.slice(start.length)
      if (this.#child.exitCode !== null) throw new Error(this.#problems + this.#written)
      await new Promise<void>((resolve) => (this.#waiting = resolve))
    }
  }

  type(line: string): void {
    this.#child.stdin?.end(`${line}\n`)
  }

  /** Waits for its end and returns what it wrote. */
  async end(): Promise<{ code: number | null; written: string; problems: string }> {
    const code = await this.#ended
    return { code, written: this.#written, problems: this.#problems }
  }
}

const ISSUERS = ['http', 'https'] as const
const serverOf = (scheme: (typeof ISSUERS)[number]): TestApp => (scheme === 'http' ? plain : secure)

describe.each(ISSUERS)('on an %s issuer', (scheme) => {
  describe.each(['web', 'public'] as const)('a person connects a %s app', (type) => {
    let app: Awaited<ReturnType<typeof anApp>>
    beforeAll(async () => {
      app = await anApp(serverOf(scheme), { type, scopes: ['bookings:read', 'customers:read'] })
    })

    async function begin(language: string) {
      const started = start(language, app.code(language), app.client.secret)
      return started && { started, url: await started.line('Open ') }
    }

    it.each(LANGUAGES)('%s', async (language) => {
      const running = await begin(language)
      if (running === undefined) return
      const { email } = await createAccount(serverOf(scheme), { password: PASSWORD })
      const person = { email, password: PASSWORD }
      const back = await approveInBrowser(serverOf(scheme), running.url, person)
      running.started.type(back.href)
      const { code, written, problems } = await running.started.end()
      expect({ code, problems: problems.replace(/^Picked up .*\n/, '') }).toMatchObject({ code: 0 })
      expect(written).toContain('bookings:read customers:read')
      expect(written).toContain('3600')
      // Only the bare answer that curl is asked for has the tokens.
      if (language !== 'curl') expect(written).not.toMatch(/otesse_(?:at|rt)_/)
    })

    it.each(LANGUAGES)('%s takes no answer to another request', async (language) => {
      const running = await begin(language)
      if (running === undefined) return
      const query = new URLSearchParams({ code: 'x', state: 'other', iss: serverOf(scheme).issuer })
      running.started.type(`${app.client.redirectUri}?${query.toString()}`)
      const { code, problems, written } = await running.started.end()
      expect(code).not.toBe(0)
      expect(problems + written).toContain('start again')
    })
  })

  describe('a machine gets a token', () => {
    it.each(LANGUAGES)('%s', async (language) => {
      const { client, code } = await anApp(serverOf(scheme), {
        type: 'machine',
        scopes: ['bookings:read', 'bookings:write'],
        audiences: ['https://api.example.com'],
      })
      const started = start(language, code(language), client.secret)
      if (started === undefined) return
      started.type('')
      const { code: status, written, problems } = await started.end()
      expect({ status, problems }).toMatchObject({ status: 0 })
      expect(written).toContain('bookings:read bookings:write')
      if (language !== 'curl') expect(written).not.toContain('otesse_at_')
    })
  })

  describe('an API is told what a token is worth', () => {
    it.each(LANGUAGES)('%s', async (language) => {
      const server = serverOf(scheme)
      const api = await anApp(server, { type: 'resource_server' })
      const machine = await registerApp(server, { type: 'machine', scopes: ['bookings:read'] })
      const { body } = await createOAuthClient(server, machine).credentials()
      const started = start(language, api.code(language), api.client.secret)
      if (started === undefined) return
      started.type(body.access_token)
      const { code, written, problems } = await started.end()
      expect({ code, problems }).toMatchObject({ code: 0 })
      expect(written).toMatch(/[Aa]ctive/)
      expect(written).toContain('bookings:read')
    })
  })
})

it.each(LANGUAGES.filter((language) => language !== 'curl'))(
  '%s tells why it was refused, and where that is explained',
  async (language) => {
    const { code } = await anApp(plain, { type: 'machine', scopes: ['bookings:read'] })
    const started = start(language, code(language), 'otesse_cs_wrong')
    if (started === undefined) return
    started.type('')
    const { code: status, problems } = await started.end()
    expect(status).not.toBe(0)
    expect(problems).toContain(`${plain.issuer}/errors/client_authentication_failed`)
  },
)
