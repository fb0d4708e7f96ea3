// The record of everything that was asked and answered: one JSON object a line, appended and
// synchronised before anything else happens, so that it is true whatever ends this process. It
// holds tokens in clear: it lives in a private directory and goes with it.
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'

/**
 * What came of a request. `lost`: it may have happened. `unsent`: it cannot have happened.
 * `unavailable`: the server said that it did not.
 */
export type Outcome = 'ok' | 'refused' | 'throttled' | 'unavailable' | 'failed' | 'lost' | 'unsent'

export type Action =
  'signIn' | 'authorize' | 'exchange' | 'refresh' | 'revoke' | 'introspect' | 'credentials'

/** A request, written before it is sent. */
export interface Asked {
  action: Action
  node: number
  app?: string
  /** The code or the token that it presents. */
  presented?: string
  /** Who allows the app, for an authorization. */
  person?: string
  /** Whose question it is, where that matters to the judge. */
  phase?: 'load' | 'probe' | 'last'
}

/** An answer, written before anything is done with it. */
export interface Answered {
  outcome: Outcome
  status?: number
  millis: number
  error?: string
  retryAfter?: boolean
  code?: string
  access?: string
  refresh?: string
  active?: boolean
}

/** Everything of an app, of a person, or of both together. */
export interface Owner {
  app?: string
  person?: string
}

/**
 * What an operator does with it: from `ending` on its tokens may be dead, from `ended` they are.
 */
export interface OperatorAct {
  ending?: Owner
  ended?: Owner
}

/** One line of the record. `at` is monotonic, in milliseconds; `wall` is the time of day. */
export type Entry = { at: number; wall: string } & (
  | ({ kind: 'asked'; n: number } & Asked)
  | ({ kind: 'answered'; n: number } & Answered)
  | ({ kind: 'mark'; what: string } & OperatorAct)
)

export interface Recorder {
  asked(request: Asked): number
  answered(n: number, answer: Answered): void
  /** Writes a moment of the fault: what was done to whom. @returns its monotonic time */
  mark(what: string, act?: OperatorAct): number
  /** Reads everything back from the file. */
  read(): Entry[]
  close(): void
}

/** Opens a new record. */
export function openRecorder(path: string): Recorder {
  const file = openSync(path, 'ax', 0o600)
  let count = 0

  function write(entry: object): number {
    const at = performance.now()
    writeSync(file, `${JSON.stringify({ at, wall: new Date().toISOString(), ...entry })}\n`)
    fdatasyncSync(file)
    return at
  }

  return {
    asked(request) {
      count += 1
      write({ kind: 'asked', n: count, ...request })
      return count
    },
    answered: (n, answer) => void write({ kind: 'answered', n, ...answer }),
    mark: (what, act) => write({ kind: 'mark', what, ...act }),
    read: () =>
      readFileSync(path, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Entry),
    close: () => closeSync(file),
  }
}
