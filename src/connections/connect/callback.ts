// What a provider sends back through the browser, read strictly. Invariant: a parameter that came
// twice decides nothing.

/** A callback as it came. */
export interface Callback {
  code: string | undefined
  /** The provider's error code, if it is one that may be shown. */
  error: string | undefined
  issuer: string | undefined
  /** Everything that came, for the values that some providers send along. */
  query: URLSearchParams
}

/** Returns the state, where there is exactly one. */
export function stateIn(query: URLSearchParams): string | undefined {
  const [state, ...more] = query.getAll('state')
  return state === undefined || state === '' || more.length > 0 ? undefined : state
}

/**
 * Reads the rest (RFC 6749 §4.1.2 and §4.1.2.1).
 *
 * @returns `undefined` where a parameter came twice, or neither a code nor an error came
 */
export function readCallback(query: URLSearchParams): Callback | undefined {
  const isDoubled = OWN.some((name) => query.getAll(name).length > 1)
  const one = (name: string): string | undefined => query.get(name) ?? undefined
  const [code, error] = [one('code'), one('error')]
  if (isDoubled || (code ?? '') === (error ?? '')) return undefined
  return { code, error: error === undefined ? undefined : shown(error), issuer: one('iss'), query }
}

const OWN = ['state', 'code', 'error', 'iss'] as const

// What anybody can write into an address is shown only if it is a code.
const shown = (error: string): string => (/^[a-zA-Z0-9_.:-]{1,64}$/.test(error) ? error : 'unknown')
