// How mails leave: by the mail server that is set, into files in embedded mode, or not at all.
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import type { MailTransport } from '../mail/mail.ts'
import { createMailFiles } from '../mail/mail-files.ts'
import { createSmtpTransport } from '../mail/smtp.ts'
import { IN_MEMORY } from '../storage/database.ts'

/** Creates the transport; `undefined` where no mail can be sent. */
export function createMailTransport({
  mail,
  pages,
  server,
  stores,
  unsafe,
}: Config): MailTransport | undefined {
  const { smtpUrl, from, replyTo, ca } = mail
  const ownAddress = `no-reply@${new URL(server.issuer).hostname}`
  const sender = { from: from ?? `${pages.serviceName} <${ownAddress}>`, replyTo }
  if (smtpUrl !== undefined)
    return createSmtpTransport({ url: smtpUrl, ca, allowsPlaintext: unsafe.smtpPlaintext }, sender)
  if (stores.kind !== 'embedded' || stores.dataDirectory === IN_MEMORY) return undefined
  return createMailFiles(join(stores.dataDirectory, 'mail'), sender)
}
