// Remembers what tokens are worth, by their hash. Invariants: never more than so many; a revocation
// reaches all tokens of a grant, an app or an account in one step, however many there are, because
// they share a mark; the token longest unused leaves first.
import type { AccessToken, Verification } from './access-token.ts'

/** Shared by all that hang on the same token, grant, app or account. */
interface Mark {
  isRevoked: boolean
  /** How many answers carry it. */
  uses: number
}

/** An answer that is remembered. */
export interface Remembered {
  /** Settled, so that a check hands it out without making another one. */
  readonly answer: Promise<Verification>
  /** Until when it may be used (monotonic milliseconds). */
  readonly freshUntil: number
  /** Until when it may be used where the server cannot be asked. */
  readonly staleUntil: number
}

interface Entry extends Remembered {
  readonly names: readonly string[]
  readonly marks: readonly Mark[]
  readonly grant: Mark
  readonly app: Mark
  readonly account: Mark
}

/** Returns the names by which a token can be revoked, its own hash apart. */
export const namesOf = ({ grantId, clientId, subject }: AccessToken): string[] => [
  `grant ${grantId ?? ''}`,
  `app ${clientId}`,
  `account ${subject}`,
]

/** Creates a cache for that many answers. */
export function createAnswerCache(maxEntries: number) {
  // In the order of use: a Map keeps the order in which keys were put in.
  const entries = new Map<string, Entry>()
  const marks = new Map<string, Mark>()

  function take(name: string): Mark {
    let mark = marks.get(name)
    if (mark === undefined) marks.set(name, (mark = { isRevoked: false, uses: 0 }))
    mark.uses += 1
    return mark
  }
  function drop(hash: string, entry: Entry): void {
    entries.delete(hash)
    entry.names.forEach((name, index) => {
      const mark = entry.marks[index]
      if (mark === undefined) return
      mark.uses -= 1
      // A revoked mark has left already, and its name may have a new one.
      if (mark.uses === 0 && marks.get(name) === mark) marks.delete(name)
    })
  }

  return {
    /** Returns what is remembered and not revoked; whether it is fresh is the caller's to look at. */
    find(hash: string): Remembered | undefined {
      const entry = entries.get(hash)
      if (entry === undefined) return undefined
      if (entry.grant.isRevoked || entry.app.isRevoked || entry.account.isRevoked) {
        drop(hash, entry)
        return undefined
      }
      entries.delete(hash)
      entries.set(hash, entry)
      return entry
    },
    put(hash: string, token: AccessToken, remembered: Remembered): void {
      const old = entries.get(hash)
      if (old !== undefined) drop(hash, old)
      if (entries.size >= maxEntries) {
        const [oldest] = entries
        if (oldest !== undefined) drop(...oldest)
      }
      const names = namesOf(token)
      const [grant, app, account] = [
        take(names[0] ?? ''),
        take(names[1] ?? ''),
        take(names[2] ?? ''),
      ] as const
      entries.set(hash, {
        ...remembered,
        names,
        marks: [grant, app, account],
        grant,
        app,
        account,
      })
    },
    /** Forgets one token by its hash. */
    forget(hash: string): void {
      const entry = entries.get(hash)
      if (entry !== undefined) drop(hash, entry)
    },
    /** Forgets all that carry the name (see namesOf). */
    revoke(name: string): void {
      const mark = marks.get(name)
      if (mark === undefined) return
      mark.isRevoked = true
      marks.delete(name)
    },
    clear(): void {
      entries.clear()
      marks.clear()
    },
    size: (): number => entries.size,
  }
}
