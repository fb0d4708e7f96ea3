import { parsePostgresUrl } from '../../../src/storage/postgres-location.ts'

const PLAIN = { wantsPrimary: false, mayDoWithoutTls: false, bindsChannel: false }
const DB = [{ host: 'db', port: 5432 }]

describe('a URL as libpq’s users write it', () => {
  it.each<[string, object]>([
    [
      'postgres://otesse:p%40ss%2F%25@db:6432/auth',
      { user: 'otesse', password: 'p@ss/%', database: 'auth', hosts: [{ host: 'db', port: 6432 }] },
    ],
    ['postgresql://db', { hosts: DB }],
    ['postgresql:///auth', { database: 'auth', hosts: [{ host: 'localhost', port: 5432 }] }],
    ['postgresql://u@[::1]:1/a', { user: 'u', database: 'a', hosts: [{ host: '::1', port: 1 }] }],
    [
      'postgresql:///auth?host=/var/run/postgresql&port=5433',
      { database: 'auth', hosts: [{ host: '/var/run/postgresql', port: 5433 }] },
    ],
    [
      'postgresql://%2Frun%2Fpg/auth',
      { database: 'auth', hosts: [{ host: '/run/pg', port: 5432 }] },
    ],
    [
      'postgresql://a:1,b/auth?target_session_attrs=read-write',
      {
        database: 'auth',
        wantsPrimary: true,
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 5432 },
        ],
      },
    ],
    [
      'postgres://db?user=u&password=a%26b&dbname=d&application_name=x&options=-c%20search_path%3Dauth',
      {
        hosts: DB,
        user: 'u',
        password: 'a&b',
        database: 'd',
        applicationName: 'x',
        options: '-c search_path=auth',
      },
    ],
    ['postgres://db?sslmode=disable', { hosts: DB, ssl: false }],
    [
      'postgres://db?sslmode=prefer',
      { hosts: DB, ssl: { rejectUnauthorized: false }, mayDoWithoutTls: true },
    ],
    ['postgres://db?sslmode=require', { hosts: DB, ssl: { rejectUnauthorized: false } }],
    ['postgres://db?sslmode=verify-full', { hosts: DB, ssl: {} }],
    ['postgres://db?sslrootcert=system', { hosts: DB, ssl: {} }],
    ['postgres://db?ssl=true', { hosts: DB, ssl: {} }],
    [
      'postgres://db?sslmode=verify-full&sslrootcert=ca&sslcert=c&sslkey=k',
      { hosts: DB, ssl: { ca: 'in ca', cert: 'in c', key: 'in k' } },
    ],
    [
      'postgres://db?sslmode=require&sslrootcert=ca',
      { hosts: DB, ssl: { ca: 'in ca', checkServerIdentity: expect.any(Function) } },
    ],
    // Hosters and Prisma write these; nothing depends on them.
    ['postgres://db?pgbouncer=true&connect_timeout=10', { hosts: DB }],
    ['postgres://db?channel_binding=require', { hosts: DB, bindsChannel: true }],
  ])('%s', (url, location) => {
    expect(parsePostgresUrl(url, (path) => `in ${path}`)).toEqual({ ...PLAIN, ...location })
  })

  it.each([
    ['mysql://db', 'write postgres://'],
    ['postgres://u:a/b@db/auth', '%2F'],
    ['postgres://u:50%@db/auth', '%25'],
    ['postgres://a:b:c/auth', 'brackets'],
    ['postgres://db:70000', '65535'],
    ['postgres://db?sslmode=on', 'sslmode is one of disable, prefer'],
    ['postgres://db?sslmode=verify-ca', 'needs sslrootcert'],
    ['postgres://db?sslcert=c', 'belong together'],
    ['postgres://db?schema=auth', '?schema= is not read'],
    ['postgres://db?service=main', '?service= is not read'],
    ['postgres://db?target_session_attrs=standby', 'target_session_attrs is one of'],
    ['postgres://db?sslmode=require&sslrootcert=missing', 'cannot be read (missing: ENOENT)'],
  ])('%s is refused with words that mend it', (url, words) => {
    const readFile = (path: string): string => {
      if (path === 'missing') throw Object.assign(new Error('no'), { code: 'ENOENT' })
      return path
    }
    expect(() => parsePostgresUrl(url, readFile)).toThrow(words)
  })
})
