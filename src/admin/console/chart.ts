// The charts of the console as geometry, and each in one sentence. Invariants: an axis begins at 0;
// a step that nobody counted is a gap and not a zero; the sentence and the table beside a chart say
// the same as its picture. Drawn by views/console/parts, without styles of their own.
import type { Step } from '../../audit/usage.store.ts'
import { numberInWords } from './labels.ts'

/** Values by step. */
export interface Series {
  label: string
  values: readonly (number | undefined)[]
}

/** A line without axes, in a box of 100 by 24. */
export interface Sparkline {
  label: string
  /** The points of each stretch without a gap. */
  stretches: readonly string[]
}

/** Bars that stand on one another. */
export interface StackedBars {
  label: string
  width: number
  height: number
  bars: readonly {
    x: number
    y: number
    width: number
    height: number
    series: number
    title: string
  }[]
  series: readonly string[]
  first: string
  last: string
  highest: string
}

const SPARK = { width: 100, height: 24, margin: 2 }
const BARS = { width: 720, height: 160 }

const DAY_LABEL = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  timeZone: 'UTC',
})
const HOUR_LABEL = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  timeZone: 'UTC',
})

/** Writes which step it is: `12 Nov`, or `12 Nov, 14:00`. */
export const stepInWords = (at: Date, step: Step): string =>
  (step === 'day' ? DAY_LABEL : HOUR_LABEL).format(at)

/** Says what a chart shows: its lowest, its highest and its last value. */
function sentenceOf({ label, values }: Series, steps: readonly Date[], step: Step): string {
  const counted = values.flatMap((value, at) => (value === undefined ? [] : [{ value, at }]))
  const [first] = counted
  if (first === undefined) return `${label}: nothing was counted yet.`
  let lowest = first
  let highest = first
  for (const each of counted) {
    if (each.value < lowest.value) lowest = each
    if (each.value > highest.value) highest = each
  }
  const last = counted.at(-1) ?? first
  if (highest.value === lowest.value)
    return `${label}: ${numberInWords(highest.value)} in each ${step}.`
  const at = (place: number): string => stepInWords(steps[place] ?? new Date(0), step)
  return `${label}: lowest ${numberInWords(lowest.value)} on ${at(lowest.at)}, highest ${numberInWords(highest.value)} on ${at(highest.at)}, last ${numberInWords(last.value)}.`
}

const rounded = (value: number): number => Math.round(value * 100) / 100

/** Draws a line. */
export function sparkline(series: Series, steps: readonly Date[], step: Step): Sparkline {
  const { width, height, margin } = SPARK
  const most = Math.max(1, ...series.values.map((value) => value ?? 0))
  const apart = width / Math.max(1, series.values.length - 1)
  const stretches: string[][] = [[]]
  for (const [at, value] of series.values.entries())
    if (value === undefined) stretches.push([])
    else
      stretches
        .at(-1)
        ?.push(
          `${rounded(at * apart)},${rounded(height - margin - (value / most) * (height - 2 * margin))}`,
        )
  return {
    label: sentenceOf(series, steps, step),
    stretches: stretches
      .filter((points) => points.length > 0)
      // A single point is no line yet.
      .map((points) => (points.length === 1 ? [...points, ...points] : points).join(' ')),
  }
}

/** Draws bars. @param title what they are together */
export function stackedBars(
  title: string,
  all: readonly Series[],
  steps: readonly Date[],
  step: Step,
): StackedBars {
  const { width, height } = BARS
  const totals = steps.map((_, at) => all.reduce((sum, { values }) => sum + (values[at] ?? 0), 0))
  const most = Math.max(1, ...totals)
  const room = width / steps.length
  const bar = room > 4 ? room * 0.75 : room
  const bars = steps.flatMap((moment, at) => {
    let top = height
    return all.flatMap(({ label, values }, series) => {
      const value = values[at] ?? 0
      if (value === 0) return []
      const size = Math.max(1, (value / most) * height)
      top -= size
      return [
        {
          x: rounded(at * room + (room - bar) / 2),
          y: rounded(top),
          width: rounded(bar),
          height: rounded(size),
          series,
          title: `${stepInWords(moment, step)}: ${numberInWords(value)} ${label.toLowerCase()}`,
        },
      ]
    })
  })
  return {
    label: sentenceOf({ label: title, values: totals }, steps, step),
    width,
    height,
    bars,
    series: all.map(({ label }) => label),
    first: stepInWords(steps[0] ?? new Date(0), step),
    last: stepInWords(steps.at(-1) ?? new Date(0), step),
    highest: numberInWords(Math.max(0, ...totals)),
  }
}
