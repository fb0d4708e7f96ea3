// Looks over the whole record, load and last questions together, and says what was kept and what
// was broken. Pure: it asks nobody. A token is "unknown" only where an answer was lost; a
// documented bound excuses what it names and nothing else.
import type { Findings, Invariant } from './findings.ts'
import {
  didNothing,
  type Family,
  type History,
  mustBeDead,
  mustBeLive,
  mustRefresh,
  type Operation,
  type Token,
} from './history.ts'

export interface Terms {
  /**
   * What was acknowledged in these moments may be lost: a documented bound. Times of the record.
   */
  lost?: { from: number; to: number }
  /** While Redis was away: nothing may be issued, and no token called active. */
  away: readonly { from: number; to: number }[]
  /**
   * Servers were ended on purpose, or connections dropped: requests without an answer are no fault
   * of theirs.
   */
  mayLoseAnswers: boolean
  /** A request that no server took is sent to another one. */
  mayBeUnsent: boolean
  /** How many times longer than usual everything may take, on a machine with other work. */
  lenience: number
}

const SLOWEST_MILLIS = 5000
/** What was under way when the store went away may still be answered. */
const UNDER_WAY_MILLIS = 2500
const BRIEF = 15
const CODE_MILLIS = 60_000

/** Judges a record by these terms. */
export function judge(history: History, terms: Terms, findings: Findings): void {
  const { lost } = terms
  const isLost = (at: number, after = 0): boolean =>
    lost !== undefined && at >= lost.from && at <= lost.to + after

  function verdict(invariant: Invariant, holds: boolean, what: string, excused: boolean): void {
    if (!holds && excused) findings.bounded(invariant, what)
    else findings.check(invariant, holds, what)
  }

  function introspection({ answer, askedAt, answeredAt, phase }: Operation, token: Token): void {
    if (answer.outcome !== 'ok') return
    const name = spell(token)
    if (mustBeDead(token, askedAt)) {
      // A rotation that a store has lost is undone until the newest token is shown; an ending never
      // is.
      const isRotation = token.family.endedAt >= askedAt && token.kind === 'refresh'
      const excused = isRotation && isLost(token.deadFrom)
      const since = (askedAt - Math.min(token.deadFrom, token.family.endedAt)).toFixed(0)
      const what = `${name} called active ${since} ms after its end (${phase ?? ''})`
      verdict('I2', answer.active === false, what, excused)
      if (token.family.isRevoked || token.kind === 'access')
        verdict('I4', answer.active === false, `revoked with 200, but ${what}`, excused)
    } else if (mustBeLive(token, askedAt, answeredAt)) {
      const excused = isLost(token.bornAt) || isLost(token.family.bornAt)
      const age = (askedAt - token.bornAt).toFixed(0)
      const what = `${name} called inactive, ${age} ms old (${phase ?? ''})`
      verdict('I1', answer.active === true, what, excused)
    }
  }

  function refresh(operation: Operation, token: Token): void {
    const { answer, askedAt } = operation
    const excused = isLost(token.bornAt) || isLost(token.family.bornAt)
    if (answer.outcome === 'refused' && mustRefresh(token, operation))
      verdict('I1', false, `${spell(token)} refused: ${answer.error ?? ''}`, excused)
    if (answer.outcome !== 'ok') return
    findings.check('I1', true, '')
    const isDead = mustBeDead(token, askedAt)
    const excusedDead = token.family.endedAt >= askedAt && isLost(token.deadFrom)
    verdict('I2', !isDead, `${spell(token)} was refreshed after its end`, excusedDead)
    if (answer.refresh === undefined || token.successor === undefined) return
    const isOne = answer.refresh === token.successor.text
    verdict('I3', isOne, `${spell(token)} has two successors`, isLost(token.successor.bornAt))
  }

  for (const operation of history.operations) {
    const { action, presented = '' } = operation
    general(operation, terms, findings)
    const token = history.tokens.get(presented)
    if (action === 'introspect' && token) introspection(operation, token)
    if (action === 'refresh' && token) refresh(operation, token)
  }
  const families = new Map(history.families.map((family) => [family.code, family]))
  for (const [code, attempts] of history.exchanges)
    redemption(attempts, families.get(code), verdict, (at) =>
      [at, history.codes.get(code) ?? at].some(isLost),
    )
}

/** What holds for every answer. */
function general(
  operation: Operation,
  { away, mayLoseAnswers, mayBeUnsent, lenience }: Terms,
  findings: Findings,
): void {
  const { answer, action, node, askedAt, answeredAt, phase } = operation
  const { outcome, status, millis } = answer
  const where = `${action} at node ${node} (${phase ?? ''})`
  findings.check('I5', outcome !== 'failed', `${where} answered ${status ?? 0}`)
  if (outcome === 'unavailable')
    findings.check('I5', answer.retryAfter === true, `${where}: 503 without Retry-After`)
  if (outcome === 'lost' || outcome === 'unsent')
    findings.check(
      'I5',
      mayLoseAnswers || (mayBeUnsent && outcome === 'unsent'),
      `${where} was not answered (${outcome})`,
    )
  else {
    const pages = action === 'signIn' || action === 'authorize' ? 3 : 1
    findings.check(
      'I5',
      millis < SLOWEST_MILLIS * pages * lenience,
      `${where} took ${millis.toFixed(0)} ms`,
    )
  }
  const isIssuing = action === 'exchange' || action === 'refresh' || action === 'credentials'
  const says = answer.active === true || isIssuing
  if (outcome === 'ok' && says)
    for (const { from, to } of away)
      if (askedAt > from + UNDER_WAY_MILLIS * lenience)
        findings.check('I5', answeredAt > to, `${where} said yes while Redis was away`)
}

/** A code: redeemed once at the most, and after a 503 as good as before. */
function redemption(
  attempts: readonly Operation[],
  family: Family | undefined,
  verdict: (invariant: Invariant, holds: boolean, what: string, excused: boolean) => void,
  isLost: (at: number, after?: number) => boolean,
): void {
  const code = brief(attempts[0]?.presented ?? '')
  const given = attempts.filter(({ answer }) => answer.outcome === 'ok')
  const excused = family !== undefined && isLost(family.bornAt)
  verdict('I3', given.length <= 1, `${code} was redeemed ${given.length} times`, excused)
  const inOrder = [...attempts].sort((a, b) => a.askedAt - b.askedAt)
  const first = inOrder.find((attempt) => !didNothing(attempt))
  if (first === undefined || first.answer.outcome === 'lost') return
  // Attempts at the same moment: one may win and the other be refused.
  if (
    attempts.some(
      (other) => other !== first && other.askedAt < first.answeredAt && !didNothing(other),
    )
  )
    return
  const before = inOrder.indexOf(first)
  const what = `${code} was refused after ${before === 0 ? 'nothing' : `${before} answers of 503`}: ${first.answer.error ?? ''}`
  verdict(
    before === 0 ? 'I1' : 'I6',
    first.answer.outcome !== 'refused',
    what,
    // A code of before may have been redeemed in the moments that are lost.
    isLost(first.askedAt, CODE_MILLIS) || excused,
  )
}

const brief = (text: string): string => `${text.slice(0, BRIEF)}…`
const spell = (token: Token): string =>
  `${token.kind} token ${brief(token.text)} of ${token.family.app}`
