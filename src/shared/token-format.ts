// The form of everything bearer that we hand out: prefix, base62 body, 6-character base62 CRC32, as
// secret scanners expect. Invariant: a string without this form is refused before any I/O, and the
// grantId in the body names the family's slot. What has the form may be invented all the same: an
// access token or a code is real if the store knows it, a refresh token proves itself.
//
//   otesse_at_ / otesse_ac_   grantId(16) secret(27)                              crc(6)
//   otesse_rt_                grantId(16) generation(4) secret(22) authenticity(8) crc(6)
//   otesse_cs_ / otesse_ln_   secret(43)                                           crc(6)
//
// 16 + 27 base62 characters are 256 bits, 160 of them secret. The refresh token's authenticity code
// tells a replayed token of long ago from an invented one without storing every token that ever
// was. Rotation moves a family to the newest server key: a successor is always made under the
// current key.
import { crc32 } from 'node:zlib'
import {
  base62Number,
  equalInConstantTime,
  type MacKey,
  parseBase62Number,
  randomBase62,
  type ServerKeys,
} from './crypto.ts'

const ACCESS_TOKEN_PREFIX = 'otesse_at_'
const REFRESH_TOKEN_PREFIX = 'otesse_rt_'
const CODE_PREFIX = 'otesse_ac_'
const CLIENT_SECRET_PREFIX = 'otesse_cs_'
const LINK_PREFIX = 'otesse_ln_'

const GRANT_ID_LENGTH = 16
const SECRET = 27
const GENERATION = 4
const REFRESH_SECRET = 22
const AUTHENTICITY = 8
const CRC = 6
const CLIENT_SECRET = 43

const BASE62 = /^[0-9A-Za-z]+$/
const MAX_GENERATION = 62 ** GENERATION - 1

/** Finds anything of ours inside a longer text, for redaction and for secret scanners. */
export const TOKEN_PATTERN = /otesse_(at|rt|ac|cs|ln)_[0-9A-Za-z]{6,}/g

const checksum = (text: string): string => base62Number(crc32(text), CRC)
const withChecksum = (text: string): string => text + checksum(text)

/** Makes the id of a grant: public, and the Redis Cluster hash tag of its family. */
export const newGrantId = (): string => randomBase62(GRANT_ID_LENGTH)

const GRANT_ID = /^[0-9A-Za-z]{16}$/

/** Returns whether the text has the form of a grant's id; what has not costs no I/O. */
export const isGrantId = (text: string): boolean => GRANT_ID.test(text)

/** Makes an access token of the family. */
export const newAccessToken = (grantId: string): string =>
  withChecksum(ACCESS_TOKEN_PREFIX + grantId + randomBase62(SECRET))

/** Makes an authorization code of the family. */
export const newCode = (grantId: string): string =>
  withChecksum(CODE_PREFIX + grantId + randomBase62(SECRET))

/** Makes a client secret: 256 bits. */
export const newClientSecret = (): string =>
  withChecksum(CLIENT_SECRET_PREFIX + randomBase62(CLIENT_SECRET))

/** Makes the token of a one-time link that people open: 256 bits. */
export const newLinkToken = (): string => withChecksum(LINK_PREFIX + randomBase62(CLIENT_SECRET))

function hasForm(text: string, prefix: string, bodyLength: number): boolean {
  if (text.length !== prefix.length + bodyLength + CRC || !text.startsWith(prefix)) return false
  const bodyEnd = text.length - CRC
  // The number of a checksum has one spelling, because its width is fixed.
  return (
    BASE62.test(text.slice(prefix.length)) &&
    parseBase62Number(text, bodyEnd) === crc32(text.slice(0, bodyEnd))
  )
}

const grantIdOf = (token: string): string =>
  token.slice(ACCESS_TOKEN_PREFIX.length, ACCESS_TOKEN_PREFIX.length + GRANT_ID_LENGTH)

/** Returns whether the text has the form of a client secret of ours (checksum included). */
export const isClientSecret = (text: string): boolean =>
  hasForm(text, CLIENT_SECRET_PREFIX, CLIENT_SECRET)

