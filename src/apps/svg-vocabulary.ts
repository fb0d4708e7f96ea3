// What an SVG that is only drawn may be made of: elements, attributes and values. What is not here
// is refused.

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

export const ELEMENTS = words(
  `svg g defs symbol switch title desc metadata path rect circle ellipse line polyline polygon use
   linearGradient radialGradient meshgradient stop clipPath mask pattern marker text tspan style filter feGaussianBlur feOffset
   feBlend feColorMatrix feComposite feFlood feMerge feMergeNode feMorphology feComponentTransfer feFuncR feFuncG feFuncB feFuncA`,
)
export const WITH_TEXT = words('title desc text tspan style metadata')

export const ATTRIBUTES = words(
  `id class version viewBox width height x y x1 y1 x2 y2 cx cy r rx ry fx fy fr d points dx dy rotate transform transform-origin
   preserveAspectRatio pathLength refX refY markerWidth markerHeight markerUnits orient marker-start marker-mid marker-end
   patternUnits patternTransform patternContentUnits
   gradientUnits gradientTransform spreadMethod offset stop-color stop-opacity clipPathUnits maskUnits maskContentUnits mask-type
   fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-miterlimit stroke-dasharray
   stroke-dashoffset opacity color clip-path clip-rule mask display visibility overflow paint-order vector-effect shape-rendering
   text-rendering image-rendering color-rendering color-interpolation color-interpolation-filters mix-blend-mode isolation
   font-family font-size font-style font-weight font-stretch font-variant letter-spacing word-spacing text-anchor text-decoration
   baseline-shift writing-mode dominant-baseline alignment-baseline textLength lengthAdjust line-height solid-color solid-opacity
   filter filterUnits primitiveUnits stdDeviation in in2 result mode values operator k1 k2 k3 k4 radius edgeMode flood-color
   flood-opacity lighting-color tableValues slope intercept amplitude exponent type media nonce requiredFeatures systemLanguage
   role aria-label aria-hidden aria-labelledby aria-describedby focusable tabindex style lang xml:space xml:lang xml:id baseProfile
   enable-background contentScriptType contentStyleType zoomAndPan`,
)

const SVG = 'http://www.w3.org/2000/svg'
/** The two namespaces that mean something to a browser. */
export const NAMESPACES: ReadonlyMap<string, string> = new Map([
  ['xmlns', SVG],
  ['xmlns:svg', SVG],
  ['xmlns:xlink', 'http://www.w3.org/1999/xlink'],
])

/** Where editors keep their own data: no browser does anything with these. */
export const isEditorNamespace = (uri: string): boolean =>
  /^(?:http:\/\/www\.inkscape\.org\/|https?:\/\/sodipodi\.sourceforge\.net\/|http:\/\/inkscape\.sourceforge\.net\/|http:\/\/purl\.org\/dc\/|https?:\/\/(?:web\.resource\.org|creativecommons\.org)\/(?:cc|ns)|http:\/\/www\.w3\.org\/1999\/02\/22-rdf-syntax-ns#|http:\/\/ns\.adobe\.com\/|http:\/\/www\.bohemiancoding\.com\/sketch\/|http:\/\/www\.serif\.com\/|https?:\/\/(?:boxy-svg\.com|vectornator\.io|svgjs\.(?:com|dev)|schemas\.microsoft\.com|www\.figma\.com|krita\.org)\/?)/.test(
    uri,
  )

const LOCAL_REFERENCE = /url\(\s*(["']?)#[A-Za-z_][\w.:-]*\1\s*\)/g
// The functions that colours, transforms and filters are written with; any other could load or
// compute something.
const HARMLESS_CALL =
  /\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch|color|matrix|translate[XY]?|scale[XY]?|rotate|skew[XY]|blur|brightness|contrast|drop-shadow|grayscale|hue-rotate|invert|opacity|saturate|sepia)\(/g

/** Returns whether a value can neither load nor compute anything. */
export function isHarmlessValue(value: string): boolean {
  const rest = value.replace(LOCAL_REFERENCE, ' ').replace(HARMLESS_CALL, '')
  return !/[\\@&{}]|\/\*|:\/\/|\w\s*\(|javascript|expression|-moz-binding|behavior/i.test(rest)
}

const RULE = /^\s*[\w\s.,#*>+~:[\]="'-]+\{([^{}]*)\}/

/** Returns whether a style sheet has plain rules only. */
export function isHarmlessStyle(text: string): boolean {
  let rest = text
    .replace(/^\s*<!\[CDATA\[([^]*)\]\]>\s*$/, '$1')
    .replace(/\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\//g, '')
  if (/[<\\]/.test(rest)) return false
  while (rest.trim() !== '') {
    const rule = RULE.exec(rest)
    if (rule === null || !isHarmlessValue(rule[1] ?? '')) return false
    rest = rest.slice(rule[0].length)
  }
  return true
}
