// One trial: a world, a load on it, the fault, the recovery, the last questions and the verdict.
// The same course for every variant.
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from './client.ts'
import type { Fault, Stage, Variant } from './fault.ts'
import { createFindings, type Findings } from './findings.ts'
import { readHistory } from './history.ts'
import { judge, type Terms } from './judge.ts'
import { findLeak } from './leaks.ts'
import { startLoad } from './load.ts'
import type { Node } from './node.ts'
import { createPerson } from './person.ts'
import { askLastQuestions } from './questions.ts'
import { type Action, openRecorder, type Outcome } from './recorder.ts'
import type { Origin } from './world.ts'

/** The goal of faults: everything serves again within this time, by itself. */
const RECOVERY_GOAL_MILLIS = 10_000
const RECOVERY_PATIENCE_MILLIS = 30_000
const MOST_GROWTH_MEBIBYTES = 128
const MOST_GUESSES = 12
/** Of one server to one store: the pool of ten to Postgres, and a few for what only listens. */
const MOST_CONNECTIONS = 14

export interface TrialOptions {
  seed: number
  isShort: boolean
  /** How many times longer everything may take: more than 1 on a machine with other work. */
  lenience: number
  /** A directory for the record and the logs of the servers, to be looked at afterwards. */
  keepIn?: string
}

export interface TrialResult {
  fault: string
  variant: string
  findings: Findings['tallies']
  /** How many requests of each kind got which answer. */
  operations: Partial<Record<Action, Partial<Record<Outcome, number>>>>
  recoveryMillis: number[]
  seconds: number
  bounds: NonNullable<Variant['bounds']>
}

/** Runs one variant. @throws {Error} when the trial itself cannot be carried out */
export async function runTrial(
  origin: Origin,
  fault: Fault,
  variant: Variant,
  { seed, isShort, lenience, keepIn }: TrialOptions,
): Promise<TrialResult> {
  const startedAt = performance.now()
  const random = createRandom(seed)
  await using world = await origin.openWorld(variant.world ?? {}, random)
  await mkdir(world.directory, { recursive: true })
  const recorder = openRecorder(join(world.directory, 'record.jsonl'))
  const findings = createFindings()
  const client = createClient(world.apps, recorder, findings)
  const { nodes } = world
  const terms: Terms & { away: { from: number; to: number }[] } = {
    away: [],
    mayLoseAnswers: variant.mayLoseAnswers ?? false,
    mayBeUnsent: variant.hasBalancer ?? false,
    lenience,
  }
  const recoveryMillis: number[] = []

  const guesser = createPerson('eve', 'not the password of eve')
  const guess = async () => (await client.signIn(nodes[0]!, guesser)).outcome
  let guesses = 0
  while ((await guess()) !== 'throttled') {
    guesses += 1
    if (guesses > MOST_GUESSES) break
  }
  const pids = nodes.map((node) => node.pid())

  const { slowness = 1, hasLoad = true } = variant
  const load = startLoad({ client, nodes, random, slowness, isQuiet: !hasLoad })
  await sleep(isShort ? 2000 : 4000)
  // Measured under load: a server that has just started has not hashed a password yet.
  const before = nodes.map((node) => node.residentMebibytes())

  const stage: Stage = {
    ...{ world, client, load, findings, recorder },
    hold: (fullSeconds, shortSeconds = Math.min(fullSeconds, 3)) =>
      sleep((isShort ? shortSeconds : fullSeconds) * 1000),
    count: (full, short) => (isShort ? short : full),
    async whileRedisIsAway(work) {
      const from = recorder.mark('Redis is away')
      await work()
      terms.away.push({ from, to: recorder.mark('Redis comes back') })
    },
    mayBeLost(from, to = performance.now()) {
      terms.lost = { from, to }
    },
    async recovered() {
      const millis = await Promise.all(
        world.nodes.map((node) => untilServing(node, client, lenience)),
      )
      recoveryMillis.push(...millis)
      for (const [index, took] of millis.entries())
        findings.check(
          'I5',
          took <= RECOVERY_GOAL_MILLIS * lenience,
          `node ${index} served again after ${took === Infinity ? 'never' : `${took.toFixed(0)} ms`}`,
        )
    },
  }
  recorder.mark(`${fault.id} ${variant.name} begins`)
  await variant.run(stage)
  recorder.mark('the fault is over')
  await stage.recovered()
  await sleep(isShort ? 1000 : 2000)
  await load.stop()

  if (!variant.losesLimits)
    findings.check('I7', (await guess()) === 'throttled', 'one more guess was let through')
  for (const link of world.links) {
    const most = MOST_CONNECTIONS * world.nodes.length
    const count = link.connections()
    findings.check('I5', count <= most, `${count} connections to one store are open`)
  }
  if (!variant.endsServers) {
    const same = world.nodes.slice(0, pids.length).every((node, at) => node.pid() === pids[at])
    findings.check('I5', same && world.nodes.every((node) => node.isRunning()), 'a process ended')
    for (const [at, memory] of before.entries()) {
      const growth = nodes[at]!.residentMebibytes() - memory
      const what = `node ${at} grew by ${growth.toFixed(0)} MiB`
      findings.check('I5', growth < MOST_GROWTH_MEBIBYTES, what)
    }
  }
  await askLastQuestions(recorder, client, world.nodes)
  for (const node of world.nodes) {
    const leak = findLeak(node.log(), 'log')
    findings.check('I8', leak === undefined, `the log of node ${node.index} shows ${leak ?? ''}`)
  }
  const history = readHistory(recorder.read())
  judge(history, terms, findings)
  recorder.close()
  if (keepIn !== undefined) {
    const name = `${fault.id} ${variant.name}`.replace(/\W+/g, '-')
    await cp(world.directory, join(keepIn, name), { recursive: true })
  }
  const operations = countOperations(history)
  const seconds = (performance.now() - startedAt) / 1000
  return {
    ...{ fault: fault.id, variant: variant.name, findings: findings.tallies, operations },
    ...{ recoveryMillis, seconds, bounds: variant.bounds ?? {} },
  }
}

/**
 * Asks until a token is issued and called active, a person gets in and a code is redeemed. @returns
 * how long that took
 */
async function untilServing(
  node: Node,
  client: ReturnType<typeof createClient>,
  lenience: number,
): Promise<number> {
  const startedAt = performance.now()
  const person = createPerson('bob')
  while (performance.now() - startedAt < RECOVERY_PATIENCE_MILLIS * lenience) {
    const { access } = await client.credentials(node)
    const isActive = access !== undefined && (await client.introspect(node, access)).active === true
    const code = isActive ? (await client.authorize(node, 'steady', person)).code : undefined
    if (code !== undefined && (await client.exchange(node, 'steady', code)).outcome === 'ok')
      return performance.now() - startedAt
    await sleep(100)
  }
  return Infinity
}

function countOperations({ operations }: ReturnType<typeof readHistory>) {
  const counts: TrialResult['operations'] = {}
  for (const { action, answer } of operations) {
    const group = (counts[action] ??= {})
    group[answer.outcome] = (group[answer.outcome] ?? 0) + 1
  }
  return counts
}

/** A small generator (mulberry32): the same seed, the same lots. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
