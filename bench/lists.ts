// How long the lists of admins take with 100,000 apps, a million accounts, a million events
// and 100,000 connections:
// node bench/lists.ts. One request at a time over HTTP, on a kept connection, against a server of
// its own on a real Postgres. The figure is the time to the whole answer.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { ADMIN_SCOPE_NAMES } from '../src/apps/scope.ts'
import { loadConfig } from '../src/config/config.ts'
import { openInfrastructure } from '../src/infrastructure.ts'
import { openServices } from '../src/services.ts'
import { createLogger } from '../src/shared/logger.ts'
import { openDatabase } from '../src/storage/database.ts'
import { migrate } from '../src/storage/migrate.ts'
import { createBrowser } from '../test/support/browser-flow.ts'
import { findFreePort } from '../test/support/ports.ts'
import { canPin, pinDriver } from './cores.ts'
import { openServerProcess } from './server-process.ts'
import { openBenchStores } from './stores.ts'

const { values: options } = parseArgs({
  options: {
    apps: { type: 'string', default: '100000' },
    accounts: { type: 'string', default: '1000000' },
    events: { type: 'string', default: '1000000' },
    connections: { type: 'string', default: '100000' },
    requests: { type: 'string', default: '30' },
  },
})
const GOAL_MILLIS = 50
const PASSWORD = 'correct horse battery staple'
const ADMIN = 'admin@bench.example'

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const pinned = canPin()
if (pinned) pinDriver()
await using resources = new AsyncDisposableStack()
const stores = resources.use(await openBenchStores(true))
const directory = await mkdtemp(join(tmpdir(), 'otesse-bench-'))
resources.defer(() => rm(directory, { recursive: true, force: true }))
const port = await findFreePort()
const url = `http://127.0.0.1:${port}`
const env = {
  OTESSE_ISSUER: url,
  OTESSE_UNSAFE_HTTP_ISSUER: 'true',
  OTESSE_HOST: '127.0.0.1',
  OTESSE_PORT: String(port),
  OTESSE_OPS_PORT: String(await findFreePort()),
  OTESSE_DATABASE_URL: await stores.forTargets.createDatabase(),
  OTESSE_REDIS_URL: stores.forTargets.redisUrl,
  OTESSE_SECRET_KEY: 'bench-secret-key-0123456789-abcdefghij',
  OTESSE_ENCRYPTION_KEY: 'bench-encryption-key-0123456789-abcdef',
  OTESSE_CONNECTIONS: 'true',
  OTESSE_LIMIT_ADMIN_PER_CLIENT: '0',
  OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS: '0',
}

