// Whether a call that claims to come from a provider was signed by it. How it signs is data of the
// provider. Invariants: signatures are compared in constant time; a call whose time is signed is
// believed for five minutes, so that one that was recorded cannot be sent again later.
import { equalBytes, hmacBytes } from '../../shared/crypto.ts'
import { MINUTE, SECOND } from '../../shared/clock.ts'
import type { Secret } from '../../shared/secret.ts'
import type { ProviderWebhook } from '../../providers/provider.ts'

/** A call as it came. */
export interface ReceivedWebhook {
  /** By name in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

/** What is wrong with a call. */
export type WebhookFault =
  'signature_missing' | 'signature_wrong' | 'timestamp_missing' | 'timestamp_outside_window'

/** How far the time of a call may be from ours, in both directions. */
const WINDOW_MILLIS = 5 * MINUTE
/** More signatures than any provider sends while it changes its secret. */
const MOST_SIGNATURES = 10

/**
 * Checks a call.
 *
 * @param secrets all that may have signed it: two while a secret is being changed
 * @returns what is wrong; nothing where the provider signed it
 */
export function webhookFault(
  scheme: ProviderWebhook,
  secrets: readonly Secret<string>[],
  received: ReceivedWebhook,
  now: number,
): WebhookFault | undefined {
  const { signatures, timestamp } = readSignatures(scheme, received)
  if (signatures.length === 0) return 'signature_missing'
  if (scheme.layout === 'secret')
    return isAny(secrets, signatures, (secret) => Buffer.from(secret.reveal()))
  const parts = partsOf(scheme, received, timestamp)
  if (parts === undefined) return 'timestamp_missing'
  const { hash = 'sha256' } = scheme
  const fault = isAny(secrets, signatures, (secret) =>
    hmacBytes(hash, keyOf(scheme, secret), parts),
  )
  // First the signature: the time of a call that anybody may have written says nothing.
  return fault ?? timeFault(scheme, timestamp, now)
}

function readSignatures(
  { header, layout = 'value', prefix = '', encoding, timestamp_header }: ProviderWebhook,
  { headers }: ReceivedWebhook,
): { signatures: Buffer[]; timestamp: string | undefined } {
  const text = headers.get(header.toLowerCase()) ?? ''
  const given = timestamp_header && headers.get(timestamp_header.toLowerCase())
  const found =
    layout === 'members'
      ? text.split(',').map((member) => member.trim())
      : layout === 'list'
        ? text.split(' ')
        : [text.trim()]
  const before = layout === 'members' ? `${prefix}=` : prefix
  const signatures = found
    .filter((each) => each.startsWith(before) && each.length > before.length)
    .slice(0, MOST_SIGNATURES)
    .map((each) => Buffer.from(each.slice(before.length), encoding ?? 'utf8'))
  const time = found.find((each) => each.startsWith('t='))?.slice(2)
  return { signatures, timestamp: layout === 'members' ? time : given }
}

function isAny(
  secrets: readonly Secret<string>[],
  signatures: readonly Buffer[],
  expected: (secret: Secret<string>) => Buffer,
): WebhookFault | undefined {
  // All of them, so that the time says nothing about which one it was.
  const matches = secrets.flatMap((secret) => {
    const right = expected(secret)
    return signatures.map((signature) => equalBytes(signature, right))
  })
  return matches.includes(true) ? undefined : 'signature_wrong'
}

const PLACEHOLDER = /(\{body\}|\{timestamp\}|\{id\})/

/** What was signed, in parts; nothing where the call lacks one of them. */
function partsOf(
  { signed = '{body}', id_header }: ProviderWebhook,
  { headers, body }: ReceivedWebhook,
  timestamp: string | undefined,
): Buffer[] | undefined {
  const id = id_header && headers.get(id_header.toLowerCase())
  const parts: Buffer[] = []
  for (const part of signed.split(PLACEHOLDER)) {
    const value =
      part === '{body}' ? body : part === '{timestamp}' ? timestamp : part === '{id}' ? id : part
    if (value === undefined) return undefined
    parts.push(Buffer.isBuffer(value) ? value : Buffer.from(value))
  }
  return parts
}

function keyOf({ secret_form = 'text' }: ProviderWebhook, secret: Secret<string>): Buffer {
  const text = secret.reveal()
  return secret_form === 'text'
    ? Buffer.from(text)
    : Buffer.from(text.replace(/^whsec_/, ''), 'base64')
}

function timeFault(
  { signed = '{body}', timestamp_unit = 's' }: ProviderWebhook,
  timestamp: string | undefined,
  now: number,
): WebhookFault | undefined {
  if (!signed.includes('{timestamp}')) return undefined
  const number = /^\d{1,16}$/.test(timestamp ?? '') ? Number(timestamp) : Number.NaN
  const at = timestamp_unit === 's' ? number * SECOND : number
  return Math.abs(now - at) <= WINDOW_MILLIS ? undefined : 'timestamp_outside_window'
}
