// The doctor's look at the public address, as an app sees it: through DNS, TLS and every proxy on
// the way.
import type { StoredKey } from '../keys/key.store.ts'
import { UNSAFE_DESTINATIONS } from '../outgoing/destination.ts'
import { sendOutgoing } from '../outgoing/outgoing-request.ts'
import { SECOND } from '../shared/clock.ts'
import type { Finding } from './finding.ts'

const BOUNDS = { timeoutMillis: 5 * SECOND, maxBodyBytes: 1024 * 1024 }
const DISCOVERY = '/.well-known/openid-configuration'

interface Metadata {
  issuer?: unknown
  token_endpoint?: unknown
  jwks_uri?: unknown
}

/**
 * Reads the discovery document through the public address and compares it with what it must say.
 *
 * @param keys the signing keys of the database, if known: the server that answers must publish them
 */
export async function checkIssuer(
  issuer: string,
  keys: readonly StoredKey[] | undefined,
): Promise<Finding[]> {
  const finding = (status: Finding['status'], sentence: string): Finding[] => [
    { check: 'public address', status, sentence },
  ]
  const read = await readJson(`${issuer}${DISCOVERY}`)
  if (typeof read === 'string')
    return finding(
      'fail',
      `${issuer} ${read}: start the server (otesse serve), or check DNS, TLS and the proxy before it.`,
    )
  const metadata = read as Metadata
  // RFC 8414 §3.3: the issuer MUST be identical to the address that the document was asked from.
  if (metadata.issuer !== issuer)
    return finding(
      'fail',
      `The server at ${issuer} calls itself ${shown(metadata.issuer)}: set its OTESSE_ISSUER to the public address.`,
    )
  if (metadata.token_endpoint !== `${issuer}/oauth/token`)
    return finding(
      'fail',
      `Its token endpoint is ${shown(metadata.token_endpoint)}: something in between rewrites responses.`,
    )
  const foreign = await isForeign(metadata, keys)
  return foreign === undefined
    ? finding('ok', `${issuer} answers, and its metadata agree.`)
    : finding('fail', foreign)
}

async function isForeign(
  metadata: Metadata,
  keys: readonly StoredKey[] | undefined,
): Promise<string | undefined> {
  if (keys === undefined || keys.length === 0 || typeof metadata.jwks_uri !== 'string')
    return undefined
  const read = await readJson(metadata.jwks_uri)
  if (typeof read === 'string') return `Its key set ${read}.`
  const published = JSON.stringify(read)
  return keys.some(({ id, status }) => status === 'current' && published.includes(id))
    ? undefined
    : 'The server there publishes other signing keys than this database has: it runs on another database.'
}

const shown = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, 200) : 'nothing'

/** Reads a JSON object; a text is what went wrong instead. */
async function readJson(url: string): Promise<object | string> {
  // The operator wrote the address, and it may well be on this machine.
  const outcome = await sendOutgoing({ method: 'GET', url, ...BOUNDS }, UNSAFE_DESTINATIONS)
  if (outcome.kind === 'failed')
    return `does not answer${outcome.code === undefined ? '' : ` (${outcome.code})`}`
  if (outcome.status !== 200) return `answers ${outcome.status}`
  try {
    const read: unknown = JSON.parse(outcome.body.toString('utf8'))
    return typeof read === 'object' && read !== null ? read : 'does not answer with JSON'
  } catch {
    return 'does not answer with JSON'
  }
}
