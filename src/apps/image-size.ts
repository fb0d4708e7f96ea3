// How large a raster picture is, as its file says: a small file can be a picture that costs every
// browser gigabytes to draw.

/** The longest side of a picture, in pixels. */
export const MAX_SIDE = 4096

export interface ImageSize {
  width: number
  height: number
}

/** Returns the size, or `undefined` where the file does not say it. */
export function imageSize(
  bytes: Uint8Array,
  type: 'image/png' | 'image/jpeg' | 'image/webp',
): ImageSize | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    const size = SIZES[type](view)
    return size !== undefined && size.width > 0 && size.height > 0 ? size : undefined
  } catch (error) {
    // Reading beyond the end.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

const SIZES = {
  // The IHDR chunk is the first one (PNG §11.2.2).
  'image/png': (view: DataView): ImageSize => ({
    width: view.getUint32(16),
    height: view.getUint32(20),
  }),
  'image/jpeg': jpegSize,
  'image/webp': webpSize,
}

/** Goes from segment to segment until the one that begins the frame (ITU-T T.81 §B.2.2). */
function jpegSize(view: DataView): ImageSize | undefined {
  let at = 2
  for (;;) {
    if (view.getUint8(at) !== 0xff) return undefined
    const marker = view.getUint8(at + 1)
    // A marker may be preceded by any number of fill bytes.
    if (marker === 0xff) at += 1
    else if (isFrame(marker))
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) }
    else at += 2 + view.getUint16(at + 2)
  }
}

// SOF0 to SOF15; three numbers among them mean something else.
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)

/** The three forms of WebP (RFC 9649 §2): lossy, lossless, extended. */
function webpSize(view: DataView): ImageSize | undefined {
  const form = view.getUint32(12)
  if (form === 0x56503820)
    return {
      width: view.getUint16(26, true) & 0x3fff,
      height: view.getUint16(28, true) & 0x3fff,
    }
  if (form === 0x5650384c) {
    const bits = view.getUint32(21, true)
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
  }
  const uint24 = (at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
  return form === 0x56503858 ? { width: uint24(24) + 1, height: uint24(27) + 1 } : undefined
}
