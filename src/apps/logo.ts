// Logos of apps: which bytes are taken and under which name they are kept. Invariant: the type of a
// stored logo is what its bytes are, never what the uploader said; the name is the SHA-256 of the
// bytes, so that a URL with it never changes its content.
import { sha256Hex } from '../shared/crypto.ts'
import { findSvgProblem } from './inert-svg.ts'
import { imageSize, MAX_SIDE } from './image-size.ts'
import { quoted } from '../model/plain-text.ts'
import type { Problem } from '../model/problem.ts'

export const MAX_LOGO_BYTES = 256 * 1024

export type LogoType = 'image/png' | 'image/jpeg' | 'image/webp' | 'image/svg+xml'

/**
 * A stored logo. Whoever serves an SVG also sends `Content-Security-Policy: default-src 'none';
 * style-src 'unsafe-inline'; sandbox` and `X-Content-Type-Options: nosniff`: a second lock behind
 * the check of its content.
 */
export interface Logo {
  /** SHA-256 of the bytes in hex. */
  readonly id: string
  readonly contentType: LogoType
  readonly bytes: Uint8Array
}

const LOGO_ID = /^[0-9a-f]{64}$/

/** Returns whether the text has the form of a logo's id; what has not costs no look-up. */
export const isLogoId = (text: string): boolean => LOGO_ID.test(text)

const ascii = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, to))

const startsWith = (bytes: Uint8Array, ...signature: number[]): boolean =>
  signature.every((byte, at) => bytes[at] === byte)

/** Returns the type that the bytes have by their signature; SVG is only suspected here and checked whole later. */
function sniff(bytes: Uint8Array): LogoType | undefined {
  if (
    startsWith(bytes, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a) &&
    ascii(bytes, 12, 16) === 'IHDR'
  )
    return 'image/png'
  if (startsWith(bytes, 0xff, 0xd8, 0xff)) return 'image/jpeg'
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return 'image/webp'
  if (/^\s*</.test(ascii(bytes, 0, 100))) return 'image/svg+xml'
  return undefined
}

/** The verdict on uploaded bytes. */
export type LogoVerdict =
  | { readonly kind: 'accepted'; readonly logo: Logo }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] }

const refused = (rule: string, sentence: string, value?: string): LogoVerdict => ({
  kind: 'refused',
  problems: [{ field: 'logo', ...(value !== undefined && { value }), rule, sentence }],
})

/**
 * Checks an uploaded logo by its content.
 *
 * @param contentType what the uploader says that it is (parameters are ignored); a contradiction to
 * the content is refused
 */
export function checkLogo(bytes: Uint8Array, contentType: string): LogoVerdict {
  if (bytes.length === 0) return refused('logo-empty', 'The file is empty.')
  if (bytes.length > MAX_LOGO_BYTES)
    return refused('logo-size', `Keep the file within ${MAX_LOGO_BYTES / 1024} KiB.`)
  const type = sniff(bytes)
  if (type === undefined)
    return refused('logo-type', 'Upload a PNG, JPEG, WebP or SVG file: this is none of them.')
  // An old name that many programs still send.
  const claimed = (contentType.split(';')[0] ?? '')
    .trim()
    .toLowerCase()
    .replace(/^image\/jpg$/, 'image/jpeg')
  if (claimed !== type)
    return refused(
      'logo-type-differs',
      `The content of the file is ${type}: upload it as that.`,
      quoted(contentType),
    )
  if (type === 'image/svg+xml') {
    const problem = findSvgProblem(bytes)
    if (problem !== undefined)
      return refused(
        'logo-svg-not-inert',
        `The SVG has ${problem.what} (line ${problem.line}), which a logo may not have: export it as plain SVG without it, or as PNG.`,
      )
  } else {
    const size = imageSize(bytes, type)
    if (size === undefined)
      return refused(
        'logo-broken',
        'The file does not say how large the picture is: export it again.',
      )
    if (size.width > MAX_SIDE || size.height > MAX_SIDE)
      return refused(
        'logo-dimensions',
        `The picture is ${size.width} × ${size.height} pixels: keep each side within ${MAX_SIDE}.`,
      )
  }
  return { kind: 'accepted', logo: { id: sha256Hex(bytes), contentType: type, bytes } }
}
