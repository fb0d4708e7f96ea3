// Where a command reads and writes: standard streams, prompts without echo, colours where a person
// looks. Invariant: a secret comes in by standard input or a prompt that does not show it, never as
// an argument, which every process on the machine could read.
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'
import { Writable } from 'node:stream'
import { styleText, TextDecoder } from 'node:util'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** The terminal, or the pipes, of one command. */
export interface Terminal {
  /** Whether a person can be asked. */
  isInteractive: boolean
  /** Writes to standard output. */
  write(text: string): void
  /** Writes to standard error. */
  warn(text: string): void
  /** Reads standard input to its end, without the line end that closes it. */
  readAll(): Promise<string>
  /** Asks for one line that is not shown while it is typed. @throws {Cancelled} */
  askHidden(question: string): Promise<string>
  /** Colours a text where standard output is a terminal that shows colours. */
  paint(style: Style, text: string): string
}

/** The person pressed ctrl-C at a question. */
export class Cancelled extends Error {}

/** Opens the terminal of this process. */
export function openTerminal(): Terminal {
  const { stdin, stdout, stderr } = process
  // `otesse app list | head -1` closes the pipe early, which is no failure.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  return {
    isInteractive: stdin.isTTY && stderr.isTTY,
    write: (text) => void stdout.write(text),
    warn: (text) => void stderr.write(text),
    readAll: async () => decoded(await buffer(stdin)).replace(/\r?\n$/, ''),
    askHidden,
    paint: (style, text) => styleText(style, text, { stream: stdout }),
  }
}

// Replacement characters would make another password or another name of what was sent.
function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error(
      'Standard input is not UTF-8. Convert it first, for example: iconv -f WINDOWS-1252 -t UTF-8',
    )
  }
}

function askHidden(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  process.stderr.write(question)
  return new Promise((resolve, reject) => {
    lines.once('SIGINT', () => reject(new Cancelled()))
    lines.once('close', () => reject(new Cancelled()))
    lines.question('', resolve)
  }).finally(() => {
    lines.close()
    process.stderr.write('\n')
  }) as Promise<string>
}
