// Encryption at rest: AES-256-GCM envelopes `version.keyId.nonce.ciphertext.tag` whose additional
// data is the row they belong to. Invariant: an encrypted value that is moved to another row,
// column or table cannot be decrypted.
import * as crypto from 'node:crypto'
import type { Secret } from './secret.ts'

const VERSION = 'v1'

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
}

const additionalData = (place: EncryptedPlace): Buffer =>
  Buffer.from(JSON.stringify([place.table, place.column, place.rowId]))

/**
 * Creates the encryption over the master keys of OTESSE_ENCRYPTION_KEY.
 *
 * @param masterKeys at least one; the first encrypts, all decrypt. Each is known by the first 8 hex
 * digits of its SHA-256.
 */
export function createEncryption(masterKeys: readonly Secret<string>[]): Encryption {
  const keys = masterKeys.map((master) => ({
    id: crypto.hash('sha256', `otesse key id ${master.reveal()}`, 'hex').slice(0, 8),
    key: crypto.createSecretKey(
      Buffer.from(crypto.hkdfSync('sha256', master.reveal(), '', 'otesse/sealed-box', 32)),
    ),
  }))
  const [current] = keys
  if (current === undefined) throw new Error('at least one encryption key is needed')
  return {
    encrypt(plain, place) {
      const nonce = crypto.randomBytes(12)
      const cipher = crypto.createCipheriv('aes-256-gcm', current.key, nonce)
      cipher.setAAD(additionalData(place))
      const ciphertext = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      const parts = [nonce, ciphertext, cipher.getAuthTag()].map((part) =>
        part.toString('base64url'),
      )
      return [VERSION, current.id, ...parts].join('.')
    },
    decrypt(encrypted, place) {
      const [version, keyId, nonce, ciphertext, tag] = encrypted.split('.')
      const found = keys.find(({ id }) => id === keyId)
      if (
        version !== VERSION ||
        nonce === undefined ||
        ciphertext === undefined ||
        tag === undefined
      )
        throw new Error('not an encrypted value')
      if (found === undefined)
        throw new Error(`no key ${String(keyId)} is configured for an encrypted value`)
      const decipher = crypto.createDecipheriv(
        'aes-256-gcm',
        found.key,
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
  }
}
