// Which uploaded bytes become a logo, and above all which SVG do not.
import { checkLogo } from '../../../src/apps/logo.ts'

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))),
  )

const png = bytes(
  [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13],
  'IHDR',
  [0, 0, 0, 1, 0, 0, 0, 1],
)
const jpeg = bytes([0xff, 0xd8, 0xff, 0xe0, 0, 6], 'JFIF', [0xff, 0xc2, 0, 11, 8, 0, 2, 0, 3])
const webp = bytes('RIFF', [1, 0, 0, 0], 'WEBPVP8 ', Array(10).fill(0), [5, 0, 7, 0])
const webpLossless = bytes('RIFF', [1, 0, 0, 0], 'WEBPVP8L', [0, 0, 0, 0, 0x2f, 4, 0x40, 0, 0])
const webpExtended = bytes('RIFF', [1, 0, 0, 0], 'WEBPVP8X', Array(8).fill(0), [4, 0, 0, 1, 0, 0])
const sized = (width: number, height: number) =>
  Buffer.concat([
    png.subarray(0, 16),
    Buffer.from([0, 0, width >> 8, width & 255, 0, 0, height >> 8, height & 255]),
  ])

const XMLNS = 'xmlns="http://www.w3.org/2000/svg"'
const svg = (inside: string, attributes = ''): string =>
  `<svg ${XMLNS} ${attributes}>${inside}</svg>`
const verdictOnSvg = (text: string | Uint8Array): string => {
  const verdict = checkLogo(typeof text === 'string' ? Buffer.from(text) : text, 'image/svg+xml')
  return verdict.kind === 'refused' ? (verdict.problems[0]?.rule ?? '') : verdict.kind
}

