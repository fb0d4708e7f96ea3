// Connections over several real processes: one refresh whoever asks, and a process that is killed
// in the middle of one leaves nothing garbled. `node bench/connections.ts` does it at length.
import { openNetworkedStores, type TestStores } from '../support/app.ts'
import {
  type ConnectionTrial,
  startConnectionTrial,
  tryKills,
  tryRounds,
} from '../support/connection-trial.ts'

let stores: TestStores
let trial: ConnectionTrial
beforeAll(async () => {
  stores = await openNetworkedStores()
  trial = await startConnectionTrial(stores)
}, 60_000)
afterAll(async () => {
  await trial[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

test('100 fetches on three processes make exactly one refresh, 10 rounds', async () => {
  expect(await tryRounds(trial, 10)).toEqual([])
}, 60_000)

test('killed in the middle of a refresh, the connection goes on, or is made again where the answer died', async () => {
  const { problems, wentOn, lost } = await tryKills(trial, [
    { when: 'before-send', afterMillis: 1 },
    { when: 'request-arrived' },
    { when: 'answered', afterMillis: 1 },
    { when: 'answered', afterMillis: 20 },
  ])
  expect(problems).toEqual([])
  expect(wentOn + lost).toBe(4)
  expect(wentOn).toBeGreaterThanOrEqual(2)
}, 120_000)

test('nothing that was secret is in the rows, in Redis, in events or in the logs', async () => {
  const { server, provider, nodes } = trial
  await server.services.audit[Symbol.asyncDispose]()
  const { db, redis } = server.infrastructure
  if (redis === undefined) throw new Error('the test runs on Redis')
  const tables = ['credentials', 'integrations', 'connections', 'events'] as const
  const parts: string[] = []
  for (const table of tables)
    parts.push(JSON.stringify(await db.selectFrom(table).selectAll().execute()))
  for (const key of await redis.keys('*')) parts.push(key, await redis.dump(key))
  parts.push(...server.log, ...nodes.map(({ output }) => output()))
  const dump = parts.join('\n')
  const secrets = [provider.client.clientSecret, ...provider.issued]
  expect(secrets.length).toBeGreaterThan(20)
  for (const secret of secrets)
    for (const written of [
      secret,
      Buffer.from(secret).toString('base64').slice(0, -4),
      Buffer.from(secret).toString('hex'),
    ])
      expect(dump.includes(written)).toBe(false)
})
