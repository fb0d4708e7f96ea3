// Exports of other programs become rows whose hashes are right for the passwords that they had.
import { scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { hashProblem, verifyForeignHash } from '../../../../src/accounts/imported-hash.ts'
import {
  convert as convertPieces,
  noCounts,
  type Source,
  type SourceRow,
} from '../../../../src/admin/import/export-formats.ts'
import { FileRefused } from '../../../../src/admin/import/text-file.ts'

const sizes = [1, 7, 1_000_000]

/** Reads an export that arrives in pieces, which make no difference. */
async function convert(source: Source, text: string, parameters: string | undefined) {
  const results = []
  for (const size of sizes) {
    const rows: (SourceRow | undefined)[] = []
    const counts = noCounts()
    for await (const row of convertPieces(source, inPieces(text, size), parameters, counts))
      rows.push(row)
    results.push({ rows, ...counts })
  }
  const [first, ...others] = results
  for (const other of others) expect(other).toEqual(first)
  return first ?? { rows: [], ...noCounts() }
}

async function* inPieces(text: string, size: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size)
    yield await Promise.resolve(text.slice(at, at + size))
}

const problemOf = (work: Promise<unknown>): Promise<unknown> =>
  work.catch((error: unknown) => (error instanceof FileRefused ? error.problem : error))

const PASSWORD = Buffer.from('correct horse battery')
const SALT = 'c2FsdHNhbHRzYWx0c2FsdA=='
const isRight = async (hash = '', password = PASSWORD): Promise<unknown> =>
  hashProblem(hash) ?? (await verifyForeignHash(hash, password))

const credential = (algorithm: string, hashIterations: number, value: string, more = {}) => ({
  type: 'password',
  secretData: JSON.stringify({ value, salt: SALT, additionalParameters: {} }),
  credentialData: JSON.stringify({ hashIterations, algorithm, additionalParameters: more }),
})
const SHA512 =
  'lYhPheApeiwq3tKG8A+KHC4iQ8mmHXFAKab1ywrJ5QhG73jAKAyVeLsbqTYH/KNRnW0OYbntj3FPNcXf3GKcRg=='
const SHA1 =
  'NcA2jyIs3HUlQRwFRhBCuXxEFJmhZv4hijtyzu2Gp3+6i8FfEDFQ9tJJUdK1M1qxRwb7PuF1eRl7uyPVDEdEEA=='
const ARGON2 = 'N9D9+W+zAwaZlb5TQSjckrOq7wZ4WiEGWNGaMEr8FiE='

test('a realm of Keycloak: names, each kind of hash, and what is left out', async () => {
  const realm = {
    realm: 'company',
    users: [
      {
        username: 'ada',
        email: 'ada@example.com',
        firstName: 'Ada',
        lastName: 'Lovelace',
        enabled: true,
        credentials: [{ type: 'otp' }, credential('pbkdf2-sha512', 1000, SHA512)],
      },
      { username: 'bob@example.com', credentials: [credential('pbkdf2', 1000, SHA1)] },
      {
        email: 'eve@example.com',
        credentials: [
          credential('argon2', 5, ARGON2, {
            hashLength: ['32'],
            memory: ['7168'],
            type: ['id'],
            version: ['1.3'],
            parallelism: ['1'],
          }),
        ],
      },
      { email: 'social@example.com', enabled: true },
      { email: 'odd@example.com', credentials: [credential('homemade', 1, SHA1)] },
      { email: 'gone@example.com', enabled: false },
      { username: 'service-account-api', serviceAccountClientId: 'api' },
      { username: 'nobody' },
    ],
  }
  const { rows: all, left } = await convert('keycloak', JSON.stringify(realm), undefined)
  // Those that are left out keep their place, by which a problem of another one is found.
  expect(all.map((row) => row === undefined)).toEqual([...Array(5).fill(false), true, true, true])
  const rows = all.filter((row) => row !== undefined)
  expect(rows.map(({ email, name }) => [email, name])).toEqual([
    ['ada@example.com', 'Ada Lovelace'],
    ['bob@example.com', undefined],
    ['eve@example.com', undefined],
    ['social@example.com', undefined],
    ['odd@example.com', undefined],
  ])
  for (const { password_hash: hash } of rows.slice(0, 3)) expect(await isRight(hash)).toBe(true)
  expect(rows[3]).not.toHaveProperty('password_hash')
  expect(hashProblem(rows[4]?.password_hash ?? '')).toMatch(/not known/)
  expect([...left]).toEqual([
    ['disabled accounts', 1],
    ['service accounts', 1],
    ['accounts without an e-mail address', 1],
  ])
})

test('of an account of Keycloak is told what does not come along', async () => {
  const otp = { type: 'otp' }
  const history = { ...credential('pbkdf2', 1000, SHA1), type: 'password-history' }
  const password = credential('pbkdf2', 1000, SHA1)
  const users = [
    { email: 'a@example.com', emailVerified: false, credentials: [history, otp, password] },
    {
      email: 'b@example.com',
      requiredActions: ['UPDATE_PASSWORD', 'VERIFY_EMAIL'],
      credentials: [password],
    },
    { email: 'c@example.com', federatedIdentities: [{ identityProvider: 'google' }] },
    { email: 'd@example.com', federationLink: 'ldap', credentials: [] },
    // Before Keycloak 8.
    {
      email: 'e@example.com',
      credentials: [
        {
          type: 'password',
          hashedSaltedValue: SHA512,
          salt: SALT,
          hashIterations: 1000,
          algorithm: 'pbkdf2-sha512',
        },
      ],
    },
  ]
  // Several realms of one file.
  const file = [
    { realm: 'a', users: users.slice(0, 2) },
    { realm: 'b', users: users.slice(2) },
  ]
  const { rows, dropped } = await convert('keycloak', JSON.stringify(file), undefined)
  expect(rows.map((row) => row?.password_hash !== undefined)).toEqual([
    true,
    false,
    false,
    false,
    true,
  ])
  expect(await isRight(rows[4]?.password_hash)).toBe(true)
  expect([...dropped]).toEqual([
    ['histories of old passwords', 1],
    ['second factors', 1],
    ['the mark that an e-mail address was not verified', 1],
    ['passwords that their owners had to change', 1],
    ['required actions', 1],
    ['the tie to another identity provider of accounts without a password', 2],
  ])
})

