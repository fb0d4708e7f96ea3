// The strict reader of JSON bodies: a name that comes twice in an object is found, wherever it is
// and however it is written.
import fc from 'fast-check'
import { parseJsonObject } from '../../../../src/admin/api/json-object.ts'

const objects = fc.dictionary(fc.string(), fc.jsonValue())

it('reads every object as JSON.parse does', () => {
  fc.assert(
    fc.property(objects, fc.integer({ min: 0, max: 2 }), (object, indent) => {
      const text = JSON.stringify(object, null, indent)
      expect(parseJsonObject(text)).toEqual(JSON.parse(text))
    }),
  )
})

it('finds a name that comes twice, at any depth', () => {
  const wraps: ((inner: string) => string)[] = [
    (inner) => `{"a":${inner}}`,
    (inner) => `{"a":[1,"}",${inner},{"b":"[{"}],"c":2}`,
    (inner) => `{"a":{"b":"\\"","c":${inner}},"d":[]}`,
  ]
  const escape = (name: string): string => {
    const units = Array.from({ length: name.length }, (_, at) => name.charCodeAt(at))
    return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')}"`
  }
  fc.assert(
    fc.property(
      fc.string({ maxLength: 8 }),
      objects,
      fc.array(fc.constantFrom(...wraps), { maxLength: 4 }),
      (name, others, around) => {
        const plain = JSON.parse(`{${JSON.stringify(name)}:1}`) as object
        const members = Object.entries(others).filter(([other]) => other !== name)
        const between = members.map(
          ([other, value]) => `${JSON.stringify(other)}:${JSON.stringify(value)},`,
        )
        const twice = `{${JSON.stringify(name)}:1,${between.join('')}${escape(name)}:2}`
        const text = around.reduce((inner, wrap) => wrap(inner), twice)
        expect(() => parseJsonObject(text)).toThrow('parameter_duplicated')
        expect(parseJsonObject(JSON.stringify(plain))).toEqual(plain)
      },
    ),
  )
})

it('takes equal names in different objects', () => {
  const text = '{"a":{"a":1,"b":{"a":2}},"b":[{"a":1},{"a":1}],"c":"a"}'
  expect(parseJsonObject(text)).toEqual(JSON.parse(text))
})

it.each(['', 'null', '[]', '"a"', '1', '{', '{"a":1}x', '{a:1}', '['.repeat(60_000)])(
  'refuses %j',
  (text) => {
    expect(() => parseJsonObject(text.slice(0))).toThrow('body_not_json')
  },
)