describe('the type of a logo is what its bytes are', () => {
  test.each([
    ['image/png', png],
    ['image/jpeg', jpeg],
    ['image/jpg', jpeg],
    ['image/webp', webp],
    ['image/webp', webpLossless],
    ['image/webp', webpExtended],
    ['image/svg+xml; charset=utf-8', Buffer.from(svg('<path d="M0 0h1z"/>'))],
  ])('%s', (type, content) => {
    const verdict = checkLogo(content, type)
    const contentType = (type.split(';')[0] ?? '').replace('jpg', 'jpeg')
    expect(verdict).toMatchObject({ kind: 'accepted', logo: { contentType } })
    expect(verdict.kind === 'accepted' && verdict.logo.id).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each([
    ['logo-empty', new Uint8Array(), 'image/png'],
    ['logo-size', Buffer.concat([png, Buffer.alloc(256 * 1024)]), 'image/png'],
    ['logo-dimensions', sized(4097, 1), 'image/png'],
    ['logo-dimensions', sized(1, 20_000), 'image/png'],
    ['logo-broken', sized(0, 1), 'image/png'],
    ['logo-broken', png.subarray(0, 20), 'image/png'],
    ['logo-broken', jpeg.subarray(0, 16), 'image/jpeg'],
    ['logo-broken', bytes([0xff, 0xd8, 0xff, 0xe0, 0, 0]), 'image/jpeg'],
    ['logo-broken', webp.subarray(0, 27), 'image/webp'],
    ['logo-type', bytes('GIF89a'), 'image/gif'],
    ['logo-type', bytes('MZ'), 'image/png'],
    ['logo-type-differs', jpeg, 'image/png'],
    ['logo-type-differs', Buffer.from(svg('')), 'image/png'],
    ['logo-type-differs', png, 'image/svg+xml'],
    ['logo-type-differs', bytes('<html><script>alert(1)</script></html>'), 'text/html'],
  ])('%s', (rule, content, type) => {
    expect(checkLogo(content, type)).toMatchObject({ kind: 'refused', problems: [{ rule }] })
  })
})

test.each([
  ['lossy', webp],
  ['lossless', webpLossless],
  ['extended', webpExtended],
])('RFC 9649 §2 — WebP, %s: is measured by its own header', (form, content) => {
  const oversize = Buffer.from(content)
  // The width, at its place in each form.
  const at = form === 'lossy' ? 26 : form === 'lossless' ? 21 : 24
  oversize[at] = 0xff
  oversize[at + 1] = 0x3f
  const [fits, tooWide] = [content, oversize].map((one) => checkLogo(one, 'image/webp'))
  expect(fits?.kind).toBe('accepted')
  expect(tooWide).toMatchObject({ kind: 'refused', problems: [{ rule: 'logo-dimensions' }] })
})

describe('an SVG that can only be drawn is taken', () => {
  test.each([
    svg('<path d="M0 0h1z" fill="#f00"/>', 'viewBox="0 0 24 24" width="24"'),
    `<?xml version="1.0" encoding="UTF-8"?>\n<!-- Generator: drawn by hand -->\n${svg('<g><title>A &amp; B</title></g>')}\n`,
    svg(
      '<defs><linearGradient id="a"><stop offset="0" stop-color="rgb(1,2,3)"/></linearGradient></defs><rect fill="url(#a)"/>',
    ),
    svg(
      '<g transform="translate(1 2) rotate(45)"/>',
      'xmlns:xlink="http://www.w3.org/1999/xlink" xml:space="preserve"',
    ),
    svg(
      '<path style="fill:#fff;stroke:none" d=\'M0,0\' class="a"/>',
      'style="enable-background:new 0 0 24 24;"',
    ),
    svg('<text x="1">Hello<tspan>there</tspan></text>'),
    svg('<title>Aerom&#xe9;xico &#233;</title>'),
    `<svg ${XMLNS}/>`,
    svg(
      '<defs><path id="a" d=""/></defs><use href="#a"/><use xlink:href="#a" x="2"/>',
      'xmlns:xlink="http://www.w3.org/1999/xlink"',
    ),
    svg(
      '<defs><style>.cls-1{fill:#fff;} .cls-2, path { stroke : url(#a) }</style></defs><path class="cls-1"/>',
      'data-name="Layer 1"',
    ),
    svg('<style type="text/css"><![CDATA[ .a{fill:red} ]]></style>'),
    `<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n${svg('')}`,
    svg(
      '<sodipodi:namedview pagecolor="#fff" inkscape:zoom="1"/><metadata><rdf:RDF><cc:Work rdf:about=""/></rdf:RDF></metadata>',
      'xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:cc="http://creativecommons.org/ns#"',
    ),
    svg('<filter id="f"><feGaussianBlur stdDeviation="2"/></filter><g filter="url(#f)"/>'),
    `<?xml version="1.0" encoding="iso-8859-1"?>${svg('')}`,
  ])('%s', (text) => {
    expect(verdictOnSvg(text)).toBe('accepted')
  })
})

describe('an SVG that could do anything else is refused', () => {
  const HOSTILE: [why: string, text: string | Uint8Array][] = [
    ['script', svg('<script>alert(1)</script>')],
    ['script in another case', svg('<SCRIPT>alert(1)</SCRIPT>')],
    [
      'script with a prefix',
      svg('<svg:script>alert(1)</svg:script>', 'xmlns:svg="http://www.w3.org/2000/svg"'),
    ],
    ['an event attribute', svg('<g onload="alert(1)"/>')],
    ['an event attribute in another case', svg('<g OnClick="alert(1)"/>')],
    ['an event attribute on the root', svg('', 'onload="alert(1)"')],
    ['foreignObject', svg('<foreignObject><body/></foreignObject>')],
    ['a link', svg('<a href="https://evil.com"><path d=""/></a>')],
    ['href', svg('<path href="x"/>')],
    [
      'xlink:href',
      svg('<path xlink:href="javascript:alert(1)"/>', 'xmlns:xlink="http://www.w3.org/1999/xlink"'),
    ],
    ['use of something elsewhere', svg('<use href="https://evil.com/x.svg#a"/>')],
    ['use of a script', svg('<use xlink:href="javascript:alert(1)"/>')],
    ['use of data', svg('<use href="data:image/svg+xml,x#a"/>')],
    ['use in a circle', svg('<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>')],
    ['use of itself', svg('<g id="a"><use href="#a"/></g>')],
    [
      'use that multiplies',
      svg(
        '<path id="x0"/>' +
          Array.from(
            { length: 20 },
            (_, at) => `<g id="x${at + 1}"><use href="#x${at}"/><use href="#x${at}"/></g>`,
          ).join(''),
      ),
    ],
    [
      'masks that multiply',
      svg(
        '<mask id="x0"><path/></mask>' +
          Array.from(
            { length: 20 },
            (_, at) =>
              `<mask id="x${at + 1}"><g mask="url(#x${at})"/><g style="mask:url('#x${at}')"/></mask>`,
          ).join(''),
      ),
    ],
    ['a style sheet that loads a font', svg('<style>@font-face{src:url(x)}</style>')],
    ['a style sheet that loads a picture', svg('<style>.a{fill:url(//evil.com)}</style>')],
    ['a style sheet with escapes', svg('<style>.a{fill:\\75rl(x)}</style>')],
    ['a style sheet in CDATA that loads', svg('<style><![CDATA[.a{fill:url(//e)}]]></style>')],
    ['CDATA that ends early', svg('<style><![CDATA[a]]></style><script>x</script>]]></style>')],
    [
      'a namespace of an editor for a script',
      svg('<e:script>x</e:script>', 'xmlns:e="http://www.w3.org/2000/svg"'),
    ],
    [
      'a prefix of SVG for an editor',
      svg('<g xmlns:svg="http://www.inkscape.org/namespaces/inkscape"/><svg:script/>'),
    ],
    ['a prefix of HTML', svg('<h:script/>', 'xmlns:h="http://www.w3.org/1999/xhtml"')],
    ['a handler of an editor’s element', svg('<sodipodi:a onload="x"/>')],
    ['an image', svg('<image href="https://evil.com/x.png"/>')],
    ['an image in data:', svg('<image href="data:image/png;base64,xx"/>')],
    ['feImage', svg('<filter><feImage href="https://evil.com"/></filter>')],
    ['animate', svg('<animate attributeName="href" to="javascript:alert(1)"/>')],
    ['set', svg('<set attributeName="onload" to="alert(1)"/>')],
    ['handler', svg('<handler>alert(1)</handler>')],
    ['iframe', svg('<iframe src="https://evil.com"/>')],
    ['a style sheet', svg('<style>@import url(https://evil.com)</style>')],
    ['@import in an attribute', svg('<g style="@import \'x\'"/>')],
    ['url() to elsewhere', svg('<g fill="url(https://evil.com#a)"/>')],
    ['url() in quotes', svg('<g style="fill:url(\'https://evil.com\')"/>')],
    ['url with a space', svg('<g style="fill:url (https:evil.com)"/>')],
    ['url in escapes', svg('<g style="fill:\\75rl(x)"/>')],
    ['url with a comment', svg('<g style="fill:ur/**/l(x)"/>')],
    ['image-set()', svg('<g style="background:image-set(x)"/>')],
    ['a nested call', svg('<g fill="url(#a) url(//evil.com)"/>')],
    ['a reference that completes itself', svg('<g fill="uurl(#a)rl(x)"/>')],
    ['a character reference in an attribute', svg('<g fill="&#117;rl(x)"/>')],
    ['entities', `<!DOCTYPE svg [<!ENTITY a "x">]>${svg('&a;')}`],
    ['an entity without a declaration', svg('<title>&a;</title>')],
    ['a character reference in text', svg('<title>&#60;script></title>')],
    ['CDATA', svg('<title><![CDATA[<script>]]></title>')],
    ['a processing instruction', `<?xml-stylesheet href="https://evil.com"?>${svg('')}`],
    ['another encoding', `<?xml version="1.0" encoding="UTF-7"?>${svg('')}`],
    ['UTF-16', Buffer.from(svg(''), 'utf16le')],
    ['broken UTF-8', Buffer.concat([Buffer.from('<svg '), Buffer.from([0xff]), Buffer.from('/>')])],
    ['a NUL', svg('<g\u0000/>')],
    ['another namespace', '<svg xmlns="http://www.w3.org/1999/xhtml"><title/></svg>'],
    ['a namespace further inside', svg('<g xmlns="http://www.w3.org/1999/xhtml"/>')],
    ['no namespace', '<svg><path d=""/></svg>'],
    ['HTML', '<html><body onload="alert(1)"></body></html>'],
    ['two roots', svg('') + svg('')],
    ['text after the root', `${svg('')}<script>`],
    ['an element that is not closed', `<svg ${XMLNS}><g>`],
    ['elements closed in the wrong order', svg('<g><defs></g></defs>')],
    ['an attribute twice', svg('<g fill="red" fill="blue"/>')],
    ['an attribute without quotes', svg('<g fill=red/>')],
    ['attributes without a space', svg('<g fill="red"onload="alert(1)"/>')],
    ['a slash between attributes', svg('<g/onload="alert(1)"/>')],
    ['a < in an attribute', svg('<g id="<script>"/>')],
    ['a comment with --', svg('<!-- -- ><script>alert(1)</script> -->')],
    ['a comment that ends as HTML does', svg('<!--><script>alert(1)</script>-->')],
    ['an unclosed comment', `${svg('')}<!--`],
    ['too deep', svg('<g>'.repeat(40) + '</g>'.repeat(40))],
    ['too many elements', svg('<g/>'.repeat(6000))],
    ['text where none belongs', svg('alert(1)')],
    ['editor data', svg('<sodipodi:namedview/>')],
  ]
  test.each(HOSTILE)('%s', (_why, text) => {
    expect(['logo-svg-not-inert', 'logo-type']).toContain(verdictOnSvg(text))
  })

  test('a quarter of a megabyte of bait is judged quickly', () => {
    const long = 250_000
    const bait = [
      `<svg ${'a'.repeat(long)}`,
      `<svg ${'a="" '.repeat(long / 5)}`,
      `<svg${' '.repeat(long)}`,
      `<!--${'-'.repeat(long)}`,
      `<svg ${XMLNS} id="${'url(#a'.repeat(long / 6)}"/>`,
      `<svg ${XMLNS} id="${'a '.repeat(long / 2)}"/>`,
      svg(`<title>${'&amp'.repeat(long / 4)}</title>`),
    ]
    const before = performance.now()
    for (const text of bait) verdictOnSvg(text)
    expect(performance.now() - before).toBeLessThan(10_000)
  })
})

test('what is refused is named with its line', () => {
  const sentenceOn = (text: string): unknown => {
    const verdict = checkLogo(Buffer.from(text), 'image/svg+xml')
    return verdict.kind === 'refused' && verdict.problems[0]?.sentence
  }
  expect(sentenceOn(svg('\n<g>\n<script>alert(1)</script></g>'))).toMatch(/<script> \(line 3\)/)
  expect(sentenceOn(svg('\n\n<g onload="x"/>'))).toMatch(/attribute onload of <g> \(line 3\)/)
  expect(sentenceOn(svg('\n<path fill="url(https://e)"/>'))).toMatch(
    /fill with that value .*line 2/,
  )
  expect(sentenceOn(`${svg('')}\n<!-- -- -->`)).toMatch(/comment .*line 2/)
})
