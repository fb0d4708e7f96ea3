// How soon a change on one server takes effect on another: node bench/propagation.ts. Two server
// processes share one Redis and one Postgres. Changes go through the admin API of the first. The
// second is asked without a pause until it refuses. Measured from the answer to the change.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ADMIN_SCOPE_NAMES } from '../src/apps/scope.ts'
import { loadConfig } from '../src/config/config.ts'
import { type Infrastructure, openInfrastructure } from '../src/infrastructure.ts'
import { openServices, type Services } from '../src/services.ts'
import { createLogger } from '../src/shared/logger.ts'
import { newCode, newGrantId } from '../src/shared/token-format.ts'
import { openDatabase } from '../src/storage/database.ts'
import { migrate } from '../src/storage/migrate.ts'
import { findFreePort } from '../test/support/ports.ts'
import { openServerProcess } from './server-process.ts'
import { openBenchStores } from './stores.ts'

const { values: options } = parseArgs({ options: { acts: { type: 'string', default: '50' } } })
const ACTS = Number(options.acts)
const GOAL_MILLIS = 1000
const REDIRECT_URI = 'https://app.example/callback'
const ISSUER = 'https://auth.bench.example'

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
await using resources = new AsyncDisposableStack()
const stores = resources.use(await openBenchStores(true))
const directory = await mkdtemp(join(tmpdir(), 'otesse-bench-'))
resources.defer(() => rm(directory, { recursive: true, force: true }))
const unreached = '100000000/60'
const common = {
  OTESSE_ISSUER: ISSUER,
  OTESSE_HOST: '127.0.0.1',
  OTESSE_DATABASE_URL: await stores.forTargets.createDatabase(),
  OTESSE_REDIS_URL: stores.forTargets.redisUrl,
  OTESSE_SECRET_KEY: 'bench-secret-key-0123456789-abcdefghij',
  OTESSE_ENCRYPTION_KEY: 'bench-encryption-key-0123456789-abcdef',
  OTESSE_LIMIT_ADMIN_PER_CLIENT: '0',
  OTESSE_LIMIT_TOKEN_PER_CLIENT: unreached,
  OTESSE_LIMIT_TOKEN_PER_ADDRESS: unreached,
  OTESSE_LIMIT_INTROSPECT_PER_CLIENT: unreached,
}

async function openMigrated(): Promise<Infrastructure> {
  const config = loadConfig({ ...common, OTESSE_OPS_PORT: '0' })
  const logger = createLogger('error')
  if (config.stores.kind !== 'networked' || config.secrets === undefined) throw new Error('stores')
  const { database } = config.stores
  {
    const location = { kind: 'postgres', ...database, url: database.url.reveal() } as const
    await using opened = await openDatabase(location, logger)
    await migrate(opened.db)
  }
  return await openInfrastructure(config, config.secrets, { logger })
}

async function startNode(name: string): Promise<string> {
  const port = await findFreePort()
  resources.use(
    await openServerProcess({
      script: 'src/main.ts',
      env: {
        ...common,
        OTESSE_PORT: String(port),
        OTESSE_OPS_PORT: String(await findFreePort()),
      },
      pinned: false,
      probed: false,
      ready: { kind: 'polling', port, path: '/readyz', outputFile: join(directory, name) },
    }),
  )
  return `http://127.0.0.1:${port}`
}

const services = resources.use(await openServices(resources.use(await openMigrated())))
const nodes = [await startNode('one.log'), await startNode('two.log')] as const

interface Client {
  id: string
  secret: string
}

async function register(input: Parameters<Services['apps']['register']>[0]): Promise<Client> {
  const outcome = await services.apps.register(input)
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems))
  return { id: outcome.app.id, secret: outcome.secret?.reveal() ?? '' }
}

