// How a command gets what it does.
import type { Command } from 'commander'
import type { Outcome, Session } from './session.ts'

/** Gives a command its action. */
export type Does = (
  command: Command,
  action: (session: Session, ...args: string[]) => Promise<Outcome | number>,
) => void
