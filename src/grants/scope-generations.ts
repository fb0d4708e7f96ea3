// Which scope a name means. A scope that was removed and created again is another scope, told apart
// by its incarnation (apps/scope.store.ts). Invariant: what names a scope carries its incarnation
// from the moment at which it was granted; 0, which most have, is left out.

/** The incarnations of scopes by name; 0 where a name is not there. */
export type ScopeGenerations = Readonly<Record<string, number>>

/**
 * Returns what a new grant, token or consent has to carry for its scopes; `undefined` where there
 * is nothing to carry.
 */
export function scopeGenerationsFor(
  scopes: readonly string[],
  current: ReadonlyMap<string, number>,
): ScopeGenerations | undefined {
  if (current.size === 0) return undefined
  const entries = scopes.flatMap((name): [string, number][] => {
    const incarnation = current.get(name)
    return incarnation === undefined ? [] : [[name, incarnation]]
  })
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

// A space cannot be part of a scope's name, so a release that does not know incarnations takes the
// whole for a name that nobody asks for.
const SEPARATOR = ' '

/** Writes a scope as remembered consents name it. */
export function rememberedName(name: string, current: ReadonlyMap<string, number>): string {
  const incarnation = current.get(name) ?? 0
  return incarnation === 0 ? name : `${name}${SEPARATOR}${incarnation}`
}

/** Reads a remembered scope; `undefined` where it means an earlier scope of that name. */
export function scopeRemembered(
  remembered: string,
  current: ReadonlyMap<string, number>,
): string | undefined {
  const [name = '', incarnation = '0'] = remembered.split(SEPARATOR)
  return (current.get(name) ?? 0) === Number(incarnation) ? name : undefined
}
