// What the doctor says of another machine's clock.
import { SECOND } from '../shared/clock.ts'
import type { Finding } from './finding.ts'

const CLOCK_WARN_MILLIS = 2 * SECOND
const CLOCK_FAIL_MILLIS = 30 * SECOND

/** Compares a clock with ours, allowing for the way there and back. */
export function compareClock(
  check: string,
  theirs: number,
  sent: number,
  received: number,
): Finding {
  const offset = theirs < sent ? theirs - sent : Math.max(0, theirs - received)
  const distance = Math.abs(offset)
  const where = `It is ${(distance / SECOND).toFixed(1)} s ${offset > 0 ? 'ahead of' : 'behind'} this machine`
  if (distance <= CLOCK_WARN_MILLIS)
    return { check, status: 'ok', sentence: 'It agrees with this machine.' }
  const status = distance > CLOCK_FAIL_MILLIS ? 'fail' : 'warn'
  return { check, status, sentence: `${where}: let NTP set both, tokens live by the clock.` }
}
