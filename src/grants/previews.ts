// Previews: authorizations that an admin runs for an app from the console, to see what the app
// would get. Invariants: the address to which they come back is good for nothing but a preview that
// was begun, by the person who began it, for ten minutes, once; what would redeem its code is
// encrypted in the store and nowhere else; no grant begins for that address without a place here.
// Used by the console (begin, take) and on the way there (find).
import { type Clock, MINUTE } from '../shared/clock.ts'
import { pkceChallenge, randomBase62, sha256 } from '../shared/crypto.ts'
import type { Encryption, EncryptedPlace } from '../shared/encryption.ts'
import type { FamilyStore } from './family-store.ts'
import type { Grant } from './grant.ts'
import { LOST, retryCommit } from '../model/retry-commit.ts'

/** Where previews come back to: a page of the console, the same for all apps. */
export const PREVIEW_RETURN_PATH = '/admin/try/return'

/** A preview that was begun and has not come back. */
export interface Preview {
  appId: string
  /** The admin who began it. */
  accountId: string
  /** RFC 7636 §4.1. */
  verifier: string
  nonce: string
  /** Milliseconds since the epoch. */
  endsAt: number
}

/** Keeps previews. */
export interface Previews {
  /** The redirect URI of previews. */
  returnUri: string
  /** Begins a preview; its id is the state of the request and the challenge of its code at once. */
  begin(subject: { appId: string; accountId: string }): Promise<{ id: string; nonce: string }>
  /** Returns a preview that has not come back; reads nothing where there is no id. */
  find(id: string | undefined): Promise<Preview | undefined>
  /** Gives a grant its place in the preview; `false` where that is not for this person and app, is over, or has its grant already. */
  admitGrant(
    id: string | undefined,
    grant: Pick<Grant, 'id' | 'appId' | 'accountId'>,
  ): Promise<boolean>
  /** Ends a preview; returns it to one caller alone, with the grant that it led to. */
  take(id: string): Promise<{ preview: Preview; grantId: string | undefined } | undefined>
}

const LIFE_MILLIS = 10 * MINUTE
const BEGUN = 'preview'
const LED_TO = 'preview-grant'
const VERIFIER_LENGTH = 64
const NONCE_LENGTH = 22

/** The names of one preview in the store: by a hash, because its id is in addresses. */
const familyOf = (id: string): string => sha256(`preview ${id}`)
const placeOf = (family: string): EncryptedPlace => ({ table: '', column: BEGUN, rowId: family })

/** Creates the keeper over the short-lived store. */
export function createPreviews(deps: {
  store: FamilyStore
  box: Encryption
  clock: Clock
  issuer: string
}): Previews {
  const { store, box, clock } = deps

  async function read(family: string) {
    const [encrypted, grantId] = await store.read(family, [BEGUN, LED_TO])
    if (encrypted === undefined) return undefined
    const preview = JSON.parse(box.decrypt(encrypted, placeOf(family))) as Preview
    return preview.endsAt > clock() ? { encrypted, preview, grantId } : undefined
  }

  return {
    returnUri: deps.issuer + PREVIEW_RETURN_PATH,

    async begin(subject) {
      const verifier = randomBase62(VERIFIER_LENGTH)
      const nonce = randomBase62(NONCE_LENGTH)
      const id = pkceChallenge(verifier)
      const family = familyOf(id)
      const preview: Preview = { ...subject, verifier, nonce, endsAt: clock() + LIFE_MILLIS }
      const value = box.encrypt(JSON.stringify(preview), placeOf(family))
      await store.commit(family, {
        expect: [],
        put: [{ name: BEGUN, value, ttlMillis: LIFE_MILLIS }],
      })
      return { id, nonce }
    },

    async find(id) {
      return id === undefined ? undefined : (await read(familyOf(id)))?.preview
    },

    async admitGrant(id, grant) {
      if (id === undefined) return false
      const family = familyOf(id)
      const found = await read(family)
      if (found?.preview.appId !== grant.appId || found.preview.accountId !== grant.accountId)
        return false
      const done = await store.commit(family, {
        expect: [
          { name: BEGUN, state: 'present' },
          { name: LED_TO, state: 'absent' },
        ],
        put: [{ name: LED_TO, value: grant.id, ttlMillis: LIFE_MILLIS }],
      })
      if (done) return true
      // A commit whose answer was lost is sent again by the connection, and then finds itself.
      return (await read(family))?.grantId === grant.id
    },

    async take(id) {
      const family = familyOf(id)
      return retryCommit(async () => {
        const found = await read(family)
        if (found === undefined) return undefined
        const { encrypted, preview, grantId } = found
        const done = await store.commit(family, {
          expect: [
            { name: BEGUN, state: 'equals', value: encrypted },
            grantId === undefined
              ? { name: LED_TO, state: 'absent' }
              : { name: LED_TO, state: 'equals', value: grantId },
          ],
          remove: [BEGUN, LED_TO],
        })
        // Else somebody else took it, or it led to a grant this very moment.
        return done ? { preview, grantId } : LOST
      })
    },
  }
}
