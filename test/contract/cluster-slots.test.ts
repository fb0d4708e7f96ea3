// A slot moves to another master of a Cluster. Commands of one moment travel together, and the
// client does not follow a redirection of one among many: it has to look again by itself.
import type { Cluster } from 'ioredis'
import type { FenceReading } from '../../src/revocations/fence.ts'
import { createRedisFence, TAGS } from '../../src/revocations/redis-fence.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { type RedisCluster, startRedisCluster } from '../support/backends.ts'
import { waitUntil } from '../support/server-process.ts'
import { quiet } from './short-lived-stores.ts'

let servers: RedisCluster
beforeAll(async () => {
  servers = await startRedisCluster()
})
afterAll(() => servers.stop())

it('writes that travel with others find a slot that has moved', async () => {
  const addresses = servers.nodes.map(({ host, port }) => `${host}:${port}`)
  const client = openRedis(
    parseRedisUrl(`redis-cluster://${addresses.join(',')}`),
    quiet,
  ) as Cluster
  client.on('error', () => undefined)
  await client.set('first', '1')
  const masters = client.nodes('master')
  const slotOf = (key: string) => masters[0]!.cluster('KEYSLOT', key)
  const ownerOf = async (key: string) => {
    const slot = await slotOf(key)
    const slots = await masters[0]!.cluster('SLOTS')
    const found = slots.find(([from, to]) => from <= slot && slot <= to)
    return masters.find(({ options }) => options.port === Number(found?.[2]?.[1]))!
  }
  const source = await ownerOf('first')
  let neighbour = ''
  for (let at = 0; neighbour === ''; at += 1) {
    const key = `neighbour-${at}`
    if ((await ownerOf(key)) === source) neighbour = key
  }
  await client.del('first')
  const target = masters.find((master) => master !== source)!
  const slot = await slotOf('first')
  const id = await target.cluster('MYID')
  await target.call('CLUSTER', 'BUMPEPOCH')
  for (const master of [target, ...masters.filter((other) => other !== target)])
    await master.call('CLUSTER', 'SETSLOT', slot, 'NODE', id)

  await waitUntil('both to be written', async () => {
    const writes = [client.set('first', '1'), client.set(neighbour, '1')]
    const outcomes = await Promise.allSettled(writes)
    return outcomes.every(({ status }) => status === 'fulfilled')
  })
  client.disconnect()
})

it('a fence that moved with its slot tells the same history, and one that was replaced another', async () => {
  const addresses = servers.nodes.map(({ host, port }) => `${host}:${port}`)
  const client = openRedis(
    parseRedisUrl(`redis-cluster://${addresses.join(',')}`),
    quiet,
  ) as Cluster
  client.on('error', () => undefined)
  const fence = createRedisFence(client, 'moving:')
  const read = async () => {
    let reading
    await waitUntil('the fence to be read', async () => {
      reading = await fence.read().catch(() => undefined)
      return reading !== undefined
    })
    return reading as unknown as FenceReading
  }
  const before = await read()
  const otherServer = createRedisFence(client, 'moving:')
  await otherServer.read()

  const key = `moving:fence:{${TAGS[0] ?? ''}}`
  const masters = client.nodes('master')
  const slot = await masters[0]!.cluster('KEYSLOT', key)
  const holders = await Promise.all(masters.map((master) => master.exists(key).catch(() => 0)))
  const source = masters[holders.indexOf(1)]!
  const target = masters.find((master) => master !== source)!
  const [sourceId, targetId] = await Promise.all(
    [source, target].map((master) => master.cluster('MYID')),
  )
  await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', sourceId!)
  await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId!)
  const { host = '', port = 0 } = target.options
  for (const moved of await source.cluster('GETKEYSINSLOT', slot, 100))
    await source.call('MIGRATE', host, port, moved, 0, 5000)
  for (const master of [target, source, ...masters])
    await master.call('CLUSTER', 'SETSLOT', slot, 'NODE', targetId!)
  // A server that compares by raising sees the other master first there, and reads then.
  await waitUntil('the slot to be found', () =>
    otherServer.raise(before.copies, []).then(
      () => true,
      () => false,
    ),
  )
  expect((await otherServer.read()).history).toBe(before.history)
  const after = await read()
  expect(after.copies[0]).not.toBe(before.copies[0])
  expect(after).toMatchObject({ history: before.history, known: before.known })

  // As after a restore: the key speaks of a copy that is not the one that holds it.
  await waitUntil('the slot to be found', () =>
    client.set(key, '0 another history').then(
      () => true,
      () => false,
    ),
  )
  expect((await read()).history).not.toBe(before.history)
  client.disconnect()
})
