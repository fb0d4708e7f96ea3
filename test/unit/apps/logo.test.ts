// Which uploaded bytes become a logo, and above all which SVG do not.
import { checkLogo } from '../../../src/apps/logo.ts'

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))),
  )

const png = bytes(
  [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13],
  'IHDR',
  [0, 0, 0, 1],
)
const jpeg = bytes([0xff, 0xd8, 0xff, 0xe0], 'JFIF')
const webp = bytes('RIFF', [1, 0, 0, 0], 'WEBPVP8 ')

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
    ['image/webp', webp],
    ['image/svg+xml; charset=utf-8', Buffer.from(svg('<path d="M0 0h1z"/>'))],
  ])('%s', (type, content) => {
    const verdict = checkLogo(content, type)
    expect(verdict).toMatchObject({ kind: 'accepted', logo: { contentType: type.split(';')[0] } })
    expect(verdict.kind === 'accepted' && verdict.logo.id).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each([
    ['logo-empty', new Uint8Array(), 'image/png'],
    ['logo-size', Buffer.concat([png, Buffer.alloc(256 * 1024)]), 'image/png'],
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
    `<svg ${XMLNS}/>`,
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
    ['use, which can multiply', svg('<use href="#a"/>')],
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
    ['a DOCTYPE', `<!DOCTYPE svg>${svg('')}`],
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
