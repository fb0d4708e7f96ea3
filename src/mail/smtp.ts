// Mails by SMTP (RFC 5321). Invariant: nothing is sent, and no password is given, over a connection
// without TLS and a certificate that is right, unless an operator said so by an unsafe setting.
import nodemailer from 'nodemailer'
import { SECOND } from '../shared/clock.ts'
import type { Secret } from '../shared/secret.ts'
import {
  composed,
  type Mail,
  type MailOutcome,
  type MailSender,
  type MailTransport,
  shownAnswer,
} from './mail.ts'

/** Which mail server, and how it is spoken to. */
export interface SmtpServer {
  /**
   * `smtp://` upgrades by STARTTLS, `smtps://` begins with TLS; both may have user and password.
   */
  url: Secret<string>
  /** PEM of the authority that signed its certificate, where the system does not know it. */
  ca: Secret<string> | undefined
  /** Goes on without TLS where the server offers none. */
  allowsPlaintext: boolean
}

const CONNECTIONS = 3
const WHOLE_MILLIS = 60 * SECOND
const TIMEOUTS = {
  dnsTimeout: 10 * SECOND,
  connectionTimeout: 10 * SECOND,
  greetingTimeout: 10 * SECOND,
  socketTimeout: 20 * SECOND,
}
const PORTS = { 'smtp:': 587, 'smtps:': 465 } as const

/** Creates the transport; it connects with the first mail. */
export function createSmtpTransport(server: SmtpServer, sender: MailSender): MailTransport {
  const pool = nodemailer.createTransport(poolOptions(server))
  return {
    async send(mail, id, at) {
      const deadline = deadlineOf()
      try {
        const handed = pool.sendMail(composed(sender, mail, id, at))
        // Heard of by nobody once the deadline has passed.
        handed.catch(() => undefined)
        const { response } = await Promise.race([handed, deadline.passed])
        return { kind: 'sent', answer: shownAnswer(response) }
      } catch (error) {
        return failureOf(error, mail)
      } finally {
        deadline.cancel()
      }
    },
    [Symbol.asyncDispose]() {
      pool.close()
      return Promise.resolve()
    },
  }
}

function poolOptions({ url: secret, ca, allowsPlaintext }: SmtpServer) {
  const url = new URL(secret.reveal())
  const isTls = url.protocol === 'smtps:'
  const user = decodeURIComponent(url.username)
  return {
    pool: true as const,
    maxConnections: CONNECTIONS,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port) || PORTS[isTls ? 'smtps:' : 'smtp:'],
    secure: isTls,
    requireTLS: !isTls && !allowsPlaintext,
    tls: { minVersion: 'TLSv1.2' as const, ...(ca !== undefined && { ca: ca.reveal() }) },
    ...(user !== '' && { auth: { user, pass: decodeURIComponent(url.password) } }),
    ...TIMEOUTS,
  }
}

function deadlineOf(): { passed: Promise<never>; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined
  const passed = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer within a minute')), WHOLE_MILLIS)
  })
  passed.catch(() => undefined)
  return { passed, cancel: () => clearTimeout(timer) }
}

// Only what is said of the receiver or of the mail itself is for good: a server that refuses our
// password, or our own address, is set right by the operator.
const ABOUT_THE_MAIL = /^(?:RCPT TO|DATA)/

function failureOf(error: unknown, { to }: Mail): MailOutcome {
  const { responseCode, command, response, message } = error as Partial<SmtpError>
  const isPermanent =
    responseCode !== undefined &&
    responseCode >= 500 &&
    responseCode < 600 &&
    ABOUT_THE_MAIL.test(command ?? '')
  const answer = shownAnswer((response ?? message ?? String(error)).replaceAll(to, '…'))
  return { kind: isPermanent ? 'refused' : 'failed', answer }
}

/** What nodemailer's errors have. */
interface SmtpError extends Error {
  responseCode?: number
  command?: string
  response?: string
}
