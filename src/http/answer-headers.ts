// The headers of every answer of the public port, whichever part gives it and whatever went wrong.
// Invariant: they are the same for a whole process, so they are made once and cost nothing on the
// fast path.

/** Names and values in turn, as node:http takes them. */
export type AnswerHeaders = readonly string[]

/**
 * Returns the headers of every answer.
 *
 * RFC 6797 §7.2: Strict-Transport-Security belongs to answers over TLS alone. Behind a proxy that
 * ends it, the issuer says whether that is so.
 *
 * @param options.hstsSeconds how long browsers must come back by TLS only; 0 says nothing to them
 */
export function createAnswerHeaders({
  issuer,
  hstsSeconds,
}: {
  issuer: string
  hstsSeconds: number
}): AnswerHeaders {
  const headers = ['X-Content-Type-Options', 'nosniff']
  if (issuer.startsWith('https:') && hstsSeconds > 0)
    headers.push('Strict-Transport-Security', `max-age=${hstsSeconds}`)
  return headers
}

/** Puts them on an answer that has not begun. */
export function setAnswerHeaders(
  response: { setHeader(name: string, value: string): unknown },
  headers: AnswerHeaders,
): void {
  for (let at = 0; at < headers.length; at += 2)
    response.setHeader(headers[at] ?? '', headers[at + 1] ?? '')
}
