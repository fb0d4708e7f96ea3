// What the commands change, through the admin services, on real stores: each change is an event
// with its actor, reports what it did, and is refused with a sentence that names the flag. They run
// in this process, beside a server on the same stores.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { carryOut, readState } from '../../src/admin/apply/apply.ts'
import { readDeclaration } from '../../src/admin/apply/declaration.ts'
import { makePlan, type Plan } from '../../src/admin/apply/plan.ts'
import { DEFAULT_LIFETIME_BOUNDS } from '../../src/apps/app-rules.ts'
import { OPERATOR } from '../../src/cli/session.ts'
import { createAdminServices } from '../../src/compose/admin-services.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { purged } from '../support/builders.ts'
import { runHere } from '../support/cli-here.ts'
import type { Answer } from '../support/cli-process.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

const SECRETS = {
  OTESSE_SECRET_KEY: 'tests-sign-with-this-key-0123456789',
  OTESSE_ENCRYPTION_KEY: 'tests-seal-with-this-key-9876543210',
}
const EXAMPLE = new URL('../../examples/apps.yaml', import.meta.url).pathname

let server: TestApp
let scratch: string
beforeAll(async () => {
  server = await startTestApp({ backend: 'redis' })
  scratch = await mkdtemp(join(tmpdir(), 'otesse-cli-'))
  await done(['scope', 'create', 'rooms:read', '--sentence', 'See rooms', '--group', 'Rooms'])
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(scratch, { recursive: true, force: true })
})

const env = () => ({ OTESSE_ISSUER: server.issuer, ...SECRETS, ...server.stores.settings })
const otesse = (args: readonly string[], input?: string) => runHere(args, env(), input)
async function done(args: readonly string[], input?: string): Promise<Answer> {
  const ran = await otesse([...args, '--json'], input)
  expect({ args, ...ran }).toMatchObject({ args, code: 0, stderr: '' })
  return ran.json()
}
async function refused(args: readonly string[], code = 1, input?: string): Promise<Answer> {
  const ran = await otesse([...args, '--json'], input)
  expect({ args, ...ran }).toMatchObject({ args, code, stderr: '' })
  return ran.json()['error'] as Answer
}
const events = async () => (await server.services.stores.events.list({ limit: 200 })).events
const eventsOf = async (appId: string) =>
  (await events())
    .filter((event) => event.appId === appId)
    .map(({ name }) => name)
    .reverse()

async function createApp(name: string, ...more: string[]): Promise<{ id: string; secret: string }> {
  const args = ['app', 'create', '--name', name, '--type', 'web', '--scope', 'rooms:read']
  const made = await done([...args, '--redirect-uri', 'https://yourapp.com/callback', ...more])
  return { id: made['clientId'], secret: made['clientSecret'] }
}

