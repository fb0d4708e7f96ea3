// A mail, and how it is handed over: to a mail server, or into files. Invariant: every try of a
// mail carries the same Message-ID, so that a receiver can tell a second copy. Called by
// deliveries/.
import { TOKEN_PATTERN } from '../shared/token-format.ts'

/** A mail as its receiver will read it. */
export interface Mail {
  to: string
  subject: string
  text: string
  html: string
}

/** Who mails are from. */
export interface MailSender {
  /** `Name <address>`, or the address alone. */
  from: string
  replyTo: string | undefined
}

/** How handing it over went; `answer` is the server's, for the log. */
export interface MailOutcome {
  /** `refused` is for good, `failed` may be better later. */
  kind: 'sent' | 'refused' | 'failed'
  answer: string
}

/** Hands mails over. */
export interface MailTransport extends AsyncDisposable {
  /**
   * Hands one over. Never rejects.
   *
   * @param id of the delivery; the Message-ID is made of it
   * @param at when it was written
   */
  send(mail: Mail, id: string, at: Date): Promise<MailOutcome>
}

const LONGEST_ANSWER = 300

/** Returns what may be kept of an answer: one line, bounded, without anything that opens a door. */
export const shownAnswer = (text: string): string =>
  text
    .replaceAll(TOKEN_PATTERN, 'otesse_$1_[redacted]')
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, LONGEST_ANSWER)

/** Returns the members of a mail that both transports write in the same way. */
export function composed({ from, replyTo }: MailSender, mail: Mail, id: string, at: Date) {
  const domain = /@([^@>\s]+)>?$/.exec(from)?.[1] ?? 'localhost'
  return {
    ...mail,
    // As an object: an address in a text may be read as several.
    to: { name: '', address: mail.to },
    from,
    ...(replyTo !== undefined && { replyTo }),
    date: at,
    messageId: `<${id}@${domain}>`,
    // RFC 3834 §5: nobody's holiday message answers it.
    headers: { 'Auto-Submitted': 'auto-generated' },
    disableFileAccess: true,
    disableUrlAccess: true,
  }
}
