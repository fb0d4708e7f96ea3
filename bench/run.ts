// `npm run bench`: starts Redis, Postgres and the three servers, loads them one after the other in
// rounds, and prints the cost of a request on each. An unexpected answer fails the run. Options,
// and how to read the output: bench/README.md.
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { canPin, pinDriver } from './cores.ts'
import { openLoadProcess } from './load-process.ts'
import type { LoadProcess } from './load-process.ts'
import type { LoadResult } from './load/load-job.ts'
import { compare, formatReport, summarize } from './measurements.ts'
import type { Measurement } from './measurements.ts'
import type { ProfileAnswer } from './probe.ts'
import { formatProfile } from './profile.ts'
import { SCENARIO_NAMES, bareJob, canDo, prepareScenario } from './scenarios.ts'
import type { LoadShape } from './scenarios.ts'
import { TARGET_NAMES, openTarget } from './open-target.ts'
import { openBenchStores } from './stores.ts'
import type { Target, TargetName, TargetStores } from './targets.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    warmup: { type: 'string', default: '1' },
    connections: { type: 'string', default: '32' },
    codes: { type: 'string', default: '3000' },
    only: { type: 'string', default: SCENARIO_NAMES.join(',') },
    targets: { type: 'string', default: 'bare,plain,otesse' },
    before: { type: 'string' },
    json: { type: 'string' },
    profile: { type: 'boolean', default: false },
    built: { type: 'boolean', default: false },
  },
})

/** Reads a comma-separated option and refuses names that do not exist. */
function namesIn<Name extends string>(option: string, known: readonly Name[]): Name[] {
  return option.split(',').map((name) => {
    const found = known.find((one) => one === name)
    if (found === undefined)
      throw new Error(`unknown name "${name}", known are: ${known.join(', ')}`)
    return found
  })
}

const scenarioNames = namesIn(options.only, SCENARIO_NAMES)
const asked = namesIn(options.targets, TARGET_NAMES)
const withBefore = options.before !== undefined
const targetNames = TARGET_NAMES.filter((name) =>
  name === 'before' ? withBefore : asked.includes(name),
)
const rounds = options.profile ? 1 : Number(options.rounds)

/**
 * Runs every scenario on every target once. Targets alternate inside a scenario, so noise hits all
 * of them alike.
 */
async function runRound(
  targets: readonly Target[],
  load: LoadProcess,
  shape: LoadShape,
  record: (target: TargetName, scenario: Measurement['scenario'], result: LoadResult) => void,
): Promise<void> {
  for (const target of targets) {
    if (target.name === 'bare') record('bare', 'one_get', await load.run(bareJob(target, shape)))
  }
  for (const scenario of scenarioNames) {
    for (const target of targets) {
      if (target.name === 'bare' || !canDo(target.name, scenario)) continue
      const job = await prepareScenario(scenario, target, load, shape)
      if (options.profile) await target.server.ask({ probe: 'profile-start' })
      record(target.name, scenario, await load.run(job))
      if (options.profile) {
        const profile = (await target.server.ask({ probe: 'profile-stop' })) as ProfileAnswer
        console.log(`\n== ${target.name} ${scenario}\n${formatProfile(profile)}`)
      }
    }
  }
}

// Default signals would end the driver without its exit handlers, which stop the servers.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const pinned = canPin()
if (pinned) pinDriver()

await using resources = new AsyncDisposableStack()
const open = resources.use(
  await openBenchStores(targetNames.some((name) => name === 'otesse' || name === 'before')),
)
const stores: TargetStores = {
  ...open.forTargets,
  beforeDirectory: options.before,
  built: options.built,
  pinned,
  probed: options.profile,
}

const targets: Target[] = []
for (const name of targetNames) targets.push(resources.use(await openTarget(name, stores)))
const load = resources.use(openLoadProcess())

const shape: LoadShape = {
  connections: Number(options.connections),
  seconds: Number(options.seconds),
  warmupSeconds: Number(options.warmup),
  codesPerSecond: Number(options.codes),
  redisPid: open.redisPid,
}
const results = new Map<
  string,
  { target: TargetName; scenario: Measurement['scenario']; runs: LoadResult[] }
>()
for (let round = 1; round <= rounds; round += 1) {
  process.stderr.write(`round ${round} of ${rounds}\n`)
  // The order alternates, so that no server always comes second, with caches and stores as the
  // first one left them.
  const order = round % 2 === 1 ? targets : targets.toReversed()
  await runRound(order, load, shape, (target, scenario, result) => {
    const key = `${scenario} ${target}`
    const entry = results.get(key) ?? { target, scenario, runs: [] }
    entry.runs.push(result)
    results.set(key, entry)
  })
}

const measurements = [...results.values()].map(({ target, scenario, runs }) =>
  summarize(target, scenario, runs),
)
const pinning = pinned
  ? 'servers on core 0, load and stores on core 1'
  : 'NOT pinned to cores: read with care'
console.log(
  `Node ${process.version}, ${shape.connections} connections, ${rounds} × ${shape.seconds} s, ${pinning}\n\n${formatReport(measurements)}`,
)
for (const target of targets)
  for (const complaint of (await target.complaints?.()) ?? []) console.log(`DOUBTFUL: ${complaint}`)
if (options.json !== undefined) {
  await writeFile(
    options.json,
    JSON.stringify(
      { node: process.version, pinned, measurements, comparisons: compare(measurements) },
      null,
      2,
    ),
  )
}
