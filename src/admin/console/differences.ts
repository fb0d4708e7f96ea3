// What differs between what is and what somebody typed, for the page of a conflict.
import { changesOf } from '../../model/diff.ts'

/** One field, as it is now and as it was typed. */
export interface Difference {
  label: string
  now: string
  typed: string
}

const written = (value: unknown): string => {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  if (value instanceof Set) return [...value].map(String).sort().join('\n')
  return String(value)
}

/** Lists the fields that differ, in the order of the labels. */
export function differences(
  now: Readonly<Record<string, unknown>>,
  typed: Readonly<Record<string, unknown>>,
  labels: Readonly<Record<string, string>>,
): Difference[] {
  const fields = Object.keys(labels).filter((field) => field in now)
  return changesOf(now, typed, fields, written).map(({ field, before, after }) => ({
    label: labels[field] ?? field,
    now: written(before),
    typed: written(after),
  }))
}
