// Starts the stores that all test files of a run share, once, before any worker exists. Their
// addresses are in the environment. Called by Jest for the projects contract, http and browser (see
// jest.config.js); global-teardown.ts stops what this started.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres, startRedis, startRedisCluster } from './backends.ts'
import { makeEmbeddedTemplate } from './embedded-template.ts'

declare global {
  var otesseTestBackends: AsyncDisposableStack | undefined
}

/**
 * Starts one Redis, one Redis Cluster and one PostgreSQL, makes a data directory to copy, and sets
 * OTESSE_TEST_* for the workers.
 */
// eslint-disable-next-line no-restricted-syntax -- Jest calls the default export
export default async function startSharedBackends(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const kept = async <T extends AsyncDisposable>(starting: Promise<T>) => stack.use(await starting)
  const template = await mkdtemp(join(tmpdir(), 'otesse-test-template-'))
  stack.defer(() => rm(template, { recursive: true, force: true }))
  const starting = [
    kept(startRedis()),
    kept(startRedisCluster()),
    kept(startPostgres()),
    makeEmbeddedTemplate(template),
  ] as const
  await Promise.allSettled(starting)
  const [redis, cluster, postgres] = await Promise.all(starting)
  process.env['OTESSE_TEST_REDIS_URL'] = redis.url
  process.env['OTESSE_TEST_REDIS_CLUSTER_NODES'] = cluster.nodes
    .map(({ host, port }) => `${host}:${port}`)
    .join(',')
  process.env['OTESSE_TEST_POSTGRES_URL'] = postgres.url
  globalThis.otesseTestBackends = stack.move()
}
