// What the driver knows of a measured server, and the two baselines. Our own server is in
// otesse-target.ts.
import type { Redis } from 'ioredis'
import {
  BENCH_REDIRECT_URI,
  BENCH_SCOPE,
  PLAIN_CLIENTS,
  createPlainProvider,
} from './baselines/plain-provider.ts'
import { READY_LINE, openServerProcess } from './server-process.ts'
import type { ServerProcess } from './server-process.ts'

/**
 * `plain` is oidc-provider with a textbook adapter, `plain_pipelined` the same with ioredis'
 * enableAutoPipelining. `bare` is node:http with one GET. `otesse` is our server, `before` our
 * server from another checkout.
 */
export type TargetName = 'plain' | 'plain_pipelined' | 'bare' | 'otesse' | 'before'

/**
 * `steady` keeps its refresh token, `rotating` gets a new one each time, `machine` uses
 * client_credentials, `resource` is a resource server that introspects the tokens of others.
 */
export type AppRole = 'steady' | 'rotating' | 'machine' | 'resource'

/** What an app presents in the body of its requests. */
export interface AppCredentials {
  clientId: string
  clientSecret: string
}

/** A started server that can be put under load. */
export interface Target extends AsyncDisposable {
  name: TargetName
  /** The Host header that the server expects. */
  host: string
  server: ServerProcess
  credentials: (role: AppRole) => AppCredentials
  /**
   * Writes fresh authorization codes (valid 60 s) of one app into the store, without the server's
   * help.
   */
  mintCodes: (role: 'steady' | 'rotating', count: number) => Promise<string[]>
  /** What makes this server's numbers doubtful, asked at the end of the run. */
  complaints?: () => Promise<string[]>
}

/** What every target is started with. */
export interface TargetStores {
  redisUrl: string
  /** An empty database of its own for each server of ours. */
  createDatabase: () => Promise<string>
  /** Where the other checkout is, for `before`. */
  beforeDirectory: string | undefined
  /**
   * Starts our servers from dist/ (`npm run build`), as the image does, instead of from the
   * sources.
   */
  built: boolean
  /** The driver's own connection to the same Redis, used to write codes. */
  redis: Redis
  pinned: boolean
  /** Loads probe.ts into the server. */
  probed: boolean
}

// Enough to keep Redis busy, few enough that the driver's heap stays small.
const MINTED_AT_ONCE = 100

/** Mints in batches; for a target's `mintCodes`. */
export async function mintInBatches(
  count: number,
  mintOne: (index: number) => Promise<string>,
): Promise<string[]> {
  const codes: string[] = []
  while (codes.length < count) {
    const first = codes.length
    const size = Math.min(MINTED_AT_ONCE, count - first)
    codes.push(
      ...(await Promise.all(Array.from({ length: size }, (_, index) => mintOne(first + index)))),
    )
  }
  return codes
}

/**
 * Starts baseline (a), with single commands as the usual adapter sends them, or with ioredis'
 * automatic pipelines.
 */
export async function openPlainTarget(
  name: 'plain' | 'plain_pipelined',
  stores: TargetStores,
): Promise<Target> {
  const server = await openServerProcess({
    script: 'bench/baselines/plain-provider.ts',
    env: {
      BENCH_REDIS_URL: stores.redisUrl,
      ...(name === 'plain_pipelined' ? { BENCH_AUTO_PIPELINING: 'true' } : {}),
    },
    pinned: stores.pinned,
    probed: stores.probed,
    ready: READY_LINE,
  })
  const minter = createPlainProvider(stores.redis, 'http://127.0.0.1')

  async function mintCode(role: 'steady' | 'rotating', index: number): Promise<string> {
    const { clientId } = PLAIN_CLIENTS[role]
    const client = await minter.Client.find(clientId)
    if (client === undefined) throw new Error(`no client ${clientId}`)
    const accountId = `account-${index}`
    const grant = new minter.Grant({ clientId, accountId })
    grant.addOIDCScope(BENCH_SCOPE)
    const grantId = await grant.save()
    const code = new minter.AuthorizationCode({
      client,
      accountId,
      grantId,
      gty: 'authorization_code',
      redirectUri: BENCH_REDIRECT_URI,
      scope: BENCH_SCOPE,
      expiresWithSession: false,
    })
    return await code.save()
  }

  return {
    name,
    host: `127.0.0.1:${server.port}`,
    server,
    credentials: (role) => PLAIN_CLIENTS[role],
    mintCodes: (role, count) => mintInBatches(count, (index) => mintCode(role, index)),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** Starts baseline (b); it knows no apps and no codes. */
export async function openBareTarget(stores: TargetStores): Promise<Target> {
  const server = await openServerProcess({
    script: 'bench/baselines/bare-redis-get.ts',
    env: { BENCH_REDIS_URL: stores.redisUrl },
    pinned: stores.pinned,
    probed: stores.probed,
    ready: READY_LINE,
  })
  return {
    name: 'bare',
    host: `127.0.0.1:${server.port}`,
    server,
    credentials: () => {
      throw new Error('the bare server has no apps')
    },
    mintCodes: () => Promise.reject(new Error('the bare server has no codes')),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
