// The table of Redis keys in src/README.md against a Redis that is watched while the server does
// everything that writes there: no key without a row, and no row without a key.
import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { createKeeper } from '../../src/connections/connect/keeper.ts'
import { createRedisSpool } from '../../src/connections/spool.ts'
import { newConnectionId } from '../../src/shared/ids.ts'
import { Secret } from '../../src/shared/secret.ts'
import { openNetworkedStores, startTestApp, type TestApp } from '../support/app.ts'
import { startRedis } from '../support/backends.ts'
import { approveInBrowser, createBrowser } from '../support/browser-flow.ts'
import { createAccount, createScopes, PASSWORD, registerApp } from '../support/builders.ts'
import { createOAuthClient } from '../support/oauth-client.ts'

/** What stands for a part of a key in the table. */
const PARTS: Readonly<Record<string, string>> = {
  '{grant}': String.raw`\{[\w-]+\}`,
  '{<hash>}': String.raw`\{[\w-]+\}`,
  '<hash>': String.raw`[\w-]+`,
  '<generation>': String.raw`\d+`,
  '<account>': String.raw`acc_\w+`,
  '<app>': String.raw`app_\w+`,
  '<name>': String.raw`[\w-]+`,
  '<key>': '.+',
  '<mac>': String.raw`\w+`,
  '<connection>': String.raw`con_\w+`,
}

const rows = [...readFileSync('src/README.md', 'utf8').matchAll(/^\| `([^`]+)` +\|/gm)].map(
  ([, key = '']) => key,
)

function patternOf(row: string): RegExp {
  const source = row.replace(/\{grant\}|\{<hash>\}|<\w+>/g, (part) => PARTS[part] ?? part)
  return new RegExp(`^${source}$`)
}

it('src/README.md lists the keys that the server writes, and no others', async () => {
  await using stack = new AsyncDisposableStack()
  const redis = stack.adopt(await startRedis(), (server) => server.stop())
  // With a replica, because one kind of key is written for its sake.
  stack.adopt(await startRedis({ replicaOf: redis }), (server) => server.stop())
  const stores = stack.use(await openNetworkedStores({ redisUrl: redis.url }))
  const prefix = stores.settings['OTESSE_REDIS_PREFIX'] ?? ''
  const speaker = stack.adopt(new Redis(redis.url), (one) => one.disconnect())
  const monitor = stack.adopt(await speaker.monitor(), (one) => one.disconnect())
  const keys = new Set<string>()
  monitor.on('monitor', (_time: string, args: string[]) => {
    for (const arg of args) if (arg.startsWith(prefix)) keys.add(arg.slice(prefix.length))
  })

  {
    await using server = await startTestApp({ backend: 'redis', stores })
    await useEverything(server)
  }

  expect(rows.length).toBeGreaterThan(20)
  const patterns = rows.map((row) => ({ row, pattern: patternOf(row) }))
  const known = (key: string) => patterns.some(({ pattern }) => pattern.test(key))
  expect([...keys].filter((key) => !known(key))).toEqual([])
  const isSeen = (pattern: RegExp) => [...keys].some((key) => pattern.test(key))
  expect(patterns.filter(({ pattern }) => !isSeen(pattern)).map(({ row }) => row)).toEqual([])
})

async function useEverything(server: TestApp): Promise<void> {
  await createScopes(server)
  const app = await registerApp(server)
  const web = createOAuthClient(server, app)
  const spa = createOAuthClient(server, await registerApp(server, { type: 'public' }))
  const account = await createAccount(server, { password: PASSWORD, role: 'admin' })

  // Tokens: a code, a rotation that is repeated, an access token revoked alone, a grant ended.
  const { access, refresh } = await web.authorize({ accountId: account.id })
  await web.revoke(access)
  await web.revoke(refresh)
  const rotated = await spa.authorize({ accountId: account.id })
  await spa.refresh(rotated.refresh)
  await spa.refresh(rotated.refresh)

  // What a provider gave waits there while the database is away.
  const { redis, keyPrefix, credentialEncryption } = server.infrastructure
  if (redis === undefined) throw new Error('the test runs on Redis')
  const accessToken = new Secret('an access token')
  const nothing = { refreshToken: undefined, accessExpiresAt: undefined, scopes: undefined }
  await createRedisSpool(redis, keyPrefix, credentialEncryption).put(newConnectionId(), {
    generation: 1,
    tokens: { accessToken, ...nothing, refreshExpiresAt: undefined },
  })

  // An attempt to connect another system, and a question that waits for its answer.
  const { store, sealedBox: box, clock } = server.infrastructure
  await createKeeper({ store, box, clock }, 'connect').keep({})
  await createKeeper({ store, box, clock }, 'connect-choice').keep({})
  await createKeeper({ store, box, clock }, 'connect-session').keep({})

  // Pages: a wrong password, sign-in, consent, a preview, the end of the session.
  const browser = createBrowser(server)
  const at = (path: string): string => server.issuer + path
  const authorize = at(
    `/oauth/authorize?client_id=${app.id}&response_type=code&redirect_uri=${app.redirectUri}&scope=bookings:read`,
  )
  await browser.signIn(await browser.open(authorize), account.email, 'wrong')
  await approveInBrowser(server, authorize, { email: account.email, password: PASSWORD }, browser)
  const preview = `/admin/apps/${app.id}/try`
  const form = await browser.open(at(preview))
  const ticked = [...form.html.matchAll(/name="(scope:[^"]+)" checked/g)]
  const fields = Object.fromEntries(ticked.map(([, name = '']) => [name, 'on']))
  await browser.approve(await browser.submit(form, preview, fields))
  await browser.submit(await browser.open(at('/sign-out')), '/sign-out')
}
