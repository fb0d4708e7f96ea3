// `node bench/connections.ts`: connections at length. 200 rounds of 100 fetches on three processes
// against a provider whose refresh tokens work once, a kill -9 at 20 points of a refresh, and what
// the fetch of a live token costs. Exits with 1 where anything is not as it must be.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openNetworkedStores } from '../test/support/app.ts'
import { startPostgres, startRedis } from '../test/support/backends.ts'
import {
  type ConnectionTrial,
  KILL_POINTS,
  startConnectionTrial,
  tryKills,
  tryRounds,
} from '../test/support/connection-trial.ts'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    fetches: { type: 'string', default: '5000' },
  },
})
const TICKS_PER_SECOND = 100

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
await using stack = new AsyncDisposableStack()
const redis = stack.adopt(await startRedis(), (server) => server.stop())
const postgres = stack.adopt(await startPostgres(), (server) => server.stop())
const stores = stack.use(
  await openNetworkedStores({ redisUrl: redis.url, postgresUrl: postgres.url }),
)
const trial = stack.use(await startConnectionTrial(stores))

const rounds = Number(options.rounds)
const problems = await tryRounds(trial, rounds)
console.log(
  `${rounds} rounds of 100 fetches on 3 processes: ${trial.provider.requests.length} refreshes`,
)
await trial.fetchFrom(trial.nodes[1]!)
console.log(`a live token: ${(await costOf(trial, Number(options.fetches))).toFixed(3)} ms of CPU`)
const kills = await tryKills(trial, KILL_POINTS)
console.log(
  `${KILL_POINTS.length} kills: ${kills.wentOn} went on, ${kills.lost} lost the provider's answer`,
)
for (const problem of [...problems, ...kills.problems]) console.log(problem)
if (problems.length + kills.problems.length > 0) process.exitCode = 1

/** Milliseconds of CPU that a process spends on one fetch of a live token. */
async function costOf(running: ConnectionTrial, fetches: number): Promise<number> {
  const [, node] = running.nodes
  if (node === undefined) return Number.NaN
  const cpu = (): number => {
    const stat = readFileSync(`/proc/${node.child.pid}/stat`, 'utf8').split(') ')[1] ?? ''
    const [user = 0, system = 0] = stat.split(' ').slice(11, 13).map(Number)
    return (1000 * (user + system)) / TICKS_PER_SECOND
  }
  const fetchSome = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += 20)
      await Promise.all(Array.from({ length: 20 }, () => running.fetchFrom(node)))
  }
  await fetchSome(2000)
  const before = cpu()
  await fetchSome(fetches)
  return (cpu() - before) / fetches
}
