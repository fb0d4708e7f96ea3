// Samples once an hour what counters cannot tell: how many authorizations are alive, of how many
// people, and when each app was used last. Invariants: one process samples an hour, and where it
// fails another one tries again; figures of all apps are of about one moment. Called by the
// background jobs.
import { type Clock, DAY, HOUR, MINUTE, SECOND } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { Gauge, GaugeName, GaugeStore } from './gauge.store.ts'

/** What is known of one app now. */
interface Sample {
  live: number
  accountIds: ReadonlySet<string>
  used: number
  lastUsedAt: Date | undefined
}

interface SamplerDeps {
  gauges: Pick<GaugeStore, 'claim' | 'release' | 'add' | 'latest'>
  /** All apps that are not deleted, a page at a time. */
  appIds: () => AsyncIterable<readonly string[]>
  sampleApp: (appId: string) => Promise<Sample>
  /** Makes the index behind the figures of an app agree with its grants. */
  makeTrue: (appId: string, signal: AbortSignal) => Promise<unknown>
  metrics: Record<'grantsLive' | 'peopleConnected', { set(value: number): void }>
  clock: Clock
  logger: Logger
}

/** Samples. Disposing gives up the sample under way, for another process to make. */
export interface GaugeSampler extends AsyncDisposable {
  /** Samples this hour, unless some process has; returns whether it did. */
  sampleDue(): Promise<boolean>
}

const TICK = MINUTE
/** Each app's index is made true so often. */
const TRUE_EVERY_HOURS = 24

/** Starts the sampler, which looks once a minute whether an hour has begun. */
export function startGaugeSampler(deps: SamplerDeps): GaugeSampler {
  const { clock, gauges, logger, metrics } = deps
  const closing = new AbortController()
  let sampledHour = Number.NaN
  let running: Promise<boolean> | undefined
  const timer = setInterval(() => void sampleDue(), TICK).unref()

  function sampleDue(): Promise<boolean> {
    running ??= trySample().finally(() => {
      running = undefined
    })
    return running
  }

  async function trySample(): Promise<boolean> {
    const hour = Math.floor(clock() / HOUR) * HOUR
    if (hour === sampledHour) return false
    const at = new Date(hour)
    try {
      const isOurs = await gauges.claim(at)
      if (isOurs)
        await sampleAll(deps, at, closing.signal).catch((error: unknown) => giveBack(at, error))
      sampledHour = hour
      for (const { appId, name, value } of await gauges.latest(at)) {
        if (appId !== '') continue
        if (name === 'grants.live') metrics.grantsLive.set(value)
        if (name === 'people.connected') metrics.peopleConnected.set(value)
      }
      return isOurs
    } catch (error) {
      if (!closing.signal.aborted)
        logger.warn({ err: error }, 'authorizations could not be counted; trying again')
      return false
    }
  }

  async function giveBack(at: Date, error: unknown): Promise<never> {
    await gauges.release(at)
    throw error
  }

  return {
    sampleDue,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      closing.abort()
      await running
    },
  }
}

async function sampleAll(deps: SamplerDeps, at: Date, signal: AbortSignal): Promise<void> {
  const { gauges, sampleApp } = deps
  const before = new Map<string, number>()
  for (const { appId, name, value } of await gauges.latest(new Date(at.getTime() - 2 * DAY)))
    before.set(`${appId} ${name}`, value)
  const people = new Set<string>()
  let live = 0
  let used = 0
  for await (const page of deps.appIds())
    for (const appId of page) {
      signal.throwIfAborted()
      if (isTurn(appId, at) || !before.has(`${appId} grants.live`))
        await deps.makeTrue(appId, signal)
      const sample = await sampleApp(appId)
      live += sample.live
      used += sample.used
      for (const id of sample.accountIds) people.add(id)
      await gauges.add(
        at,
        // Nothing again and again says nothing.
        gaugesOf(appId, sample).filter(
          ({ name, value }) => value > 0 || (before.get(`${appId} ${name}`) ?? 0) > 0,
        ),
      )
    }
  await gauges.add(at, [
    { appId: '', name: 'grants.live', value: live },
    { appId: '', name: 'people.connected', value: people.size },
    { appId: '', name: 'grants.used', value: used },
  ])
}

function gaugesOf(appId: string, { live, accountIds, used, lastUsedAt }: Sample): Gauge[] {
  const values: Record<GaugeName, number> = {
    'grants.live': live,
    'people.connected': accountIds.size,
    'grants.used': used,
    'grants.used_last': lastUsedAt === undefined ? 0 : Math.floor(lastUsedAt.getTime() / SECOND),
  }
  return Object.entries(values).map(([name, value]) => ({ appId, name: name as GaugeName, value }))
}

/** Whether it is an app's turn in this hour of the day. */
function isTurn(appId: string, at: Date): boolean {
  let sum = at.getTime() / HOUR
  for (const character of appId) sum += character.charCodeAt(0)
  return sum % TRUE_EVERY_HOURS === 0
}
