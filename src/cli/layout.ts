// Plain text that people read: facts in two columns, tables, problems. Only spaces, so that it also
// reads well in a log.
import { stripVTControlCharacters } from 'node:util'
import type { Problem } from '../model/problem.ts'

const widthOf = (text: string): number => Array.from(stripVTControlCharacters(text)).length

const padded = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - widthOf(text)))

/** Lays facts out as two columns; those without a value are left out. */
export function facts(pairs: readonly (readonly [string, string | undefined])[]): string {
  const shown = pairs.filter((pair): pair is readonly [string, string] => (pair[1] ?? '') !== '')
  const width = Math.max(0, ...shown.map(([name]) => widthOf(name)))
  return shown.map(([name, value]) => `  ${padded(name, width)}  ${value}\n`).join('')
}

/** Lays rows out under their headings. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows]
  const widths = headings.map((_, at) => Math.max(...all.map((row) => widthOf(row[at] ?? ''))))
  return all
    .map(
      (row) =>
        `${widths
          .map((width, at) => padded(row[at] ?? '', width))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

/** A problem, with its line where it was found in a file. */
export type ShownProblem = Problem & { readonly line?: number }

/** Lists problems, one a line. @param nameOf how a field is called where the person wrote it; in a file it has its own name */
export function problemList(
  problems: readonly ShownProblem[],
  nameOf: (field: string) => string,
): string {
  return problems
    .map(({ field, value, sentence, line }) => {
      const written = line === undefined ? nameOf(field) : field
      // A setting's sentence names it already.
      const name = sentence.startsWith(field) ? '' : `${written}: `
      const place = line === undefined ? '' : `line ${line}: `
      return `  - ${place}${name}${value === undefined ? '' : `"${value}": `}${sentence}\n`
    })
    .join('')
}

/** Shows a moment to the minute, in UTC. */
export const timeText = (date: Date | undefined): string =>
  date === undefined ? '' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
