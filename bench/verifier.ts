// `node bench/verifier.ts`: what checking tokens costs an API that uses otesse-auth/resource-server, and how long after a revocation it still
// accepts: two servers on one Redis and Postgres, four verifiers, revocations while checks run. Fails when a revoked token passes after its bound.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { loadConfig } from '../src/config/config.ts'
import { type Foundation, openFoundation } from '../src/foundation.ts'
import { termsFor } from '../src/oauth/policy.ts'
import {
  createVerifier,
  requireToken,
  type Verifier,
} from '../src/resource-server/resource-server.ts'
import { createLogger } from '../src/shared/logger.ts'
import { newCode, newLocator, parseTokenOf } from '../src/shared/token-format.ts'
import { openDatabase } from '../src/storage/database.ts'
import { migrate } from '../src/storage/migrate.ts'
import { findFreePort } from '../test/support/ports.ts'
import { openServerProcess } from './server-process.ts'
import { openBenchStores } from './stores.ts'

const { values: options } = parseArgs({
  options: {
    revocations: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '10000' },
    checks: { type: 'string', default: '1000000' },
    script: { type: 'string', default: 'src/main.ts' },
  },
})
const REVOCATIONS = Number(options.revocations)
const CHECKS_PER_SECOND = Number(options.rate)
const WARM_CHECKS = Number(options.checks)
const WARM_TOKENS = 2000
const BOUND_MILLIS = 12_000
const UNREACHED = '0'

interface Family {
  access: string
  refresh: string
}

await using stack = new AsyncDisposableStack()
const stores = stack.use(await openBenchStores(true))
const directory = await mkdtemp(join(tmpdir(), 'otesse-bench-'))
stack.defer(() => rm(directory, { recursive: true, force: true }))
const databaseUrl = await stores.forTargets.createDatabase()

function environment(port: number): Record<string, string> {
  return {
    NODE_ENV: 'production',
    OTESSE_ISSUER: 'https://auth.bench.example',
    OTESSE_HOST: '127.0.0.1',
    OTESSE_PORT: String(port),
    OTESSE_OPS_PORT: '0',
    OTESSE_DATABASE_URL: databaseUrl,
    OTESSE_REDIS_URL: stores.forTargets.redisUrl,
    OTESSE_SECRET_KEY: 'bench-secret-key-0123456789-abcdefghij',
    OTESSE_ENCRYPTION_KEY: 'bench-encryption-key-0123456789-abcdef',
    OTESSE_LOG_LEVEL: 'error',
    OTESSE_LIMIT_TOKEN_PER_CLIENT: UNREACHED,
    OTESSE_LIMIT_TOKEN_PER_ADDRESS: UNREACHED,
    OTESSE_LIMIT_INTROSPECT_PER_CLIENT: UNREACHED,
  }
}

const foundation = stack.use(await openMigrated())
const account = await foundation.accounts.create({ email: 'bench@example.com' })
await foundation.scopes.create({ name: 'a', sentence: 'Use a', group: 'Bench' })
const web = await register('web')
const api = await register('resource_server')
const nodes = [await startNode(), await startNode()]
const verifiers = [0, 0, 1, 1].map((node) => openVerifier(nodes[node] ?? ''))
await Promise.all(verifiers.map(untilFollowing))

await measureRevocations()
await measureWarmChecks()
for (const verifier of verifiers) verifier.close()

async function openMigrated(): Promise<Foundation> {
  const config = loadConfig(environment(1))
  const logger = createLogger('error')
  if (config.stores.kind !== 'networked' || config.secrets === undefined)
    throw new Error('the benchmark runs on Redis and Postgres')
  const { database } = config.stores
  {
    const location = { kind: 'postgres', ...database, url: database.url.reveal() } as const
    await using opened = await openDatabase(location, logger)
    await migrate(opened.db)
  }
  return await openFoundation(config, config.secrets, { logger })
}

async function register(type: 'web' | 'resource_server') {
  const outcome = await foundation.apps.register({
    name: `Bench ${type}`,
    type,
    ...(type === 'web'
      ? { redirectUris: ['https://app.bench.example/callback'], scopes: ['a'] }
      : {}),
  })
  if (outcome.kind !== 'registered' || outcome.secret === undefined)
    throw new Error(JSON.stringify(outcome))
  return { app: outcome.app, id: outcome.app.id, secret: outcome.secret.reveal() }
}

async function startNode(): Promise<string> {
  const port = await findFreePort()
  stack.use(
    await openServerProcess({
      script: options.script,
      env: environment(port),
      pinned: false,
      probed: false,
      ready: {
        kind: 'polling',
        port,
        path: '/readyz',
        outputFile: join(directory, `server-${port}.log`),
      },
    }),
  )
  return `http://127.0.0.1:${port}`
}

function openVerifier(url: string): Verifier {
  return createVerifier({
    introspectionUrl: `${url}/oauth/introspect`,
    clientId: api.id,
    clientSecret: api.secret,
    positiveTtlSeconds: 600,
    streamSilenceSeconds: BOUND_MILLIS / 1000,
    onProblem: (error) => console.error(`problem: ${error.message}`),
  })
}