describe('otesse app', () => {
  test('changes what is named, empties what is cleared, keeps the rest', async () => {
    const { id } = await createApp(
      'Planner',
      '--handle',
      'planner',
      '--terms',
      'https://a.example/t',
    )
    const { app } = await done([
      ...['app', 'update', 'planner', '--description', 'Plans', '--rotate', '--clear', 'terms'],
      ...['--access-ttl', '900', '--if-version', '1'],
    ])
    expect(app).toMatchObject({
      id,
      name: 'Planner',
      description: 'Plans',
      termsUrl: null,
      rotateRefreshTokens: true,
      accessTtlSeconds: 900,
      version: 2,
    })
    const back = await done(['app', 'update', id, '--no-rotate', '--clear', 'access-ttl'])
    expect(back['app']).toMatchObject({ rotateRefreshTokens: false, accessTtlSeconds: null })
    expect(app).toMatchObject({ clientCredentials: false })
    const own = await done(['app', 'update', id, '--client-credentials'])
    expect(own['app']).toMatchObject({ clientCredentials: true })
    const none = await done(['app', 'update', id, '--no-client-credentials'])
    expect(none['app']).toMatchObject({ clientCredentials: false })
    expect(await eventsOf(id)).toEqual([
      'app.registered',
      'secret.created',
      'app.changed',
      'app.changed',
      'app.changed',
      'app.changed',
    ])
    expect((await events()).find(({ name }) => name === 'app.changed')).toMatchObject({
      actor: 'cli',
      data: { diff: { clientCredentials: [true, false] } },
    })
  })

  test('says that somebody else was first, and which flag is wrong', async () => {
    const { id } = await createApp('Contested')
    await done(['app', 'update', id, '--environment', 'staging'])
    const conflict = await refused(['app', 'update', id, '--name', 'Mine', '--if-version', '1'])
    expect(conflict).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('version 2'),
    })
    const ran = await otesse(['app', 'update', id, '--redirect-uri', 'http://x.example/'])
    expect(ran).toMatchObject({ code: 1, stdout: '' })
    expect(ran.stderr).toContain('--redirect-uri: "http://x.example/": Use https')
    expect(
      await refused(['app', 'update', id, '--if-version', 'x', '--name', 'y'], 2),
    ).toBeDefined()
    expect(await refused(['app', 'update', id], 2)).toMatchObject({ code: 'usage' })
    await refused(['app', 'update', id, '--clear', 'name'])
    await refused(['app', 'update', id, '--clear', 'terms', '--terms', 'https://a.example/'])
    expect(await refused(['app', 'show', 'nobody'])).toMatchObject({ code: 'not_found' })
  })

  test('switches off, on and away, with a reason', async () => {
    const { id } = await createApp('Nuisance', '--handle', 'nuisance')
    expect((await refused(['app', 'suspend', id], 2))['message']).toContain('--reason')
    const off = await done(['app', 'suspend', 'nuisance', '--reason', 'Sends spam'])
    expect(off['app']).toMatchObject({ status: 'suspended', statusReason: 'Sends spam' })
    expect((await done(['app', 'activate', id]))['app']).toMatchObject({ status: 'active' })
    const gone = await done(['app', 'delete', id, '--reason', 'Still sends spam'])
    expect(gone['app']).toMatchObject({ status: 'deleted', handle: null })
    expect(await eventsOf(id)).toEqual([
      ...['app.registered', 'secret.created', 'app.suspended', 'app.activated', 'app.deleted'],
    ])
  })

  test('sets and removes the logo, and refuses one that is none', async () => {
    const { id } = await createApp('Pictured')
    const logo = join(scratch, 'logo.svg')
    await writeFile(
      logo,
      '<svg xmlns="http://www.w3.org/2000/svg"><rect width="8" height="8"/></svg>',
    )
    const { app } = await done(['app', 'logo', 'set', id, logo])
    expect(app.logoId).toMatch(/^[0-9a-f]{64}$/)
    expect((await done(['app', 'logo', 'remove', id]))['app'].logoId).toBeNull()
    await writeFile(logo, '<svg><script/></svg>')
    const problem = { field: 'logo', rule: 'logo-svg-not-inert' }
    const { version } = (await done(['app', 'show', id]))['app']
    for (const args of [
      ['app', 'logo', 'set', id, logo],
      ['app', 'update', id, '--name', 'Other', '--logo', logo],
    ])
      expect(await refused(args)).toMatchObject({ problems: [problem] })
    expect((await done(['app', 'show', id]))['app']).toMatchObject({ version, name: 'Pictured' })
  })
})

describe('otesse scope', () => {
  test('updates, deprecates and removes', async () => {
    await done(['scope', 'create', 'a:b', '--sentence', 'A', '--group', 'G', '--audience', 'x'])
    const { scope } = await done([
      ...['scope', 'update', 'a:b', '--sentence', 'B', '--sensitive', '--clear', 'audience'],
    ])
    expect(scope).toMatchObject({ sentence: 'B', group: 'G', sensitive: true, audience: null })
    expect(
      await refused(['scope', 'update', 'a:b', '--group', 'H', '--if-version', '1']),
    ).toMatchObject({ code: 'conflict' })
    expect((await done(['scope', 'deprecate', 'a:b']))['scope'].deprecated).toBe(true)
    expect((await done(['scope', 'deprecate', 'a:b', '--undo']))['scope'].deprecated).toBe(false)
    await done(['scope', 'remove', 'a:b'])
    expect(await refused(['scope', 'remove', 'a:b'])).toMatchObject({ code: 'not_found' })
    expect(await refused(['scope', 'update', 'openid', '--group', 'H'])).toMatchObject({
      code: 'not_found',
    })
  })
})

