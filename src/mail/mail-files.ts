// Mails as files of a directory, for embedded mode without a mail server. Invariants: only this
// user may read them, because they hold links that open accounts; a mail that is written twice is
// one file.
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import nodemailer from 'nodemailer'
import { composed, type MailSender, type MailTransport, shownAnswer } from './mail.ts'

/** Creates the transport; the directory is made with the first mail. */
export function createMailFiles(directory: string, sender: MailSender): MailTransport {
  const composer = nodemailer.createTransport({ streamTransport: true, buffer: true })
  return {
    async send(mail, id, at) {
      try {
        const { message } = await composer.sendMail(composed(sender, mail, id, at))
        const name = `${at.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${id}.eml`
        await mkdir(directory, { recursive: true, mode: 0o700 })
        const unfinished = join(directory, `.${name}`)
        await writeFile(unfinished, message as Buffer, { mode: 0o600 })
        await rename(unfinished, join(directory, name))
        return { kind: 'sent', answer: `written to ${name}` }
      } catch (error) {
        return { kind: 'failed', answer: shownAnswer(String(error)) }
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
