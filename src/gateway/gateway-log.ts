// Why gateways were refused, for their operator: they look here when an API answers 403 to
// everybody. Invariant: one line a second for each reason, whatever the load.
import { createRefusalLimiter } from '../audit/refusal-limiter.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'

/** Writes one refusal. */
export type LogGatewayRefusal = (facts: {
  reason: string
  address: string
  requestId: string
}) => void

/** Creates the log. */
export function createGatewayLog(logger: Logger, clock: Clock): LogGatewayRefusal {
  const isLetThrough = createRefusalLimiter(clock, 1)
  return function logRefusal(facts) {
    if (isLetThrough(facts.reason)) logger.warn(facts, 'a gateway was refused')
  }
}
