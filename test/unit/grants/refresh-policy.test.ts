// What a presented refresh token means, over all states: a pure function.
import fc from 'fast-check'
import type { RefreshRecord } from '../../../src/grants/grant.ts'
import { decideRefresh, MOMENT_MILLIS } from '../../../src/grants/refresh-policy.ts'

const NOW = 1_800_000_000_000
const GRACE = 30_000
const state: RefreshRecord = {
  hash: 'current',
  generation: 5,
  expiresAt: NOW / 1000 + 1000,
  code: 'code',
  previous: { hash: 'previous', replacedAt: NOW - 10_000 },
}

it.each([
  ['the current one', { hash: 'current', generation: 5 }, state, 'current'],
  ['the predecessor inside the grace', { hash: 'previous', generation: 4 }, state, 'repeat'],
  [
    'the predecessor at the end of the grace',
    { hash: 'previous', generation: 4 },
    { ...state, previous: { hash: 'previous', replacedAt: NOW - GRACE } },
    'repeat',
  ],
  [
    'the predecessor after the grace',
    { hash: 'previous', generation: 4 },
    { ...state, previous: { hash: 'previous', replacedAt: NOW - GRACE - 1 } },
    'reused',
  ],
  ['the predecessor’s predecessor', { hash: 'older', generation: 3 }, state, 'reused'],
  [
    'another one of the predecessor’s generation',
    { hash: 'other', generation: 4 },
    state,
    'reused',
  ],
  [
    'one of the current generation that is not current',
    { hash: 'other', generation: 5 },
    state,
    'unknown',
  ],
  ['one of a generation to come', { hash: 'other', generation: 6 }, state, 'ahead'],
  [
    'one of a generation to come after the end',
    { hash: 'other', generation: 6 },
    { ...state, expiresAt: NOW / 1000 },
    'unknown',
  ],
  ['one that nothing proves', { hash: 'other', generation: Infinity }, state, 'unknown'],
  [
    'the current one at its end',
    { hash: 'current', generation: 5 },
    { ...state, expiresAt: NOW / 1000 },
    'unknown',
  ],
  [
    'an old one after the end',
    { hash: 'older', generation: 3 },
    { ...state, expiresAt: NOW / 1000 },
    'unknown',
  ],
])('RFC 6749 §10.4 — a refresh token is: %s', (_name, presented, record, kind) => {
  expect(decideRefresh(record, presented, NOW, GRACE).kind).toBe(kind)
})

it('repeats nothing where there is no grace', () => {
  const { previous: _previous, ...rest } = state
  expect(decideRefresh(rest, { hash: 'previous', generation: 4 }, NOW, GRACE).kind).toBe('reused')
  const justNow = { ...state, previous: { hash: 'previous', replacedAt: NOW - 1 } }
  expect(decideRefresh(justNow, { hash: 'previous', generation: 4 }, NOW, 0).kind).toBe('reused')
})

it('a clock that runs backwards never makes a reuse of the predecessor', () => {
  fc.assert(
    fc.property(fc.nat(600_000), (back) => {
      const decision = decideRefresh(
        state,
        { hash: 'previous', generation: 4 },
        NOW - 10_000 - back,
        GRACE,
      )
      expect(decision.kind).toBe('repeat')
    }),
  )
})

describe('doubts', () => {
  const predecessor = { hash: 'previous', generation: 4 }
  const replaced = (agoMillis: number, carried = 0, seen?: number): RefreshRecord => ({
    ...state,
    ...(carried > 0 && { doubts: carried }),
    previous: {
      hash: 'previous',
      replacedAt: NOW - agoMillis,
      from: 'home',
      ...(seen !== undefined && { doubts: seen }),
    },
  })
  const LATE = MOMENT_MILLIS + 1
  const decide = (record: RefreshRecord, from = 'home', isProven = false) =>
    decideRefresh(record, predecessor, NOW, GRACE, { from, isProven })

  it.each([
    ['a repeat of the same moment', replaced(MOMENT_MILLIS), 'home', 0],
    ['a late one', replaced(LATE), 'home', 1],
    ['one from another network', replaced(0), 'away', 1],
    ['a late one after a doubted rotation', replaced(LATE, 1), 'home', 2],
    ['one of the same moment after a doubted rotation', replaced(0, 1), 'home', 1],
    ['one of the same moment when a late one came before', replaced(0, 1, 2), 'home', 2],
  ])('%s', (_name, record, from, doubts) => {
    expect(decide(record, from)).toEqual({ kind: 'repeat', doubts })
  })

  it('of the third rotation in a row are reuse, unless the app proves itself', () => {
    expect(decide(replaced(LATE, 2)).kind).toBe('reused')
    expect(decide(replaced(0, 2), 'away').kind).toBe('reused')
    expect(decide(replaced(0, 2)).kind).toBe('repeat')
    expect(decide(replaced(LATE, 2), 'away', true)).toEqual({ kind: 'repeat', doubts: 0 })
  })
})
