// bcrypt, bare and as other programs wrap it: Django, passlib's bcrypt_sha256, WordPress since 6.8.
import { verify } from '@node-rs/bcrypt'
import { digestOf, hmac } from '../../shared/legacy-hashes.ts'
import type { HashFormat, ParsedHash } from './hash-format.ts'

// About three seconds of one thread at most.
const MAX_COST = 15
const BYTES_SEEN = 72

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/
/** passlib: `$bcrypt-sha256$v=2,t=2b,r=12$salt$digest`, and without `v=` before. */
const PASSLIB =
  /^\$bcrypt-sha256\$(?:v=(2),t=)?(2[ab]),(?:r=)?(\d{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})$/

/** Reads bcrypt in any of its dresses. */
export const parseBcrypt: HashFormat = (hash) => {
  if (hash.startsWith('bcrypt$')) return bare(hash.slice('bcrypt$'.length))
  if (hash.startsWith('bcrypt_sha256$'))
    return wrapped(hash.slice('bcrypt_sha256$'.length), (password) =>
      Buffer.from(digestOf('sha256', password).toString('hex')),
    )
  if (hash.startsWith('$wp$')) {
    // PHP's trim() is applied before WordPress hashes.
    const found = wrapped(hash.slice('$wp'.length), (password) =>
      Buffer.from(hmac('sha384', 'wp-sha384', trimmed(password)).toString('base64')),
    )
    return found && { ...found, seesAll: (password) => trimmed(password).equals(password) }
  }
  return bare(hash) ?? passlib(hash)
}

function bare(hash: string): ParsedHash | undefined {
  const found = wrapped(hash, (password) => password)
  return found && { ...found, seesAll: ({ length }) => length <= BYTES_SEEN }
}

function passlib(hash: string): ParsedHash | undefined {
  const [, version, type = '', cost = '', salt = '', digest = ''] = PASSLIB.exec(hash) ?? []
  if (salt === '') return undefined
  return wrapped(`$${type}$${cost.padStart(2, '0')}$${salt}${digest}`, (password) =>
    Buffer.from(
      (version === '2' ? hmac('sha256', salt, password) : digestOf('sha256', password)).toString(
        'base64',
      ),
    ),
  )
}

/** A bcrypt hash of something that was made of the password. */
function wrapped(hash: string, prepare: (password: Buffer) => Buffer): ParsedHash | undefined {
  const cost = BCRYPT.exec(hash)?.[1]
  if (cost === undefined) return undefined
  return {
    problem: problemOf(Number(cost)),
    matches: (password) => verify(prepare(password), hash),
  }
}

function problemOf(cost: number): string | undefined {
  if (cost < 4) return 'bcrypt has no cost below 4.'
  return cost > MAX_COST ? `bcrypt of cost ${cost} is too slow: at most ${MAX_COST}.` : undefined
}

const trimmed = (password: Buffer): Buffer =>
  Buffer.from(password.toString('latin1').replace(/^[ \n\r\t\v\0]+|[ \n\r\t\v\0]+$/g, ''), 'latin1')