test('a list in the form of the import of Auth0, with hashes of other programs', async () => {
  const derived = await promisify(scrypt)(PASSWORD, Buffer.from('salt'), 32)
  const custom = (algorithm: string, value: string, more: object = {}) => ({
    email: `${algorithm}@example.com`,
    custom_password_hash: { algorithm, hash: { value, encoding: 'hex' }, ...more },
  })
  const users = [
    custom('scrypt', (derived as Buffer).toString('hex'), {
      salt: { value: 'salt', encoding: 'utf8' },
      keylen: 32,
      cost: 16384,
    }),
    custom('pbkdf2', `$pbkdf2-sha512$i=1000,l=64$${SALT}$${SHA512}`),
    custom('sha256', 'ab'.repeat(32)),
    custom('bcrypt', '$2b$10$abc', { password: { encoding: 'utf16le' } }),
    { email: 'google@example.com', identities: [{ provider: 'google-oauth2' }] },
  ]
  const { rows, dropped } = await convert('auth0', JSON.stringify(users), undefined)
  expect(await isRight(rows[0]?.password_hash)).toBe(true)
  expect(await isRight(rows[1]?.password_hash)).toBe(true)
  expect(await isRight(rows[2]?.password_hash)).toMatch(/too fast/)
  expect(await isRight(rows[3]?.password_hash)).toMatch(/not known/)
  expect(rows[4]).toEqual({ email: 'google@example.com' })
  expect(dropped.size).toBe(1)
})

test('the bulk export of Auth0', async () => {
  const hash = '$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'
  const lines = [
    { _id: { $oid: '1' }, email: 'ada@example.com', name: 'ada@example.com', passwordHash: hash },
    { email: 'bob@example.com', name: 'Bob', blocked: true, passwordHash: hash },
  ]
  const { rows, left } = await convert(
    'auth0',
    lines.map((one) => JSON.stringify(one)).join('\n'),
    '',
  )
  expect(rows).toEqual([{ email: 'ada@example.com', password_hash: hash }, undefined])
  expect([...left]).toEqual([['blocked accounts', 1]])
})

test('an export of Firebase with the parameters of its project, as the console shows them', async () => {
  const config = `hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}`
  const users = [
    {
      localId: '1',
      email: 'ada@example.com',
      displayName: 'Ada',
      passwordHash:
        'lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ==',
      salt: '42xEC-ixf3L2lw==',
    },
    { localId: '2', email: 'google@example.com' },
    { localId: '3', phoneNumber: '+1' },
  ]
  const { rows, left } = await convert('firebase', JSON.stringify({ users }), config)
  expect(await isRight(rows[0]?.password_hash, Buffer.from('user1password'))).toBe(true)
  expect(rows[0]?.name).toBe('Ada')
  expect(rows[1]).toEqual({ email: 'google@example.com' })
  expect([...left]).toEqual([['accounts without an e-mail address', 1]])
  expect(await problemOf(convert('firebase', JSON.stringify({ users }), undefined))).toMatchObject({
    sentence: expect.stringContaining('hash_config'),
  })
})

test.each([
  ['keycloak', '[]'],
  ['keycloak', 'email,name'],
  ['auth0', '{"email":"ada@example.com"}'],
  ['firebase', '{"people":[]}'],
] as const)('a file that is no export of %s is refused: %s', async (source, text) => {
  expect(await problemOf(convert(source, text, undefined))).toMatchObject({ rule: 'export-form' })
})

test.each([
  ['keycloak', '{"users":[{"email":"a@example.com"},{"email":"b@exa', /cut off/],
  ['keycloak', '{"users":[{"email":"a@example.com"}]', /cut off/],
  ['auth0', '[{"email":"a@example.com","passwordHash":"x"}}', /cut off/],
] as const)('an export of %s that was cut off is refused: %s', async (source, text, sentence) => {
  expect(await problemOf(convert(source, text, undefined))).toMatchObject({
    sentence: expect.stringMatching(sentence),
  })
})

test('lists of other things, brackets in texts and entries beyond measure', async () => {
  const users = [
    { email: 'a@example.com', lastName: '}] "users": [{', attributes: { users: [{ email: 'x' }] } },
    { email: 'long@example.com', lastName: 'x'.repeat(1_000_001) },
    { email: 'b@example.com' },
  ]
  const realm = { groups: [{ name: 'g', users: [{ email: 'no@example.com' }] }], users }
  const { rows, left } = await convert('keycloak', JSON.stringify(realm), undefined)
  expect(rows.map((row) => row?.email)).toEqual(['a@example.com', undefined, 'b@example.com'])
  expect([...left]).toEqual([['entries that are no objects', 1]])
})
