import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Koa from 'koa'
import { createOpsRouter, type OpsDependencies } from '../../src/http/ops.routes.ts'
import { createMetrics } from '../../src/shared/metrics.ts'

async function startOps(dependencies: OpsDependencies) {
  const app = new Koa().use(createOpsRouter(dependencies).routes())
  const server = createServer((request, response) => void app.callback()(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    get: (path: string) => fetch(`http://127.0.0.1:${port}${path}`),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const ready = () => Promise.resolve({ ready: true, checks: { redis: 'ok', database: 'ok' } })
const away = () => Promise.resolve({ ready: false, checks: { redis: 'away', database: 'ok' } })

describe('the operations routes', () => {
  it('say that the process is there, whatever the stores do', async () => {
    await using ops = await startOps({
      isReady: () => Promise.reject(new Error('password=hunter2')),
    })
    const answer = await ops.get('/healthz')
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ status: 'ok' })
  })

  it('say that it may have traffic', async () => {
    await using ops = await startOps({ isReady: ready })
    const answer = await ops.get('/readyz')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await answer.json()).toEqual({
      status: 'ready',
      checks: { redis: 'ok', database: 'ok' },
    })
  })

  it('answer 503 while a store is away or the process drains', async () => {
    await using ops = await startOps({ isReady: away })
    const answer = await ops.get('/readyz')
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ status: 'not ready', checks: { redis: 'away' } })
  })

  it('answer 503, and nothing of the failure, when the check itself fails', async () => {
    await using ops = await startOps({
      isReady: () => Promise.reject(new Error('password=hunter2')),
    })
    const answer = await ops.get('/readyz')
    expect(answer.status).toBe(503)
    expect(await answer.text()).not.toContain('hunter2')
  })

  it('publish the metrics as text', async () => {
    const metrics = createMetrics({ processMetrics: false })
    metrics.eventsDropped.inc(3)
    await using ops = await startOps({ isReady: ready, registry: metrics.registry })
    const answer = await ops.get('/metrics')
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=/)
    expect(await answer.text()).toContain('otesse_events_dropped_total 3')
  })

  it('keep the metrics off the main port', async () => {
    await using ops = await startOps({ isReady: ready })
    expect((await ops.get('/metrics')).status).toBe(404)
    expect((await ops.get('/Healthz')).status).toBe(404)
  })
})
