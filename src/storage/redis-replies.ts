// The codes of Redis's error replies: the word in capitals with which each begins, as the protocol
// lays down for clients ("the first upper-case word after the -").

/** By shape: the class of replies is not exported, and Node's errors are of another realm in tests. */
const isReply = (error: unknown): error is Error =>
  typeof error === 'object' && error !== null && (error as Error).name === 'ReplyError'

/**
 * Returns the code of an error reply, such as `READONLY`; where a script failed, that of what
 * failed in it. Undefined for any other error.
 */
export function replyCode(error: unknown): string | undefined {
  if (!isReply(error)) return undefined
  const [, inner] = /^ERR Error running script.* -([A-Z]+) /s.exec(error.message) ?? []
  return inner ?? error.message.split(' ', 1)[0]
}

/** Returns the code of the reply that an error is, or that is its cause. */
export const causeCode = (error: unknown): string | undefined =>
  replyCode(error) ?? replyCode((error as { cause?: unknown } | undefined)?.cause)
