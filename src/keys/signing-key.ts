// One signing key: made, and opened as it is stored. Invariant: its private half is encrypted
// wherever it is written, and bound to its row.
import type { SigningAlg } from '../model/signing-alg.ts'
import { createSigningKey } from '../shared/crypto.ts'
import type { EncryptedPlace, Encryption } from '../shared/encryption.ts'
import { newKeyId } from '../shared/ids.ts'
import { type KeyStatus, type StoredKey, TABLES } from './key.store.ts'

/** A private signing key (RFC 7518 §6.2, RFC 7518 §6.3). */
export interface PrivateJwk {
  readonly kid: string
  readonly alg: SigningAlg
  readonly use: 'sig'
  readonly kty: string
  readonly d: string
  /** Of ES256. */
  readonly crv?: string
  readonly x?: string
  readonly y?: string
  /** Of RS256. */
  readonly n?: string
  readonly e?: string
  readonly p?: string
  readonly q?: string
  readonly dp?: string
  readonly dq?: string
  readonly qi?: string
}

/** A key as an admin sees it. */
export interface KeyFacts {
  readonly kid: string
  readonly alg: SigningAlg
  readonly status: KeyStatus
  readonly createdAt: Date
  readonly activatedAt: Date | undefined
  readonly retiredAt: Date | undefined
}

/** A key that this process can sign with. */
export interface OpenKey extends KeyFacts {
  readonly jwk: PrivateJwk
  readonly encrypted: string
}

const MEMBERS: Record<SigningAlg, { public: readonly string[]; private: readonly string[] }> = {
  ES256: { public: ['kty', 'crv', 'x', 'y'], private: ['d'] },
  RS256: { public: ['kty', 'n', 'e'], private: ['d', 'p', 'q', 'dp', 'dq', 'qi'] },
}

const placeOf = (alg: SigningAlg, kid: string): EncryptedPlace => ({
  table: TABLES[alg],
  column: 'sealed_private_jwk',
  rowId: kid,
})

/** Takes over only the members that are known. */
const pick = (jwk: Readonly<Record<string, unknown>>, names: readonly string[]) =>
  names.map((name) => {
    const value = jwk[name]
    if (typeof value !== 'string') throw new Error(`a signing key lacks its member ${name}`)
    return [name, value] as const
  })

/** Makes a key. */
export async function makeKey(
  box: Encryption,
  alg: SigningAlg,
  status: KeyStatus,
  at: Date,
): Promise<StoredKey> {
  const id = newKeyId()
  const { privateJwk, publicJwk } = await createSigningKey(alg)
  return {
    id,
    alg,
    status,
    publicJwk: { ...publicJwk },
    encryptedPrivateJwk: box.encrypt(JSON.stringify(privateJwk), placeOf(alg, id)),
    createdAt: at,
    activatedAt: status === 'current' ? at : undefined,
    retiredAt: undefined,
  }
}

/** @throws {Error} where OTESSE_ENCRYPTION_KEY is not the one that it was encrypted with */
export function openKey(box: Encryption, stored: StoredKey): OpenKey {
  const { id: kid, alg, status, createdAt, activatedAt, retiredAt } = stored
  let text: string
  try {
    text = box.decrypt(stored.encryptedPrivateJwk, placeOf(alg, kid))
  } catch (cause) {
    throw new Error(
      `The signing key ${kid} does not open: OTESSE_ENCRYPTION_KEY is not the one that it was encrypted with. ` +
        'Put that key back; while keys are being changed, name the new one first and the old one after it.',
      { cause },
    )
  }
  const secret = JSON.parse(text) as Readonly<Record<string, unknown>>
  const members = MEMBERS[alg]
  const jwk = {
    kid,
    alg,
    use: 'sig',
    ...Object.fromEntries(pick(stored.publicJwk, members.public)),
    ...Object.fromEntries(pick(secret, members.private)),
  } as PrivateJwk
  const facts = { kid, alg, status, createdAt, activatedAt, retiredAt }
  return { ...facts, jwk, encrypted: stored.encryptedPrivateJwk }
}

/** Returns the private half encrypted under the current key; `undefined` where it is already. */
export function encryptAnew(box: Encryption, { alg, kid, encrypted }: OpenKey): string | undefined {
  if (!box.isStale(encrypted)) return undefined
  const place = placeOf(alg, kid)
  return box.encrypt(box.decrypt(encrypted, place), place)
}
