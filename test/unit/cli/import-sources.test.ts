// Exports of other programs become rows whose hashes are right for the passwords that they had.
import { hashProblem, verifyForeignHash } from '../../../src/accounts/imported-hash.ts'
import { convert } from '../../../src/cli/import-sources.ts'
import { Refusal } from '../../../src/cli/session.ts'

function problemsOf(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error instanceof Refusal ? error.problems : error
  }
}

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
  const { rows, left } = convert('keycloak', JSON.stringify(realm), undefined)
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

test('the bulk export of Auth0', () => {
  const hash = '$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'
  const lines = [
    { _id: { $oid: '1' }, email: 'ada@example.com', name: 'ada@example.com', passwordHash: hash },
    { email: 'bob@example.com', name: 'Bob', blocked: true, passwordHash: hash },
  ]
  const { rows, left } = convert('auth0', lines.map((one) => JSON.stringify(one)).join('\n'), '')
  expect(rows).toEqual([{ email: 'ada@example.com', password_hash: hash }])
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
  const { rows, left } = convert('firebase', JSON.stringify({ users }), config)
  expect(await isRight(rows[0]?.password_hash, Buffer.from('user1password'))).toBe(true)
  expect(rows[0]?.name).toBe('Ada')
  expect(rows[1]).toEqual({ email: 'google@example.com' })
  expect([...left]).toEqual([['accounts without an e-mail address', 1]])
  expect(problemsOf(() => convert('firebase', JSON.stringify({ users }), undefined))).toMatchObject(
    [{ sentence: expect.stringContaining('hash_config') }],
  )
})

test.each([
  ['keycloak', '[]'],
  ['keycloak', 'email,name'],
  ['auth0', '{"email":"ada@example.com"}'],
  ['firebase', '{"people":[]}'],
] as const)('a file that is no export of %s is refused: %s', (source, text) => {
  expect(problemsOf(() => convert(source, text, undefined))).toMatchObject([
    { rule: 'export-form' },
  ])
})
