// What the verifiers accept while a server is killed or Redis stands still. Checks go on all the
// time, and tokens are revoked before and during the disturbance. Afterwards everything must
// recover by itself. A revocation counts from its answer; one that was not answered does not count.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Family, VerifierFleet } from './verifier-fleet.ts'
import { untilFollowing } from './verifier-fleet.ts'

const REVOKED_BEFORE = 20
const REVOKED_DURING = 60
const LIVING = 100
const REVOCATION_PATIENCE_MILLIS = 4000
const RECOVERY_PATIENCE_MILLIS = 60_000
/** Longer than the bound, so that what a verifier remembers has to stop counting. */
const BEYOND_BOUND_MILLIS = 6000
/** After the disturbance a revocation is heard as fast as ever; wide, for a busy machine. */
const HEARD_WITHIN_MILLIS = 2000
const MOST_OPEN_CHECKS = 2000

interface Disturbance {
  what: string
  begin: () => void
  end: () => Promise<void>
}

/**
 * Runs the requested disturbances one after the other. @returns whether all bounds were kept and
 * everything recovered
 */
export async function measureDisturbances(
  fleet: VerifierFleet,
  options: { kill: boolean; pause: boolean; checksPerSecond: number; boundMillis: number },
): Promise<boolean> {
  const [, second] = fleet.nodes
  const disturbances: Disturbance[] = [
    ...(options.kill
      ? [
          {
            what: 'one of two servers killed (SIGKILL)',
            begin: () => second.signal('SIGKILL'),
            end: () => second.start(),
          },
        ]
      : []),
    ...(options.pause
      ? [
          {
            what: 'Redis paused (SIGSTOP)',
            begin: fleet.pauseRedis,
            end: () => {
              fleet.resumeRedis()
              return Promise.resolve()
            },
          },
        ]
      : []),
  ]
  let isWell = true
  for (const disturbance of disturbances)
    isWell = (await measure(fleet, disturbance, options)) && isWell
  return isWell
}

async function measure(
  fleet: VerifierFleet,
  { what, begin, end }: Disturbance,
  { checksPerSecond, boundMillis }: { checksPerSecond: number; boundMillis: number },
): Promise<boolean> {
  const families = await fleet.mintMany(REVOKED_BEFORE + REVOKED_DURING + LIVING)
  for (const verifier of fleet.verifiers)
    for (const { access } of families)
      if ((await verifier.verify(access)).kind !== 'active') throw new Error('a token is dead')
  const before = families.splice(0, REVOKED_BEFORE)
  const during = families.splice(0, REVOKED_DURING)
  const living = families
  const checks = startChecks(fleet, [...before, ...during, ...living], checksPerSecond, boundMillis)
  const [first] = fleet.nodes

  let turns = 0
  const alternate = (): boolean => (turns += 1) % 2 === 0

  async function revokeAll(some: readonly Family[], untilMillis: number): Promise<number> {
    let answered = 0
    const pauseMillis =
      untilMillis === Infinity ? 0 : (untilMillis - performance.now()) / 2 / some.length
    for (const { access, refresh } of some) {
      if (performance.now() > untilMillis) break
      await Promise.race([
        fleet.revoke(first, alternate() ? access : refresh).then(
          () => {
            answered += 1
            checks.noteRevoked(access)
          },
          () => undefined,
        ),
        sleep(REVOCATION_PATIENCE_MILLIS),
      ])
      await sleep(pauseMillis)
    }
    return answered
  }

  await revokeAll(before, Infinity)
  begin()
  const lasts = boundMillis + BEYOND_BOUND_MILLIS
  const [revoked] = await Promise.all([
    revokeAll(during, performance.now() + lasts - REVOCATION_PATIENCE_MILLIS),
    sleep(lasts),
  ])
  const ended = performance.now()
  await end()
  // Back: every verifier follows, every living token passes, and a revocation is heard by all.
  await Promise.all(fleet.verifiers.map(untilFollowing))
  let isBack = false
  while (!isBack && performance.now() - ended < RECOVERY_PATIENCE_MILLIS) {
    isBack = true
    for (const verifier of fleet.verifiers)
      for (const { access } of living)
        if ((await verifier.verify(access)).kind !== 'active') isBack = false
    if (!isBack) await sleep(50)
  }
  const backMillis = performance.now() - ended
  const last = living[0]!
  await fleet.revoke(first, last.refresh)
  checks.noteRevoked(last.access)
  await sleep(HEARD_WITHIN_MILLIS)
  for (const verifier of fleet.verifiers)
    if ((await verifier.verify(last.access)).kind === 'active') isBack = false
  const seen = await checks.stop()
  console.log(`${what} for ${(lasts / 1000).toFixed(0)} s, ${seen.rate.toFixed(0)} checks/s:`)
  console.log(
    `  revoked: ${REVOKED_BEFORE} before, ${revoked} of ${REVOKED_DURING} meanwhile (the others were not answered), 1 after`,
  )
  console.log(
    `  longest acceptance after an answered revocation ${seen.longestMillis.toFixed(0)} ms, bound ${boundMillis} ms; later than the bound: ${seen.late}`,
  )
  console.log(
    `  checks answered active ${seen.active}, refused ${seen.refused}, "cannot tell" ${seen.unavailable}; ${isBack ? `all as before ${(backMillis / 1000).toFixed(1)} s after its end` : 'NOT as before again'}`,
  )
  return isBack && seen.late === 0
}

/**
 * Checks random tokens at random verifiers all the time, without waiting for the answers, as the
 * requests of an API do.
 */
function startChecks(
  fleet: VerifierFleet,
  families: readonly Family[],
  perSecond: number,
  boundMillis: number,
) {
  const tokens = families.map(({ access }) => access)
  const revokedAt = new Map<string, number>()
  /** The longest time after its revocation at which each token was still accepted. */
  const accepted = new Map<string, number>()
  const seen = { active: 0, refused: 0, unavailable: 0 }
  const startedAt = performance.now()
  let started = 0
  let open = 0

  function check(): void {
    const token = tokens[Math.floor(Math.random() * tokens.length)]!
    const verifier = fleet.verifiers[started % fleet.verifiers.length]!
    const at = performance.now()
    open += 1
    void verifier.verify(token).then(({ kind }) => {
      open -= 1
      if (kind !== 'active') {
        seen[kind === 'inactive' ? 'refused' : 'unavailable'] += 1
        return
      }
      seen.active += 1
      const revoked = revokedAt.get(token)
      if (revoked !== undefined && at > revoked)
        accepted.set(token, Math.max(accepted.get(token) ?? 0, at - revoked))
    })
  }
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1000) * perSecond
    for (; started < due; started += 1) if (open < MOST_OPEN_CHECKS) check()
  }, 5)

  return {
    noteRevoked: (token: string): void => void revokedAt.set(token, performance.now()),
    async stop() {
      clearInterval(timer)
      while (open > 0) await sleep(10)
      const longest = [...accepted.values()]
      return {
        ...seen,
        rate: started / ((performance.now() - startedAt) / 1000),
        longestMillis: Math.max(0, ...longest),
        late: longest.filter((millis) => millis > boundMillis).length,
      }
    },
  }
}
