// What the record says about every code and token: when it was handed out, what ended it and when,
// and from when on nobody can know. Pure functions of the entries; the judge and the last questions
// are made from it.
import type { Action, Answered, Asked, Entry, OperatorAct, Owner } from './recorder.ts'

export interface Operation extends Asked {
  n: number
  askedAt: number
  /** Infinity where no answer came. */
  answeredAt: number
  answer: Answered
}

/** A token from which others may have come. Times are those of the record; Infinity is never. */
export interface Token {
  text: string
  kind: 'access' | 'refresh'
  family: Family
  /** When its answer was there. */
  bornAt: number
  /** From when it is certainly dead, by itself. */
  deadFrom: number
  /** From when it may be dead by itself: somebody asked for it. */
  doubtedFrom: number
  /** What replaced it, for a refresh token that rotates. */
  successor?: Token
  /** When it was first presented with success. */
  usedAt: number
}

export interface Family {
  app: string
  code: string | undefined
  /**
   * When its code, or its app's own token, was asked for; `bornAt` is when the answer was there.
   */
  askedAt: number
  bornAt: number
  endedAt: number
  /** Whether somebody's answered wish ended it, and not a replay. */
  isRevoked: boolean
  doubtedFrom: number
  /** When a refresh was first refused, which may have ended it. */
  refusedFrom: number
  tokens: Token[]
}

export interface History {
  operations: Operation[]
  marks: { what: string; at: number }[]
  families: Family[]
  tokens: Map<string, Token>
  /** When the answer with each code was there. */
  codes: Map<string, number>
  /** Every attempt to redeem a code. */
  exchanges: Map<string, Operation[]>
  refreshes: Map<string, Operation[]>
}

const LOST: Answered = { outcome: 'lost', millis: 0 }
/** These may have changed something. */
const mayHaveHappened = ({ answer }: Operation): boolean => answer.outcome === 'lost'
/** These got an answer that says that nothing happened. */
export const didNothing = ({ answer }: Operation): boolean =>
  ['unavailable', 'unsent', 'throttled'].includes(answer.outcome)

/** Pairs questions and answers, in the order of the answers. */
function pair(entries: readonly Entry[]): Operation[] {
  const operations = new Map<number, Operation>()
  for (const entry of entries) {
    if (entry.kind === 'asked') {
      const { at, kind: _kind, wall: _wall, ...asked } = entry
      operations.set(entry.n, { ...asked, askedAt: at, answeredAt: Infinity, answer: LOST })
    } else if (entry.kind === 'answered') {
      const operation = operations.get(entry.n)
      if (!operation) continue
      const { at, kind: _kind, wall: _wall, n: _n, ...answer } = entry
      operation.answer = answer
      if (answer.outcome !== 'lost') operation.answeredAt = at
    }
  }
  return [...operations.values()].sort((a, b) => a.answeredAt - b.answeredAt || a.n - b.n)
}

/** Understands a record. */
export function readHistory(entries: readonly Entry[]): History {
  const operations = pair(entries)
  const history: History = {
    operations,
    marks: entries.flatMap((entry) =>
      entry.kind === 'mark' ? [{ what: entry.what, at: entry.at }] : [],
    ),
    families: [],
    tokens: new Map(),
    codes: new Map(
      operations.flatMap(({ answer: { code }, answeredAt }) =>
        code === undefined ? [] : [[code, answeredAt] as const],
      ),
    ),
    exchanges: groupBy(operations, 'exchange'),
    refreshes: groupBy(operations, 'refresh'),
  }
  for (const operation of operations) note(history, operation)
  for (const operation of operations) doubt(history, operation)
  for (const entry of entries) if (entry.kind === 'mark') carryOut(history, entry, entry.at)
  return history
}

function groupBy(operations: Operation[], action: Action): Map<string, Operation[]> {
  const groups = new Map<string, Operation[]>()
  for (const operation of operations) {
    if (operation.action !== action || operation.presented === undefined) continue
    const group = groups.get(operation.presented) ?? []
    groups.set(operation.presented, [...group, operation])
  }
  return groups
}

function addToken(history: History, text: string, kind: Token['kind'], family: Family, at: number) {
  const known = history.tokens.get(text)
  if (known) return known
  const token: Token = {
    ...{ text, kind, family, bornAt: at },
    ...{ deadFrom: Infinity, doubtedFrom: Infinity, usedAt: Infinity },
  }
  family.tokens.push(token)
  history.tokens.set(text, token)
  return token
}

function addFamily(history: History, operation: Operation): Family {
  const { action, app = '', presented, askedAt, answeredAt: bornAt } = operation
  const code = action === 'exchange' ? presented : undefined
  const family: Family = {
    ...{ app, code, askedAt, bornAt, endedAt: Infinity, isRevoked: false },
    ...{ doubtedFrom: Infinity, refusedFrom: Infinity },
    tokens: [],
  }
  history.families.push(family)
  return family
}

