// Client secrets: made once, shown once, kept as a keyed hash. 256 random bits need no slow hash,
// which on the token endpoint would only be a way to exhaust the server. Invariant: a comparison
// tells nothing through its duration, and never costs I/O.
import { equalInConstantTime, type ServerKeys, sha256 } from '../shared/crypto.ts'
import { Secret } from '../shared/secret.ts'
import { isClientSecret, newClientSecret } from '../shared/token-format.ts'
import type { App, AppSecret } from '../model/app.ts'

const PURPOSE = 'client-secret'
const CHECKSUM_LENGTH = 6
const HINT_LENGTH = 4

/** A secret at its birth: the only moment at which it exists in clear. */
export interface NewClientSecret {
  readonly secret: Secret<string>
  readonly hash: string
  readonly keyId: string
  readonly hint: string
}

/** Makes a client secret with its keyed hash. */
export function makeClientSecret(keys: ServerKeys): NewClientSecret {
  const text = newClientSecret()
  const key = keys.current(PURPOSE)
  return {
    secret: new Secret(text),
    hash: key.mac(text),
    keyId: key.id,
    hint: text.slice(-CHECKSUM_LENGTH - HINT_LENGTH, -CHECKSUM_LENGTH),
  }
}

/** Returns the app's secret that the text is, expired or not; `undefined` where it is none. */
function findSecret(app: App, presented: string, keys: ServerKeys): AppSecret | undefined {
  if (app.secrets.length === 0 || !isClientSecret(presented)) return undefined
  for (const key of keys.all(PURPOSE)) {
    const hash = key.mac(presented)
    // Ending early tells which of the app's own secrets it was to somebody who has it, and nothing
    // to anybody else.
    const found = app.secrets.find((secret) => equalInConstantTime(hash, secret.hash))
    if (found !== undefined) return found
  }
  return undefined
}

/** Returns the keyed hashes under which a secret may be stored, one for each server key; none for what has not the form of a secret. */
export const secretHashes = (text: string, keys: ServerKeys): string[] =>
  isClientSecret(text) ? keys.all(PURPOSE).map((key) => key.mac(text)) : []

/**
 * Creates a finder that remembers which secrets it has recognised, by their SHA-256, for as long as
 * the app object lives: an app sends the same secret with each request, and the keyed hash costs
 * several times a plain one. A changed app is another object and is looked at anew.
 */
export function createSecretFinder(
  keys: ServerKeys,
): (app: App, presented: string) => AppSecret | undefined {
  const recognised = new WeakMap<App, Map<string, AppSecret>>()
  return function find(app, presented) {
    const known = recognised.get(app)
    const digest = sha256(presented)
    const before = known?.get(digest)
    if (before !== undefined) return before
    const found = findSecret(app, presented, keys)
    if (found === undefined) return undefined
    // At most one entry for each secret of the app: only what was recognised gets in.
    if (known === undefined) recognised.set(app, new Map([[digest, found]]))
    else known.set(digest, found)
    return found
  }
}

/**
 * Returns the hash of a recognised secret under the current key; `undefined` where it is stored so
 * already.
 */
export function renewedHash(
  keys: ServerKeys,
  secret: AppSecret,
  presented: string,
): Pick<AppSecret, 'hash' | 'keyId'> | undefined {
  const key = keys.current(PURPOSE)
  const hash = key.mac(presented)
  return hash === secret.hash && key.id === secret.keyId ? undefined : { hash, keyId: key.id }
}

/** Names the keys that may have made the hashes of secrets, the current one first. */
export const secretKeyIds = (keys: ServerKeys): string[] => keys.all(PURPOSE).map(({ id }) => id)

/** Returns whether the secret works at that time (milliseconds since the epoch). */
export const isLive = (secret: AppSecret, nowMillis: number): boolean =>
  secret.expiresAt === undefined || secret.expiresAt.getTime() > nowMillis
