// All faults, in the order of their value. A new one is a file in nemesis/ and a line here.
import type { Fault } from './fault.ts'
import { POSTGRES_LOST } from './nemesis/f19-postgres-lost.ts'
import { FAILOVER } from './nemesis/f09-failover.ts'
import { REDIS_KILLED } from './nemesis/f01-redis-killed.ts'
import { SERVER_KILLED } from './nemesis/f05-server-killed.ts'
import { TWO_NODES } from './nemesis/f16-two-nodes.ts'

export const FAULTS: readonly Fault[] = [
  POSTGRES_LOST,
  FAILOVER,
  REDIS_KILLED,
  SERVER_KILLED,
  TWO_NODES,
]
