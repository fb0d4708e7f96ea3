// Imported password hashes: recognised by their form, bounded in their cost, and valid for their
// password only.
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
// Made by those programs for the same password.
const ELSEWHERE: [string, string][] = [
  [
    'passlib pbkdf2_sha256',
    '$pbkdf2-sha256$1000$mpMy5jzHWIvxvpcyprQWQg$3f4Y.0JCAFW9HHNpEuaTY/Fu1/wON3S/gFvqskvfXr4',
  ],
  ['passlib bcrypt', '$2b$04$f6f/ESC1/ONLBjyncxlqj.7TTEmUwjNdjMZugxZvirW36ulE/uiVm'],
  [
    'passlib bcrypt_sha256 v2',
    '$bcrypt-sha256$v=2,t=2b,r=5$P1UG4ZIOMF9KABd.7IVGyu$QDfxTm5bVs5jdxPUFJmrgX0x8joC7.2',
  ],
  [
    'passlib bcrypt_sha256 v1',
    '$bcrypt-sha256$2b,5$EbMDJ1fXkPiohowrSZut6O$fB0yy8xglF2xwVS8kytbIqUilrlfUmq',
  ],
  [
    'passlib scrypt',
    '$scrypt$ln=10,r=8,p=1$shYCgBACAABgjJHS+n8vBQ$ZHXwVPrVcuvy2c88fkGMmvuoEE2BbILVfYzcC28E1SU',
  ],
  [
    'passlib argon2',
    '$argon2id$v=19$m=1024,t=1,p=1$1DpnrPX+37sX4lwrBQBgLA$bgXN70Q1vXFkg3FzOoPxnYl/PWK9SM+/XbcZgOhPqEc',
  ],
  ['passlib phpass', '$P$5qBnW3Lz5nIugJpz8ZRZW5z8cdqjZf1'],
  ['passlib phpass H', '$H$5xD6BUJqkIi578rmNOdbNDKawJwCj7.'],
  [
    'passlib sha512_crypt',
    '$6$rounds=1000$XgHtdljD2QEfpWJp$IJ1QIzoVoRwaQj9/XhcMBBOcPt2wx4.fMT5jsHDZU2thDfARZqbwTlmavhxBgc80JFNVR79aN3n78vWq2zmWq/',
  ],
  [
    'passlib sha512_crypt default',
    '$6$1AH09TLyXfbLJQyY$x7QN/8CMnu9XMSTpLTyupFdg4d6K0t.QQbvPTlNmBuCz6bXBHTx/V9ZZTyqL3UtPwZQ8BRJTOO3KN3ZvjpD2s.',
  ],
  [
    'passlib sha256_crypt',
    '$5$rounds=1000$9t3Vc.ZN2acCnbkj$OuJ7wLSGu00urGkWuMAREwR8v1gmmKmjoPEZCRDRcE/',
  ],
  [
    'django pbkdf2',
    'pbkdf2_sha256$1000$saltsaltsaltsalt$jDFs3aKTJtpJgc43RxqxjjkcuSsjEkrW03PdVqP9Pp8=',
  ],
  [
    'django bcrypt_sha256',
    'bcrypt_sha256$$2b$04$oAGn0PEi6julWsC7fGONAeUb5s9QHVaeHYrjueZaG5Q3.WTp4ikKS',
  ],
  ['django bcrypt', 'bcrypt$$2b$04$Eyg02UtQUcPiqUa3oP2ktOrCw921CeD5tg1CTxc3AEr/yeZnYkQ9C'],
  [
    'django scrypt',
    'scrypt$1024$saltsaltsaltsalt$8$5$z/vP4/OiCt9IJ1h6Pd7gYST2DJaO2ddINHGP8KHXaOVXP2+WXDw2BvmL8KBp6FGT1BfSpguEiC4H/Wy6cFXgyg==',
  ],
  [
    'django argon2',
    'argon2$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$FTbL+t7pgbslEzWD0VOKSgGPgZstDHHGLAq5AdMkAgU',
  ],
  [
    'werkzeug scrypt',
    'scrypt:1024:8:1$PtPTgJ1NXmFekSfU$a72a114888e9659f509d36740997e76d216a4f97a710449df3598a9107378b2d6c13cd8118eb15f5f1ecb92be9f237f5ae5bf4b1a26dc2a99eeb9f68a8644dde',
  ],
  [
    'werkzeug pbkdf2',
    'pbkdf2:sha256:1000$yZmvTYFRrQKBODTp$326a5a30fdc1e86636d1a9702a8ee88271dd5325cfee22964a6e58df3bac1db3',
  ],
  ['WordPress 6.8, made by PHP', '$wp$2y$04$tPEqCMckFZMKAYap07Yy2usyxStmno4tjxrerg7T2ggLqnNz38hRm'],
  ['PHP password_hash', '$2y$04$z2kfQJRkFVUulOMzRBRX4.HTLd7LcmoV95RwEylBfSwvtsmZUH0Ou'],
  ['Drupal 7, made by PHP', '$S$5abcdefghcBBhkZCE9yLxwMDePQrG88Gtj2npY2Pgvk8NO9SSLRU'],
  [
    'PHP crypt, SHA-512',
    '$6$rounds=1000$saltsalt$VpHeLxmmZyDsGwCgV6E.XOizeWcVFHSDXIEY3o1Ta1TbCSssQKIZ41JIH0gHteTzIi89K8wyPNbuOMCG6lXbP0',
  ],
  ['PHP crypt, SHA-256', '$5$saltsalt$Pamy4VNTbVMSRscWRI/XGR9jOppLJUZBkoN1Mzj6L.8'],
  [
    'ASP.NET Core Identity 3, SHA-512',
    'AQAAAAIAAAPoAAAAEHNhbHRzYWx0c2FsdHNhbHQn0TkXFzB3lG3KVn3ACxym6JJISF8uuP+kMasb+xJb7Q==',
  ],
  [
    'ASP.NET Core Identity 3, SHA-256',
    'AQAAAAEAAAPoAAAAEHNhbHRzYWx0c2FsdHNhbHSMMWzdopMm2kmBzjdHGrGOORy5KyMSStbTc91Wo/0+nw==',
  ],
  ['ASP.NET Identity 2', 'AHNhbHRzYWx0c2FsdHNhbHSahpedOCsrPFzT5HGx7HofFXwqCtaUzVyJMwVf/ruYug=='],
  [
    'Keycloak, SHA-1, 64 bytes',
    '$pbkdf2-sha1$i=1000,l=64$c2FsdHNhbHRzYWx0c2FsdA$moaXnTgrKzxc0+Rxsex6HxV8KgrWlM1ciTMFX/67mLqNYqJ3mR4o/cyVqI8bX0L3NDBSKrrrDNZFAePhfo3Z6Q',
  ],
  [
    'Keycloak, SHA-256, 64 bytes, padded',
    '$pbkdf2-sha256$i=1000,l=64$c2FsdHNhbHRzYWx0c2FsdA==$jDFs3aKTJtpJgc43RxqxjjkcuSsjEkrW03PdVqP9Pp9/ZLTAhv3RQjalqS0BHpMOFNHWvZuwVs+h8cPwnpfuQA==',
  ],
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

  test.each(ELSEWHERE)('is checked: %s', async (_program, hash) => {
    expect(hashProblem(hash)).toBeUndefined()
    expect(await verifyForeignHash(hash, Buffer.from(PASSWORD))).toBe(true)
    expect(await verifyForeignHash(hash, Buffer.from(`${PASSWORD}6`))).toBe(false)
  })

  test('is checked: Firebase, with the signer key of the project (the vector of its own documentation)', async () => {
    const hash =
      '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=='
    expect(hashProblem(hash)).toBeUndefined()
    expect(await verifyForeignHash(hash, Buffer.from('user1password'))).toBe(true)
    expect(await verifyForeignHash(hash, Buffer.from('user2password'))).toBe(false)
  })

  // Its four blocks would cost six seconds; the first one proves enough.
  test('is taken with the most iterations that Keycloak sets: 1 300 000 of SHA-1, 64 bytes', () => {
    const derived = Buffer.alloc(64, 7).toString('base64')
    expect(hashProblem(`$pbkdf2-sha1$i=1300000$c2FsdHNhbHRzYWx0c2FsdA$${derived}`)).toBeUndefined()
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
    `pbkdf2_sha256$1000$salt$${DERIVED}${DERIVED}${DERIVED}`,
    `$pbkdf2-sha1$i=2000001,l=64$${SALT}$${DERIVED}${DERIVED}`,
    `$scrypt$ln=19,r=8,p=1$${SALT}$${DERIVED}`,
    `$scrypt$ln=14,r=8,p=99$${SALT}$${DERIVED}`,
    `scrypt:1000:8:1$salt$${'ab'.repeat(32)}`,
    '$P$K737CehjTTd36FX8C72DdMlG/Z0qwR0',
    '$6$rounds=999999999$saltsalt$VpHeLxmmZyDsGwCgV6E.XOizeWcVFHSDXIEY3o1Ta1TbCSssQKIZ41JIH0gHteTzIi89K8wyPNbuOMCG6lXbP0',
    '5f4dcc3b5aa765d61d8327deb882cf99',
    '{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=',
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

  test.each([
    'md5$salt$5f4dcc3b5aa765d61d8327deb882cf99',
    'sha1$salt$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8',
    'unsalted_md5$$5f4dcc3b5aa765d61d8327deb882cf99',
    'sha256$salt$5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b5aa765d61d8327deb882cf99',
    '5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8',
    '$apr1$salt$hash',
    '{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=',
  ])('of a fast digest is refused as one: %s', (hash) => {
    expect(hashProblem(hash)).toMatch(/too fast to protect a password/)
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
      expect(await passwords.check(PASSWORD, hash)).toBe('outdated')
      expect(await passwords.check('something else', hash)).toBe('wrong')
      expect(await passwords.check('a\0b', hash)).toBe('wrong')
      expect(verifications).toBe(3)
    }
    const other = await argon2.hash(PASSWORD, {
      type: argon2.argon2i,
      memoryCost: 1024,
      timeCost: 2,
      parallelism: 1,
    })
    expect(await passwords.check(PASSWORD, other)).toBe('outdated')
  })

  test('is not replaced by what was typed where bcrypt looked at the first 72 bytes alone', async () => {
    const passwords = await createPasswords({ cost: CHEAP })
    const long = 'x'.repeat(72)
    const hash = await bcrypt(`${long}its true end`, 4)
    expect(await passwords.check(`${long}another end`, hash)).toBe('right')
    expect(await passwords.check(long, await bcrypt(long, 4))).toBe('outdated')
  })

  test.each(['NFC', 'NFD', 'NFKC'])(
    'is right for a password that was hashed as it was typed, whatever its normalisation: %s',
    async (form) => {
      const passwords = await createPasswords({ cost: CHEAP })
      const typed = 'M\u1eadt kh\u1ea9u c\u1ee7a t\u00f4i \ufb01'.normalize(form)
      const hash = await bcrypt(typed, 4)
      expect(await passwords.check(typed, hash)).toBe('outdated')
      const ofArgon2 = await argon2id.hash(Buffer.from(typed), CHEAP)
      expect(await passwords.check(typed, ofArgon2)).toBe(form === 'NFD' ? 'outdated' : 'right')
      expect(await passwords.check(`${typed}x`, ofArgon2)).toBe('wrong')
    },
  )
})
