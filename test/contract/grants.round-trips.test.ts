// The budget of round trips to Redis: the commands and the writes to the connection of each
// operation are counted.
import { Redis } from 'ioredis'
import { createGrants } from '../../src/grants/grants.ts'
import { createRedisStore } from '../../src/grants/redis-family.store.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { newAccountId, newClientId } from '../../src/shared/ids.ts'
import { newCode, newGrantId } from '../../src/shared/token-format.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { assertIssued, parsed, refreshTokens, TERMS } from './grants.contract.ts'
import { quiet } from './short-lived-stores.ts'

const client = openRedis(parseRedisUrl(process.env['OTESSE_TEST_REDIS_URL'] ?? ''), quiet)
if (!(client instanceof Redis)) throw new Error('counting is for one Redis')
afterAll(() => client.disconnect())

const sent: string[] = []
let writes = 0
const sendCommand = client.sendCommand.bind(client)
client.sendCommand = (command, stream) => {
  sent.push(command.name)
  return sendCommand(command, stream)
}

const store = createRedisStore(client, `test-${newGrantId()}:`)
const grants = createGrants({ store, clock: systemClock, refreshTokens })
const appId = newClientId()

async function begin(): Promise<string> {
  const id = newGrantId()
  const code = newCode(id)
  const nowSeconds = Math.floor(Date.now() / 1000)
  await grants.begin(
    { id, appId, accountId: newAccountId(), scopes: ['a'], createdAt: nowSeconds },
    code,
    { redirectUri: 'x', expiresAt: nowSeconds + 60 },
    1000,
  )
  return code
}

async function redeem(code: string, terms = TERMS) {
  const issued = await grants.redeem(
    parsed(code),
    appId,
    terms,
    () => undefined,
    () => true,
  )
  assertIssued(issued)
  return { access: issued.accessToken, refreshToken: issued.refreshToken ?? '' }
}

async function refresh(token: string, terms = TERMS) {
  const request = { appId, terms, scopes: undefined, isPermitted: () => true }
  const issued = await grants.refresh(parsed(token), request)
  assertIssued(issued)
}

/**
 * Counts what the work sends. A script counts by its effect, whether it is sent by hash or as text.
 */
async function count(
  work: () => Promise<unknown>,
): Promise<{ commands: string[]; writes: number }> {
  sent.length = 0
  writes = 0
  await work()
  return { commands: sent.map((name) => name.replace('evalsha', 'eval')), writes }
}

beforeAll(async () => {
  await store.ping()
  const write = client.stream.write.bind(client.stream)
  client.stream.write = ((...args: Parameters<typeof write>) => {
    writes += 1
    return write(...args)
  }) as typeof client.stream.write
})

const rotating = { ...TERMS, rotate: true }
const sliding = { ...TERMS, sliding: true }

it.each([
  [
    'redeeming a code',
    async () => {
      const code = await begin()
      return () => redeem(code)
    },
    ['mget', 'eval'],
  ],
  [
    'a refresh',
    async () => {
      const { refreshToken } = await redeem(await begin())
      return () => refresh(refreshToken)
    },
    ['mget', 'eval'],
  ],
  [
    'a rotating refresh',
    async () => {
      const { refreshToken } = await redeem(await begin(), rotating)
      return () => refresh(refreshToken, rotating)
    },
    ['mget', 'eval'],
  ],
  [
    'a sliding refresh',
    async () => {
      const { refreshToken } = await redeem(await begin(), sliding)
      return () => refresh(refreshToken, sliding)
    },
    ['mget', 'eval'],
  ],
  [
    'a token for an app itself',
    async () => {
      await grants.issueToApp({ id: appId, generation: 0 }, ['a'], undefined, TERMS)
      return () => grants.issueToApp({ id: appId, generation: 0 }, ['a'], undefined, TERMS)
    },
    ['eval'],
  ],
  [
    'the first token for an app itself',
    () =>
      Promise.resolve(() =>
        grants.issueToApp({ id: newClientId(), generation: 0 }, ['a'], undefined, TERMS),
      ),
    ['eval'],
  ],
  [
    'looking an access token up',
    async () => {
      const { access } = await redeem(await begin())
      return () => grants.findAccess(parsed(access))
    },
    ['mget'],
  ],
  [
    'looking a refresh token up',
    async () => {
      const { refreshToken } = await redeem(await begin())
      return () => grants.findRefresh(parsed(refreshToken))
    },
    ['mget'],
  ],
  [
    'revoking one access token',
    async () => {
      const { access } = await redeem(await begin())
      return () => grants.revokeAccess(parsed(access))
    },
    ['eval'],
  ],
  [
    'revoking a family',
    async () => {
      const { refreshToken } = await redeem(await begin())
      return () => grants.revoke(parsed(refreshToken).grantId)
    },
    ['mget', 'eval', 'zrem', 'zrem', 'zrem', 'zrem', 'zrem'],
  ],
  [
    'beginning an authorization',
    async () => {
      await begin()
      return begin
    },
    ['eval'],
  ],
])('%s', async (_name, prepare, commands) => {
  const work = await prepare()
  const counted = await count(work)
  expect(counted.commands).toEqual(commands)
  // Commands of one moment share a write.
  expect(counted.writes).toBeLessThanOrEqual(Math.min(commands.length, 3))
  expect(counted.writes).toBeGreaterThan(0)
})

it('a crowd shares its trips', async () => {
  const codes = await Promise.all(Array.from({ length: 20 }, begin))
  const counted = await count(() => Promise.all(codes.map((code) => redeem(code))))
  // All reads are one command, and each family is committed by its own.
  expect(counted.commands).toEqual(['mget', ...codes.map(() => 'eval')])
  expect(counted.writes).toBeLessThan(10)
})
