// `node bench/tail.ts`: how long introspection takes when the server is busy but not full. Each
// round finds the rate at which the server is saturated, then sends requests at a constant share of
// that rate and prints how long they took.
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { canPin, pinDriver } from './cores.ts'
import { openLoadProcess } from './load-process.ts'
import { readCpuMillis, readWaitMillis } from './load/process-cpu.ts'
import { openOtesseTarget } from './otesse-target.ts'
import { prepareScenario, SCENARIO_NAMES } from './scenarios.ts'
import { openBenchStores } from './stores.ts'

const { values: options } = parseArgs({
  options: {
    load: { type: 'string', default: '0.7' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '2' },
    connections: { type: 'string', default: '64' },
    scenario: { type: 'string', default: 'introspection' },
    built: { type: 'boolean', default: false },
  },
})
const share = Number(options.load)
const scenario = SCENARIO_NAMES.find((name) => name === options.scenario)
if (scenario === undefined) throw new Error(`no scenario ${options.scenario}`)

// Default signals would end the driver without its exit handlers, which stop the servers.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const pinned = canPin()
if (pinned) pinDriver()
await using resources = new AsyncDisposableStack()
const open = resources.use(await openBenchStores(true))
const target = resources.use(
  await openOtesseTarget('otesse', {
    ...open.forTargets,
    beforeDirectory: undefined,
    built: options.built,
    pinned,
    probed: false,
  }),
)
const load = resources.use(openLoadProcess())
const shape = {
  connections: Number(options.connections),
  seconds: Number(options.seconds),
  warmupSeconds: Number(options.warmup),
  codesPerSecond: 0,
  redisPid: open.redisPid,
}
const job = await prepareScenario(scenario, target, load, shape)

const atLoad = (values: Float64Array): string => {
  const sorted = values.toSorted()
  const at = (part: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN).toFixed(2)
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, p99.9 ${at(0.999)} ms`
}

console.log(
  `${scenario}, ${shape.connections} connections, ${pinned ? 'server on core 0, load and stores on core 1' : 'NOT pinned to cores: read with care'}`,
)
for (let round = 1; round <= Number(options.rounds); round += 1) {
  const full = await load.run(job)
  const saturated = (full.requests / full.elapsedMillis) * 1000
  const fullBusy = full.serverBusyMillis / full.elapsedMillis
  console.log(
    `round ${round}: saturated at ${saturated.toFixed(0)} requests/s (server's core ${percent(fullBusy)} busy), load average ${loadavg()[0]?.toFixed(1)}`,
  )
  const ratePerSecond = Math.round(saturated * share)
  const before = durations(await target.metrics())
  const { pid } = target.server
  const [ran, waited] = [readCpuMillis(pid), readWaitMillis(pid)]
  const result = await load.run({ ...job, ratePerSecond })
  const after = durations(await target.metrics())
  const waitShare = (readWaitMillis(pid) - waited) / (readCpuMillis(pid) - ran)
  console.log(
    `  at ${ratePerSecond}/s, ${percent(share)} of that (server's core ${percent(result.serverBusyMillis / result.elapsedMillis)} busy), load average ${loadavg()[0]?.toFixed(1)}:`,
  )
  console.log(
    `    for each ms that the server ran it waited ${waitShare.toFixed(2)} ms for a core that neighbours had`,
  )
  console.log(`    by the server's own clock   ${underBounds(before, after)}`)
  console.log(`    from sent to answered       ${atLoad(result.latenciesMillis)}`)
  console.log(
    `    from due to answered        ${atLoad(result.sinceDueMillis ?? new Float64Array())}`,
  )
}
for (const complaint of (await target.complaints?.()) ?? []) console.log(`DOUBTFUL: ${complaint}`)

function percent(part: number): string {
  return `${(part * 100).toFixed(0)} %`
}

/**
 * Reads the server's histogram of request durations: how many requests of the endpoint took at most
 * so many seconds.
 */
function durations(metrics: string): Map<number, number> {
  const path = job.path.startsWith('/oauth/verify') ? '/oauth/verify' : job.path
  const counts = new Map<number, number>()
  for (const line of metrics.split('\n')) {
    if (!line.startsWith('otesse_request_seconds_bucket{')) continue
    if (!line.includes(`"${path}`)) continue
    const bound = /le="([^"]+)"/.exec(line)?.[1]
    const count = Number(line.slice(line.lastIndexOf(' ')))
    const seconds = bound === '+Inf' ? Infinity : Number(bound)
    counts.set(seconds, (counts.get(seconds) ?? 0) + count)
  }
  return counts
}

/** Says which share of the requests in between stayed within each bound. */
function underBounds(before: Map<number, number>, after: Map<number, number>): string {
  const during = (bound: number): number => (after.get(bound) ?? 0) - (before.get(bound) ?? 0)
  const total = during(Infinity)
  return [...after.keys()]
    .filter((bound) => bound >= 0.001 && bound <= 0.05)
    .map((bound) => `≤ ${bound * 1000} ms: ${((during(bound) / total) * 100).toFixed(2)} %`)
    .join(', ')
}
