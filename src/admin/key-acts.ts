// What admins do to the signing keys, with audit events. Console, API and command line all come through here.
import type { Events } from '../audit/events.ts'
import type { KeyFacts, KeyRing } from '../keys/key-ring.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'

/** The acts; each throws `power_missing` for an operator who may not. */
export interface KeyActs {
  /** Makes the next keys current. @returns whether this call did it, and the keys as they are now */
  rotate(by: Operator): Promise<{ rotated: boolean; keys: readonly KeyFacts[] }>
  /** Seals the private keys anew under the current encryption key. @returns how many were sealed under an older one */
  reseal(by: Operator): Promise<number>
}

/** Creates the acts. */
export function createKeyActs(deps: {
  keyRing: Pick<KeyRing, 'list' | 'rotate' | 'reseal'>
  events: Pick<Events, 'keyRotated' | 'keysResealed'>
}): KeyActs {
  const { keyRing, events } = deps
  return {
    async rotate(by) {
      assertMay(by, 'admin:keys:write')
      const rotated = await keyRing.rotate()
      const keys = keyRing.list()
      if (rotated)
        for (const { kid, alg, status } of keys)
          if (status === 'current') events.keyRotated({ keyId: kid, alg }, contextOf(by))
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
