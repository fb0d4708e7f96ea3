// Takes credentials out of a provider's answer: some APIs repeat what they were sent. Invariant:
// the length stays what it was, and a part goes on as soon as no credential can begin at its end.
import { Transform } from 'node:stream'
import { OutgoingError } from '../../outgoing/failure.ts'

/** Shorter ones would be found in words that have nothing to do with them. */
const SHORTEST = 8
const STAR = 0x2a

/** Returns what to look for: the values, and how a URL or JSON would write them. */
export function redactedForms(secrets: readonly string[]): readonly Buffer[] {
  const forms = secrets
    .filter((secret) => secret.length >= SHORTEST)
    .flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
      secret.replaceAll('/', '\\/'),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('base64url'),
    ])
  return [...new Set(forms)].map((form) => Buffer.from(form))
}

/** Replaces each credential in a text by as many stars. */
export function redactText(text: string, forms: readonly Buffer[]): string {
  return forms.reduce((rest, form) => {
    const found = form.toString()
    return rest.replaceAll(found, '*'.repeat(found.length))
  }, text)
}

/**
 * Creates the stream that does the same to a body.
 *
 * @param maxBytes after which it ends in an error, as a body that was compressed may become long
 */
export function createRedaction(forms: readonly Buffer[], maxBytes: number): Transform {
  let held: Buffer = Buffer.alloc(0)
  let size = 0
  return new Transform({
    transform(part: Buffer, _encoding, done) {
      size += part.length
      if (size > maxBytes) {
        done(new OutgoingError('too_large'))
        return
      }
      const bytes = held.length === 0 ? Buffer.from(part) : Buffer.concat([held, part])
      for (const form of forms) blank(bytes, form)
      const ready = bytes.length - longestBeginning(bytes, forms)
      held = bytes.subarray(ready)
      done(null, bytes.subarray(0, ready))
    },
    flush(done) {
      done(null, held)
    },
  })
}

function blank(bytes: Buffer, form: Buffer): void {
  for (let at = bytes.indexOf(form); at !== -1; at = bytes.indexOf(form, at + form.length))
    bytes.fill(STAR, at, at + form.length)
}

/** Returns how many bytes at the end may be the beginning of a credential. */
function longestBeginning(bytes: Buffer, forms: readonly Buffer[]): number {
  let longest = 0
  for (const form of forms)
    for (let length = Math.min(form.length - 1, bytes.length); length > longest; length -= 1)
      if (bytes.subarray(bytes.length - length).equals(form.subarray(0, length))) longest = length
  return longest
}
