// The set-up of the verifier benchmark: two servers on one Redis and Postgres, four verifiers, and
// the means to create tokens, to revoke them, and to take a server or Redis away. Used by
// verifier.ts.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../src/config/config.ts'
import { type Infrastructure, openInfrastructure } from '../src/infrastructure.ts'
import { openServices, type Services } from '../src/services.ts'
import { termsFor } from '../src/oauth/token/token-terms.ts'
import { createVerifier, type Verifier } from '../packages/resource-server/src/resource-server.ts'
import { createLogger } from '../src/shared/logger.ts'
import { newCode, newGrantId, parseTokenOf } from '../src/shared/token-format.ts'
import { openDatabase } from '../src/storage/database.ts'
import { migrate } from '../src/storage/migrate.ts'
import { createNode, type Node } from './faults/node.ts'
import { openBenchStores } from './stores.ts'

const UNREACHED = '0'
const MINTED_AT_ONCE = 50

/** The tokens of one authorization. */
export interface Family {
  access: string
  refresh: string
}

export interface VerifierFleet extends AsyncDisposable {
  nodes: readonly [Node, Node]
  /** The first two ask and follow the first node, the others the second. */
  verifiers: readonly Verifier[]
  mintMany: (count: number) => Promise<Family[]>
  /**
   * Resolves when the revocation was answered. @throws {Error} when it was refused or not answered
   */
  revoke: (node: Node, token: string) => Promise<void>
  pauseRedis: () => void
  resumeRedis: () => void
}

/** Opens everything and resolves when all verifiers follow the stream. */
export async function openVerifierFleet(options: {
  script: string
  boundMillis: number
  onProblem: (error: Error) => void
}): Promise<VerifierFleet> {
  await using stack = new AsyncDisposableStack()
  const stores = stack.use(await openBenchStores(true))
  const directory = await mkdtemp(join(tmpdir(), 'otesse-bench-'))
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const databaseUrl = await stores.forTargets.createDatabase()
  const { script } = options
  const env: Record<string, string> = {
    NODE_ENV: 'production',
    OTESSE_ISSUER: 'https://auth.bench.example',
    OTESSE_HOST: '127.0.0.1',
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
  const infrastructure = stack.use(await openMigrated(env))
  const services = stack.use(await openServices(infrastructure))
  const account = await services.accounts.create({ email: 'bench@example.com' })
  await services.scopes.create({ name: 'a', sentence: 'Use a', group: 'Bench' })
  const web = await register(services, 'web')
  const api = await register(services, 'resource_server')

  async function openNode(index: number): Promise<Node> {
    const node = await createNode({ index, script, directory, env })
    stack.defer(() => node.end('SIGTERM'))
    await node.start()
    return node
  }
  const nodes = [await openNode(0), await openNode(1)] as const
  const verifiers = [nodes[0], nodes[0], nodes[1], nodes[1]].map(({ url }) =>
    createVerifier({
      introspectionUrl: `${url}/oauth/introspect`,
      clientId: api.id,
      clientSecret: api.secret,
      positiveTtlSeconds: 600,
      streamSilenceSeconds: options.boundMillis / 1000,
      onProblem: options.onProblem,
    }),
  )
  for (const verifier of verifiers) stack.defer(() => verifier.close())
  const resumeRedis = (): void => void process.kill(stores.redisPid, 'SIGCONT')
  await Promise.all(verifiers.map(untilFollowing))

  async function mint(): Promise<Family> {
    const { grants } = services
    const { config } = infrastructure
    const id = newGrantId()
    const code = parseTokenOf('code', newCode(id))
    if (code === undefined) throw new Error('a code is not a code')
    const now = Math.floor(Date.now() / 1000)
    await grants.begin(
      { id, appId: web.id, accountId: account.id, scopes: ['a'], createdAt: now },
      code.token,
      { redirectUri: 'x', expiresAt: now + 60 },
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

  const open = stack.move()
  return {
    nodes,
    verifiers,
    async mintMany(count) {
      const families: Family[] = []
      while (families.length < count) {
        const size = Math.min(MINTED_AT_ONCE, count - families.length)
        families.push(...(await Promise.all(Array.from({ length: size }, mint))))
      }
      return families
    },
    async revoke({ url }, token) {
      const answer = await fetch(`${url}/oauth/revoke`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token, client_id: web.id, client_secret: web.secret }),
      })
      await answer.text()
      if (answer.status !== 200) throw new Error(`revocation answered ${answer.status}`)
    },
    pauseRedis: () => void process.kill(stores.redisPid, 'SIGSTOP'),
    resumeRedis,
    async [Symbol.asyncDispose]() {
      // A stopped process would not hear that it has to end.
      resumeRedis()
      await open.disposeAsync()
    },
  }
}

/** Resolves when the verifier follows the stream. */
export async function untilFollowing(verifier: Verifier): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!verifier.isFollowing()) {
    if (performance.now() > deadline) throw new Error('the stream is not followed')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function openMigrated(env: Readonly<Record<string, string>>): Promise<Infrastructure> {
  const config = loadConfig(env)
  const logger = createLogger('error')
  if (config.stores.kind !== 'networked' || config.secrets === undefined)
    throw new Error('the benchmark runs on Redis and Postgres')
  const { database } = config.stores
  {
    const location = { kind: 'postgres', ...database, url: database.url.reveal() } as const
    await using opened = await openDatabase(location, logger)
    await migrate(opened.db)
  }
  return await openInfrastructure(config, config.secrets, { logger })
}

async function register(services: Services, type: 'web' | 'resource_server') {
  const outcome = await services.apps.register({
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
