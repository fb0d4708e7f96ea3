// The table fault × invariant. In a cell: how often something was looked at, and how often it was
// broken (!) or within a documented bound (~).
import { INVARIANT_NAMES, INVARIANTS, type Tally } from './findings.ts'
import type { TrialResult } from './trial.ts'

/** Spells the table and, below it, what was found. */
export function spellTable(results: readonly TrialResult[]): string {
  const widths = { fault: 5, variant: Math.max(8, ...results.map(({ variant }) => variant.length)) }
  const head = [
    'fault'.padEnd(widths.fault),
    'variant'.padEnd(widths.variant),
    ...INVARIANT_NAMES.map((name) => name.padStart(8)),
    'back in'.padStart(8),
    'answers'.padStart(8),
    ' verdict',
  ].join(' ')
  const rows = results.map((result) =>
    [
      result.fault.padEnd(widths.fault),
      result.variant.padEnd(widths.variant),
      ...INVARIANT_NAMES.map((name) => spellTally(result.findings[name]).padStart(8)),
      spellRecovery(result).padStart(8),
      String(countAnswers(result)).padStart(8),
      ` ${verdictOf(result)}`,
    ].join(' '),
  )
  return [head, ...rows, '', ...explanations(results), ...legend()].join('\n')
}

/** Says whether nothing was broken beyond what is documented. */
export const isWell = (result: TrialResult): boolean =>
  INVARIANT_NAMES.every((name) => {
    const { broken, bounded } = result.findings[name]
    return broken === 0 && (bounded === 0 || result.bounds[name] !== undefined)
  })

function verdictOf(result: TrialResult): string {
  if (!isWell(result)) return 'BROKEN'
  const isBounded = INVARIANT_NAMES.some((name) => result.findings[name].bounded > 0)
  return isBounded ? 'held within its bound' : 'held'
}

function spellTally({ checked, broken, bounded }: Tally): string {
  if (checked === 0) return '-'
  return `${checked}${broken > 0 ? `!${broken}` : ''}${bounded > 0 ? `~${bounded}` : ''}`
}

function spellRecovery({ recoveryMillis }: TrialResult): string {
  const longest = Math.max(0, ...recoveryMillis)
  return longest === Infinity ? 'never' : `${(longest / 1000).toFixed(1)} s`
}

const countAnswers = ({ operations }: TrialResult): number =>
  Object.values(operations)
    .flatMap((outcomes) => Object.values(outcomes))
    .reduce((sum, count) => sum + count, 0)

/** Says what was found in each of them. */
export function explanations(results: readonly TrialResult[]): string[] {
  return results.flatMap((result) => {
    const lines = INVARIANT_NAMES.flatMap((name) => {
      const { broken, bounded, examples } = result.findings[name]
      if (broken + bounded === 0) return []
      const bound = result.bounds[name]
      return [
        ...(broken > 0 ? [`  ${name} broken ${broken} times`] : []),
        ...(bounded > 0
          ? [`  ${name} ${bounded} times: ${bound ?? 'NO BOUND IS DOCUMENTED'}`]
          : []),
        ...examples.map((example) => `    ${example}`),
      ]
    })
    return lines.length > 0 ? [`${result.fault} ${result.variant}`, ...lines, ''] : []
  })
}

const legend = (): string[] => [
  ...INVARIANT_NAMES.map((name) => `${name}  ${INVARIANTS[name]}`),
  'A cell is the number of looks; "!n" of them were broken, "~n" within a documented bound.',
]
