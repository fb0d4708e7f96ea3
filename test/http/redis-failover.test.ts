// A replica is promoted that lacks the last writes of its master, as asynchronous replication
// allows: what was answered as revoked stays revoked, at every server, and all serves again by
// itself.
import { Redis } from 'ioredis'
import { appFamily } from '../../src/grants/app-tokens.ts'
import { openNetworkedStores, startTestApp, type TestApp, type TestStores } from '../support/app.ts'
import { type RedisServer, startRedis } from '../support/backends.ts'
import { createScopes, issueCode, registerApp } from '../support/builders.ts'
import { type Answer, createOAuthClient, type OAuthClient } from '../support/oauth-client.ts'
import { waitUntil } from '../support/server-process.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

let master: RedisServer
let replica: RedisServer
let replication: TcpProxy
let proxy: TcpProxy
let stores: TestStores
let servers: TestApp[]
beforeEach(async () => {
  master = await startRedis()
  replication = await startTcpProxy(master.port)
  replica = await startRedis({ replicaOf: { host: '127.0.0.1', port: replication.port } })
  proxy = await startTcpProxy(master.port)
  stores = await openNetworkedStores({ redisUrl: `redis://127.0.0.1:${proxy.port}` })
  const one = await startTestApp({ backend: 'redis', stores })
  servers = [one, await startTestApp({ backend: 'redis', stores, issuer: one.issuer })]
  await createScopes(one)
}, 60_000)
afterEach(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await replication[Symbol.asyncDispose]()
  await Promise.all([master.stop(), replica.stop()])
})

async function command(server: RedisServer, ...words: string[]): Promise<unknown> {
  const redis = new Redis(server.url)
  try {
    return await redis.call(words[0]!, words.slice(1))
  } finally {
    redis.disconnect()
  }
}

/** From here on the master acknowledges what nobody else has. */
async function holdReplicationUp(): Promise<void> {
  // Written on the connection that waits, for WAIT speaks of that alone.
  const redis = new Redis(master.url)
  await waitUntil('the replica to be in step', async () => {
    await redis.set('in-step', '1')
    return (await redis.wait(1, 1000)) === 1
  })
  redis.disconnect()
  replication.cut('silence')
}

async function failOver(): Promise<void> {
  await master.kill()
  await command(replica, 'REPLICAOF', 'NO', 'ONE')
  proxy.leadTo(replica.port)
  proxy.cut('reset')
}

/** Asks until it is no 503 that is answered. */
async function answered(request: () => Promise<Answer>): Promise<Answer> {
  let answer = await request()
  await waitUntil('the stores to be in step', async () => {
    if (answer.status !== 503) return true
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    answer = await request()
    return answer.status !== 503
  })
  return answer
}

const appsOf = async (overrides: Parameters<typeof registerApp>[1] = {}) => {
  const client = await registerApp(servers[0]!, overrides)
  return servers.map((server) => createOAuthClient(server, client))
}

const activeAt = async (clients: readonly OAuthClient[], token: string): Promise<boolean[]> =>
  Promise.all(
    clients.map(async (client) => (await answered(() => client.introspect(token))).body.active),
  )

it('what was revoked stays revoked, and what was not lives on', async () => {
  const clients = await appsOf()
  const [app, other] = clients as [OAuthClient, OAuthClient]
  const family = await app.authorize()
  const single = await app.authorize()
  const living = await app.authorize()
  const ended = await app.authorize()
  const own = (await app.credentials()).body.access_token
  await holdReplicationUp()

  expect((await app.revoke(family.refresh)).status).toBe(200)
  expect((await other.revoke(single.access)).status).toBe(200)
  await servers[1]!.services.grants.revoke(ended.grantId)
  await servers[0]!.services.grants.revoke(appFamily(app.client.id))
  await failOver()

  for (const token of [family.access, family.refresh, single.access, ended.access, own])
    expect(await activeAt(clients, token)).toEqual([false, false])
  for (const { refresh } of [family, ended])
    for (const client of clients)
      expect((await answered(() => client.refresh(refresh))).body.error).toBe('invalid_grant')
  expect(await activeAt(clients, living.access)).toEqual([true, true])
  for (const { refresh } of [single, living])
    expect((await answered(() => other.refresh(refresh))).status).toBe(200)
  expect(await activeAt(clients, (await other.credentials()).body.access_token)).toEqual([
    true,
    true,
  ])
})

it('a rotating app goes on with its newest refresh token, and replaced ones stay replaced', async () => {
  const clients = await appsOf({ type: 'public' })
  const [app, other] = clients as [OAuthClient, OAuthClient]
  const tokens = [(await app.authorize()).refresh]
  await holdReplicationUp()
  for (let rotation = 0; rotation < 3; rotation += 1)
    tokens.push((await app.refresh(tokens.at(-1)!)).body.refresh_token)
  await failOver()

  const next = await answered(() => other.refresh(tokens.at(-1)!))
  expect(next.status).toBe(200)
  expect((await app.refresh(next.body.refresh_token)).status).toBe(200)
  expect((await app.refresh(tokens[1]!)).body.error).toBe('invalid_grant')
  expect((await other.refresh(next.body.refresh_token)).body.error).toBe('invalid_grant')
})

it('a code of before the failover is redeemed no more, because it may have been', async () => {
  const clients = await appsOf()
  const [app, other] = clients as [OAuthClient, OAuthClient]
  const [{ code }, unused] = [
    await issueCode(servers[0]!, app.client),
    await issueCode(servers[0]!, app.client),
  ]
  await holdReplicationUp()
  expect((await app.exchange(code)).status).toBe(200)
  await failOver()

  for (const client of clients)
    for (const before of [code, unused.code])
      expect((await answered(() => client.exchange(before))).body.error).toBe('invalid_grant')
  expect(await activeAt(clients, (await other.authorize()).access)).toEqual([true, true])
})

it('a restart that loses nothing leaves codes as they were', async () => {
  await using lasting = await startRedis({ appendOnly: true })
  await using own = await openNetworkedStores({ redisUrl: lasting.url })
  await using server = await startTestApp({ backend: 'redis', stores: own })
  await createScopes(server)
  const app = createOAuthClient(server, await registerApp(server))
  const { code } = await issueCode(server, app.client)
  await lasting.restart()
  expect((await answered(() => app.exchange(code))).status).toBe(200)
  expect((await app.exchange(code)).body.error).toBe('invalid_grant')
})