describe('otesse secret report and token revoke', () => {
  test('tell what was found, and end it', async () => {
    const { id, secret } = await createApp('Leaky')
    const app = await server.services.apps.get(id)
    const client = createOAuthClient(server, {
      app,
      id,
      secret,
      redirectUri: 'https://yourapp.com/callback',
    })
    const { access, refresh, grantId } = await client.authorize({ scopes: ['rooms:read'] })
    expect(await done(['token', 'inspect'], refresh)).toMatchObject({ alive: true, grantId })
    expect(await done(['secret', 'report'], access)).toMatchObject({
      report: { kind: 'token', wasLive: true, revoked: false },
    })
    expect(await done(['token', 'revoke'], access)).toMatchObject({ revoked: true, whole: false })
    expect(await done(['secret', 'report', '--revoke'], `${refresh}\n`)).toMatchObject({
      report: { kind: 'token', revoked: true },
    })
    expect(await client.refresh(refresh)).toMatchObject({ status: 400 })
    expect(await done(['token', 'revoke'], refresh)).toMatchObject({ revoked: false })
    expect(await refused(['token', 'revoke'], 1, secret)).toMatchObject({ code: 'token_is_secret' })
    expect(await done(['secret', 'report', '--revoke'], secret)).toMatchObject({
      report: { kind: 'secret', appId: id, wasLive: true, revoked: true },
    })
    expect((await done(['app', 'show', id]))['app'].secrets).toEqual([])
    const foreign = await otesse(['secret', 'report', '--json'], 'ghp_0123456789')
    expect(foreign).toMatchObject({ code: 1 })
    expect(foreign.json()).toEqual({ report: { kind: 'foreign' } })
  })

  test('end an authorization by its id, and all of an account or an app', async () => {
    const { id, secret } = await createApp('Many')
    const app = await server.services.apps.get(id)
    const client = createOAuthClient(server, {
      app,
      id,
      secret,
      redirectUri: 'https://yourapp.com/callback',
    })
    const authorize = () => client.authorize({ scopes: ['rooms:read'] })
    const [first, second, third] = [await authorize(), await authorize(), await authorize()]
    expect(await done(['token', 'revoke', '--grant', first.grantId])).toMatchObject({ whole: true })
    expect(await client.isActive(first.access)).toBe(false)
    await done(['token', 'revoke', '--account', second.accountId])
    await purged(server)
    expect(await client.isActive(second.access)).toBe(false)
    expect(await client.isActive(third.access)).toBe(true)
    await done(['token', 'revoke', '--app', id])
    await purged(server)
    expect(await client.isActive(third.access)).toBe(false)
    await refused(['token', 'revoke', '--app', id, '--grant', first.grantId], 2)
    expect(await refused(['token', 'revoke', '--account', 'nobody@example.com'])).toMatchObject({
      code: 'not_found',
    })
  })
})

