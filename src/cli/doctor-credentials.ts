// Which keys the credentials of connections still need, so that an admin knows when an older one
// may leave. Invariant: counts only; nothing is decrypted.
import { createReencryptStore } from '../connections/reencrypt.store.ts'
import { createRowEncryption } from '../shared/encryption.ts'
import type { SecretsConfig } from '../config/config.ts'
import type { OpenDatabase } from '../storage/database.ts'
import type { Finding } from './finding.ts'

const check = 'credentials of connections'

/** Compares the keys that encrypt credentials with the configured ones. */
export async function checkCredentials(
  { db }: OpenDatabase,
  { connectionsKeys, encryptionKeys }: SecretsConfig,
): Promise<Finding> {
  const keys = [...(connectionsKeys ?? []), ...encryptionKeys]
  const encryption = createRowEncryption(keys)
  const { all, older, lost } = await createReencryptStore(db, encryption).count()
  const setting = connectionsKeys === undefined ? 'OTESSE_ENCRYPTION_KEY' : 'OTESSE_CONNECTIONS_KEY'
  if (all === 0) return { check, status: 'ok', sentence: 'There are none yet.' }
  if (lost > 0)
    return {
      check,
      status: 'fail',
      sentence: `${lost} of ${all} values are encrypted under a key that is not configured: they cannot be used. Add that key to ${setting} after the new one.`,
    }
  if (older > 0)
    return {
      check,
      status: 'warn',
      sentence: `${older} of ${all} values are still encrypted under an older key: keep that key, and run: otesse connection reencrypt`,
    }
  return {
    check,
    status: 'ok',
    sentence: `The first key of ${setting} is enough for all ${all} values.`,
  }
}
