// A mail server on this machine that keeps what it is sent: with STARTTLS or without, and refusing
// as it is told.
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { makeCertificates } from './certificates.ts'

/** What it was sent. */
export interface ReceivedMail {
  to: string
  /** Headers by their name in lower case. */
  headers: ReadonlyMap<string, string>
  /** The whole mail, with its bodies decoded. */
  text: string
  /** The first link in it. */
  link: string | undefined
  /** Whether it came by TLS. */
  isSecure: boolean
}

export interface MailSink extends AsyncDisposable {
  mails: ReceivedMail[]
  /** The settings of a server that sends here. */
  settings: Readonly<Record<string, string>>
  /** Answers this to every address from now on; `undefined` takes all. */
  refuseWith(code: number | undefined): void
  /** The connections that were opened. */
  connections(): number
}

/** Starts it on a free port. */
export async function startMailSink({
  tls = true,
  port = 0,
}: { tls?: boolean; port?: number } = {}): Promise<MailSink> {
  await using stack = new AsyncDisposableStack()
  const certificates = stack.use(await makeCertificates())
  const mails: ReceivedMail[] = []
  let refusal: number | undefined
  let connections = 0
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    closeTimeout: 100,
    ...(tls
      ? { key: certificates.server.key, cert: certificates.server.cert }
      : { disabledCommands: ['STARTTLS'] }),
    onConnect(_session, done) {
      connections += 1
      done()
    },
    onAuth: ({ username }, _session, done) => done(null, { user: username }),
    onRcptTo(_address, _session, done) {
      if (refusal === undefined) done()
      else done(Object.assign(new Error('No such mailbox'), { responseCode: refusal }))
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
      stream.on('end', () => {
        const to = session.envelope.rcptTo[0]?.address ?? ''
        mails.push({ ...readMail(Buffer.concat(chunks).toString()), to, isSecure: session.secure })
        done()
      })
    },
  })
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
  stack.defer(
    () =>
      new Promise<void>((resolve) => {
        server.close(resolve)
      }),
  )
  const { port: ownPort } = server.server.address() as AddressInfo
  const open = stack.move()
  return {
    mails,
    settings: {
      OTESSE_SMTP_URL: `smtp://otesse:mail-password@127.0.0.1:${ownPort}`,
      OTESSE_MAIL_FROM: 'Otesse <no-reply@example.com>',
      OTESSE_SMTP_CA: certificates.ca,
    },
    refuseWith: (code) => void (refusal = code),
    connections: () => connections,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

/** Reads a mail as it is written: its headers, its bodies decoded, its first link. */
export function readMail(raw: string): Omit<ReceivedMail, 'to' | 'isSecure'> {
  const end = raw.indexOf('\r\n\r\n')
  const unfolded = raw.slice(0, end).replaceAll(/\r\n[ \t]+/g, ' ')
  const headers = new Map(
    unfolded.split('\r\n').map((line): [string, string] => {
      const at = line.indexOf(':')
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
    }),
  )
  const text = raw
    .replaceAll(/=\r\n/g, '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return { headers, text, link: /https?:\/\/\S+(?:welcome|reset|account)\/\S+/.exec(text)?.[0] }
}