describe('otesse apply', () => {
  const apply = (...more: string[]) => ['apply', '-f', EXAMPLE, ...more]

  test('shows, does, and then finds nothing to do', async () => {
    const dry = await otesse([...apply('--dry-run', '--exit-code')])
    expect(dry).toMatchObject({ code: 3, stderr: '' })
    expect(dry.stdout).toContain('7 to create, 0 to change, 0 unchanged.')
    expect(await done(['app', 'list', '--search', 'dashboard'])).toMatchObject({ apps: [] })
    const applied = await done(apply())
    const having = async (scope: string) =>
      ((await done(['app', 'list', '--scope', scope]))['apps'] as Answer[]).length
    expect(await having('bookings:read')).toBeGreaterThan(0)
    expect(await having('bookings:rea')).toBe(0)
    expect((applied['secrets'] as Answer[]).map(({ handle }) => String(handle))).toEqual([
      ...['dashboard', 'nightly-export', 'bookings-api'],
    ])
    expect(applied['registered']).toHaveLength(4)
    const again = await done(apply())
    expect(again).toMatchObject({
      changed: false,
      done: [],
      secrets: [],
      summary: { unchanged: 7 },
    })
    expect(await otesse(apply('--dry-run', '--exit-code'))).toMatchObject({ code: 0 })
    const [first] = applied['secrets'] as { clientId: string; clientSecret: string }[]
    const found = await server.services.apps.get(first!.clientId)
    expect(server.services.apps.checkSecret(found, first!.clientSecret)).toBe('valid')
    const kept = JSON.stringify(await events()) + server.log.join('')
    expect(kept).not.toContain(first!.clientSecret)
  })

  test('exports what can be applied again', async () => {
    await done(apply())
    await createApp('Handmade')
    const exported = await otesse(['export'])
    expect(exported.stdout).toMatch(/^# .*\n/)
    expect(exported.stdout).not.toMatch(/otesse_cs_|hash/)
    const again = await otesse(['apply', '-f', '-', '--dry-run', '--json'], exported.stdout)
    // The apps of the tests above have no handles and get theirs from the file.
    const { apps } = again.json() as { apps: Answer[] }
    const fields = apps.flatMap(({ changes }) =>
      (changes as Answer[]).map(({ field }) => String(field)),
    )
    expect(new Set(fields)).toEqual(new Set(['handle']))
    expect((await otesse(['export', '--json'])).json()['apps'].length).toBe(apps.length)
  })

  test('changes nothing where anything is wrong, and names the lines', async () => {
    const text = (await readFile(EXAMPLE, 'utf8')).replace('type: machine', 'type: robot')
    const file = join(scratch, 'wrong.yaml')
    await writeFile(file, text.replace('group: Bookings', "group: ''").replace('dashboard', 'dash'))
    const ran = await otesse(['apply', '-f', file])
    expect(ran).toMatchObject({ code: 1, stdout: '' })
    const line = text.split('\n').findIndex((one) => one.includes('type: robot')) + 1
    expect(ran.stderr).toContain(`line ${line}: type: The type must be one of`)
    expect(ran.stderr).toMatch(/line \d+: group: Name the heading/)
    expect(await server.services.apps.findByHandle('dash')).toBeUndefined()
    expect(await refused(['apply', '-f', join(scratch, 'none.yaml')])).toMatchObject({
      problems: [{ field: 'file' }],
    })
  })

  test('of two at once registers an app once, and says so', async () => {
    const file = join(scratch, 'race.yaml')
    await writeFile(
      file,
      'apps: [{ handle: race, name: Race, type: machine }, { handle: race-2, name: R, type: machine }]',
    )
    const ran = await Promise.all(
      Array.from({ length: 4 }, () => otesse(['apply', '-f', file, '--json'])),
    )
    const { apps } = await done(['app', 'list', '--search', 'race'])
    // A search finds the beginning of handles, too.
    expect((apps as Answer[]).map(({ handle }) => String(handle)).sort()).toEqual([
      'race',
      'race-2',
    ])
    const made = ran.flatMap((one) => one.json()['secrets'] as Answer[])
    expect(made.map(({ handle }) => String(handle)).sort()).toEqual(['race', 'race-2'])
    for (const one of ran.filter(({ code }) => code !== 0))
      expect(one.json()['error']).toMatchObject({
        code: 'conflict',
        message: expect.stringContaining('in the meantime'),
      })
    expect((await done(['apply', '-f', file]))['changed']).toBe(false)
  })

  test('carries out nothing over what was changed since it was planned, and loses no secret', async () => {
    const { apps, scopes } = server.services
    const services = createAdminServices(server.infrastructure, server.services)
    const planOf = async (data: object) => {
      const { declaration, problems } = readDeclaration(data)
      expect(problems).toEqual([])
      const state = await readState(declaration, { apps, scopes }, { prune: false })
      const options = { bounds: DEFAULT_LIFETIME_BOUNDS, logos: new Map() }
      const outcome = makePlan(declaration, state, options)
      if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems))
      return outcome.plan
    }
    const file = (name: string) => ({
      scopes: [{ name: 'stale:read', sentence: `See ${name}`, group: 'Stale' }],
      apps: [
        { handle: `new-${name}`, name: `New ${name}`, type: 'machine' },
        { handle: 'stale', name: `Stale ${name}`, type: 'machine' },
        { handle: `never-${name}`, name: 'Never', type: 'machine' },
      ],
    })
    const secrets: string[] = []
    const run = (plan: Plan) =>
      carryOut(plan, services, OPERATOR, ({ handle }) => Promise.resolve(void secrets.push(handle)))
    expect((await run(await planOf({ apps: [file('a').apps[1]] }))).stopped).toBeUndefined()

    const plan = await planOf(file('b'))
    const app = await apps.findByHandle('stale')
    await apps.update(app!.id, app!.version, { description: 'somebody else' })
    const result = await run(plan)
    expect(result).toMatchObject({
      done: ['scope stale:read', 'app new-b'],
      stopped: {
        at: 'app stale',
        because: expect.stringContaining('it was changed in the meantime'),
      },
    })
    expect(secrets).toEqual(['stale', 'new-b'])
    expect(await apps.findByHandle('stale')).toMatchObject({ name: 'Stale a' })
    expect(await apps.findByHandle('never-b')).toBeUndefined()

    // The same for a scope, and for names that somebody else took.
    const late = await planOf({ scopes: file('c').scopes })
    await run(late)
    expect((await run(late)).stopped).toMatchObject({ at: 'scope stale:read' })
    const twice = await planOf({ apps: [file('d').apps[0]] })
    await run(twice)
    expect((await run(twice)).stopped).toMatchObject({
      because: expect.stringContaining('one of this name was created'),
    })
  })

  test('suspends what the file names no more, where that was asked for', async () => {
    const file = join(scratch, 'fewer.json')
    await writeFile(
      file,
      JSON.stringify({ apps: [{ handle: 'kept', name: 'Kept', type: 'machine' }] }),
    )
    await done(['app', 'create', '--handle', 'dropped', '--name', 'Dropped', '--type', 'machine'])
    await done(['apply', '-f', file])
    expect((await done(['app', 'show', 'dropped']))['app'].status).toBe('active')
    const dry = await otesse(['apply', '-f', file, '--prune', '--dry-run'])
    expect(dry.stdout).toContain('! dropped  is suspended')
    await done(['apply', '-f', file, '--prune'])
    expect((await done(['app', 'show', 'dropped']))['app']).toMatchObject({
      status: 'suspended',
      statusReason: expect.stringContaining('file'),
    })
    expect((await done(['app', 'show', 'kept']))['app'].status).toBe('active')
    const empty = join(scratch, 'scopes.yaml')
    await writeFile(empty, 'scopes: []')
    expect(await refused(['apply', '-f', empty, '--prune'])).toMatchObject({
      problems: [{ rule: 'prune-needs-apps' }],
    })
  })

  test('writes secrets to a file of its owner’s alone, and never over another', async () => {
    const file = join(scratch, 'machine.yaml')
    await writeFile(file, 'apps: [{ handle: quiet, name: Quiet, type: machine }]')
    const out = join(scratch, 'secrets.jsonl')
    const applied = await otesse(['apply', '-f', file, '--secrets-out', out])
    expect(applied.stdout).not.toContain('otesse_cs_')
    expect((await stat(out)).mode & 0o777).toBe(0o600)
    const { clientId, clientSecret } = JSON.parse(await readFile(out, 'utf8')) as Record<
      string,
      string
    >
    const found = await server.services.apps.get(clientId ?? '')
    expect(server.services.apps.checkSecret(found, clientSecret ?? '')).toBe('valid')
    await writeFile(file, 'apps: [{ handle: quiet-2, name: Quiet, type: machine }]')
    expect(await refused(['apply', '-f', file, '--secrets-out', out])).toMatchObject({
      problems: [{ field: 'secretsOut', value: out }],
    })
    expect(await server.services.apps.findByHandle('quiet-2')).toBeUndefined()
  })
})

