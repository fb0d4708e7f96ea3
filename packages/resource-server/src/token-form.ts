// The form of an access token, known without asking anybody: `otesse_at_`, 43 letters of base62,
// and six more that are their CRC-32. Invariant: what fails here was never an access token of the
// server, so refusing it needs no question.
import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'

const PREFIX = 'otesse_at_'
const CRC_LETTERS = 6
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const BODY = /^[0-9A-Za-z]{49}$/

/** The length of an access token. */
export const TOKEN_LENGTH = PREFIX.length + 43 + CRC_LETTERS

/** Returns whether the text can be an access token. */
export function hasTokenForm(text: string): boolean {
  return (
    text.length === TOKEN_LENGTH &&
    text.startsWith(PREFIX) &&
    BODY.test(text.slice(PREFIX.length)) &&
    text.endsWith(checksum(text.slice(0, -CRC_LETTERS)))
  )
}

function checksum(text: string): string {
  let rest = crc32(text)
  let letters = ''
  for (let at = 0; at < CRC_LETTERS; at += 1) {
    letters = ALPHABET.charAt(rest % 62) + letters
    rest = Math.floor(rest / 62)
  }
  return letters
}

/** Returns the SHA-256 of a token in base64url: the name by which it is remembered here and revoked by the server. */
export const tokenHash = (token: string): string => hash('sha256', token, 'base64url')
