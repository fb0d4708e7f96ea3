// The slow functions behind hashes of other programs, by the test vectors that their RFCs publish.
import { pbkdf2, scrypt } from '../../../src/shared/legacy-hashes.ts'

const text = (value: string): Buffer => Buffer.from(value)

it('RFC 8018 §5.2 — PBKDF2, by the vectors of RFC 7914 §11', async () => {
  const options = { iterations: 1, length: 64, digest: 'sha256' }
  expect((await pbkdf2(text('passwd'), text('salt'), options)).toString('hex')).toBe(
    '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc' +
      '49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783',
  )
})

it('RFC 7914 §6 — scrypt, by the vectors of its §12', async () => {
  const cheap = await scrypt(text(''), text(''), 64, { N: 16, r: 1, p: 1 })
  expect(cheap.toString('hex')).toBe(
    '77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442' +
      'fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906',
  )
  const usual = await scrypt(text('password'), text('NaCl'), 64, { N: 1024, r: 8, p: 16 })
  expect(usual.toString('hex')).toBe(
    'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162' +
      '2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
  )
})
