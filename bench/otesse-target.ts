// Our server as a target: a process of its own that is configured by its environment, on Redis and
// Postgres, with hashing, limits, events and metrics on. Limits are too high to be reached. The log
// goes to a file at its usual level. The driver opens the same stores through the server's own
// objects, to register apps and to write codes.
import { rm, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { AppInput } from '../src/model/app.ts'
import { loadConfig } from '../src/config/config.ts'
import { type Infrastructure, openInfrastructure } from '../src/infrastructure.ts'
import { openServices, type Services } from '../src/services.ts'
import type { Clock } from '../src/shared/clock.ts'
import { createLogger } from '../src/shared/logger.ts'
import { termsFor } from '../src/oauth/token/token-terms.ts'
import { newCode, newGrantId, parseTokenOf } from '../src/shared/token-format.ts'
import { openDatabase } from '../src/storage/database.ts'
import { migrate } from '../src/storage/migrate.ts'
import { findFreePort } from '../test/support/ports.ts'
import { BENCH_REDIRECT_URI, BENCH_SCOPE } from './baselines/plain-provider.ts'
import { AS_SHIPPED, openServerProcess } from './server-process.ts'
import { mintInBatches } from './targets.ts'
import type { AppCredentials, AppRole, Target, TargetStores } from './targets.ts'

const ISSUER = 'https://auth.bench.example'
const CODE_LIFE_SECONDS = 60
const GRANT_LIFE_SECONDS = 31 * 86_400
const ACCOUNTS = 100
const UNREACHED = '100000000/60'

const scopes = BENCH_SCOPE.split(' ')
const webApp = { type: 'web', redirectUris: [BENCH_REDIRECT_URI], scopes } as const
const APPS: Record<AppRole, AppInput> = {
  steady: { ...webApp, name: 'Bench steady', requirePkce: false },
  rotating: { ...webApp, name: 'Bench rotating', requirePkce: false, rotateRefreshTokens: true },
  machine: { type: 'machine', name: 'Bench machine', scopes },
  resource: { type: 'resource_server', name: 'Bench API' },
}

/** Our server, which the driver can also fill by its own objects. */
export interface OtesseTarget extends Target {
  /**
   * Creates live families through the store of grants, as an approval and a code exchange do.
   * Returns their access tokens.
   */
  mintAccessTokens: (role: 'steady' | 'rotating', count: number) => Promise<string[]>
  /** What it says of itself, in Prometheus' text form. */
  metrics: () => Promise<string>
}

/**
 * Starts our server from this checkout, or for `before` from the other one, which must understand
 * the same settings and tables.
 */
export async function openOtesseTarget(
  name: 'otesse' | 'before',
  stores: TargetStores,
): Promise<OtesseTarget> {
  await using stack = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'otesse-bench-'))
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const port = await findFreePort()
  const env = {
    NODE_ENV: 'production',
    ...AS_SHIPPED.env,
    OTESSE_ISSUER: ISSUER,
    OTESSE_HOST: '127.0.0.1',
    OTESSE_PORT: String(port),
    OTESSE_OPS_PORT: String(await findFreePort()),
    OTESSE_DATABASE_URL: await stores.createDatabase(),
    OTESSE_REDIS_URL: stores.redisUrl,
    OTESSE_REDIS_PREFIX: `${name}:`,
    OTESSE_SECRET_KEY: 'bench-secret-key-0123456789-abcdefghij',
    OTESSE_ENCRYPTION_KEY: 'bench-encryption-key-0123456789-abcdef',
    OTESSE_LIMIT_TOKEN_PER_CLIENT: UNREACHED,
    OTESSE_LIMIT_TOKEN_PER_ADDRESS: UNREACHED,
    OTESSE_LIMIT_INTROSPECT_PER_CLIENT: UNREACHED,
    OTESSE_LIMIT_VERIFY_PER_GATEWAY: UNREACHED,
  }
  const infrastructure = stack.use(await openMigrated(env))
  const services = stack.use(await openServices(infrastructure))
  const credentials = await registerApps(services)
  const accountIds = await createAccounts(services)

  const root = name === 'before' ? resolve(stores.beforeDirectory ?? '.') : '.'
  const server = stack.use(
    await openServerProcess({
      script: join(root, stores.built ? 'dist/src/main.js' : 'src/main.ts'),
      nodeOptions: AS_SHIPPED.nodeOptions,
      env,
      pinned: stores.pinned,
      probed: stores.probed,
      ready: {
        kind: 'polling',
        port,
        path: '/readyz',
        outputFile: join(directory, 'server.log'),
      },
    }),
  )

  const readMetrics = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${env.OTESSE_OPS_PORT}/metrics`)).text()
  const open = stack.move()
  return {
    name,
    host: new URL(ISSUER).host,
    server,
    credentials: (role) => credentials[role],
    mintCodes: (role, count) =>
      mintInBatches(count, (index) =>
        mintCode(
          services,
          infrastructure.clock,
          credentials[role].clientId,
          accountIds[index % ACCOUNTS]!,
        ),
      ),
    async mintAccessTokens(role, count) {
      const { clientId } = credentials[role]
      const app = await services.apps.get(clientId)
      const terms = termsFor(app, infrastructure.config.tokens)
      return mintInBatches(count, async (index) => {
        const text = await mintCode(
          services,
          infrastructure.clock,
          clientId,
          accountIds[index % ACCOUNTS]!,
        )
        const issued = await services.grants.redeem(
          parseTokenOf('code', text)!,
          clientId,
          terms,
          () => undefined,
          () => true,
        )
        if (issued.kind !== 'issued') throw new Error(`not issued: ${issued.reason}`)
        return issued.accessToken
      })
    },
    metrics: readMetrics,
    async complaints() {
      const dropped = /^otesse_events_dropped_total (\d+)$/m.exec(await readMetrics())?.[1]
      return dropped === '0' ? [] : [`${name}: ${dropped ?? '?'} events were dropped`]
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
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

async function registerApps(services: Services): Promise<Record<AppRole, AppCredentials>> {
  for (const scope of scopes)
    await services.scopes.create({ name: scope, sentence: `Use ${scope}`, group: 'Bench' })
  const register = async (role: AppRole): Promise<AppCredentials> => {
    const outcome = await services.apps.register(APPS[role])
    if (outcome.kind !== 'registered' || outcome.secret === undefined)
      throw new Error(`the app ${role} could not be registered: ${JSON.stringify(outcome)}`)
    return { clientId: outcome.app.id, clientSecret: outcome.secret.reveal() }
  }
  return {
    steady: await register('steady'),
    rotating: await register('rotating'),
    machine: await register('machine'),
    resource: await register('resource'),
  }
}

async function createAccounts({ accounts }: Services): Promise<string[]> {
  const ids: string[] = []
  for (let index = 0; index < ACCOUNTS; index += 1)
    ids.push((await accounts.create({ email: `person-${index}@bench.example` })).id)
  return ids
}

async function mintCode(
  { grants }: Services,
  clock: Clock,
  appId: string,
  accountId: string,
): Promise<string> {
  const id = newGrantId()
  const code = newCode(id)
  const createdAt = Math.floor(clock() / 1000)
  await grants.begin(
    { id, appId, accountId, scopes, createdAt },
    code,
    { redirectUri: BENCH_REDIRECT_URI, expiresAt: createdAt + CODE_LIFE_SECONDS },
    GRANT_LIFE_SECONDS,
  )
  return code
}
