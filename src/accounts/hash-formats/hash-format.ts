// What a format of password hashes is to whoever imports and checks one.

/** A hash of a known format. */
export interface ParsedHash {
  /** Why it is not imported, as a sentence that does not repeat it. */
  problem?: string | undefined
  /** Returns whether it is of this password; computes off the event loop, or in slices. */
  matches(password: Buffer): Promise<boolean>
  /**
   * Returns whether the hash looked at all of the password. Where it did not, what was typed must
   * not take the place of the password.
   */
  seesAll?(password: Buffer): boolean
}

/** Reads a hash; `undefined` where it is of another format. */
export type HashFormat = (hash: string) => ParsedHash | undefined

/** Decodes base64 in its usual alphabet, and in the one of passlib, which writes + as a dot. */
export const fromBase64 = (text: string): Buffer => Buffer.from(text.replaceAll('.', '+'), 'base64')
