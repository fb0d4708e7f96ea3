// What a fault is to the harness: a name, and variants that each get a world, a load, and something
// bad to do to them.
import type { Client } from './client.ts'
import type { Findings, Invariant } from './findings.ts'
import type { Load } from './load.ts'
import type { Recorder } from './recorder.ts'
import type { World, WorldOptions } from './world.ts'

export interface Stage {
  world: World
  client: Client
  load: Load
  findings: Findings
  recorder: Recorder
  /** Waits: so long in a full run, less in a short one. */
  hold: (fullSeconds: number, shortSeconds?: number) => Promise<void>
  /** The larger number in a full run. */
  count: (full: number, short: number) => number
  /** Redis is away while this runs: nothing may be issued meanwhile. */
  whileRedisIsAway: (work: () => Promise<void>) => Promise<void>
  /**
   * What was acknowledged in this time may be lost; the variant's bound says where that is
   * documented. Default: until now.
   */
  mayBeLost: (from: number, to?: number) => void
  /** Resolves when every node serves again; more than 10 s is a finding. */
  recovered: () => Promise<void>
}

export interface Variant {
  name: string
  /** Part of the short run. */
  isShort?: boolean
  world?: WorldOptions
  /** Whether the usual load runs; a variant may bring its own. */
  hasLoad?: boolean
  slowness?: number
  /** Connections are dropped on purpose: a request without an answer is no fault. */
  mayLoseAnswers?: boolean
  /** A load balancer goes on to the next server where one takes no connection. */
  hasBalancer?: boolean
  /** Servers are ended on purpose. */
  endsServers?: boolean
  /** Where it is written that less than the whole invariant holds. */
  bounds?: Partial<Record<Invariant, string>>
  /** The limits are lost with the store, as documented. */
  losesLimits?: boolean
  /** Does the bad thing, and ends it. */
  run(stage: Stage): Promise<void>
}

export interface Fault {
  id: string
  title: string
  variants: readonly Variant[]
}
