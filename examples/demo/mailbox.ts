// The mailbox of everybody in the demo: the files that the server writes instead of sending mail,
// as a page. A mail is shown as text, with its links.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RequestListener } from 'node:http'

/** Where it is. */
export const MAILBOX_PATH = '/demo/mail'

const MOST = 50

interface ShownMail {
  to: string
  subject: string
  date: string
  text: string
}

/** Adds the page to another listener. @param directory where the server writes mails */
export const withMailbox =
  (directory: string, others: RequestListener): RequestListener =>
  (request, response) => {
    if (request.method !== 'GET' || request.url !== MAILBOX_PATH) {
      others(request, response)
      return
    }
    void readMails(directory).then((mails) => {
      response.writeHead(200, {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
        'Cache-Control': 'no-store',
        'Referrer-Policy': 'no-referrer',
      })
      response.end(pageOf(mails))
    })
  }

/** Reads the newest. */
async function readMails(directory: string): Promise<ShownMail[]> {
  try {
    const files = (await readdir(directory)).filter((name) => /^\d.*\.eml$/.test(name))
    const newest = files.toSorted().toReversed().slice(0, MOST)
    return await Promise.all(
      newest.map(async (name) => readMail(await readFile(join(directory, name), 'utf8'))),
    )
  } catch {
    // None was written yet.
    return []
  }
}

/** Reads what the demo's server writes, and no other mail. */
function readMail(raw: string): ShownMail {
  const header = (name: string): string =>
    new RegExp(`^${name}: (.*(?:\r\n[ \t].*)*)`, 'im')
      .exec(raw)?.[1]
      ?.replaceAll(/\r\n[ \t]+/g, ' ') ?? ''
  const [, encoding, body = ''] =
    /content-type: text\/plain[^]*?content-transfer-encoding: ([\w-]+)[^]*?\r\n\r\n([^]*?)\r\n----_/i.exec(
      raw,
    ) ?? []
  return {
    to: header('to'),
    subject: decodeWords(header('subject')),
    date: header('date'),
    text: encoding === 'quoted-printable' ? decodeQuoted(body.replaceAll('=\r\n', '')) : body,
  }
}

const decodeQuoted = (text: string): string =>
  text.replaceAll(/(?:=[0-9A-F]{2})+/g, (bytes) =>
    Buffer.from(bytes.replaceAll('=', ''), 'hex').toString(),
  )

const decodeWords = (text: string): string =>
  text.replaceAll(/=\?utf-8\?q\?([^?]*)\?=/gi, (_, word: string) =>
    decodeQuoted(word.replaceAll('_', ' ')),
  )

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

const linked = (text: string): string =>
  escaped(text).replaceAll(/https?:\/\/[^\s<]+/g, (url) => `<a href="${url}">${url}</a>`)

const articleOf = ({ to, subject, date, text }: ShownMail): string => `
<article>
  <h2>${escaped(subject)}</h2>
  <p class="hint">To ${escaped(to)} · ${escaped(date)}</p>
  <pre>${linked(text.trim())}</pre>
</article>`

const pageOf = (mails: readonly ShownMail[]): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mail · demo</title>
<style>
:root { color-scheme: light dark; }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
article { border-top: 1px solid; padding-block: 1rem; }
h2 { margin: 0; font-size: 1.125rem; }
.hint { margin: 0 0 .75rem; }
pre { margin: 0; font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; }
</style>
<main>
<h1>Mail</h1>
<p>The demo sends no mail. What it would send is here, for everybody; the newest is first. Reload the page to see more.</p>
${mails.length === 0 ? '<p>Nothing yet. Choose “Forgot your password?” on the sign-in page.</p>' : mails.map(articleOf).join('')}
</main>
</html>
`
