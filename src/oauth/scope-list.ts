// Scope lists as they arrive. Generic connectors send commas where RFC 6749 §3.3 wants spaces; both
// are understood.
import { OFFLINE_ACCESS } from '../apps/scope.ts'
import { isScopeToken } from '../model/scope.ts'
import { AppError } from '../shared/errors.ts'

/**
 * Reads a scope list into distinct names, in order; `offline_access` is understood and left out.
 *
 * @throws {AppError} `scope_malformed`
 */
export function parseScopeList(text: string): string[] {
  const names = new Set(text.split(/[ ,]+/).filter((name) => name !== ''))
  for (const name of names) if (!isScopeToken(name)) throw new AppError('scope_malformed')
  names.delete(OFFLINE_ACCESS)
  return [...names]
}

/**
 * Returns whether a scope is in the catalogue; for a holder of it, whether it still is the scope
 * that the holder was given.
 */
export type ScopeExists = (
  scope: string,
  holder?: { incarnations?: Readonly<Record<string, number>> },
) => boolean

/** What may be asked for: the catalogue and the app's own list. */
export interface ScopeBounds {
  exists(scope: string): boolean
  isAllowed(scope: string): boolean
}

/**
 * Checks asked scopes against what exists and what the app may have.
 *
 * @throws {AppError} `scope_unknown`, `scope_not_allowed`
 */
export function assertScopes(asked: readonly string[], bounds: ScopeBounds): void {
  for (const scope of asked) {
    if (!bounds.exists(scope)) throw new AppError('scope_unknown', { about: scope })
    if (!bounds.isAllowed(scope)) throw new AppError('scope_not_allowed', { about: scope })
  }
}
