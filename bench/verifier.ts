// `node bench/verifier.ts`: what checking tokens costs an API that uses @otesse/resource-server,
// and how long after a revocation it still accepts: two servers on one Redis and Postgres, four
// verifiers, revocations while checks run; with --kill and --pause also while a server dies or
// Redis does not answer. Fails when a revoked token passes after its bound, or when anything does
// not come back by itself.
import { loadavg } from 'node:os'
import { setImmediate as turn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { requireToken } from '../packages/resource-server/src/resource-server.ts'
import { measureDisturbances } from './verifier-disturbances.ts'
import { openVerifierFleet } from './verifier-fleet.ts'

const { values: options } = parseArgs({
  options: {
    revocations: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '10000' },
    checks: { type: 'string', default: '1000000' },
    script: { type: 'string', default: 'src/main.ts' },
    kill: { type: 'boolean', default: false },
    pause: { type: 'boolean', default: false },
  },
})
const REVOCATIONS = Number(options.revocations)
const CHECKS_PER_SECOND = Number(options.rate)
const WARM_CHECKS = Number(options.checks)
const WARM_TOKENS = 2000
const BOUND_MILLIS = 12_000

// Default signals would end the driver without its exit handlers, which stop the servers.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
let isDisturbed = false
await using fleet = await openVerifierFleet({
  script: options.script,
  boundMillis: BOUND_MILLIS,
  onProblem: (error) => {
    if (!isDisturbed) console.error(`problem: ${error.message}`)
  },
})
const { nodes, verifiers, mintMany, revoke } = fleet

if (REVOCATIONS > 0) await measureRevocations()
if (WARM_CHECKS > 0) await measureWarmChecks()
if (options.kill || options.pause) {
  isDisturbed = true
  const isWell = await measureDisturbances(fleet, {
    kill: options.kill,
    pause: options.pause,
    checksPerSecond: CHECKS_PER_SECOND,
    boundMillis: BOUND_MILLIS,
  })
  if (!isWell) process.exitCode = 1
}
console.log(`load average ${loadavg()[0]?.toFixed(1)}`)

async function measureRevocations(): Promise<void> {
  const families = await mintMany(REVOCATIONS)
  const tokens = families.map(({ access }) => access)
  for (const verifier of verifiers)
    for (const token of tokens)
      if ((await verifier.verify(token)).kind !== 'active') throw new Error('a token is dead')

  const revokedAt = new Map<string, number>()
  let checks = 0
  let late = 0
  const ended = new AbortController()
  const background = (async () => {
    const start = performance.now()
    while (!ended.signal.aborted) {
      const due = ((performance.now() - start) / 1000) * CHECKS_PER_SECOND
      for (; checks < due; checks += 1) {
        const token = tokens[Math.floor(Math.random() * tokens.length)] ?? ''
        const verifier = verifiers[checks % verifiers.length]
        const at = performance.now()
        const verification = await verifier?.verify(token)
        const revoked = revokedAt.get(token)
        if (verification?.kind === 'active' && revoked !== undefined && at - revoked > BOUND_MILLIS)
          late += 1
      }
      await turn()
    }
    return checks / ((performance.now() - start) / 1000)
  })()

  const sinceSent: number[] = []
  const sinceAnswered: number[] = []
  let acceptedAgain = 0
  for (const [index, { access, refresh }] of families.entries()) {
    const sentAt = performance.now()
    const answered = revoke(nodes[index % 2 === 0 ? 0 : 1], index % 4 < 2 ? access : refresh).then(
      () => performance.now(),
    )
    const refusedAt = await Promise.all(
      verifiers.map(async (verifier) => {
        while ((await verifier.verify(access)).kind === 'active') {
          checks += 1
          await turn()
        }
        return performance.now()
      }),
    )
    const answeredAt = await answered
    revokedAt.set(access, answeredAt)
    for (const at of refusedAt) {
      sinceSent.push(at - sentAt)
      sinceAnswered.push(Math.max(0, at - answeredAt))
    }
    // Refused once means refused for ever.
    for (const verifier of verifiers)
      if ((await verifier.verify(access)).kind === 'active') acceptedAgain += 1
  }
  ended.abort()
  const rate = await background
  console.log(
    `revocation to refusal, 2 servers, 4 verifiers, ${REVOCATIONS} revocations, ${rate.toFixed(0)} checks/s meanwhile:`,
  )
  console.log(`  from the request sent      ${percentiles(sinceSent)}`)
  console.log(`  from the answer received   ${percentiles(sinceAnswered)}`)
  console.log(
    `  accepted after the bound: ${late}; accepted again after a refusal: ${acceptedAgain}`,
  )
  if (late + acceptedAgain > 0) process.exitCode = 1
}

function percentiles(values: number[]): string {
  values.sort((a, b) => a - b)
  const at = (part: number): string =>
    (values[Math.min(values.length - 1, Math.floor(values.length * part))] ?? 0).toFixed(1)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`
}

async function measureWarmChecks(): Promise<void> {
  const [verifier] = verifiers
  if (verifier === undefined) return
  const tokens = (await mintMany(WARM_TOKENS)).map(({ access }) => access)
  await Promise.all(tokens.map((token) => verifier.verify(token)))
  await report('verify', async (token) => {
    if ((await verifier.verify(token)).kind !== 'active') throw new Error('not warm')
  })
  const guard = requireToken({ verifier, scopes: ['a'] })
  const res = { statusCode: 0, setHeader: () => undefined, end: () => undefined }
  const rest = ['Host', 'api', 'Accept', '*/*', 'User-Agent', 'bench', 'Connection', 'keep-alive']
  await report(
    'requireToken (connect)',
    (token) =>
      new Promise<void>((resolve) => {
        const authorization = `Bearer ${token}`
        const rawHeaders = [...rest, 'Authorization', authorization]
        guard.connect({ headers: { authorization }, rawHeaders }, res, () => resolve())
      }),
  )

  async function report(name: string, check: (token: string) => Promise<void>): Promise<void> {
    const run = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at += 1) {
        await check(tokens[at % tokens.length] ?? '')
        // The stream has to be heard as well.
        if (at % 10_000 === 0) await turn()
      }
    }
    await run(WARM_CHECKS / 10)
    const cpu = process.cpuUsage()
    await run(WARM_CHECKS)
    const { user, system } = process.cpuUsage(cpu)
    const perSecond = WARM_CHECKS / ((user + system) / 1e6)
    console.log(`${name}, warm cache: ${perSecond.toFixed(0)} checks per second of processor time`)
  }
}