async function untilFollowing(verifier: Verifier): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!verifier.isFollowing()) {
    if (performance.now() > deadline) throw new Error('the stream is not followed')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function mint(): Promise<Family> {
  const { grants, config } = foundation
  const id = newLocator()
  const code = parseTokenOf('code', newCode(id))
  if (code === undefined) throw new Error('a code is not a code')
  const now = Math.floor(Date.now() / 1000)
  const facts = { redirectUri: 'x', expiresAt: now + 60 }
  await grants.begin(
    { id, appId: web.id, accountId: account.id, scopes: ['a'], createdAt: now },
    code.token,
    facts,
    86_400,
  )
  const issued = await grants.redeem(
    code,
    web.id,
    termsFor(web.app, config.tokens),
    () => undefined,
    () => true,
  )
  if (issued.kind !== 'issued') throw new Error(issued.reason)
  return { access: issued.accessToken, refresh: issued.refreshToken ?? '' }
}

async function mintMany(count: number): Promise<Family[]> {
  const families: Family[] = []
  while (families.length < count)
    families.push(
      ...(await Promise.all(Array.from({ length: Math.min(50, count - families.length) }, mint))),
    )
  return families
}

async function revoke(node: string, token: string): Promise<void> {
  const answer = await fetch(`${node}/oauth/revoke`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, client_id: web.id, client_secret: web.secret }),
  })
  await answer.text()
  if (answer.status !== 200) throw new Error(`revocation answered ${answer.status}`)
}

async function measureRevocations(): Promise<void> {
  const families = await mintMany(REVOCATIONS)
  const tokens = families.map(({ access }) => access)
  for (const verifier of verifiers)
    for (const token of tokens)
      if ((await verifier.verify(token)).kind !== 'active') throw new Error('a token is dead')

  const revokedAt = new Map<string, number>()
  let checks = 0
  let late = 0
  const ended = new AbortController()
  const background = (async () => {
    const start = performance.now()
    while (!ended.signal.aborted) {
      const due = ((performance.now() - start) / 1000) * CHECKS_PER_SECOND
      for (; checks < due; checks += 1) {
        const token = tokens[Math.floor(Math.random() * tokens.length)] ?? ''
        const verifier = verifiers[checks % verifiers.length]
        const at = performance.now()
        const verification = await verifier?.verify(token)
        const revoked = revokedAt.get(token)
        if (verification?.kind === 'active' && revoked !== undefined && at - revoked > BOUND_MILLIS)
          late += 1
      }
      await turn()
    }
    return checks / ((performance.now() - start) / 1000)
  })()

  const sinceSent: number[] = []
  const sinceAnswered: number[] = []
  let acceptedAgain = 0
  for (const [index, { access, refresh }] of families.entries()) {
    const sentAt = performance.now()
    const answered = revoke(nodes[index % 2] ?? '', index % 4 < 2 ? access : refresh).then(() =>
      performance.now(),
    )
    const refusedAt = await Promise.all(
      verifiers.map(async (verifier) => {
        while ((await verifier.verify(access)).kind === 'active') {
          checks += 1
          await turn()
        }
        return performance.now()
      }),
    )
    const answeredAt = await answered
    revokedAt.set(access, answeredAt)
    for (const at of refusedAt) {
      sinceSent.push(at - sentAt)
      sinceAnswered.push(Math.max(0, at - answeredAt))
    }
    // Refused once means refused for ever.
    for (const verifier of verifiers)
      if ((await verifier.verify(access)).kind === 'active') acceptedAgain += 1
  }
  ended.abort()
  const rate = await background
  console.log(
    `revocation to refusal, 2 servers, 4 verifiers, ${REVOCATIONS} revocations, ${rate.toFixed(0)} checks/s meanwhile:`,
  )
  console.log(`  from the request sent      ${percentiles(sinceSent)}`)
  console.log(`  from the answer received   ${percentiles(sinceAnswered)}`)
  console.log(
    `  accepted after the bound: ${late}; accepted again after a refusal: ${acceptedAgain}`,
  )
  if (late + acceptedAgain > 0) process.exitCode = 1
}

function percentiles(values: number[]): string {
  values.sort((a, b) => a - b)
  const at = (part: number): string =>
    (values[Math.min(values.length - 1, Math.floor(values.length * part))] ?? 0).toFixed(1)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`
}

async function measureWarmChecks(): Promise<void> {
  const [verifier] = verifiers
  if (verifier === undefined) return
  const tokens = (await mintMany(WARM_TOKENS)).map(({ access }) => access)
  await Promise.all(tokens.map((token) => verifier.verify(token)))
  await report('verify', async (token) => {
    if ((await verifier.verify(token)).kind !== 'active') throw new Error('not warm')
  })
  const guard = requireToken({ verifier, scopes: ['a'] })
  const res = { statusCode: 0, setHeader: () => undefined, end: () => undefined }
  const rest = ['Host', 'api', 'Accept', '*/*', 'User-Agent', 'bench', 'Connection', 'keep-alive']
  await report(
    'requireToken (connect)',
    (token) =>
      new Promise<void>((resolve) => {
        const authorization = `Bearer ${token}`
        const rawHeaders = [...rest, 'Authorization', authorization]
        guard.connect({ headers: { authorization }, rawHeaders }, res, () => resolve())
      }),
  )

  async function report(name: string, check: (token: string) => Promise<void>): Promise<void> {
    const run = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at += 1) {
        await check(tokens[at % tokens.length] ?? '')
        // The stream has to be heard as well.
        if (at % 10_000 === 0) await turn()
      }
    }
    await run(WARM_CHECKS / 10)
    const cpu = process.cpuUsage()
    await run(WARM_CHECKS)
    const { user, system } = process.cpuUsage(cpu)
    const perSecond = WARM_CHECKS / ((user + system) / 1e6)
    console.log(`${name}, warm cache: ${perSecond.toFixed(0)} checks per second of processor time`)
  }
}
