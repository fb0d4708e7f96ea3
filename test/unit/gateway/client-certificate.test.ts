// A certificate in a header counts only from a proxy of ours, once, and in one of the forms that
// proxies write.
import { createHash } from 'node:crypto'
import { createCertificateReader, fingerprintOf } from '../../../src/gateway/client-certificate.ts'

const der = Buffer.from('a certificate, as far as hashing is concerned')
const base64 = der.toString('base64')
const print = createHash('sha256').update(der).digest('hex')
const colons = print.toUpperCase().match(/../g)?.join(':') ?? ''
const pem = `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`

describe('RFC 9440 §2.1, RFC 8941 §3.3.5 — the certificate in a header', () => {
  it.each([
    ['a byte sequence', `:${base64}:`],
    ['PEM, percent-encoded', encodeURIComponent(pem)],
    ['hex', print],
    ['hex with colons', colons],
  ])('is read as %s', (_form, told) => {
    expect(fingerprintOf(told)).toBe(print)
  })

  it.each(['', ':', '::', base64, '%', '%00', print.slice(1), `:${base64}`, `:${base64}:, :x:`])(
    'is none in %j',
    (told) => {
      expect(fingerprintOf(told)).toBeUndefined()
    },
  )
})

describe('whom it proves', () => {
  const read = createCertificateReader({
    header: 'client-cert',
    apps: new Map([[print, 'app_1']]),
    isProxy: (address) => address === '10.0.0.1',
  })
  const from = (remoteAddress: string | undefined, ...values: string[]) =>
    read({
      remoteAddress,
      headers: { 'client-cert': values.join(', ') },
      rawHeaders: values.flatMap((value) => ['Client-Cert', value]),
    })

  it('a proxy of ours is believed, every time', () => {
    expect([
      from('10.0.0.1', print),
      from('::ffff:10.0.0.1', print),
      from('10.0.0.1', print),
    ]).toEqual(['app_1', 'app_1', 'app_1'])
  })

  it('nobody else is, also after a proxy was', () => {
    expect([from('10.0.0.2', print), from(undefined, print)]).toEqual([undefined, undefined])
  })

  it('a header that came twice is not', () => {
    expect(from('10.0.0.1', print, print)).toBeUndefined()
  })

  it('a certificate that nobody named is not', () => {
    expect(from('10.0.0.1', '0'.repeat(64))).toBeUndefined()
  })
})