async function post(node: 0 | 1, path: string, client: Client, fields: Record<string, string>) {
  const body = new URLSearchParams({
    ...fields,
    client_id: client.id,
    client_secret: client.secret,
  })
  const answer = await fetch(nodes[node] + path, { method: 'POST', body })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

const admin = await register({ name: 'Admin', type: 'machine', scopes: [...ADMIN_SCOPE_NAMES] })
const resourceServer = await register({ name: 'API', type: 'resource_server' })
const { body: adminToken } = await post(0, '/oauth/token', admin, {
  grant_type: 'client_credentials',
  scope: ADMIN_SCOPE_NAMES.join(' '),
})

async function act(method: string, path: string, body?: object): Promise<void> {
  const answer = await fetch(`${nodes[0]}/admin/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${String(adminToken['access_token'])}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
}

const requestToken = (client: Client, scope: string) =>
  post(1, '/oauth/token', client, { grant_type: 'client_credentials', scope })
const introspect = async (token: string) =>
  (await post(1, '/oauth/introspect', resourceServer, { token })).body

/**
 * One change: the answer of node two before it, the change on node one, and how node two answers
 * when it has heard of it.
 */
interface Trial {
  works: () => Promise<boolean>
  act: () => Promise<void>
}

async function newScope(): Promise<string> {
  const name = `bench:${newGrantId().toLowerCase()}`
  await services.scopes.create({ name, sentence: 'Use it', group: 'Bench' })
  return name
}

async function newMachine(scope: string): Promise<Client> {
  return register({ name: 'Machine', type: 'machine', scopes: [scope] })
}

/** An access token of a person's, without the pages. */
async function newUserToken(web: Client, accountId: string, scope: string): Promise<string> {
  const grantId = newGrantId()
  const code = newCode(grantId)
  const now = Math.floor(Date.now() / 1000)
  await services.grants.begin(
    { id: grantId, appId: web.id, accountId, scopes: [scope], createdAt: now },
    code,
    { redirectUri: REDIRECT_URI, expiresAt: now + 60 },
    86_400,
  )
  const { body } = await post(1, '/oauth/token', web, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: REDIRECT_URI,
  })
  return String(body['access_token'])
}

const TRIALS: Record<string, () => Promise<Trial>> = {
  'an app is suspended: its tokens': async () => {
    const machine = await newMachine(await newScope())
    const scope = (await services.apps.get(machine.id)).scopes[0] ?? ''
    const { body } = await requestToken(machine, scope)
    return {
      works: async () => (await introspect(String(body['access_token'])))['active'] === true,
      act: () => act('POST', `/apps/${machine.id}/suspend`, { reason: 'bench' }),
    }
  },
  'a secret is revoked': async () => {
    const scope = await newScope()
    const machine = await newMachine(scope)
    const secretId = (await services.apps.get(machine.id)).secrets[0]?.id ?? ''
    return {
      works: async () => (await requestToken(machine, scope)).status === 200,
      act: () => act('DELETE', `/apps/${machine.id}/secrets/${secretId}`),
    }
  },
  'a scope is removed: new tokens': async () => {
    const scope = await newScope()
    const machine = await newMachine(scope)
    return {
      works: async () => (await requestToken(machine, scope)).status === 200,
      act: () => act('DELETE', `/scopes/${encodeURIComponent(scope)}`),
    }
  },
  'an account is deactivated: its tokens': async () => {
    const scope = await newScope()
    const web = await register({
      name: 'Web',
      type: 'web',
      scopes: [scope],
      redirectUris: [REDIRECT_URI],
    })
    const email = `${newGrantId().toLowerCase()}@bench.example`
    const { id } = await services.accounts.create({ email })
    const token = await newUserToken(web, id, scope)
    return {
      works: async () => (await introspect(token))['active'] === true,
      act: () => act('POST', `/accounts/${id}/deactivate`, { reason: 'bench' }),
    }
  },
}

let missed = 0
console.log(`${'act on node one, refused on node two'.padEnd(40)} p50 ms  p99 ms  max ms`)
for (const [what, prepare] of Object.entries(TRIALS)) {
  const millis: number[] = []
  for (let at = 0; at < ACTS; at += 1) {
    const trial = await prepare()
    const deadline = performance.now() + 5000
    // A new thing has to be known there first.
    while (!(await trial.works()))
      if (performance.now() > deadline) throw new Error(`${what}: it never worked`)
    await trial.act()
    const actedAt = performance.now()
    while (await trial.works())
      if (performance.now() - actedAt > 60_000) throw new Error(`${what}: never refused`)
    millis.push(performance.now() - actedAt)
  }
  millis.sort((a, b) => a - b)
  const at = (share: number): string =>
    (millis[Math.min(millis.length - 1, Math.floor(millis.length * share))] ?? Number.NaN)
      .toFixed(1)
      .padStart(6)
  if ((millis.at(-1) ?? 0) > GOAL_MILLIS) missed += 1
  console.log(`${what.padEnd(40)} ${at(0.5)}  ${at(0.99)}  ${at(1)}`)
}
console.log(missed === 0 ? `all within ${GOAL_MILLIS} ms` : `${missed} over ${GOAL_MILLIS} ms`)
