// What the grants need of a store, and what they may rely on. Redis and the embedded store both
// satisfy it and pass the same contract suite.
//
//   family     g            the grant (JSON); its existence is what keeps every token of the family alive
//              r            the refresh state (JSON)
//              a:<hash>     an access token (JSON), until it expires
//              c:<hash>     an authorization code (JSON), until it is redeemed or expires
//              n            how often the grace answered since the last rotation (a number)
//              x:<hash>     an access token that was revoked alone (JSON), until it would have expired
//              e            says for some minutes that the grant has ended, or may not begin any
// more
//   preview    preview, preview-grant  an admin's preview of an app, encrypted, and the grant that
//              it led to (previews.ts)
//   connect    connect, connect-choice  attempts to connect other systems (connections/connect/)
//   record     s:<hash>     a login session;  su:<hash> the same by its uid;  i:<hash> an interaction
//   index      u:<account>, p:<app>  the ids of grants;  pl:, pu:, pr:<app>  which of them are
//              alive, and when they were used and refreshed;  us:<account> the records of sessions
//
// <hash> is the SHA-256 of the bearer value, so that a dump of the store opens nothing. All names of one family live in one Cluster slot.
// Invariants: a commit is atomic and happens only if all its expectations hold; what has expired is
// absent; what was answered is durable as far as the store is.
import { GRANT, isEndName } from './grant.ts'

/** What must hold for a commit to happen. */
export type Expectation =
  | { name: string; state: 'present' }
  | { name: string; state: 'absent' }
  | { name: string; state: 'equals'; value: string }
  /** The number under the name, 0 where there is none, is lower than `limit`. */
  | { name: string; state: 'below'; limit: number }

/** One atomic change within a family. */
export interface FamilyChange {
  expect: readonly Expectation[]
  put?: readonly { name: string; value: string; ttlMillis: number }[]
  /** Lengthens, never shortens, the life of a name. */
  extend?: readonly { name: string; ttlMillis: number }[]
  /** Adds one to the number under the name, which then lives for so long. */
  increment?: readonly { name: string; ttlMillis: number }[]
  remove?: readonly string[]
  /**
   * What takes the change back, for a change that gave somebody something. Its expectations hold
   * only while the change is what happened last and nobody has used it. Made when it is needed,
   * which is hardly ever.
   */
  undo?: () => Undo
  /**
   * Lists members in indexes, as addToIndex does. On a Cluster they are listed first, and stay
   * where the change is not carried out.
   */
  list?: FamilyListing
}

/** Members that a change lists. */
export interface FamilyListing {
  /** Members of these indexes that ended before it may leave; absent where they stay for now. */
  nowMillis?: number
  entries: readonly IndexEntry[]
}

/** Whether a change ends something and gives nobody anything. */
export const isEnding = ({ remove = [], put = [] }: FamilyChange): boolean =>
  remove.includes(GRANT) || put.every(({ name }) => isEndName(name))

/** Takes another change back. */
export type Undo = Omit<FamilyChange, 'undo'>

/** Families of tokens: read and changed as a whole. */
export interface FamilyStore {
  /** Reads names of one family in one round trip, all as of one moment. */
  read(family: string, names: readonly string[]): Promise<(string | undefined)[]>
  /**
   * Carries the change out if every expectation holds, in one round trip; returns whether it did.
   *
   * @throws {AppError} `temporarily_unavailable`: nothing happened and nothing will. Only where the
   * answer of the store was lost it may have happened; then it is taken back by its `undo`.
   */
  commit(family: string, change: FamilyChange): Promise<boolean>
  /**
   * Stands for the copy of the store that answers now: another value once another copy may have
   * taken over. Absent where there is only one.
   */
  copy?(): object | undefined
  /**
   * Names what the store has lived through: another name once it may have lost what it had
   * acknowledged. Absent where it loses nothing.
   *
   * @throws {AppError} `temporarily_unavailable`
   */
  history?(): Promise<string>
  /** Takes a change back that was carried out and could not be answered. Never rejects. */
  takeBack(family: string, undo: Undo): Promise<void>
  /**
   * Waits until nothing of the family is left to take back. Whoever decides by what a family has
   * given asks first.
   *
   * @throws {AppError} `temporarily_unavailable`
   */
  settled(family: string): Promise<void> | undefined
  /**
   * By how many milliseconds the clock of the store is ahead of this machine's; 0 where that is not
   * known. What several processes compare with each other is told by the clock that they share.
   */
  skewMillis(): number
}

/** Single values that expire. */
export interface RecordStore {
  findRecord(key: string): Promise<string | undefined>
  putRecord(key: string, value: string, ttlMillis: number): Promise<void>
  removeRecord(key: string): Promise<void>
}

/** A member of an index and its end, which together are its place in the order of the index. */
export interface IndexPlace {
  member: string
  endsAtMillis: number
}

/** What lists a member. */
export interface IndexEntry extends IndexPlace {
  index: string
}

/** Lists of members that each end at a time of their own. */
export interface IndexStore {
  addToIndex(index: string, member: string, endsAtMillis: number, nowMillis: number): Promise<void>
  removeFromIndex(index: string, members: readonly string[]): Promise<void>
  /**
   * Raises the ends of members, never lowers them; members that ended before now may leave.
   *
   * @param options.onlyListed members that are not there stay away: what has left may not come back
   */
  raiseInIndex(
    index: string,
    places: readonly IndexPlace[],
    options: { nowMillis: number; onlyListed?: boolean },
  ): Promise<void>
  /** Counts the members that have not ended at that time. */
  countIndex(index: string, nowMillis: number): Promise<number>
  /** Returns the end of each member, in order; `undefined` where it is not there. */
  endsInIndex(index: string, members: readonly string[]): Promise<(number | undefined)[]>
  /** Lists up to `limit` members that have not ended, in a stable order, from `offset`. */
  listIndex(index: string, nowMillis: number, offset: number, limit: number): Promise<string[]>
  /**
   * Lists up to `limit` members that had not ended at that time (up to a minute ago) and come
   * behind a place, or from the start where it is absent. The place stays where it was, whatever
   * became of its member: a walk that goes on behind it misses nothing, however many have left
   * meanwhile.
   */
  walkIndex(
    index: string,
    nowMillis: number,
    behind: IndexPlace | undefined,
    limit: number,
  ): Promise<IndexPlace[]>
}

/** Everything short-lived. */
export interface ShortLivedStore extends FamilyStore, RecordStore, IndexStore, AsyncDisposable {
  /** Resolves when the store answers. @throws {AppError} `temporarily_unavailable` */
  ping(): Promise<void>
}
