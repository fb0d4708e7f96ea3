// Baseline (b): the least that a server on this stack can do for a request: node:http, one Redis
// GET, a small JSON answer. It is the floor that ratios are compared with.
import { createServer } from 'node:http'
import { Redis } from 'ioredis'

const KEY = 'bench:bare'

const redis = new Redis(process.env['BENCH_REDIS_URL']!)
await redis.set(
  KEY,
  JSON.stringify({ sub: 'acc_bench', client_id: 'bench', scope: 'bookings:read customers:read' }),
)

const server = createServer((_request, response) => {
  redis.get(KEY).then(
    (stored) => {
      const body = `{"active":true,"record":${stored ?? 'null'}}`
      response.writeHead(200, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(body),
      })
      response.end(body)
    },
    (error: unknown) => {
      console.error(error)
      response.writeHead(500).end()
    },
  )
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  console.log(`ready ${address.port}`)
})
