// The followers of one process. Used by both logs.
import type { LoggedRevocation, RevocationFollower } from './revocation-log.ts'

/** A set of followers that is told as one. */
export interface Followers extends RevocationFollower {
  add(follower: RevocationFollower): () => void
}

/** Creates an empty set. */
export function createFollowers(): Followers {
  const followers = new Set<RevocationFollower>()
  const tell = (what: (follower: RevocationFollower) => void): void => {
    // A copy, because a follower may leave while it is told.
    for (const follower of [...followers]) what(follower)
  }
  return {
    add(follower) {
      followers.add(follower)
      return () => void followers.delete(follower)
    },
    onRevoked: (entry: LoggedRevocation) => tell((follower) => follower.onRevoked(entry)),
    onGap: () => tell((follower) => follower.onGap()),
    onContact: () => tell((follower) => follower.onContact()),
  }
}