describe('otesse doctor', () => {
  const checks = async (): Promise<Record<string, string>> => {
    const found = (await otesse(['doctor', '--no-issuer', '--json'])).json()['checks'] as Answer[]
    return Object.fromEntries(found.map(({ check, status }) => [check, status] as [string, string]))
  }

  test('notices that nobody is an admin, and revocations that nobody carries out', async () => {
    expect(await checks()).toMatchObject({ admins: 'warn', revocations: 'ok' })
    const { accounts } = server.services
    const { db } = server.infrastructure
    await accounts.create({
      email: 'ada@example.com',
      password: 'correct horse battery staple',
      role: 'admin',
    })
    const hourAgo = new Date(server.clock() - 3_600_000)
    const inAnHour = new Date(server.clock() + 3_600_000)
    const job = { kind: 'app', app_id: 'app_x', account_id: null, reason: 'admin' } as const
    await db
      .insertInto('purge_jobs')
      .values({ ...job, created_at: hourAgo, due_at: inAnHour, attempts: 3 })
      .execute()
    expect(await checks()).toMatchObject({ admins: 'ok', revocations: 'warn' })
    await db.deleteFrom('purge_jobs').execute()
  })
})

test('every command has a help with an example', async () => {
  const names = (text: string): string[] =>
    [...(/\nCommands:\n([\s\S]*?)(\n\n|$)/.exec(text)?.[1] ?? '').matchAll(/^ {2}([a-z-]+)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== 'help')
  async function walk(path: string[]): Promise<string[]> {
    const { code, stdout } = await runHere([...path, '--help'], {})
    // The help of something that is no command is that of its parent.
    expect({ path, code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(['Usage: otesse', ...path].join(' ')),
    })
    const below = names(stdout)
    if (below.length === 0)
      return stdout.includes('$ otesse') || /\| otesse/.test(stdout) ? [] : [path.join(' ')]
    return (await Promise.all(below.map((name) => walk([...path, name])))).flat()
  }
  expect(await walk([])).toEqual([])
})
