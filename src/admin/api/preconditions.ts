// Versions as ETags: what a client has read, what it wants to change. Invariant: a change is only
// made to the version that its author saw.
import { AppError } from '../../shared/errors.ts'
import type { Expected } from './operation.ts'

/** Writes a version as an ETag. */
export const etagOf = (version: number): string => `"${version}"`

const TAGS = /^\s*(?:W\/)?"[^"]*"(?:\s*,\s*(?:W\/)?"[^"]*")*\s*$/
const STRONG = /(W\/)?"([^"]*)"/g

/**
 * Reads If-Match (RFC 9110 §13.1.1); weak tags never match there.
 *
 * @throws {AppError} `precondition_missing` without one, `parameter_invalid` for what is none,
 * `precondition_weak` where all tags are weak: ours are strong, a proxy that compresses made them
 */
export function readIfMatch(header: string | undefined): Expected {
  if (header === undefined) throw new AppError('precondition_missing')
  if (header.trim() === '*') return { kind: 'any' }
  if (!TAGS.test(header)) throw new AppError('parameter_invalid', { about: 'If-Match' })
  const tags = [...header.matchAll(STRONG)]
  if (tags.every(([, weak]) => weak !== undefined)) throw new AppError('precondition_weak')
  const versions = tags.flatMap(([, weak, tag = '']) =>
    weak === undefined && /^[1-9]\d{0,9}$/.test(tag) ? [Number(tag)] : [],
  )
  return { kind: 'versions', versions }
}

/** Returns whether the client has this version already: If-None-Match, compared weakly (RFC 9110 §13.1.2). */
export function hasAlready(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header.trim() === '*') return true
  return TAGS.test(header) && [...header.matchAll(STRONG)].some(([, , tag]) => `"${tag}"` === etag)
}

/** Returns the version that a change is to be made to; `undefined` where the current one is none that its author saw. */
export function versionToChange(expected: Expected, current: number): number | undefined {
  return expected.kind === 'any' || expected.versions.includes(current) ? current : undefined
}