/** Returns whether the text has the form of a one-time link's token (checksum included). */
export const isLinkToken = (text: string): boolean => hasForm(text, LINK_PREFIX, CLIENT_SECRET)

/** What the form of a token tells without any look-up. */
export interface ParsedToken {
  kind: 'access' | 'refresh' | 'code'
  /** The grant's id. */
  grantId: string
  token: string
}

/** Reads a token's form; `undefined` for anything that is not ours, which costs no I/O. */
export function parseToken(token: string): ParsedToken | undefined {
  if (hasForm(token, ACCESS_TOKEN_PREFIX, GRANT_ID_LENGTH + SECRET))
    return { kind: 'access', grantId: grantIdOf(token), token }
  if (
    hasForm(
      token,
      REFRESH_TOKEN_PREFIX,
      GRANT_ID_LENGTH + GENERATION + REFRESH_SECRET + AUTHENTICITY,
    )
  )
    return { kind: 'refresh', grantId: grantIdOf(token), token }
  if (hasForm(token, CODE_PREFIX, GRANT_ID_LENGTH + SECRET))
    return { kind: 'code', grantId: grantIdOf(token), token }
  return undefined
}

/** Reads a presented token that must be of the given kind. */
export function parseTokenOf(kind: ParsedToken['kind'], token: string): ParsedToken | undefined {
  const parsed = parseToken(token)
  return parsed?.kind === kind ? parsed : undefined
}

/** Makes and recognises refresh tokens, and derives the one successor of each. */
export interface RefreshTokenForm {
  /** Makes the first refresh token of a family, generation 0. */
  first(grantId: string): string
  /** Returns the token's generation, or `undefined` where we never made it. */
  genuineGeneration(token: string): number | undefined
  /**
   * Returns the one successor of a genuine token under the current key: always the same for the
   * same predecessor, so that repeating a lost answer needs nothing stored in clear.
   */
  successor(token: string): string
  /**
   * Gives the successor under each configured key, that of the current key first. Nodes between the
   * two steps of a key change disagree about the current key: whoever repeats an answer picks the
   * successor that is stored. The caller has proved the token, by its code or by its stored hash.
   */
  successors(token: string): Iterable<string>
}

/**
 * Creates the form over the server's keys. Tokens of an older key stay genuine while it is
 * configured; what is made from now on, successors too, is made under the current key alone.
 */
export function createRefreshTokenForm(keys: ServerKeys): RefreshTokenForm {
  const purpose = 'refresh-token'
  const headLength = REFRESH_TOKEN_PREFIX.length + GRANT_ID_LENGTH + GENERATION + REFRESH_SECRET
  const make = (grantId: string, generation: number, secret: string, key: MacKey): string => {
    const head = REFRESH_TOKEN_PREFIX + grantId + base62Number(generation, GENERATION) + secret
    return withChecksum(head + key.base62(head, AUTHENTICITY))
  }
  const isGenuine = (token: string): boolean => {
    const head = token.slice(0, headLength)
    const authenticity = token.slice(headLength, headLength + AUTHENTICITY)
    return keys
      .all(purpose)
      .some((key) => equalInConstantTime(key.base62(head, AUTHENTICITY), authenticity))
  }
  const generationOf = (token: string): number => {
    const at = REFRESH_TOKEN_PREFIX.length + GRANT_ID_LENGTH
    return parseBase62Number(token.slice(at, at + GENERATION))
  }
  const successorUnder = (key: MacKey, token: string): string =>
    make(
      grantIdOf(token),
      Math.min(generationOf(token) + 1, MAX_GENERATION),
      key.base62(`successor ${token}`, REFRESH_SECRET),
      key,
    )
  return {
    first: (grantId) => make(grantId, 0, randomBase62(REFRESH_SECRET), keys.current(purpose)),
    genuineGeneration: (token) => (isGenuine(token) ? generationOf(token) : undefined),
    successor(token) {
      if (!isGenuine(token)) throw new Error('only a genuine refresh token has a successor')
      return successorUnder(keys.current(purpose), token)
    },
    *successors(token) {
      for (const key of keys.all(purpose)) yield successorUnder(key, token)
    },
  }
}
