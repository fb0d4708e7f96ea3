// All faults, in the order of their value. A new one is a file in nemesis/ and a line here.
import type { Fault } from './fault.ts'
import { POSTGRES_LOST } from './nemesis/f19-postgres-lost.ts'
import { FAILOVER } from './nemesis/f09-failover.ts'
import { MEMORY_FULL } from './nemesis/f04-memory-full.ts'
import { POSTGRES_RESTARTED } from './nemesis/f07-postgres-restarted.ts'
import { NOT_NOW } from './nemesis/f20-not-now.ts'
import { REDIS_EMPTIED } from './nemesis/f03-redis-emptied.ts'
import { SWITCHED_OFF } from './nemesis/f12-switched-off.ts'
import { LOST_ANSWERS } from './nemesis/f14-lost-answers.ts'
import { ROLLING_RESTART } from './nemesis/f06-rolling-restart.ts'
import { POSTGRES_SLOW } from './nemesis/f08-postgres-slow.ts'
import { SIGN_INS_AT_ONCE } from './nemesis/f17-sign-ins-at-once.ts'
import { NEW_SECRETS } from './nemesis/f18-new-secrets.ts'
import { UPGRADE } from './nemesis/upgrade.ts'
import { CLUSTER } from './nemesis/f21-cluster.ts'
import { CLOCKS } from './nemesis/f11-clocks.ts'
import { RESTORED } from './nemesis/f15-restored.ts'
import { DISK_FULL } from './nemesis/f10-disk-full.ts'
import { NETWORK } from './nemesis/f13-network.ts'
import { REDIS_KILLED } from './nemesis/f01-redis-killed.ts'
import { REDIS_PAUSED } from './nemesis/f02-redis-paused.ts'
import { SERVER_KILLED } from './nemesis/f05-server-killed.ts'
import { TWO_NODES } from './nemesis/f16-two-nodes.ts'

export const FAULTS: readonly Fault[] = [
  POSTGRES_LOST,
  FAILOVER,
  REDIS_KILLED,
  SERVER_KILLED,
  TWO_NODES,
  MEMORY_FULL,
  NETWORK,
  REDIS_PAUSED,
  POSTGRES_RESTARTED,
  NOT_NOW,
  REDIS_EMPTIED,
  LOST_ANSWERS,
  SWITCHED_OFF,
  ROLLING_RESTART,
  SIGN_INS_AT_ONCE,
  POSTGRES_SLOW,
  NEW_SECRETS,
  UPGRADE,
  CLUSTER,
  CLOCKS,
  DISK_FULL,
  RESTORED,
]
