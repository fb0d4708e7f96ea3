// What the log of revocations is: an ordered list that every process can append to and read on from
// any entry. Whoever remembers what a token is worth follows it. Invariants: what is appended is
// told to every follower of every process, in one order, or the follower is told that it missed
// something; an entry names a token by its hash alone, so nobody can use or guess one from it.

/**
 * What is not to be believed any more. `token` is named by the SHA-256 of the token in base64url,
 * the others by their id: everything that hangs on the grant, the app or the account has to be
 * looked at anew. `all` stands for more than the log could name.
 */
export interface Revocation {
  kind: 'token' | 'grant' | 'app' | 'account' | 'all'
  /** Empty for `all`. */
  key: string
}

/** A revocation with its place in the log. */
export interface LoggedRevocation extends Revocation {
  /** `<number>-<number>`, growing. */
  id: string
}

/** Follows the log. */
export interface RevocationFollower {
  onRevoked(entry: LoggedRevocation): void
  /** Entries may have been missed: whatever is remembered has to be forgotten. */
  onGap(): void
  /** Everything that was in the log at this moment has been told. Comes about once a second as long as the log can be reached. */
  onContact(): void
}

export interface RevocationLog extends AsyncDisposable {
  /**
   * Appends, after the store has forgotten what is revoked. What cannot be appended is tried again
   * until it can.
   *
   * @throws {AppError} `temporarily_unavailable`
   */
  append(revocation: Revocation): Promise<void>
  /** Starts to tell a follower, at once and in order, what is appended from now on, and returns what ends it. */
  follow(follower: RevocationFollower): () => void
  /** Resolves when followers are told. @throws {AppError} `temporarily_unavailable` */
  ready(): Promise<void>
  /** The id of the last entry that followers of this process were told; empty before the log was reached for the first time. */
  position(): string
  /**
   * Reads up to `limit` entries after an id.
   *
   * @returns `undefined` where the log does not know the entry of that id (any more), so that some
   * may have been missed
   * @throws {AppError} `temporarily_unavailable`
   */
  readAfter(id: string, limit: number): Promise<LoggedRevocation[] | undefined>
}

const KINDS: readonly string[] = ['token', 'grant', 'app', 'account', 'all']

/** Returns whether the text is the kind of an entry that followers are told of. */
export const isRevocationKind = (text: string): text is Revocation['kind'] => KINDS.includes(text)

const ID = /^(\d{1,15})-(\d{1,15})$/

/** Returns whether the text has the form of an id. */
export const isLogId = (text: string): boolean => ID.test(text)

/** Returns whether the entry of the first id comes after that of the second one. */
export function isAfter(id: string, other: string): boolean {
  const [, major = '0', minor = '0'] = ID.exec(id) ?? []
  const [, otherMajor = '0', otherMinor = '0'] = ID.exec(other) ?? []
  return major === otherMajor
    ? Number(minor) > Number(otherMinor)
    : Number(major) > Number(otherMajor)
}
