// Encryption at rest: AES-256-GCM envelopes `version.keyId.nonce.ciphertext.tag` whose additional
// data is the row they belong to. Invariant: an encrypted value that is moved to another row,
// column or table cannot be decrypted.
import * as crypto from 'node:crypto'
import type { Secret } from './secret.ts'

/** Where an encrypted value lives; it can be decrypted only there. */
export interface EncryptedPlace {
  table: string
  column: string
  rowId: string
}

/** Encrypts texts for the database. */
export interface Encryption {
  encrypt(plain: string, place: EncryptedPlace): string
  /** @throws {Error} when the envelope is damaged, moved, or its key is not configured */
  decrypt(encrypted: string, place: EncryptedPlace): string
  /** Returns whether the envelope was made with a key that is no longer the current one. */
  isStale(encrypted: string): boolean
  /** What each envelope of the current key begins with, for queries of those that do not. */
  readonly currentPrefix: string
  /** The same of each key that is configured, the current one first. */
  readonly prefixes: readonly string[]
}

const additionalData = (place: EncryptedPlace): Buffer =>
  Buffer.from(JSON.stringify([place.table, place.column, place.rowId]))

interface MasterKey {
  /** The first 8 hex digits of its SHA-256. */
  readonly id: string
  keyFor(place: EncryptedPlace): crypto.KeyObject
}

/**
 * Creates the encryption over the master keys of OTESSE_ENCRYPTION_KEY: one key for all rows.
 *
 * @param masterKeys at least one; the first encrypts, all decrypt
 */
export function createEncryption(masterKeys: readonly Secret<string>[]): Encryption {
  return encryptionOver(
    'v1',
    masterKeys.map((master) => {
      const key = derive(master, 'otesse/sealed-box')
      return { id: idOf(master), keyFor: () => key }
    }),
  )
}

/**
 * Creates the encryption of values that are written often: each row has a key of its own, so that
 * random nonces never come near the bound of one key (NIST SP 800-38D §8.3).
 *
 * @param masterKeys at least one; the first encrypts, all decrypt
 */
export function createRowEncryption(masterKeys: readonly Secret<string>[]): Encryption {
  return encryptionOver(
    'r1',
    masterKeys.map((master) => ({
      id: idOf(master),
      keyFor: ({ table, rowId }) => derive(master, JSON.stringify(['otesse/row', table, rowId])),
    })),
  )
}

const idOf = (master: Secret<string>): string =>
  crypto.hash('sha256', `otesse key id ${master.reveal()}`, 'hex').slice(0, 8)

// RFC 5869, HKDF-SHA-256.
const derive = (master: Secret<string>, info: string): crypto.KeyObject =>
  crypto.createSecretKey(Buffer.from(crypto.hkdfSync('sha256', master.reveal(), '', info, 32)))

function encryptionOver(version: string, keys: readonly MasterKey[]): Encryption {
  const [current] = keys
  if (current === undefined) throw new Error('at least one encryption key is needed')
  return {
    encrypt(plain, place) {
      const nonce = crypto.randomBytes(12)
      const cipher = crypto.createCipheriv('aes-256-gcm', current.keyFor(place), nonce)
      cipher.setAAD(additionalData(place))
      const ciphertext = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      const parts = [nonce, ciphertext, cipher.getAuthTag()].map((part) =>
        part.toString('base64url'),
      )
      return [version, current.id, ...parts].join('.')
    },
    decrypt(encrypted, place) {
      const [written, keyId, nonce, ciphertext, tag] = encrypted.split('.')
      const found = keys.find(({ id }) => id === keyId)
      if (
        written !== version ||
        nonce === undefined ||
        ciphertext === undefined ||
        tag === undefined
      )
        throw new Error('not an encrypted value')
      if (found === undefined)
        throw new Error(`no key ${String(keyId)} is configured for an encrypted value`)
      const decipher = crypto.createDecipheriv(
        'aes-256-gcm',
        found.keyFor(place),
        Buffer.from(nonce, 'base64url'),
        { authTagLength: 16 },
      )
      decipher.setAAD(additionalData(place))
      decipher.setAuthTag(Buffer.from(tag, 'base64url'))
      return Buffer.concat([
        decipher.update(Buffer.from(ciphertext, 'base64url')),
        decipher.final(),
      ]).toString('utf8')
    },
    isStale: (encrypted) => encrypted.split('.')[1] !== current.id,
    currentPrefix: `${version}.${current.id}.`,
    prefixes: keys.map(({ id }) => `${version}.${id}.`),
  }
}
