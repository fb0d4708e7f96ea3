// `node bench/memory.ts`: how fast a server starts, how much memory it uses when idle, and whether
// token requests make it grow. Start and idle memory come from a server that is started as always.
// Growth comes from a second one with probe.ts in it: its heap is compared after full collections,
// because the resident set includes room that V8 keeps.
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { canPin, pinDriver } from './cores.ts'
import { openLoadProcess } from './load-process.ts'
import { readCpuMillis, readResidentMebibytes } from './load/process-cpu.ts'
import { TARGET_NAMES, openTarget } from './open-target.ts'
import type { HeapAnswer } from './probe.ts'
import { prepareScenario } from './scenarios.ts'
import { openBenchStores } from './stores.ts'
import type { TargetStores } from './targets.ts'

const REQUESTS_PER_STEP = 5000
const BYTES_PER_MEBIBYTE = 1_048_576

const { values: options } = parseArgs({
  options: {
    target: { type: 'string', default: 'otesse' },
    requests: { type: 'string', default: '100000' },
    warmup: { type: 'string', default: '20000' },
    idle: { type: 'string', default: '5' },
    built: { type: 'boolean', default: false },
  },
})
const targetName = TARGET_NAMES.find(
  (name) => (name === 'plain' || name === 'otesse') && name === options.target,
)
if (targetName === undefined) throw new Error('--target is plain or otesse')

// Default signals would end the driver without its exit handlers, which stop the servers.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const pinned = canPin()
if (pinned) pinDriver()
await using resources = new AsyncDisposableStack()
const open = resources.use(await openBenchStores(targetName === 'otesse'))
const stores: TargetStores = {
  ...open.forTargets,
  beforeDirectory: undefined,
  built: options.built,
  pinned,
  probed: false,
}

{
  await using target = await openTarget(targetName, stores)
  const startCpuMillis = readCpuMillis(target.server.pid)
  await delay(Number(options.idle) * 1000)
  console.log(
    `start to ready   ${target.server.startMillis.toFixed(0)} ms (${startCpuMillis.toFixed(0)} ms of processor time)`,
  )
  console.log(`idle resident    ${readResidentMebibytes(target.server.pid).toFixed(1)} MiB`)
}

await using target = await openTarget(targetName, { ...stores, probed: true })
await using load = openLoadProcess()
const shape = {
  connections: 32,
  seconds: 120,
  warmupSeconds: 0,
  codesPerSecond: 0,
  redisPid: target.server.pid,
}
const job = await prepareScenario('client_credentials', target, load, shape)
if (job.source.kind !== 'cycle') throw new Error('client_credentials repeats one body')
const bodies = Array.from(
  { length: REQUESTS_PER_STEP },
  () => (job.source as { bodies: string[] }).bodies[0]!,
)

/** Sends the requests in steps and returns the heap after a full collection. */
async function heapAfter(requests: number): Promise<HeapAnswer> {
  for (let sent = 0; sent < requests; sent += REQUESTS_PER_STEP) {
    const count = Math.min(REQUESTS_PER_STEP, requests - sent)
    await load.run({
      ...job,
      source: { kind: 'once', bodies: bodies.slice(0, count), warmupCount: 0 },
    })
  }
  return (await target.server.ask({ probe: 'heap' })) as HeapAnswer
}

function spell(label: string, heap: HeapAnswer): void {
  const mebibytes = (bytes: number): string => (bytes / BYTES_PER_MEBIBYTE).toFixed(2)
  console.log(
    `${label.padEnd(28)} heap ${mebibytes(heap.heapUsedBytes)} MiB, external ${mebibytes(heap.externalBytes)} MiB, resident ${mebibytes(heap.residentBytes)} MiB`,
  )
}

const warm = await heapAfter(Number(options.warmup))
spell(`after ${options.warmup} requests`, warm)
const end = await heapAfter(Number(options.requests))
spell(`after ${options.requests} more`, end)
const growth = end.heapUsedBytes + end.externalBytes - warm.heapUsedBytes - warm.externalBytes
console.log(`growth           ${(growth / Number(options.requests)).toFixed(2)} bytes per request`)
