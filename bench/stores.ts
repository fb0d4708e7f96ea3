// The stores that the measured servers share: one Redis and one Postgres, started for the run. Each
// of our servers gets a database and a key prefix of its own, so none reads what another wrote.
import { Redis } from 'ioredis'
import { createDatabase, startPostgres, startRedis } from '../test/support/backends.ts'
import type { TargetStores } from './targets.ts'

/** Open stores, and what is needed to watch them. */
export interface BenchStores extends AsyncDisposable {
  /** What every target is started with. */
  forTargets: Pick<TargetStores, 'redisUrl' | 'createDatabase' | 'redis'>
  redisPid: number
}

/** Starts Redis, and Postgres if `needsPostgres` says that a server of ours will run. */
export async function openBenchStores(needsPostgres: boolean): Promise<BenchStores> {
  await using stack = new AsyncDisposableStack()
  const store = stack.adopt(await startRedis(), (server) => server.stop())
  const redis = stack.adopt(new Redis(store.url), (connection) => connection.disconnect())
  const postgres = needsPostgres
    ? stack.adopt(await startPostgres(), (server) => server.stop())
    : undefined
  const redisPid = Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1])
  const open = stack.move()
  return {
    forTargets: {
      redisUrl: store.url,
      redis,
      async createDatabase() {
        if (postgres === undefined) throw new Error('Postgres was not started')
        return (await createDatabase(postgres.url)).url
      },
    },
    redisPid,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}
