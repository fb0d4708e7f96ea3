// Which headers a proxied call carries. Invariants: nothing by which the caller proves itself to us
// reaches the provider, and nothing by which the provider knows a browser, or speaks of its own
// address, reaches the caller; what belongs to one connection stays on it (RFC 9110 §7.6.1).

type RawHeaders = readonly string[]
type Headers = Record<string, string[]>

// Of one connection, by whatever name a parser may know them.
const CONNECTION =
  /^(connection|keep-alive|proxy-.*|te|trailers?|transfer-encoding|upgrade|http2-settings)$/
// Ours, or of the way here: who called, and from where.
const CALLER =
  /^(host|authorization|cookie2?|expect|content-length|accept-encoding|forwarded|via|x-forwarded(-.*)?|x-real-ip|x-client-ip|true-client-ip|cf-.*|client-cert(-.*)?|x-otesse-.*|x-http-method(-override)?|x-method-override|x-original-(url|uri|method|host)|x-rewrite-url|x-host)$/
// Of the provider's own origin, which the answer does not have here, and what would speak in our
// name.
const PROVIDER =
  /^(set-cookie2?|clear-site-data|strict-transport-security|expect-ct|public-key-pins(-.*)?|alt-svc|nel|report-to|reporting-endpoints|access-control-.*|cross-origin-.*|content-security-policy(-.*)?|permissions-policy|service-worker-allowed|refresh|x-otesse-.*|x-request-id|cache-control|x-content-type-options|content-encoding|location|date)$/

/**
 * Returns the headers that go to the provider.
 *
 * @param credential the headers that prove the connection; they replace what the caller wrote
 */
export function headersForProvider(
  raw: RawHeaders,
  credential: Readonly<Record<string, string>>,
): Headers {
  const own = Object.entries(credential).map(([name, value]) => [name.toLowerCase(), value])
  const taken = new Set(own.map(([name]) => name))
  const kept = keptHeaders(raw, (name) => CALLER.test(name) || taken.has(name))
  return {
    ...kept,
    ...Object.fromEntries(own.map(([name = '', value = '']) => [name, [value]])),
    // What is compressed cannot be searched for the credential.
    'accept-encoding': ['identity'],
  }
}

/** Returns the headers of the provider's answer that go to the caller. */
export const headersForCaller = (raw: RawHeaders): Headers =>
  keptHeaders(raw, (name) => PROVIDER.test(name))

/** Returns the last value of a header. */
export function headerOf(raw: RawHeaders, wanted: string): string | undefined {
  let found: string | undefined
  for (const [name, value] of pairs(raw)) if (name === wanted) found = value
  return found
}

function keptHeaders(raw: RawHeaders, isDropped: (name: string) => boolean): Headers {
  const ofConnection = new Set(
    pairs(raw)
      .filter(([name]) => name === 'connection')
      .flatMap(([, value]) => value.toLowerCase().split(/[\s,]+/)),
  )
  const kept: Headers = {}
  for (const [name, value] of pairs(raw)) {
    // A gateway may take an underscore for a hyphen.
    const read = name.replaceAll('_', '-')
    if (CONNECTION.test(read) || ofConnection.has(name) || isDropped(read)) continue
    kept[name] = [...(kept[name] ?? []), value]
  }
  return kept
}

function pairs(raw: RawHeaders): [name: string, value: string][] {
  const found: [string, string][] = []
  for (let at = 0; at + 1 < raw.length; at += 2)
    found.push([(raw[at] ?? '').toLowerCase(), raw[at + 1] ?? ''])
  return found
}
