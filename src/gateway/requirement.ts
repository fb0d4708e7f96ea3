// What a gateway requires, as it writes it into its own configuration:
// `scope=bookings:read&match=any&audience=…&rules=…&path=plain&…`. Invariant: a requirement that we
// do not understand to its last letter is none, so that a misspelt name closes the API and does not
// open it.
import { LRUCache } from 'lru-cache'
import { isScopeToken } from '../model/scope.ts'
import type { Requirement } from './decision.ts'
import type { Rule } from './rules.ts'

const NAMES: ReadonlySet<string> = new Set([
  'scope',
  'match',
  'audience',
  'rules',
  'path',
  'resource_metadata',
])
const MAX_KNOWN = 1000

const OPEN: Requirement = {
  scopes: [],
  match: 'all',
  audiences: undefined,
  rules: undefined,
  plainPath: false,
  resourceMetadata: undefined,
}

/** Reads a requirement; `undefined` where the text is not one. */
export type ReadRequirement = (text: string) => Requirement | undefined

/**
 * Creates the reader of requirements; what it read once, it remembers.
 *
 * @param ruleSets the sets that `rules=` may name
 */
export function createRequirementReader(
  ruleSets: Readonly<Record<string, readonly Rule[]>>,
): ReadRequirement {
  const known = new LRUCache<string, Requirement>({ max: MAX_KNOWN })
  return function readRequirement(text) {
    if (text === '') return OPEN
    const found = known.get(text)
    if (found !== undefined) return found
    const read = parseRequirement(text, ruleSets)
    if (read !== undefined) known.set(text, read)
    return read
  }
}

function parseRequirement(
  text: string,
  ruleSets: Readonly<Record<string, readonly Rule[]>>,
): Requirement | undefined {
  const parameters = new URLSearchParams(text)
  const names = [...parameters.keys()]
  if (new Set(names).size !== names.length || !names.every((name) => NAMES.has(name)))
    return undefined
  const scopes = listOf(parameters.get('scope'))
  const match = parameters.get('match') ?? 'all'
  const audiences = listOf(parameters.get('audience'))
  const path = parameters.get('path')
  const ruleSet = parameters.get('rules')
  const rules =
    ruleSet === null || !Object.hasOwn(ruleSets, ruleSet) ? undefined : ruleSets[ruleSet]
  const metadata = parameters.get('resource_metadata')
  const resourceMetadata = metadata === null ? undefined : URL.parse(metadata)?.href
  if (
    (match !== 'all' && match !== 'any') ||
    (path !== null && path !== 'plain') ||
    !scopes.every((scope) => isScopeToken(scope)) ||
    // Said and empty is a variable that was not filled in.
    (parameters.has('scope') && scopes.length === 0) ||
    (parameters.has('audience') && audiences.length === 0) ||
    (ruleSet !== null && rules === undefined) ||
    (metadata !== null && resourceMetadata === undefined)
  )
    return undefined
  return {
    scopes,
    match,
    audiences: audiences.length === 0 ? undefined : audiences,
    rules,
    plainPath: path !== null,
    resourceMetadata,
  }
}

const listOf = (text: string | null): string[] =>
  (text ?? '').split(/[ ,]+/).filter((item) => item !== '')
