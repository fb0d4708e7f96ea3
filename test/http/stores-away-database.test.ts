// A database connection that is lost while a statement waits on it, in each way in which that
// happens: the process lives, what waited is answered 503, and it is ready again by itself.
import pg from 'pg'
import { openNetworkedStores, type TestStores } from '../support/app.ts'
import { type PostgresServer, startPostgres } from '../support/backends.ts'
import { type MainProcess, startMain } from '../support/main-process.ts'
import { waitUntil } from '../support/server-process.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

let postgres: PostgresServer
let stores: TestStores
let proxy: TcpProxy
let direct: string
let server: MainProcess
beforeAll(async () => {
  postgres = await startPostgres()
  stores = await openNetworkedStores({ postgresUrl: postgres.url })
  direct = stores.settings['OTESSE_DATABASE_URL']!
  proxy = await startTcpProxy(postgres.port)
  const behind = direct.replace(`:${postgres.port}/`, `:${proxy.port}/`)
  server = await startMain({
    ...stores.settings,
    OTESSE_DATABASE_URL: behind,
    // What waits does so until it is cut, not until it is too late.
    OTESSE_DATABASE_QUERY_TIMEOUT_MS: '20000',
    OTESSE_LIMIT_TOKEN_PER_ADDRESS: '0',
  })
}, 60_000)
afterAll(async () => {
  server[Symbol.dispose]()
  await proxy[Symbol.asyncDispose]()
  await postgres.stop()
})

const ready = async () => (await fetch(`${server.url}/readyz`)).status
const readyAgain = () =>
  waitUntil('the server to be ready again', async () => (await ready()) === 200)

let stranger = 0
/** Asks for an app that nobody has met, so that the database must be asked. */
const askAsStranger = () =>
  fetch(`${server.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: `app_Stranger${String((stranger += 1)).padStart(12, '0')}`,
      client_secret: 'no secret of anybody',
    }),
  })

/** Has statements wait for a lock, cuts, and returns what was answered. */
async function cutUnderWaiting(cut: () => Promise<unknown>): Promise<Response[]> {
  // Prepared, the transaction holds its lock whatever is cut, and also over a restart: what waits
  // cannot be answered first.
  await onPostgres(
    'begin; lock table apps in access exclusive mode',
    `prepare transaction 'blocker'`,
  )
  const watcher = new pg.Client({ connectionString: direct })
  watcher.on('error', () => undefined)
  await watcher.connect()
  const waiting = async (): Promise<number> => {
    const found = await watcher.query<{ count: number }>(
      `select count(*)::int from pg_stat_activity
       where application_name = 'otesse-auth' and wait_event_type = 'Lock'`,
    )
    return found.rows[0]?.count ?? 0
  }
  try {
    const answers = Promise.all([askAsStranger(), askAsStranger(), askAsStranger()])
    await waitUntil('statements to wait', async () => (await waiting()) >= 3)
    await cut()
    return await answers
  } finally {
    await onPostgres(`rollback prepared 'blocker'`)
    await watcher.end().catch(() => undefined)
  }
}

const onPostgres = async (...statements: string[]): Promise<void> => {
  const client = new pg.Client({ connectionString: direct })
  client.on('error', () => undefined)
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

const WAYS: [name: string, cut: () => Promise<unknown>][] = [
  [
    'the server process is told to end',
    () =>
      onPostgres(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'otesse-auth'`,
      ),
  ],
  ['the network resets it', () => cutNetwork('reset')],
  ['the network ends it', () => cutNetwork('end')],
  ['the database is shut down (fast) and started again', () => restart('SIGINT')],
  ['the database is shut down (immediate) and started again', () => restart('SIGQUIT')],
]

function cutNetwork(how: 'reset' | 'end'): Promise<void> {
  proxy.cut(how)
  return Promise.resolve()
}

async function restart(signal: NodeJS.Signals): Promise<void> {
  await postgres.kill(signal)
  await postgres.restart()
}

it.each(WAYS)('%s: 503, and the process lives', async (_name, cut) => {
  await readyAgain()
  const before = server.output().length
  const answers = await cutUnderWaiting(cut)
  for (const answer of answers) {
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await answer.json()).toMatchObject({ error: 'temporarily_unavailable' })
  }
  await readyAgain()
  expect((await askAsStranger()).status).toBe(401)
  expect(server.child.exitCode).toBeNull()

  const lines = server.output().slice(before).trim().split('\n')
  expect(lines.filter((line) => line.includes('database connection lost'))).toHaveLength(1)
  for (const line of lines) {
    expect(Object.keys(JSON.parse(line) as object)).toContain('level')
    expect(line).not.toMatch(/secretKey|connectionParameters|_events/)
  }
  const lost = lines.find((line) => line.includes('database connection lost'))!
  expect(Object.keys(JSON.parse(lost) as object).sort()).toEqual(
    ['code', 'level', 'msg', 'reason', 'time'].filter((key) => lost.includes(`"${key}"`)),
  )
  expect(lost.length).toBeLessThan(300)
})
