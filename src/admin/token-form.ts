// What the form of a text alone tells: whether it is a token of ours, of which kind, of which
// family. Needs no I/O, because every token of ours ends with a checksum. Used by the token
// service, and to explain a text to the one who handed it in.
import { isClientSecret, parseToken, TOKEN_PATTERN } from '../shared/token-format.ts'

/** How the kinds are called, in answers and events. */
export const TOKEN_KINDS = {
  access: 'access token',
  refresh: 'refresh token',
  code: 'authorization code',
  secret: 'client secret',
} as const

/** The name of a kind. */
export type TokenKind = (typeof TOKEN_KINDS)[keyof typeof TOKEN_KINDS]

/** The form of a text. */
export interface TokenForm {
  /** `damaged` has a prefix of ours and a checksum that does not fit: mistyped, cut off or invented. */
  form: 'ours' | 'damaged' | 'foreign'
  what: TokenKind | undefined
  /** The family that the token names. */
  grantId: string | undefined
}

const BY_PREFIX: Readonly<Record<string, TokenKind>> = {
  at: TOKEN_KINDS.access,
  rt: TOKEN_KINDS.refresh,
  ac: TOKEN_KINDS.code,
  cs: TOKEN_KINDS.secret,
}
const WHOLE = new RegExp(`^${TOKEN_PATTERN.source}$`)

/** Reads the form of a text. */
export function formOf(text: string): TokenForm {
  const presented = parseToken(text)
  if (presented !== undefined)
    return { form: 'ours', what: TOKEN_KINDS[presented.kind], grantId: presented.grantId }
  const what = BY_PREFIX[WHOLE.exec(text)?.[1] ?? '']
  const form = isClientSecret(text) ? 'ours' : what === undefined ? 'foreign' : 'damaged'
  return { form, what, grantId: undefined }
}
