// Turns the raw results of several rounds into the figures that are shown, and prints them. Costs
// per request are medians over the rounds, so a neighbour that wakes up in one round does not move
// them.
import type { LoadResult } from './load/load-job.ts'
import { GOALS, type Goal } from './scenarios.ts'
import type { ScenarioName } from './scenarios.ts'
import type { TargetName } from './targets.ts'

/** What one server did in one scenario, all rounds together. */
export interface Measurement {
  target: TargetName
  scenario: ScenarioName | 'one_get'
  requests: number
  requestsPerSecond: number
  cpuMillisPerRequest: number
  cpuMillisPerRequestByRound: number[]
  /** Lowest and highest round, to judge the noise by. */
  cpuMillisPerRequestRange: [number, number]
  requestsPerCpuSecond: number
  p50Millis: number
  p99Millis: number
  /** Share of its core that the server used while under load. */
  serverBusy: number
  redisCpuMillisPerRequest: number
}

/** Sums up the rounds of one server in one scenario; `results` must not be empty. */
export function summarize(
  target: TargetName,
  scenario: Measurement['scenario'],
  results: readonly LoadResult[],
): Measurement {
  const cpuMillis = results.map((result) => result.serverCpuMillis / result.requests)
  const latencies = Float64Array.from(
    results.flatMap((result) => [...result.latenciesMillis]),
  ).sort()
  const cpuMillisPerRequest = median(cpuMillis)
  return {
    target,
    scenario,
    requests: latencies.length,
    requestsPerSecond: median(
      results.map((result) => (result.requests / result.elapsedMillis) * 1000),
    ),
    cpuMillisPerRequest,
    cpuMillisPerRequestByRound: cpuMillis,
    cpuMillisPerRequestRange: [Math.min(...cpuMillis), Math.max(...cpuMillis)],
    requestsPerCpuSecond: 1000 / cpuMillisPerRequest,
    p50Millis: percentile(latencies, 0.5),
    p99Millis: percentile(latencies, 0.99),
    serverBusy: median(results.map((result) => result.serverBusyMillis / result.elapsedMillis)),
    redisCpuMillisPerRequest: median(
      results.map((result) => result.redisCpuMillis / result.requests),
    ),
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/**
 * Ratios of requests per CPU second: the median of the ratios of each round, in which the servers
 * took turns and met the same noise. The ratio to a server that did not run is absent.
 */
export interface Comparison {
  scenario: ScenarioName
  toPlain: number | undefined
  toBare: number | undefined
  /** Against our server from another checkout. */
  toBefore: number | undefined
  goal: Goal
}

/** Compares our server with both baselines, scenario by scenario. */
export function compare(measurements: readonly Measurement[]): Comparison[] {
  const bare = measurements.find((one) => one.target === 'bare')
  const comparisons: Comparison[] = []
  for (const ours of measurements) {
    if (ours.target !== 'otesse' || ours.scenario === 'one_get') continue
    const sameOf = (target: TargetName): Measurement | undefined =>
      measurements.find((one) => one.target === target && one.scenario === ours.scenario)
    const ratioTo = (other: Measurement | undefined): number | undefined =>
      other &&
      median(
        ours.cpuMillisPerRequestByRound.map(
          (millis, round) => other.cpuMillisPerRequestByRound[round]! / millis,
        ),
      )
    comparisons.push({
      scenario: ours.scenario,
      toPlain: ratioTo(sameOf('plain')),
      toBare: ratioTo(bare),
      toBefore: ratioTo(sameOf('before')),
      goal: GOALS[ours.scenario],
    })
  }
  return comparisons
}

/** Spells the measurements and the comparison as two text tables. */
export function formatReport(measurements: readonly Measurement[]): string {
  const rows = measurements.map((one) => [
    one.scenario,
    one.target,
    one.requestsPerSecond.toFixed(0),
    one.cpuMillisPerRequest.toFixed(4),
    one.cpuMillisPerRequestRange.map((edge) => edge.toFixed(4)).join('–'),
    one.requestsPerCpuSecond.toFixed(0),
    one.p50Millis.toFixed(2),
    one.p99Millis.toFixed(2),
    `${(one.serverBusy * 100).toFixed(0)} %`,
    one.redisCpuMillisPerRequest.toFixed(4),
  ])
  const head = [
    'scenario',
    'server',
    'req/s',
    'CPU ms/req',
    'range',
    'req/CPU s',
    'p50 ms',
    'p99 ms',
    'core busy',
    'Redis ms/req',
  ]
  let report = table([head, ...rows])
  const comparisons = compare(measurements)
  if (comparisons.length > 0) {
    const ratio = (value: number | undefined): string =>
      value === undefined ? '–' : `${value.toFixed(2)} ×`
    const ratios = comparisons.map((one) => [
      one.scenario,
      ratio(one.toPlain),
      ...held(one.toPlain, one.goal.toPlain),
      ratio(one.toBare),
      ...held(one.toBare, one.goal.toBare),
      ratio(one.toBefore),
    ])
    const ratioHead = [
      'requests per CPU second',
      'to plain',
      'goal',
      '',
      'to bare',
      'goal',
      '',
      'to before',
    ]
    report += `\n${table([ratioHead, ...ratios])}`
  }
  return report
}

function held(value: number | undefined, goal: number | undefined): [string, string] {
  if (goal === undefined) return ['–', '']
  return [`${goal} ×`, value === undefined ? '' : value >= goal ? 'reached' : 'missed']
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  '),
  )
  return `${lines.join('\n')}\n`
}
