// `node bench/connection-keys.ts`: the key of credentials is rotated under 100,000 connections
// while a server hands tokens out. `otesse connection reencrypt` is killed twice with SIGKILL on
// the way. Exits with 1 where a fetch failed, or the old key is still needed in the end.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { sql } from 'kysely'
import { encryptCredential } from '../src/connections/credential.store.ts'
import { createReencryptStore } from '../src/connections/reencrypt.store.ts'
import { createRowEncryption } from '../src/shared/encryption.ts'
import { Secret } from '../src/shared/secret.ts'
import { openNetworkedStores } from '../test/support/app.ts'
import { startPostgres, startRedis } from '../test/support/backends.ts'
import { startConnectionTrial } from '../test/support/connection-trial.ts'
import { SECRETS } from '../test/support/main-process.ts'

const { values: options } = parseArgs({
  options: { connections: { type: 'string', default: '100000' } },
})
const count = Number(options.connections)
// Within the time that a statement may take.
const BATCH = 2000
const NEW_KEY = 'the-new-key-of-connections-0123456789'

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
await using stack = new AsyncDisposableStack()
const redis = stack.adopt(await startRedis(), (server) => server.stop())
const postgres = stack.adopt(await startPostgres(), (server) => server.stop())
const stores = stack.use(
  await openNetworkedStores({ redisUrl: redis.url, postgresUrl: postgres.url }),
)
// All servers have the new key already, and the old one behind it.
const settings = { ...stores.settings, OTESSE_CONNECTIONS_KEY: NEW_KEY }
const trial = stack.use(await startConnectionTrial({ ...stores, settings }))
const { db } = trial.server.infrastructure
await insertConnections()

let fetches = 0
const failures: string[] = []
const controller = new AbortController()
const fetching = keepFetching()
const startedAt = performance.now()
for (const millis of [5000, 6000]) {
  const run = reencrypt()
  await delay(millis)
  run.kill('SIGKILL')
  await once(run, 'exit')
  console.log(`killed: ${await stale()} values left`)
}
const [code] = (await once(reencrypt(), 'exit')) as [number]
const seconds = (performance.now() - startedAt) / 1000
controller.abort()
await fetching
const left = await stale()
console.log(
  `${count} connections in ${seconds.toFixed(1)} s, two kills included; ${left} values left; ` +
    `${fetches} fetches meanwhile, ${failures.length} failed`,
)
if (code !== 0 || left > 0 || failures.length > 0) process.exitCode = 1

async function insertConnections(): Promise<void> {
  const old = createRowEncryption([new Secret(SECRETS.OTESSE_ENCRYPTION_KEY)])
  for (let first = 1; first <= count; first += BATCH) {
    const last = Math.min(first + BATCH - 1, count)
    await sql`
      insert into connections (id, integration_id, owner_kind, owner_id, external_id, status,
        status_since, created_at, updated_at)
      select 'con_' || lpad(n::text, 20, '0'), i.id, 'account', 'acc_' || n, 'there', 'active',
        now(), now(), now()
      from generate_series(${first}::int, ${last}::int) as n, integrations i`.execute(db)
    const rows = Array.from({ length: last - first + 1 }, (_, at) => {
      const id = `con_${String(first + at).padStart(20, '0')}`
      const value = new Secret(`token-${id}`)
      const credential = { kind: 'oauth_access_token', name: '', value } as const
      return { id, value: encryptCredential(old, id, credential) }
    })
    await sql`
      insert into credentials (connection_id, kind, name, encrypted_value, created_at)
      select id, 'oauth_access_token', '', value, now()
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as g (id text, value text)`.execute(
      db,
    )
  }
}

function reencrypt(): ChildProcess {
  return spawn(process.execPath, ['src/cli.ts', 'connection', 'reencrypt'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      ...SECRETS,
      OTESSE_ISSUER: trial.server.issuer,
      OTESSE_CONNECTIONS: 'true',
      ...settings,
    },
  })
}

async function stale(): Promise<number> {
  const store = createReencryptStore(db, createRowEncryption([new Secret(NEW_KEY)]))
  return (await store.count()).older
}

async function keepFetching(): Promise<void> {
  while (!controller.signal.aborted) {
    // Each fetch renews the token, which writes a credential.
    await trial.endAccess()
    const { status, error } = await trial.fetchFrom(trial.nodes[fetches % 3]!)
    fetches += 1
    if (status !== 200) failures.push(`${status} ${error ?? ''}`)
  }
}
