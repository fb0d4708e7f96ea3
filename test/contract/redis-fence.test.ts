// What names a copy of Redis changes now and then without anything being lost, and when something
// may be lost it changes as well. The history that codes carry tells the two apart.
import { createRedisFence } from '../../src/revocations/redis-fence.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { type RedisServer, startRedis } from '../support/backends.ts'
import { waitUntil } from '../support/server-process.ts'
import { quiet } from './short-lived-stores.ts'

function fenceOn({ host, port }: RedisServer) {
  const client = openRedis(parseRedisUrl(`redis://${host}:${port}`), quiet)
  return {
    client,
    fence: createRedisFence(client, 'p:'),
    [Symbol.dispose]: () => client.disconnect(),
  }
}

it('the first replica of a primary changes its replication id and not its history', async () => {
  const primary = await startRedis()
  using server = fenceOn(primary)
  const before = await server.fence.read()
  const replica = await startRedis({ replicaOf: primary })
  await waitUntil('the replica to be in step', async () =>
    (await server.client.info('replication')).includes('state=online'),
  )
  const after = await server.fence.read()
  expect(after.copies).not.toEqual(before.copies)
  expect(after.history).toBe(before.history)

  // A replica that takes over may lack what was acknowledged last.
  using successor = fenceOn(replica)
  await successor.client.replicaof('NO', 'ONE')
  const promoted = await successor.fence.read()
  expect(promoted.history).not.toBe(before.history)
  // So does a primary that was a replica meanwhile, although its process is the same.
  await server.client.replicaof(replica.host, replica.port)
  await waitUntil('the old primary to follow', async () =>
    (await server.client.info('replication')).includes('master_link_status:up'),
  )
  await server.client.replicaof('NO', 'ONE')
  const back = await server.fence.read()
  expect(back.history).not.toBe(before.history)
  expect(back.history).not.toBe(promoted.history)
  await Promise.all([primary.stop(), replica.stop()])
})
