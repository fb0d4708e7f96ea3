// The body of a provider's answer as members, whether it is JSON or a form. Invariant: what is
// neither has no members, and a path that leads nowhere finds nothing.

/** What came from the network. */
export type ProviderAnswer =
  | {
      kind: 'answered'
      status: number
      headers: Readonly<Record<string, string | string[] | undefined>>
      body: Buffer
    }
  | { kind: 'failed'; reason: string; code?: string }

/** Members of a JSON object. */
export type Members = Readonly<Record<string, unknown>>

/**
 * Reads a body as members: JSON, whose lists have members 0, 1, …, or a form.
 *
 * @returns `undefined` for anything else
 */
export function readMembers(body: Buffer): Members | undefined {
  const text = body.toString('utf8').trim()
  if (/^[{[]/.test(text)) {
    try {
      return JSON.parse(text) as Members
    } catch {
      return undefined
    }
  }
  if (!FORM.test(text)) return undefined
  return Object.fromEntries(new URLSearchParams(text))
}

/** Finds a value by its path: `team.id`. */
export function memberAt(members: Members, path: string): unknown {
  let found: unknown = members
  for (const name of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined
    found = (found as Members)[name]
  }
  return found
}

/** Finds a short text or a number by its path. */
export function textAt(members: Members, path: string): string | undefined {
  const value = memberAt(members, path)
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  const isText = typeof value === 'string' && value !== '' && value.length <= LONGEST_TEXT
  return isText ? value : undefined
}

const LONGEST_TEXT = 300
const FORM = /^[A-Za-z0-9_.%[\]-]{1,60}=[^\s<>{}]*$/
