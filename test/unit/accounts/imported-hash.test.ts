// Password hashes from elsewhere: known by their form, bounded in their cost, and right for their password only.
import { hash as bcrypt } from '@node-rs/bcrypt'
import * as argon2 from 'argon2'
import {
  hashProblem,
  isForeignHash,
  verifyForeignHash,
} from '../../../src/accounts/imported-hash.ts'
import { argon2id, createPasswords } from '../../../src/accounts/passwords.ts'

const PASSWORD = 'päss word 12345'
const CHEAP = { memoryKib: 1024, passes: 2, lanes: 1 }

// Made by Python's hashlib for that password and the salt "saltsaltsaltsalt".
const PBKDF2 = [
  '$pbkdf2$1000$c2FsdHNhbHRzYWx0c2FsdA$moaXnTgrKzxc0.Rxsex6HxV8Kgo',
  'pbkdf2_sha1$1000$saltsaltsaltsalt$moaXnTgrKzxc0+Rxsex6HxV8Kgo=',
  '$pbkdf2-sha256$1000$c2FsdHNhbHRzYWx0c2FsdA$jDFs3aKTJtpJgc43RxqxjjkcuSsjEkrW03PdVqP9Pp8',
  '$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0c2FsdA$jDFs3aKTJtpJgc43RxqxjjkcuSsjEkrW03PdVqP9Pp8',
  'pbkdf2_sha256$1000$saltsaltsaltsalt$jDFs3aKTJtpJgc43RxqxjjkcuSsjEkrW03PdVqP9Pp8=',
  '$pbkdf2-sha512$1000$c2FsdHNhbHRzYWx0c2FsdA$J9E5Fxcwd5RtylZ9wAscpuiSSEhfLrj/pDGrG/sSW.2.gKt5uO1A9FiSQOqxfdozaFXtBFBjUddYrN./4B7NwQ',
]
// A published vector of bcrypt, of the password U*U.
const BCRYPT_VECTOR = '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'
const BCRYPT_TAIL = '$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'
const SALT = 'c2FsdHNhbHRzYWx0'
const DERIVED = 'jDFs3aKTJtpJgc43RxqxjjkcuSsjEkrW03PdVqP9Pp8'

describe('A hash that was made elsewhere', () => {
  test.each(PBKDF2)('is checked: %s', async (hash) => {
    expect(hashProblem(hash)).toBeUndefined()
    expect(isForeignHash(hash)).toBe(true)
    expect(await verifyForeignHash(hash, Buffer.from(PASSWORD))).toBe(true)
    expect(await verifyForeignHash(hash, Buffer.from(`${PASSWORD}6`))).toBe(false)
  })

  test.each(['$2a$', '$2b$', '$2y$'])('is checked: bcrypt %s', async (prefix) => {
    const hash = BCRYPT_VECTOR.replace('$2a$', prefix)
    expect(hashProblem(hash)).toBeUndefined()
    expect(await verifyForeignHash(hash, Buffer.from('U*U'))).toBe(true)
    expect(await verifyForeignHash(hash, Buffer.from('U*V'))).toBe(false)
  })

  test.each([
    '',
    'secret',
    '5f4dcc3b5aa765d61d8327deb882cf99',
    '$1$salt$hash',
    `$2x$10${BCRYPT_TAIL}`,
    `$2b$10${BCRYPT_TAIL}x`,
    `$2b$16${BCRYPT_TAIL}`,
    `$2b$31${BCRYPT_TAIL}`,
    `$2b$03${BCRYPT_TAIL}`,
    `$pbkdf2-sha256$2000001$${SALT}$${DERIVED}`,
    `$pbkdf2-sha256$0$${SALT}$${DERIVED}`,
    `$pbkdf2-md5$1000$${SALT}$${DERIVED}`,
    `$pbkdf2$1000$${SALT}$${DERIVED}`,
    `pbkdf2_sha256$1000$salt$${DERIVED}${DERIVED}`,
    `$argon2id$v=19$m=262145,t=1,p=1$${SALT}$${DERIVED}`,
    `$argon2id$v=19$m=262144,t=5,p=1$${SALT}$${DERIVED}`,
    `$argon2id$v=19$m=1024,t=11,p=1$${SALT}$${DERIVED}`,
    `$argon2id$v=19$m=1024,t=1,p=17$${SALT}$${DERIVED}`,
    `$argon2id$v=19$m=8,t=0,p=1$${SALT}$${DERIVED}`,
    `$argon2id$v=19$m=1024,m=1024,t=1$${SALT}$${DERIVED}`,
    `$argon2id$v=19$m=1024,t=2,p=1,keyid=a$${SALT}$${DERIVED}`,
    `$argon2id$v=19$m=1024,t=2,p=1,$${SALT}$${DERIVED}`,
    `$argon2id$v=19$t=2,p=1m=1024$${SALT}$${DERIVED}`,
    `$argon2id$v=19$m=1024,t=2,p=1$${SALT}$${'A'.repeat(600)}`,
  ])('of an unknown form or an absurd cost is refused without being repeated: %s', async (hash) => {
    const problem = hashProblem(hash)
    expect(problem).toEqual(expect.any(String))
    if (hash.length > 8) expect(problem).not.toContain(hash)
    if (isForeignHash(hash)) expect(await verifyForeignHash(hash, Buffer.from('x'))).toBe(false)
  })

  test('of argon2 is taken as it is, whatever its kind', async () => {
    for (const type of [argon2.argon2id, argon2.argon2i, argon2.argon2d] as const)
      expect(hashProblem(await argon2.hash(PASSWORD, { type, memoryCost: 1024 }))).toBeUndefined()
  })
})

describe('Signing in with a hash from elsewhere', () => {
  const foreign = [...PBKDF2.slice(3, 5), () => bcrypt(PASSWORD, 4)] as const

  test('does one argon2 verification on top, is right for its password only, and asks to be replaced', async () => {
    let verifications = 0
    const passwords = await createPasswords({
      cost: CHEAP,
      hasher: {
        ...argon2id,
        verify(hash, bytes) {
          verifications += 1
          return argon2id.verify(hash, bytes)
        },
      },
    })
    for (const each of foreign) {
      const hash = typeof each === 'string' ? each : await each()
      verifications = 0
      expect(await passwords.verify(PASSWORD, hash)).toBe(true)
      expect(await passwords.verify('something else', hash)).toBe(false)
      expect(await passwords.verify('a\0b', hash)).toBe(false)
      expect(verifications).toBe(3)
      expect(passwords.needsRehash(hash, PASSWORD)).toBe(true)
    }
    const other = await argon2.hash(PASSWORD, {
      type: argon2.argon2i,
      memoryCost: 1024,
      timeCost: 2,
      parallelism: 1,
    })
    expect(await passwords.verify(PASSWORD, other)).toBe(true)
    expect(passwords.needsRehash(other, PASSWORD)).toBe(true)
  })

  test('is not replaced by what was typed where bcrypt looked at the first 72 bytes alone', async () => {
    const passwords = await createPasswords({ cost: CHEAP })
    const long = 'x'.repeat(72)
    const hash = await bcrypt(`${long}its true end`, 4)
    expect(await passwords.verify(`${long}another end`, hash)).toBe(true)
    expect(passwords.needsRehash(hash, `${long}another end`)).toBe(false)
    expect(passwords.needsRehash(await bcrypt(long, 4), long)).toBe(true)
  })
})