/** What is certain: answers that say that something happened. */
function note(history: History, operation: Operation): void {
  const { action, answer, answeredAt: at, presented = '' } = operation
  const { outcome, access, refresh } = answer
  const token = history.tokens.get(presented)
  if (action === 'exchange' && outcome === 'ok') {
    const family = addFamily(history, operation)
    if (access) addToken(history, access, 'access', family, at)
    if (refresh) addToken(history, refresh, 'refresh', family, at)
  }
  if (action === 'credentials' && outcome === 'ok' && access)
    addToken(history, access, 'access', addFamily(history, operation), at)
  if (action === 'refresh' && outcome === 'ok' && token) {
    token.usedAt = Math.min(token.usedAt, at)
    if (access) addToken(history, access, 'access', token.family, at)
    if (refresh && refresh !== presented) {
      const successor = addToken(history, refresh, 'refresh', token.family, at)
      token.successor ??= successor
    }
  }
  // The use of a successor ends its predecessor's grace.
  if (action === 'refresh' && outcome === 'ok')
    for (const other of token?.family.tokens ?? [])
      if (other.successor === token) other.deadFrom = Math.min(other.deadFrom, at)
  if (action === 'revoke' && outcome === 'ok' && token) {
    if (token.kind === 'access') token.deadFrom = Math.min(token.deadFrom, at)
    else {
      token.family.endedAt = Math.min(token.family.endedAt, at)
      token.family.isRevoked = true
    }
  }
}

/** What nobody can know: answers that were lost, and acts that end a family as a punishment. */
function doubt(history: History, operation: Operation): void {
  const { action, answer, askedAt, presented = '' } = operation
  const token = history.tokens.get(presented)
  if (action === 'revoke' && token && !['unsent', 'throttled'].includes(answer.outcome)) {
    if (token.kind === 'access') token.doubtedFrom = Math.min(token.doubtedFrom, askedAt)
    else token.family.doubtedFrom = Math.min(token.family.doubtedFrom, askedAt)
  }
  if (action === 'exchange') {
    const attempts = history.exchanges.get(presented) ?? []
    const counted = attempts.filter((attempt) => !didNothing(attempt))
    const family = history.families.find(({ code }) => code === presented)
    if (family && counted.length > 1) {
      const others = counted.filter((attempt) => attempt.answer.outcome !== 'ok')
      for (const other of others) family.doubtedFrom = Math.min(family.doubtedFrom, other.askedAt)
      // A second use that was refused ends what the first one gave (RFC 6749 §4.1.2).
      const refused = others.filter((attempt) => attempt.answer.outcome === 'refused')
      for (const { answeredAt } of refused)
        family.endedAt = Math.min(family.endedAt, Math.max(answeredAt, family.bornAt))
    }
    // One that found the code used may have ended it, and was not told where that could not be
    // written down.
    if (family)
      for (const other of attempts)
        if (other.answer.outcome === 'unavailable' && other.answeredAt > family.askedAt)
          family.doubtedFrom = Math.min(family.doubtedFrom, other.askedAt)
  }
  if (action === 'refresh' && token) {
    // A refused refresh may have ended the family as reuse: right for a dead token, and judged by
    // itself for a living one.
    if (answer.outcome === 'refused')
      token.family.refusedFrom = Math.min(token.family.refusedFrom, askedAt)
    if (mayHaveHappened(operation)) token.doubtedFrom = Math.min(token.doubtedFrom, askedAt)
  }
}

/** What an operator ends: all that was asked for before the act was done. */
function carryOut(history: History, { ending, ended }: OperatorAct, at: number): void {
  for (const family of ending ? ownedBy(history, ending) : [])
    family.doubtedFrom = Math.min(family.doubtedFrom, at)
  for (const family of ended ? ownedBy(history, ended) : []) {
    if (family.askedAt > at) continue
    family.endedAt = Math.min(family.endedAt, Math.max(at, family.bornAt))
    family.isRevoked = true
  }
}

function ownedBy({ families, operations }: History, { app, person }: Owner): Family[] {
  const codes = new Set(
    operations.flatMap(({ person: by, answer: { code } }) => (by === person ? (code ?? []) : [])),
  )
  return families.filter(
    (family) =>
      (app === undefined || family.app === app) &&
      (person === undefined || (family.code !== undefined && codes.has(family.code))),
  )
}

/** Says whether a token must be dead at a question that was asked then. */
export const mustBeDead = (token: Token, askedAt: number): boolean =>
  Math.min(token.deadFrom, token.family.endedAt) < askedAt

/** Says whether a token must be live for a question that was answered then. */
export function mustBeLive(token: Token, askedAt: number, answeredAt: number): boolean {
  const doubted = Math.min(
    ...[token.deadFrom, token.doubtedFrom, token.family.endedAt, token.family.doubtedFrom],
    token.family.refusedFrom,
  )
  const isReplaced = token.successor !== undefined && token.successor.bornAt <= answeredAt
  return token.bornAt <= askedAt && answeredAt < doubted && !isReplaced
}

/** Well within the grace of 30 s. */
const GRACE_MILLIS = 20_000

/** Says whether a refresh that was refused should have been answered. */
export function mustRefresh(token: Token, { askedAt, answeredAt }: Operation): boolean {
  const { family, successor } = token
  if (token.bornAt > askedAt || askedAt > family.refusedFrom) return false
  if (answeredAt >= Math.min(token.deadFrom, family.endedAt, family.doubtedFrom)) return false
  const replacedAt = Math.min(token.doubtedFrom, successor?.bornAt ?? Infinity)
  return answeredAt < replacedAt + GRACE_MILLIS && (successor?.usedAt ?? Infinity) > answeredAt
}
