// Which keys of OTESSE_SECRET_KEY the stored client secrets still need, so that an admin knows when
// an older one may leave. Invariant: counts only; no hash and no key is shown.
import type { AppStore } from '../apps/app-persistence.ts'
import { secretKeyIds } from '../apps/client-secret.ts'
import type { ServerKeys } from '../shared/crypto.ts'
import type { Finding } from './finding.ts'

const check = 'client secrets'

/** Compares the keys that made the live client secrets with the configured ones. */
export async function checkClientSecrets(
  store: Pick<AppStore, 'countSecretsByKey'>,
  serverKeysOf: () => Promise<ServerKeys>,
  now: Date,
): Promise<Finding> {
  const counts = await store.countSecretsByKey(now)
  const all = sum(counts.values())
  if (all === 0) return { check, status: 'ok', sentence: 'There are none yet.' }
  const [current, ...older] = secretKeyIds(await serverKeysOf())
  const under = (ids: readonly (string | undefined)[]) => sum(ids.map((id) => counts.get(id) ?? 0))
  const unknown = under([undefined])
  const strange = all - unknown - under([current, ...older])
  if (strange > 0)
    return {
      check,
      status: 'fail',
      sentence: `${strange} of ${all} were made under a key that is not in OTESSE_SECRET_KEY: they do not work. Add that key after the new one, or create new secrets.`,
    }
  const waiting = under(older) + (older.length > 0 ? unknown : 0)
  if (waiting > 0)
    return {
      check,
      status: 'warn',
      sentence: `${waiting} of ${all} may still need an older key: keep it in OTESSE_SECRET_KEY after the new one. A secret moves to the new key when its app next uses it.`,
    }
  return {
    check,
    status: 'ok',
    sentence:
      unknown === 0
        ? `The first key of OTESSE_SECRET_KEY is enough for all ${all}.`
        : `${unknown} of ${all} have not been used since an update that notes their key; the first key of OTESSE_SECRET_KEY is enough for the others.`,
  }
}

const sum = (counts: Iterable<number>): number =>
  [...counts].reduce((left, right) => left + right, 0)
