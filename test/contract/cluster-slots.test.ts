// A slot moves to another master of a Cluster. Commands of one moment travel together, and the
// client does not follow a redirection of one among many: it has to look again by itself.
import type { Cluster } from 'ioredis'
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
