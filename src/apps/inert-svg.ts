// Tells whether an SVG can only be drawn, or the first thing in it that stands against that. A logo
// is shown on the consent page of our own origin, so an SVG must not be able to run, fetch or hide
// anything. Invariant: what is not in the vocabulary is refused; a document that two parsers could
// read in two ways never passes; what is drawn is bounded, however often it refers to itself.
//
// This is a parser of a small part of XML: elements, quoted attributes, text, comments, CDATA in
// style sheets, a DOCTYPE without declarations.
import {
  ATTRIBUTES,
  ELEMENTS,
  isEditorNamespace,
  isHarmlessStyle,
  isHarmlessValue,
  NAMESPACES,
  WITH_TEXT,
} from './svg-vocabulary.ts'

const MAX_ELEMENTS = 5_000
// With everything that is used more than once.
const MAX_DRAWN = 20_000
const MAX_DEPTH = 32

/** What an SVG has that is more than drawing, and on which line, from 1. */
export interface SvgProblem {
  line: number
  what: string
}

const DECLARATION =
  /^<\?xml version=["']1\.[01]["'](?:\s+encoding=["'](?:utf-8|us-ascii)["'])?(?:\s+standalone=["'](?:yes|no)["'])?\s*\?>/i
// ASCII is the same in it.
const LATIN_DECLARATION =
  /^<\?xml version=["']1\.[01]["']\s+encoding=["'](?:iso-8859-1|windows-1252)["'](?:\s+standalone=["'](?:yes|no)["'])?\s*\?>/i
// Without an internal subset nothing is declared, and nobody fetches the external one.
const DOCTYPE = /<!DOCTYPE svg(?:\s+PUBLIC\s+"[^"<>[]*")?(?:\s+"[^"<>[]*")?\s*>/y
// No angle brackets inside: HTML ends some comments earlier than XML does.
const COMMENT = /<!--(?:(?!--)[^<>])*-->/y
const CDATA = /<!\[CDATA\[(?:(?!\]\]>)[^<>])*\]\]>/y
const NAME = '[A-Za-z][A-Za-z0-9_-]*(?::[A-Za-z][A-Za-z0-9_-]*)?'
const CLOSING = new RegExp(`</(${NAME})\\s*>`, 'y')
const OPENING = new RegExp(
  `<(${NAME})((?:\\s+[A-Za-z_][A-Za-z0-9_.:-]*\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(/?)>`,
  'y',
)
const ATTRIBUTE = /([A-Za-z_][A-Za-z0-9_.:-]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/g
const TEXT = /[^<]+/y

/** Letters beyond ASCII may be written as numbers: no markup and no keyword is made of them. */
const hasOnlyKnownEntities = (text: string): boolean =>
  !text
    .replace(/&(?:amp|lt|gt|quot|apos);/g, '')
    .replace(/&#(?:x([0-9a-f]{1,6})|(\d{1,7}));/gi, (whole, hex?: string, decimal?: string) => {
      const code = hex === undefined ? Number(decimal) : parseInt(hex, 16)
      return code >= 0xa0 && code <= 0xd7ff ? '' : whole
    })
    .includes('&')

/**
 * Returns what stands against drawing the bytes, or `undefined`; in every case of doubt there is
 * something.
 */
export function findSvgProblem(bytes: Uint8Array): SvgProblem | undefined {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return { line: 1, what: 'text that is not UTF-8' }
  }
  const odd = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\uFFFE\uFFFF]|(?!^)\uFEFF/.exec(
    text,
  )
  if (odd !== null) return { line: lineAt(text, odd.index), what: 'a control character' }
  const isAscii = !/[^\n\r\t -~]/.test(text)
  const declaration = isAscii && LATIN_DECLARATION.test(text) ? LATIN_DECLARATION : DECLARATION
  return new SvgReader(text.replace(/^\uFEFF/, '').replace(declaration, blank)).read()
}

/** As long as what it stands for, so that lines keep their numbers. */
const blank = (text: string): string => text.replace(/[^\n]/g, ' ')
const lineAt = (text: string, at: number): number => text.slice(0, at).split('\n').length

