// The algorithms that sign id_tokens (RFC 7518 §3.1). Each has keys of its own.

/** OpenID Connect Discovery §3: RS256 MUST be included; it comes first, as what new apps get. */
export const SIGNING_ALGS = ['RS256', 'ES256'] as const
export type SigningAlg = (typeof SIGNING_ALGS)[number]
