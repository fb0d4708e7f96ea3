// `node bench/many-tokens.ts`: whether introspection costs more when there are many live tokens.
// Two servers have a Redis each, filled with a different number of families through the store of
// grants. Both are asked in turns about random tokens of all that they hold.
import { freemem, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { canPin, pinDriver } from './cores.ts'
import { openLoadProcess } from './load-process.ts'
import { readResidentMebibytes } from './load/process-cpu.ts'
import { openOtesseTarget } from './otesse-target.ts'
import { introspectionJob } from './scenarios.ts'
import { openBenchStores } from './stores.ts'

const { values: options } = parseArgs({
  options: {
    few: { type: 'string', default: '1000' },
    many: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    built: { type: 'boolean', default: false },
  },
})
/** Requests that are prepared before a round. They are drawn anew from all tokens each time. */
const QUESTIONS = 50_000
const GUESSED_BYTES_PER_FAMILY = 2500
const STEP = 50_000

// Default signals would end the driver without its exit handlers, which stop the servers.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const counts = [Number(options.few), Number(options.many)]
if (Math.max(...counts) * GUESSED_BYTES_PER_FAMILY > freemem())
  throw new Error(`${Math.max(...counts)} families do not fit: choose a smaller --many`)
const pinned = canPin()
if (pinned) pinDriver()
await using resources = new AsyncDisposableStack()
const load = resources.use(openLoadProcess())
const sides = [await openSide(counts[0]!), await openSide(counts[1]!)]

interface Round {
  serverMillis: number
  redisMillis: number
}
const rounds: Round[][] = [[], []]
for (let round = 0; round < Number(options.rounds); round += 1) {
  // In turned order every other round: nobody always comes second.
  for (const index of round % 2 === 0 ? [0, 1] : [1, 0])
    rounds[index]!.push(await sides[index]!.ask())
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1]!
for (const [index, { count }] of sides.entries()) {
  const server = median(rounds[index]!.map(({ serverMillis }) => serverMillis))
  const redis = median(rounds[index]!.map(({ redisMillis }) => redisMillis))
  console.log(
    `${String(count).padStart(8)} families: ${(server * 1000).toFixed(1)} µs of the server and ${(redis * 1000).toFixed(1)} µs of Redis per introspection`,
  )
}
console.log(
  `ratio many to few (median of ${rounds[0]!.length} rounds, 1.00 is no difference): server ${ratio(({ serverMillis }) => serverMillis)}, Redis ${ratio(({ redisMillis }) => redisMillis)}, together ${ratio((one) => one.serverMillis + one.redisMillis)}`,
)
console.log(`load average ${loadavg()[0]?.toFixed(1)}`)

function ratio(part: (one: Round) => number): string {
  const ratios = rounds[1]!.map((one, round) => part(one) / part(rounds[0]![round]!))
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`
}

/** Starts a Redis and a server and fills them. */
async function openSide(count: number) {
  const stores = resources.use(await openBenchStores(true))
  const target = resources.use(
    await openOtesseTarget('otesse', {
      ...stores.forTargets,
      beforeDirectory: undefined,
      built: options.built,
      pinned,
      probed: false,
    }),
  )
  const usedBytes = async (): Promise<number> =>
    Number(/used_memory:(\d+)/.exec(await stores.forTargets.redis.info('memory'))?.[1])
  const emptyBytes = await usedBytes()
  const startedAt = performance.now()
  const tokens: string[] = []
  while (tokens.length < count) {
    for (const token of await target.mintAccessTokens(
      'steady',
      Math.min(STEP, count - tokens.length),
    ))
      tokens.push(token)
    if (count > STEP) process.stderr.write(`${tokens.length} of ${count} families\r`)
  }
  const seconds = (performance.now() - startedAt) / 1000
  const perFamily = ((await usedBytes()) - emptyBytes) / count
  console.log(
    `${String(count).padStart(8)} families made in ${seconds.toFixed(0)} s; each takes ${perFamily.toFixed(0)} bytes of Redis (access token, refresh state, grant, its places in two indexes); Redis resident ${readResidentMebibytes(stores.redisPid).toFixed(0)} MiB`,
  )
  return {
    count,
    async ask(): Promise<Round> {
      const asked = Array.from(
        { length: QUESTIONS },
        () => tokens[Math.floor(Math.random() * tokens.length)]!,
      )
      const result = await load.run(
        introspectionJob(target, asked, {
          connections: Number(options.connections),
          seconds: Number(options.seconds),
          warmupSeconds: 1,
          codesPerSecond: 0,
          redisPid: stores.redisPid,
        }),
      )
      return {
        serverMillis: result.serverCpuMillis / result.requests,
        redisMillis: result.redisCpuMillis / result.requests,
      }
    },
  }
}