/** What is drawn by one element: itself, and what it refers to. */
interface Drawn {
  elements: number
  uses: string[]
}

class Refused extends Error {}

class SvgReader {
  readonly #text: string
  #at = 0
  readonly #open: { name: string; id: string | undefined; drawn: Drawn; isEditors: boolean }[] = []
  readonly #named = new Map<string, Drawn>()
  readonly #editors = new Set<string>()
  #elements = 0
  #root: Drawn | undefined

  constructor(text: string) {
    this.#text = text
  }

  read(): SvgProblem | undefined {
    try {
      while (this.#at < this.#text.length) this.#readNext()
      if (this.#root === undefined) this.#refuse('no svg element')
      if (this.#open.length > 0) this.#refuse('an element that is not closed')
      if (this.#count(this.#root, new Map()) > MAX_DRAWN)
        this.#refuse('elements that are used too often')
      return undefined
    } catch (error) {
      if (error instanceof Refused)
        return { line: lineAt(this.#text, this.#at), what: error.message }
      throw error
    }
  }

  #refuse(what: string): never {
    throw new Refused(what)
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return undefined
    this.#at = pattern.lastIndex
    return found
  }

  #readNext(): void {
    if (this.#take(COMMENT) !== undefined) return
    if (this.#elements === 0 && this.#take(DOCTYPE) !== undefined) return
    const start = this.#at
    const words = this.#take(TEXT) ?? this.#take(CDATA)
    if (words !== undefined) {
      this.#readText(words[0], start)
      return
    }
    const closing = this.#take(CLOSING)?.[1]
    if (closing !== undefined) {
      const ended = this.#open.pop()
      if (ended?.name !== closing) this.#refuse(`</${closing}> without its beginning`)
      this.#end(ended)
      return
    }
    const opening = this.#take(OPENING)
    if (opening === undefined) this.#refuse(this.#describeUnreadable())
    const [, name = '', attributeText = '', selfClosed] = opening
    // Problems of an element are told with the line on which it begins.
    const end = this.#at
    this.#at = start
    this.#begin(name, attributeText, selfClosed !== '')
    this.#at = end
  }

  #describeUnreadable(): string {
    const rest = this.#text.slice(this.#at, this.#at + 60)
    if (rest.startsWith('<!DOCTYPE')) return 'a DOCTYPE with declarations'
    if (rest.startsWith('<!--')) return 'a comment with "--" or an angle bracket in it'
    if (rest.startsWith('<?')) return 'a processing instruction'
    return rest.startsWith('<!') ? 'a declaration' : 'something that is not well-formed XML'
  }

  #readText(words: string, start: number): void {
    if (words.trim() === '') return
    const inside = this.#open.at(-1)
    const end = this.#at
    this.#at = start + (/^\s*/.exec(words)?.[0].length ?? 0)
    if (inside?.isEditors !== true) {
      if (inside === undefined || !WITH_TEXT.has(inside.name)) this.#refuse('text outside <text>')
      if (inside.name === 'style') {
        if (!isHarmlessStyle(words)) this.#refuse('a style sheet with more than plain rules')
      } else if (words.startsWith('<![CDATA[')) this.#refuse('CDATA')
    }
    if (!hasOnlyKnownEntities(words)) this.#refuse('an entity')
    this.#at = end
  }

  #begin(name: string, attributeText: string, isClosed: boolean): void {
    const isRoot = this.#open.length === 0
    const attributes = this.#readAttributes(name, attributeText)
    const isEditors = this.#isEditors(name)
    this.#elements += 1
    if (!isEditors && !ELEMENTS.has(name)) this.#refuse(`the element <${name}>`)
    // One root, and it says that it is SVG: without its namespace a browser draws nothing.
    if (isRoot && (name !== 'svg' || !attributes.has('xmlns')))
      this.#refuse('a first element that is not <svg xmlns="http://www.w3.org/2000/svg">')
    if (isRoot !== (this.#elements === 1)) this.#refuse('a second root')
    if (this.#elements > MAX_ELEMENTS) this.#refuse(`more than ${MAX_ELEMENTS} elements`)
    if (this.#open.length >= MAX_DEPTH) this.#refuse(`elements more than ${MAX_DEPTH} deep`)
    const drawn: Drawn = { elements: 1, uses: referencesOf(attributes) }
    const element = { name, id: attributes.get('id'), drawn, isEditors }
    if (isClosed) this.#end(element)
    else this.#open.push(element)
  }

  #end({ id, drawn }: { id: string | undefined; drawn: Drawn }): void {
    if (id !== undefined) this.#named.set(id, drawn)
    const parent = this.#open.at(-1)
    if (parent === undefined) this.#root = drawn
    else {
      parent.drawn.elements += drawn.elements
      parent.drawn.uses.push(...drawn.uses)
    }
  }

  /** Elements as they are drawn, each reference counted anew; a circle is refused. */
  #count(drawn: Drawn | undefined, known: Map<Drawn, number>): number {
    if (drawn === undefined) return 0
    const before = known.get(drawn)
    if (before !== undefined) return before
    known.set(drawn, Infinity)
    let count = drawn.elements
    for (const id of drawn.uses) count += this.#count(this.#named.get(id), known)
    known.set(drawn, count)
    return count
  }

  #isEditors = (name: string): boolean =>
    this.#editors.has(name.split(':')[0] ?? '') && name.includes(':')

  #readAttributes(element: string, text: string): Map<string, string> {
    const found = new Map<string, string>()
    for (const [, name = '', double, single] of text.matchAll(ATTRIBUTE)) {
      const value = double ?? single ?? ''
      if (found.has(name)) this.#refuse(`the attribute ${name} twice`)
      found.set(name, value)
      const prefix = /^xmlns:([\w-]+)$/.exec(name)?.[1]
      if (prefix !== undefined && isEditorNamespace(value)) this.#editors.add(prefix)
    }
    for (const [name, value] of found)
      if (!this.#isHarmless(element, name, value))
        this.#refuse(
          `the attribute ${name}${ATTRIBUTES.has(name) ? ' with that value' : ''} of <${element}>`,
        )
    return found
  }

  #isHarmless(element: string, name: string, value: string): boolean {
    const namespace = NAMESPACES.get(name)
    if (namespace !== undefined) return value === namespace
    if (name.startsWith('xmlns:'))
      return this.#editors.has(name.slice(6)) && isEditorNamespace(value)
    // Whatever is in data of an editor: nobody reads it.
    if (this.#isEditors(name) || this.#isEditors(element)) return hasOnlyKnownEntities(value)
    if (/^data-[a-z0-9_-]+$/i.test(name)) return hasOnlyKnownEntities(value)
    if (name === 'href' || name === 'xlink:href')
      return REFERRING.has(element) && /^#[A-Za-z_][\w.:-]*$/.test(value)
    if (name === 'xlink:type' || name === 'xlink:actuate' || name === 'xlink:show')
      return /^[a-zA-Z]{1,20}$/.test(value)
    // Names, which nothing is made of, may be written in any letters.
    if (name === 'id' || name === 'class' || name === 'aria-label' || name === 'font-family')
      return hasOnlyKnownEntities(value) && !/[<>\\]/.test(value)
    return ATTRIBUTES.has(name) && isHarmlessValue(value)
  }
}

const REFERRING: ReadonlySet<string> = new Set([
  'use',
  'linearGradient',
  'radialGradient',
  'pattern',
  'filter',
  'mask',
  'clipPath',
])

/** The ids that an element draws besides itself. */
function referencesOf(attributes: ReadonlyMap<string, string>): string[] {
  const found: string[] = []
  for (const [name, value] of attributes)
    if (name === 'href' || name === 'xlink:href') found.push(value.slice(1))
    else if (name !== 'id')
      for (const [, id = ''] of value.matchAll(/url\(\s*["']?#([\w.:-]+)/g)) found.push(id)
  return found
}
