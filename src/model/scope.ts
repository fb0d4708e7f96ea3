// A scope of the catalogue, and how its name is written. Invariant: a scope name is one token of
// RFC 6749 §3.3 that also survives lists written with commas, which generic connectors send.

/** One scope of the catalogue. */
export interface Scope {
  readonly name: string
  /** What the consent page says. */
  readonly sentence: string
  /** The heading under which the consent page shows it. */
  readonly group: string
  readonly sensitive: boolean
  /** Apps that have it keep it, no other app gets it. */
  readonly deprecated: boolean
  /**
   * The resource server that it belongs to (RFC 8707 §2), for those who read the catalogue; absent
   * where it is for all.
   */
  readonly audience: string | undefined
  /** Goes up by one with every change; the ETag of the admin API. */
  readonly version: number
}

// scope-token = 1*( %x21 / %x23-5B / %x5D-7E ), without the comma (%x2C).
const TOKEN = /^[\x21\x23-\x2B\x2D-\x5B\x5D-\x7E]+$/
const MAX_LENGTH = 100

/** Returns whether a text is one token of a scope list (RFC 6749 §3.3). */
export const isScopeToken = (text: string): boolean => TOKEN.test(text)

/** Returns whether a text could be the name of a scope. */
export const isScopeName = (text: string): boolean => text.length <= MAX_LENGTH && TOKEN.test(text)