/** Fills the tables by single statements. Values are spread out like real names and addresses. */
async function fill(): Promise<void> {
  const database = new pg.Client({ connectionString: env.OTESSE_DATABASE_URL })
  await database.connect()
  const insert = async (what: string, statement: string, count: string): Promise<void> => {
    const start = performance.now()
    await database.query(statement, [Number(count)])
    console.error(`${count} ${what} in ${((performance.now() - start) / 1000).toFixed(1)} s`)
  }
  await insert(
    'apps',
    `insert into apps (id, name, type, redirect_uris, scopes, audiences, require_pkce, rotate_refresh_tokens, sliding_refresh, status, version, created_at, updated_at)
     select 'app_' || substr(md5('a' || n), 1, 20), initcap(substr(md5('x' || n), 1, 7)) || ' Calendar ' || n, 'web',
       '["https://app.example/callback"]', '["openid"]', '[]', false, false, false,
       case when n % 50 = 0 then 'suspended' when n % 33 = 0 then 'deleted' else 'active' end, 1,
       now() - n * interval '1 minute', now()
     from generate_series(1, $1::int) as n`,
    options.apps,
  )
  await insert(
    'accounts',
    `insert into accounts (id, email, email_key, name, role, status, created_at, updated_at)
     select 'acc_' || substr(md5('b' || n), 1, 20), substr(md5('m' || n), 1, 9) || '.' || n || '@example' || n % 97 || '.com',
       substr(md5('m' || n), 1, 9) || '.' || n || '@example' || n % 97 || '.com', initcap(substr(md5('f' || n), 1, 6)) || ' ' || initcap(substr(md5('l' || n), 1, 8)),
       'member', case when n % 1000 = 0 then 'deactivated' else 'active' end, now(), now()
     from generate_series(1, $1::int) as n`,
    options.accounts,
  )
  await insert(
    'events',
    `insert into events (id, at, name, reason, app_id, account_id)
     select 'evt_' || lpad(n::text, 20, '0'), now() - n * interval '1 second',
       (array['token.issued', 'token.refreshed', 'request.refused', 'login.succeeded'])[1 + n % 4],
       case when n % 4 = 2 then (array['code_used', 'client_secret_wrong', 'refresh_token_unknown'])[1 + n % 3] end,
       'app_' || substr(md5('a' || (1 + n % 500)), 1, 20), 'acc_' || substr(md5('b' || (1 + n % 5000)), 1, 20)
     from generate_series(1, $1::int) as n`,
    options.events,
  )
  await database.query(
    `insert into integrations (id, handle, name, provider_key, kind, client_id, owner_kinds, status_since, created_at, updated_at)
     select 'int_' || n, 'system-' || n, 'System ' || n, 'slack', 'oauth2', 'here', '["account"]', now(), now(), now()
     from generate_series(1, 20) as n`,
  )
  // Half of them belong to one integration; one in a thousand has expired.
  await insert(
    'connections',
    `insert into connections (id, integration_id, owner_kind, owner_id, external_id, external_label, status, status_since, created_at, updated_at)
     select 'con_' || substr(md5('c' || n), 1, 20), 'int_' || case when n % 2 = 0 then 1 else 1 + n % 20 end, 'account',
       'acc_' || substr(md5('b' || n), 1, 20), 'there-' || n, 'person' || n || '@crm.example',
       case when n % 1000 = 1 then 'expired' else 'active' end, now(), now() - n * interval '1 minute', now()
     from generate_series(1, $1::int) as n`,
    options.connections,
  )
  await database.query('analyze')
  await database.end()
}

async function prepare(): Promise<{ clientId: string; secret: string }> {
  const config = loadConfig(env)
  const logger = createLogger('error')
  if (config.stores.kind !== 'networked' || config.secrets === undefined) throw new Error('stores')
  const { database } = config.stores
  {
    const location = { kind: 'postgres', ...database, url: database.url.reveal() } as const
    await using opened = await openDatabase(location, logger)
    await migrate(opened.db)
  }
  await fill()
  await using infrastructure = await openInfrastructure(config, config.secrets, { logger })
  await using services = await openServices(infrastructure)
  await services.accounts.create({ email: ADMIN, password: PASSWORD, role: 'admin' })
  const registered = await services.apps.register({
    name: 'Bench admin',
    type: 'machine',
    scopes: [...ADMIN_SCOPE_NAMES],
  })
  if (registered.kind === 'refused') throw new Error(JSON.stringify(registered.problems))
  return { clientId: registered.app.id, secret: registered.secret?.reveal() ?? '' }
}

const { clientId, secret } = await prepare()
resources.use(
  await openServerProcess({
    script: 'src/main.ts',
    env,
    pinned,
    probed: false,
    ready: { kind: 'polling', port, path: '/readyz', outputFile: join(directory, 'server.log') },
  }),
)

async function bearer(): Promise<string> {
  const answer = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: secret,
      scope: ADMIN_SCOPE_NAMES.join(' '),
    }),
  })
  const { access_token: token } = (await answer.json()) as { access_token: string }
  return `Bearer ${token}`
}

const api = '/admin/api/v1'
const authorization = await bearer()
const browser = createBrowser({ url, issuer: url })
await browser.submit(
  await browser.open(`${url}/sign-in?to=/admin/apps`),
  '/sign-in?to=%2Fadmin%2Fapps',
  {
    email: ADMIN,
    password: PASSWORD,
  },
)

