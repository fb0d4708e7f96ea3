// Tells whether an SVG can only be drawn. A logo is shown on the consent page of our own origin, so an SVG must not be able to run, fetch or
// hide anything. Invariant: what is not on the lists below is refused; a document that two parsers could read in two ways never passes.
//
// This is a parser of a small part of XML: elements, quoted attributes, text, comments. No DOCTYPE, entities of one's own, CDATA, processing
// instructions, foreign namespaces, links, images or style sheets.

const MAX_ELEMENTS = 5_000
const MAX_DEPTH = 32

const ELEMENTS: ReadonlySet<string> = new Set([
  'svg',
  'g',
  'defs',
  'title',
  'desc',
  'path',
  'rect',
  'circle',
  'ellipse',
  'line',
  'polyline',
  'polygon',
  'linearGradient',
  'radialGradient',
  'stop',
  'clipPath',
  'mask',
  'text',
  'tspan',
])
const WITH_TEXT: ReadonlySet<string> = new Set(['title', 'desc', 'text', 'tspan'])

const ATTRIBUTES: ReadonlySet<string> = new Set(
  `id class version viewBox width height x y x1 y1 x2 y2 cx cy r rx ry fx fy fr d points dx dy rotate transform preserveAspectRatio pathLength
   gradientUnits gradientTransform spreadMethod offset stop-color stop-opacity clipPathUnits maskUnits maskContentUnits mask-type
   fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-miterlimit stroke-dasharray
   stroke-dashoffset opacity color clip-path clip-rule mask display visibility overflow paint-order vector-effect shape-rendering
   text-rendering color-interpolation mix-blend-mode isolation font-family font-size font-style font-weight letter-spacing text-anchor
   dominant-baseline textLength lengthAdjust role aria-label aria-hidden aria-labelledby focusable style xml:space baseProfile enable-background`.split(
    /\s+/,
  ),
)

const NAMESPACES: ReadonlyMap<string, string> = new Map([
  ['xmlns', 'http://www.w3.org/2000/svg'],
  ['xmlns:xlink', 'http://www.w3.org/1999/xlink'],
])

const DECLARATION =
  /^<\?xml version=["']1\.0["'](?: encoding=["']utf-8["'])?(?: standalone=["'](?:yes|no)["'])?\s*\?>/i
// No angle brackets inside: HTML ends some comments earlier than XML does.
const COMMENT = /<!--(?:(?!--)[^<>])*-->/y
const CLOSING = /<\/([A-Za-z]+)\s*>/y
const OPENING = /<([A-Za-z]+)((?:\s+[A-Za-z][A-Za-z0-9:-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y
const ATTRIBUTE = /([A-Za-z][A-Za-z0-9:-]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/g
const TEXT = /[^<]+/y

const LOCAL_REFERENCE = /url\(#[A-Za-z][\w.-]*\)/g
// The functions that colours and transforms are written with; any other could load or compute something.
const HARMLESS_CALL = /\b(?:rgba?|hsla?|matrix|translate|scale|rotate|skewX|skewY)\(/g

function isHarmlessValue(value: string): boolean {
  const rest = value.replace(LOCAL_REFERENCE, '').replace(HARMLESS_CALL, '')
  return !/[\\@&{}]|\/\*|:\/\/|\w\s*\(|javascript|expression|-moz-binding|behavior/i.test(rest)
}

function isHarmlessAttribute(name: string, value: string): boolean {
  const namespace = NAMESPACES.get(name)
  if (namespace !== undefined) return value === namespace
  return ATTRIBUTES.has(name) && isHarmlessValue(value)
}

/** Reads an element's attributes; `undefined` where one is not harmless or named twice. */
function readAttributes(text: string): Map<string, string> | undefined {
  const found = new Map<string, string>()
  for (const [, name = '', double, single] of text.matchAll(ATTRIBUTE)) {
    const value = double ?? single ?? ''
    if (found.has(name) || !isHarmlessAttribute(name, value)) return undefined
    found.set(name, value)
  }
  return found
}

const hasOnlyKnownEntities = (text: string): boolean =>
  !text.replace(/&(?:amp|lt|gt|quot|apos);/g, '').includes('&')

/** Returns whether the bytes are an SVG that can only be drawn; `false` in every case of doubt. */
export function isInertSvg(bytes: Uint8Array): boolean {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return false
  }
  if (/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\uFEFF\uFFFE\uFFFF]/.test(text))
    return false
  return isInertDocument(text.replace(DECLARATION, ''))
}

function isInertDocument(text: string): boolean {
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found === null) return undefined
    at = pattern.lastIndex
    return found
  }
  const open: string[] = []
  let elements = 0
  while (at < text.length) {
    if (take(COMMENT) !== undefined) continue
    const words = take(TEXT)?.[0]
    if (words !== undefined) {
      const inside = open.at(-1)
      if (words.trim() === '') continue
      if (inside === undefined || !WITH_TEXT.has(inside) || !hasOnlyKnownEntities(words))
        return false
      continue
    }
    const closing = take(CLOSING)?.[1]
    if (closing !== undefined) {
      if (open.pop() !== closing) return false
      continue
    }
    const opening = take(OPENING)
    if (opening === undefined) return false
    const [, name = '', attributeText = '', selfClosed] = opening
    const attributes = readAttributes(attributeText)
    const isRoot = open.length === 0
    elements += 1
    if (attributes === undefined || !ELEMENTS.has(name)) return false
    // One root, and it says that it is SVG: without its namespace a browser draws nothing.
    if (isRoot !== (elements === 1) || (isRoot && (name !== 'svg' || !attributes.has('xmlns'))))
      return false
    if (elements > MAX_ELEMENTS || open.length >= MAX_DEPTH) return false
    if (selfClosed === '') open.push(name)
  }
  return elements > 0 && open.length === 0
}
