// Postgres as people have it: URLs of libpq against a real server with TLS, a socket and a replica,
// and each wrong configuration told in one sentence.
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { Client } from 'pg'
import { withDatabase } from '../../src/storage/database.ts'
import { migrate, pendingMigrations } from '../../src/storage/migrate.ts'
import { storeProblem } from '../../src/storage/store-problems.ts'
import { type PostgresServer, startPostgres } from '../support/backends.ts'
import { type Certificates, makeCertificates } from '../support/certificates.ts'
import { openPostgres } from '../support/migrated-database.ts'

let certificates: Certificates
let sockets: string
let secure: PostgresServer
let plain: PostgresServer
beforeAll(async () => {
  certificates = await makeCertificates()
  sockets = await mkdtemp(join(tmpdir(), 'otesse-pg-'))
  await chmod(sockets, 0o777)
  ;[secure, plain] = await Promise.all([
    startPostgres('otesse', { tls: certificates.server }),
    startPostgres('otesse', { socketDirectory: sockets }),
  ])
  const client = new Client({ connectionString: plain.url })
  await client.connect()
  for (const statement of [
    "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0",
    "CREATE ROLE guest LOGIN PASSWORD 'guest'",
    // As it is by itself from PostgreSQL 15 on.
    'REVOKE CREATE ON SCHEMA public FROM PUBLIC',
    'CREATE DATABASE standby',
    'ALTER DATABASE standby SET default_transaction_read_only = on',
  ])
    await client.query(statement)
  await client.end()
})
afterAll(async () => {
  await Promise.all([secure.stop(), plain.stop()])
  certificates[Symbol.dispose]()
  await rm(sockets, { recursive: true, force: true })
})

/** What an operator is told when they migrate; nothing where it works. */
async function told(url: string): Promise<string> {
  try {
    await using opened = await openPostgres(url)
    await pendingMigrations(opened.db)
    return ''
  } catch (error) {
    return storeProblem(error) ?? `not told: ${String(error)}`
  }
}

const changed = (server: PostgresServer, change: (url: URL) => void): string => {
  const url = new URL(server.url)
  change(url)
  return url.href
}
const withQuery = (server: PostgresServer, query: string) =>
  changed(server, (url) => (url.search = query))
const withDatabaseName = (name: string) => changed(plain, (url) => (url.pathname = `/${name}`))

it('sslmode is what it is in libpq, also for an address', async () => {
  const { caFile } = certificates
  const ca = `&sslrootcert=${encodeURIComponent(caFile)}`
  expect(await told(withQuery(secure, 'sslmode=require'))).toBe('')
  expect(await told(withQuery(secure, `sslmode=verify-ca${ca}`))).toBe('')
  expect(await told(withQuery(secure, `sslmode=verify-full${ca}`))).toBe('')
  expect(await told(withQuery(secure, 'sslmode=prefer'))).toBe('')
  expect(await told(withQuery(plain, 'sslmode=prefer'))).toBe('')
  expect(await told(withQuery(secure, 'sslmode=verify-full'))).toContain('sslrootcert of')
  expect(await told(withQuery(plain, 'sslmode=require'))).toContain('sslmode=disable')
})

it('a socket is found by its directory, and a password by its percent-encoding', async () => {
  const { username, password } = new URL(plain.url)
  const directory = encodeURIComponent(sockets)
  const url = `postgresql://${username}:${password}@/otesse?host=${directory}&port=${plain.port}`
  expect(await told(url)).toBe('')
  const nowhere = `postgresql:///otesse?host=${encodeURIComponent('/nowhere')}`
  expect(await told(nowhere)).toMatch(/there is no socket/)
})

it('of several hosts the one that takes writes is used', async () => {
  const { username, password } = new URL(plain.url)
  const hosts = `127.0.0.1:9,127.0.0.1:${plain.port}`
  await using opened = await openPostgres(
    `postgres://${username}:${password}@${hosts}/otesse?target_session_attrs=read-write`,
  )
  const { rows } = await withDatabase(() => sql`select 1 as one`.execute(opened.db))
  expect(rows).toEqual([{ one: 1 }])
  const standby = `postgres://${username}:${password}@${hosts}/standby?target_session_attrs=primary`
  expect(await told(standby)).toMatch(/read-only/)
})

it.each<[string, () => string, RegExp]>([
  ['nobody there', () => 'postgres://u:p@127.0.0.1:9/x', /nothing listens at 127.0.0.1:9/],
  ['an unknown name', () => 'postgres://u:p@pg.invalid/x', /name pg.invalid cannot be resolved/],
  ['a wrong password', () => changed(plain, (url) => (url.password = 'no')), /user or password/],
  ['no password', () => changed(plain, (url) => (url.password = '')), /PGPASSFILE/],
  ['an unknown database', () => withDatabaseName('none'), /no database of the name/],
  ['LATIN1', () => withDatabaseName('latin'), /is in LATIN1/],
  ['SQL_ASCII', () => withDatabaseName('ascii'), /is in SQL_ASCII/],
  ['a server that takes no writes', () => withDatabaseName('standby'), /read-only/],
  ['a parameter that nobody knows', () => withQuery(plain, 'schema=x'), /\?schema= is not read/],
  ['a file that is not there', () => withQuery(plain, 'sslrootcert=/no'), /\/no: ENOENT/],
  ['a search_path to nowhere', () => withQuery(plain, 'options=-csearch_path%3Dno'), /search_path/],
])('%s', async (_what, url, words) => {
  const sentence = await told(url())
  expect(sentence).toMatch(words)
  expect(sentence).not.toContain('\n')
})

it('a role that may not create is told so before anything is done', async () => {
  const url = changed(plain, (one) => {
    one.username = 'guest'
    one.password = 'guest'
  })
  await using opened = await openPostgres(url)
  await expect(migrate(opened.db)).rejects.toThrow(
    'the role "guest" may not create tables in the schema "public": GRANT CREATE ON SCHEMA "public" TO "guest"',
  )
})
