// What admins do to the signing keys, with audit events. Console, API and command line all come
// through here.
import type { Events } from '../audit/events.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { KeyFacts } from '../keys/signing-key.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'

/** Each throws `power_missing` for an operator who may not. */
export interface KeyService {
  /**
   * Makes the next key of each algorithm current.
   *
   * @param options.isEmergency does so although some apps may not know them yet
   * @returns whether this call did it, and the keys as they are now
   * @throws {AppError} `keys_too_young`
   */
  rotate(
    by: Operator,
    options?: { isEmergency?: boolean },
  ): Promise<{ rotated: boolean; keys: readonly KeyFacts[] }>
  /**
   * Re-encrypts the private keys under the current encryption key.
   *
   * @returns how many were encrypted under an older one
   */
  reseal(by: Operator): Promise<number>
}

/** Creates the service. */
export function createKeyService(deps: {
  keyRing: Pick<KeyRing, 'list' | 'rotate' | 'rotatableFrom' | 'reseal'>
  events: Pick<Events, 'keyRotated' | 'keysResealed'>
}): KeyService {
  const { keyRing, events } = deps
  return {
    async rotate(by, { isEmergency = false } = {}) {
      assertMay(by, 'admin:keys:write')
      const isEarly = keyRing.rotatableFrom() !== undefined
      const rotated = await keyRing.rotate({ isEmergency })
      const keys = keyRing.list()
      if (rotated)
        for (const { kid, alg, status } of keys)
          if (status === 'current') events.keyRotated({ keyId: kid, alg, isEarly }, contextOf(by))
      return { rotated, keys }
    },
    async reseal(by) {
      assertMay(by, 'admin:keys:write')
      const count = await keyRing.reseal()
      if (count > 0) events.keysResealed({ count }, contextOf(by))
      return count
    },
  }
}
