// The command line against real stores and beside a real server: what it creates works there, what
// it refuses it explains, and no secret is taken from or printed where others can see it.
import { jest } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BACKENDS, openTestStores, startTestApp, type TestStores } from '../support/app.ts'
import { createDatabase } from '../support/backends.ts'
import { type Answer, type Ended, runCli } from '../support/cli-process.ts'
import { waitUntil } from '../support/server-process.ts'

const SECRETS = {
  OTESSE_SECRET_KEY: 'the-commands-sign-with-this-key-0123456789',
  OTESSE_ENCRYPTION_KEY: 'the-commands-seal-with-this-key-9876543210',
}
const ISSUER = 'http://localhost:3999'
const PASSWORD = 'correct horse battery staple'

// Each command is a process that loads the server's code: on a busy machine that adds up.
jest.setTimeout(180_000)

let scratch: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'otesse-test-cli-'))
})
afterAll(() => rm(scratch, { recursive: true, force: true }))

describe.each(BACKENDS)('otesse on %s stores', (backend) => {
  let stores: TestStores
  beforeAll(async () => {
    stores = await openTestStores(backend)
  })
  afterAll(() => stores[Symbol.asyncDispose]())

  const settings = () => ({ OTESSE_ISSUER: ISSUER, ...SECRETS, ...stores.settings })
  const otesse = (args: readonly string[], input?: string): Promise<Ended> =>
    runCli(args, settings(), input)
  const done = async (args: readonly string[], input?: string): Promise<Answer> => {
    const ended = await otesse([...args, '--json'], input)
    expect({ args, ...ended }).toMatchObject({ args, code: 0, stderr: '' })
    return ended.json()
  }

  test('registers scopes, apps and people, and a running server knows them', async () => {
    await done(['scope', 'create', 'rooms:read', '--sentence', 'See rooms', '--group', 'Rooms'])
    const logo = join(scratch, 'logo.svg')
    await writeFile(
      logo,
      '<svg xmlns="http://www.w3.org/2000/svg"><rect width="8" height="8"/></svg>',
    )
    const file = join(scratch, 'app.json')
    await writeFile(
      file,
      JSON.stringify({ name: 'From a file', type: 'machine', scopes: [], logo: 'logo.svg' }),
    )
    const args = [
      'app',
      'create',
      '--file',
      file,
      '--name',
      'Export',
      '--scope',
      'rooms:read,openid',
    ]
    const refused = await otesse([...args, '--json'])
    expect(refused.code).toBe(1)
    expect(refused.json()).toMatchObject({
      error: {
        code: 'input_refused',
        problems: [{ field: 'scopes', value: 'openid', rule: 'scope-needs-person' }],
      },
    })
    const made = await done(args.map((arg) => arg.replace(',openid', '')))
    expect(made).toMatchObject({
      clientId: expect.stringMatching(/^app_/),
      clientSecret: expect.stringMatching(/^otesse_cs_/),
      app: { name: 'Export', type: 'machine', logoId: expect.stringMatching(/^[0-9a-f]{64}$/) },
    })
    expect(JSON.stringify(made['app'])).not.toContain('hash')
    const second = await done(['secret', 'create', made['clientId']])
    const email = `${backend}@example.com`
    const account = await done(
      ['account', 'create', '--email', email, '--name', 'Ada', '--password-stdin'],
      `${PASSWORD}\n`,
    )
    const deactivated = await done(['account', 'deactivate', email, '--reason', 'left'])
    expect(deactivated['account']).toMatchObject({ status: 'deactivated', statusReason: 'left' })
    const listed = async (...more: string[]): Promise<unknown> =>
      (await done(['account', 'list', '--search', 'ada', ...more]))['accounts']
    expect(await listed()).toHaveLength(1)
    expect(await listed('--role', 'member')).toHaveLength(1)
    expect(await listed('--role', 'admin')).toHaveLength(0)

    await using server = await startTestApp({ backend, stores, overrides: SECRETS })
    for (const client_secret of [made['clientSecret'], second['clientSecret']]) {
      const body = { grant_type: 'client_credentials', client_id: made['clientId'], client_secret }
      const answer = await fetch(`${server.url}/oauth/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      expect(await answer.json()).toMatchObject({ scope: 'rooms:read' })
    }
    expect(await server.services.accounts.authenticate(email, PASSWORD)).toMatchObject({
      kind: 'rejected',
      reason: 'account_deactivated',
      accountId: account['account'].id,
    })
    const { events } = await server.services.stores.events.list({})
    const byCli = events.filter(({ actor }) => actor === 'cli').map(({ name }) => name)
    expect(byCli.sort()).toEqual([
      'account.created',
      'account.deactivated',
      'app.registered',
      'scope.created',
      'secret.created',
      'secret.created',
    ])
  })

  test('invites, imports and resets people, and keeps the last admin', async () => {
    const email = `chief-${backend}@example.com`
    const invited = await done(['account', 'invite', '--email', email, '--role', 'admin'])
    expect(invited).toMatchObject({
      account: { email, role: 'admin', hasPassword: false, version: 1 },
      link: { url: expect.stringMatching(/^http:\/\/localhost:3999\/welcome\/otesse_ln_\w{49}$/) },
    })
    const demoted = await otesse(['account', 'set-role', email, 'member', '--json'])
    expect(demoted.code).toBe(1)
    expect(demoted.json()).toMatchObject({ error: { code: 'last_admin' } })

    const file = join(scratch, `people-${backend}.ndjson`)
    const hash = 'pbkdf2_sha256$1000$saltsaltsaltsalt$jDFs3aKTJtpJgc43RxqxjjkcuSsjEkrW03PdVqP9Pp8='
    const people = [
      { email: `one-${backend}@example.com`, password_hash: hash },
      { email, name: 'Somebody else' },
      { email: 'no address', password_hash: 'plain text' },
    ]
    await writeFile(file, people.map((each) => JSON.stringify(each)).join('\n'))
    const imported = await otesse(['account', 'import', file, '--json'])
    expect(imported.code).toBe(1)
    expect(imported.stdout).not.toContain('plain text')
    expect(imported.json()).toMatchObject({
      dryRun: false,
      created: 1,
      existing: 1,
      refused: 1,
      problems: [{ line: 3, problems: [{ field: 'email' }, { field: 'password_hash' }] }],
    })
    const realm = join(scratch, `realm-${backend}.json`)
    const users = [{ email: `kc-${backend}@example.com` }, { username: 'nobody' }]
    await writeFile(realm, JSON.stringify({ users }))
    expect(await done(['account', 'import', '--from', 'keycloak', realm])).toMatchObject({
      created: 1,
      leftOut: { 'accounts without an e-mail address': 1 },
    })
    const excel = join(scratch, `excel-${backend}.csv`)
    await writeFile(excel, Buffer.from('email;name\nx@example.com;M\u00fcller\n', 'latin1'))
    const refused = await otesse(['account', 'import', excel, '--json'])
    expect(refused.json()).toMatchObject({ error: { problems: [{ rule: 'file-encoding' }] } })
    expect(await done(['account', 'reset', `one-${backend}@example.com`])).toMatchObject({
      account: { hasPassword: true },
      link: { url: expect.stringContaining('/welcome/') },
    })
  })

  test('says what a token is worth without seeing it in an argument', async () => {
    await done(['scope', 'create', 'token:test', '--sentence', 'Try', '--group', 'Tests'])
    const create = [
      'app',
      'create',
      '--type',
      'machine',
      '--scope',
      'token:test',
      '--name',
      'Tokens',
    ]
    const { clientId, clientSecret } = (await done(create)) as Record<string, string>
    let token = ''
    {
      await using server = await startTestApp({ backend, stores, overrides: SECRETS })
      const answer = await fetch(`${server.url}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_id: clientId ?? '',
          client_secret: clientSecret ?? '',
        }),
      })
      token = ((await answer.json()) as { access_token: string }).access_token
    }
    expect(await done(['token', 'inspect'], `${token}\n`)).toMatchObject({
      form: 'ours',
      kind: 'access token',
      alive: true,
      app: { id: clientId, name: 'Tokens' },
      account: null,
      scopes: ['token:test'],
    })
    const spoilt = token.slice(0, -1) + (token.endsWith('a') ? 'b' : 'a')
    expect(await done(['token', 'inspect'], spoilt)).toMatchObject({ form: 'damaged', alive: null })
    expect(await done(['token', 'inspect'], 'ghp_x')).toMatchObject({ form: 'foreign', kind: null })
    expect(await done(['token', 'inspect'], clientSecret)).toMatchObject({
      form: 'ours',
      kind: 'client secret',
    })
  })

  test('finds why a request was refused by the request_id of the answer', async () => {
    let requestId = ''
    let redirected = ''
    const create = ['app', 'create', '--type', 'web', '--name', 'Refused']
    const { clientId } = (await done([
      ...create,
      '--redirect-uri',
      'https://yourapp.com/callback',
    ])) as Record<string, string>
    {
      await using server = await startTestApp({ backend, stores, overrides: SECRETS })
      const answer = await fetch(`${server.url}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'implicit', client_id: clientId ?? '' }),
      })
      requestId = ((await answer.json()) as { request_id: string }).request_id
      const query = new URLSearchParams({
        client_id: clientId ?? '',
        redirect_uri: 'https://yourapp.com/other?email=ada@example.com',
      })
      const page = await fetch(`${server.url}/oauth/authorize?${query.toString()}`)
      redirected = page.headers.get('x-request-id') ?? ''
    }
    expect(await done(['event', 'list', '--request', requestId])).toMatchObject({
      events: [{ name: 'request.refused', reason: 'grant_type_unsupported', requestId }],
      next: null,
    })
    const [event] = (
      (await done(['event', 'list', '--request', redirected])) as { events: object[] }
    ).events
    expect(event).toMatchObject({
      reason: 'authorize_redirect_uri_unknown',
      appId: clientId,
      // Who it was about is nobody's business here.
      data: { endpoint: 'authorize', received: 'https://yourapp.com/other?...' },
    })
    const { stdout } = await otesse(['event', 'list', '--request', redirected])
    expect(stdout).toContain('Add exactly this redirect URI under Edit')
    const none = await otesse(['event', 'list', '--request', 'req_none'])
    expect(none).toMatchObject({ code: 0 })
    expect(none.stdout).toMatch(/^No matching events/)
    for (const [what, limit] of [
      ['event', '0'],
      ['account', 'many'],
      ['app', '201'],
      ['account', '1.5'],
    ] as const)
      expect(await otesse([what, 'list', '--limit', limit])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--limit is a whole number from 1 to'),
      })
  })

  test('looks at a healthy installation and finds nothing to complain about but what is away', async () => {
    const alone = await otesse(['doctor', '--no-issuer', '--json'])
    expect(alone.json()).toMatchObject({ healthy: true, summary: { fail: 0 } })
    expect(alone.code).toBe(0)
    const away = await otesse(['doctor'])
    expect(away.code).toBe(1)
    expect(away.stdout).toMatch(/FAIL {2}public address +http:\/\/localhost:3999 does not answer/)
  })
})

describe('otesse beside a running server', () => {
  test('leaves an embedded data directory to it', async () => {
    await using server = await startTestApp({ backend: 'embedded', overrides: SECRETS })
    const env = { OTESSE_ISSUER: ISSUER, ...SECRETS, ...server.stores.settings }
    const ended = await runCli(['app', 'list'], env)
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toContain(`in use by the running server (pid ${process.pid})`)
  })

  test('makes changes that it knows at once, and finds its public address in order', async () => {
    await using server = await startTestApp({ backend: 'redis', overrides: SECRETS })
    const env = { ...SECRETS, ...server.stores.settings, OTESSE_ISSUER: server.issuer }
    const { accounts, scopes } = server.services
    const made = await runCli(
      ['account', 'create', '--email', 'b@example.com', '--generate-password', '--json'],
      env,
    )
    const { account, password } = made.json() as { account: { id: string }; password: string }
    expect((await accounts.authenticate('b@example.com', password)).kind).toBe('authenticated')
    expect(await accounts.isActive(account.id)).toBe(true)
    await runCli(['account', 'deactivate', account.id, '--reason', 'test'], env)
    await waitUntil('the server to hear of it', async () => !(await accounts.isActive(account.id)))
    await runCli(['scope', 'create', 'live:now', '--sentence', 'Now', '--group', 'Live'], env)
    await waitUntil('the server to hear of the scope', () =>
      Promise.resolve(scopes.current().scopes.has('live:now')),
    )
    const doctor = await runCli(['doctor', '--json'], env)
    expect(doctor.json()['checks']).toContainEqual({
      check: 'public address',
      status: 'ok',
      sentence: `${server.issuer} answers, and its metadata agree.`,
    })
    // The test's Redis keeps nothing on disk, and nobody is an admin: both are worth a warning.
    expect(doctor.json()).toMatchObject({ healthy: true, summary: { warn: 2, fail: 0 } })
    const current = () =>
      server.services.keyRing.list().filter(({ status }) => status === 'current')
    const [before] = current()
    const early = await runCli(['key', 'rotate', '--json'], env)
    expect(early.code).toBe(1)
    expect(early.json()).toMatchObject({ error: { code: 'keys_too_young' } })
    const rotated = (await runCli(['key', 'rotate', '--now', '--json'], env)).json()
    expect(rotated['rotated']).toBe(true)
    await server.services.keyRing.refresh()
    expect(current().map(({ kid }) => kid)).not.toContain(before?.kid)
    const newer = {
      ...env,
      OTESSE_ENCRYPTION_KEY: `a-newer-key-${'xyz123'.repeat(5)},${SECRETS.OTESSE_ENCRYPTION_KEY}`,
    }
    const stale = (await runCli(['doctor', '--no-issuer', '--json'], newer)).json()
    expect(stale['checks']).toContainEqual(
      expect.objectContaining({ check: 'signing keys', status: 'warn' }),
    )
    const other = { ...env, OTESSE_ENCRYPTION_KEY: 'quite-another-key-that-opens-nothing-here' }
    const wrong = await runCli(['doctor', '--no-issuer', '--json'], other)
    expect(wrong.code).toBe(1)
    expect(wrong.json()['checks']).toContainEqual(
      expect.objectContaining({ check: 'signing keys', status: 'fail' }),
    )
  })
})

describe('otesse migrate', () => {
  test('says what is missing, brings it, and then finds nothing to do', async () => {
    await using database = await createDatabase(process.env['OTESSE_TEST_POSTGRES_URL'] ?? '')
    const env = {
      ...SECRETS,
      OTESSE_ISSUER: ISSUER,
      OTESSE_DATABASE_URL: database.url,
      OTESSE_REDIS_URL: process.env['OTESSE_TEST_REDIS_URL'] ?? '',
    }
    const check = await runCli(['migrate', '--check', '--json'], env)
    expect(check.code).toBe(1)
    expect(check.json()['pending']).toContain('0001_accounts')
    const early = await runCli(['app', 'list', '--json'], env)
    expect(early.code).toBe(1)
    expect(early.json()).toMatchObject({ error: { code: 'start_refused' } })
    const doctor = await runCli(['doctor', '--no-issuer'], env)
    expect(doctor.stdout).toMatch(/FAIL {2}migrations +These are missing: 0001_accounts/)
    expect((await runCli(['migrate', '--json'], env)).json()['applied']).toContain('0001_accounts')
    expect(await runCli(['migrate', '--check'], env)).toMatchObject({
      code: 0,
      stdout: 'The database is up to date.\n',
    })
  })
})

describe('otesse and what it is given', () => {
  let stores: TestStores
  let settings: Record<string, string>
  beforeAll(async () => {
    stores = await openTestStores('embedded')
    settings = { OTESSE_ISSUER: ISSUER, ...stores.settings }
  })
  afterAll(() => stores[Symbol.asyncDispose]())

  test('lists all problems of an input with flag and sentence, and changes nothing', async () => {
    const ended = await runCli(
      [
        ...['app', 'create', '--type', 'web', '--redirect-uri', 'http://example.com/callback'],
        ...['--redirect-uri', 'javascript:alert(1)', '--access-ttl', '1'],
      ],
      settings,
    )
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toMatch(/Nothing was changed/)
    expect(ended.stderr).toMatch(/--name: /)
    expect(ended.stderr).toMatch(/--redirect-uri/)
    expect(ended.stderr).toMatch(/--access-ttl: /)
  })

  test('lists all words and numbers that its flags cannot have', async () => {
    const args = ['app', 'create', '--type', 'wep', '--access-ttl', 'soon', '--refresh-ttl', '1d']
    const ended = await runCli(args, settings)
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toMatch(/--type must be one of: web, public, machine, resource-server/)
    expect(ended.stderr).toMatch(/--access-ttl is a whole number of seconds/)
    expect(ended.stderr).toMatch(/--refresh-ttl is a whole number of seconds/)
  })

  test('lists all problems of an account at once', async () => {
    const ended = await runCli(
      ['account', 'create', '--email', 'nobody', '--password-stdin', '--json'],
      settings,
      'short',
    )
    expect(ended.code).toBe(1)
    const { problems } = ended.json()['error'] as { problems: { field: string }[] }
    expect(problems.map(({ field }) => field)).toEqual(['email', 'password'])
  })

  test('refuses standard input that is not UTF-8 instead of changing it', async () => {
    const args = ['account', 'create', '--email', 'ada@example.com', '--password-stdin']
    const ended = await runCli(args, settings, Buffer.from('a long p\u00e4ssword', 'latin1'))
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toMatch(/^Standard input is not UTF-8\. .*iconv/)
  })

  test('names every setting that cannot be used', async () => {
    const ended = await runCli(['app', 'list', '--json'], {
      OTESSE_PORT: 'many',
      OTESSE_DATABAS_URL: 'x',
    })
    expect(ended.code).toBe(1)
    expect(ended.json()).toMatchObject({
      error: {
        code: 'settings_refused',
        problems: [{ field: 'OTESSE_DATABAS_URL' }, { field: 'OTESSE_PORT' }],
      },
    })
  })

  test.each([
    { args: ['app', 'remove'], says: /unknown command/ },
    { args: ['app', 'create', '--nmae', 'x'], says: /unknown option.*\n?.*--name/ },
    { args: ['account', 'deactivate', 'a@example.com'], says: /--reason/ },
    { args: ['account', 'create', '--email', 'a@example.com'], says: /--password-stdin/ },
    { args: ['account', 'create', '--password', 'secret'], says: /unknown option/ },
    { args: ['app', 'create', '--name', 'x', '--type', 'wbe'], says: /--type .* resource-server/ },
    { args: ['app', 'update', 'x', '--access-ttl', '1h'], says: /whole number of seconds/ },
    { args: ['app', 'update', 'x', '--id-token-alg', 'HS256'], says: /--id-token-alg .* RS256/ },
    { args: [], says: /Name a command/ },
    { args: ['appp', 'list'], says: /Unknown command "appp"\. Did you mean app\?/ },
    { args: ['nonsense'], says: /Unknown command "nonsense"\. See otesse --help\./ },
  ])('answers "$args" with exit code 2', async ({ args, says }) => {
    const text = await runCli(args, settings)
    expect(text).toMatchObject({ code: 2, stdout: '' })
    expect(text.stderr).toMatch(says)
    const json = await runCli([...args, '--json'], settings)
    expect(json).toMatchObject({ code: 2, stderr: '' })
    expect(json.json()).toMatchObject({ error: { code: 'usage', problems: [] } })
  })

  test('helps with examples', async () => {
    const help = await runCli(['app', 'create', '--help'], {})
    expect(help.code).toBe(0)
    expect(help.stdout).toContain('$ otesse app create --file app.json --json')
    expect(help.stdout).toContain('--json')
  })

  test('says which store is away', async () => {
    const ended = await runCli(['app', 'list', '--json'], {
      ...SECRETS,
      OTESSE_ISSUER: ISSUER,
      OTESSE_DATABASE_URL: 'postgres://nobody:hunter2@127.0.0.1:9/none',
      OTESSE_REDIS_URL: 'redis://127.0.0.1:9',
    })
    expect(ended.code).toBe(1)
    expect(ended.json()['error'].message).toMatch(
      /^Postgres cannot be used: nothing listens at 127.0.0.1:9/,
    )
    expect(ended.stdout).not.toContain('hunter2')
  })
})
