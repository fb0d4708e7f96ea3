// Where mails are posted. Invariant: a mail is written in the transaction of what it tells of, and
// is sent by somebody else: a mail server that is away never fails or slows an act down.
import { writeLetter, type Letter, type RenderLetter } from '../mail/letter.ts'
import type { Letters } from '../mail/letters.ts'
import { type Clock, dateNow } from '../shared/clock.ts'
import type { Encryption } from '../shared/encryption.ts'
import { type NewDelivery, type OutboxWriter, writeDelivery } from '../storage/delivery-outbox.ts'

/** Whom a mail goes to. */
export interface Addressee {
  email: string
  /** The account that it is about, for the log. */
  accountId?: string | undefined
}

/** Posts mails. */
export interface Mailbox {
  /** Whether mails go anywhere; where not, posting does nothing. */
  readonly isSetUp: boolean
  /** The words of mails. */
  readonly letters: Letters
  /**
   * Writes a mail into the outbox.
   *
   * @param db the transaction of what it tells of
   * @param expiresAt after which it is of no use, such as when its link has expired
   */
  post(db: OutboxWriter, to: Addressee, letter: Letter, expiresAt?: Date): Promise<void>
  /** Writes another delivery into the outbox. */
  write(db: OutboxWriter, delivery: NewDelivery): Promise<void>
}

/** Creates the mailbox. */
export function createMailbox(deps: {
  isSetUp: boolean
  letters: Letters
  render: RenderLetter
  encryption: Encryption
  clock: Clock
}): Mailbox {
  const { isSetUp, letters, render, encryption, clock } = deps
  const write = async (db: OutboxWriter, delivery: NewDelivery): Promise<void> => {
    if (isSetUp) await writeDelivery(db, encryption, delivery, dateNow(clock))
  }
  return {
    isSetUp,
    letters,
    write,
    post: (db, { email, accountId }, letter, expiresAt) =>
      isSetUp
        ? write(db, {
            kind: 'mail',
            purpose: letter.purpose,
            recipient: email,
            accountId,
            body: JSON.stringify(writeLetter(render, letter)),
            expiresAt,
          })
        : Promise.resolve(),
  }
}