async function fromApi(path: string): Promise<string> {
  const answer = await fetch(url + api + path, { headers: { authorization } })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${text}`)
  return text
}

async function fromConsole(path: string): Promise<string> {
  const page = await browser.open(url + path)
  if (page.status !== 200 || !new URL(page.url).pathname.startsWith('/admin'))
    throw new Error(`${path} answered ${page.status} at ${page.url}`)
  return page.html
}

/** Goes some pages into a list. */
async function deepCursor(path: string): Promise<string> {
  let cursor = ''
  for (let page = 0; page < 5; page += 1) {
    const separator = path.includes('?') ? '&' : '?'
    const after = cursor === '' ? '' : `&cursor=${cursor}`
    const body = await fromApi(`${path}${separator}limit=200${after}`)
    cursor = encodeURIComponent((JSON.parse(body) as { next_cursor: string }).next_cursor)
  }
  return cursor
}

const LISTS: readonly [string, string, (path: string) => Promise<string>][] = [
  ['apps, first page', '/apps', fromApi],
  ['apps, a later page', `/apps?cursor=${await deepCursor('/apps')}`, fromApi],
  ['apps, one match', '/apps?search=Calendar%2077777', fromApi],
  ['apps, all match', '/apps?search=calendar', fromApi],
  ['apps, none matches', '/apps?search=zzzz', fromApi],
  ['apps, two letters', '/apps?search=fz', fromApi],
  ['apps, suspended', '/apps?status=suspended', fromApi],
  ['apps, of a scope', '/apps?scope=openid', fromApi],
  ['apps, of a scope of none', '/apps?scope=no:such', fromApi],
  ['accounts, first page', '/accounts', fromApi],
  ['accounts, a later page', `/accounts?cursor=${await deepCursor('/accounts')}`, fromApi],
  ['accounts, one match', '/accounts?search=.777777', fromApi],
  ['accounts, one address', '/accounts?search=.777777@example14.com', fromApi],
  ['accounts, all match', '/accounts?search=example', fromApi],
  ['accounts, none matches', '/accounts?search=zzzz', fromApi],
  ['accounts, two letters', '/accounts?search=qz', fromApi],
  ['accounts, deactivated', '/accounts?status=deactivated', fromApi],
  ['accounts, admins', '/accounts?role=admin', fromApi],
  ['events, newest', '/events', fromApi],
  ['events, of one name', '/events?name=request.refused', fromApi],
  ['events, of one reason', '/events?reason=code_used', fromApi],
  ['connections, first page', '/connections', fromApi],
  ['connections, a later page', `/connections?cursor=${await deepCursor('/connections')}`, fromApi],
  ['connections, expired', '/connections?status=expired', fromApi],
  ['connections, of one system', '/connections?integration=system-1', fromApi],
  ['connections, of it, expired', '/connections?integration=system-1&status=expired', fromApi],
  ['console: integrations', '/admin/integrations', fromConsole],
  ['console: integration', '/admin/integrations/system-1', fromConsole],
  ['console: connections', '/admin/connections', fromConsole],
  ['console: connections expired', '/admin/connections?status=expired', fromConsole],
  ['console: connections of owner', '/admin/connections?owner=.7777', fromConsole],
  ['console: apps', '/admin/apps', fromConsole],
  ['console: apps searched', '/admin/apps?search=Calendar+7777', fromConsole],
  ['console: scopes', '/admin/scopes', fromConsole],
  ['console: accounts', '/admin/accounts', fromConsole],
  ['console: accounts searched', '/admin/accounts?search=.777777', fromConsole],
  ['console: activity', '/admin/activity', fromConsole],
]

let missed = 0
console.log(`${'list'.padEnd(28)} p50 ms  p95 ms`)
for (const [what, path, read] of LISTS) {
  const millis: number[] = []
  try {
    for (let at = -3; at < Number(options.requests); at += 1) {
      const start = performance.now()
      await read(path)
      if (at >= 0) millis.push(performance.now() - start)
    }
  } catch (error) {
    console.log(
      `${what.padEnd(28)} ${error instanceof Error ? error.message.slice(0, 120) : String(error)}`,
    )
    missed += 1
    continue
  }
  millis.sort((a, b) => a - b)
  const at = (share: number): number => millis[Math.floor(millis.length * share)] ?? Number.NaN
  const verdict = at(0.95) < GOAL_MILLIS ? '' : `  over ${GOAL_MILLIS} ms`
  if (verdict !== '') missed += 1
  console.log(
    `${what.padEnd(28)} ${at(0.5).toFixed(1).padStart(6)}  ${at(0.95).toFixed(1).padStart(6)}${verdict}`,
  )
}
console.log(missed === 0 ? `all within ${GOAL_MILLIS} ms` : `${missed} missed`)
