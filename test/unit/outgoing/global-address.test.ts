import { GUARDED } from '../../../src/outgoing/destination.ts'
import { isGlobalAddress } from '../../../src/outgoing/global-address.ts'
import { sendOutgoing } from '../../../src/outgoing/outgoing-request.ts'

const BOUNDS = { method: 'GET', timeoutMillis: 2000, maxBodyBytes: 1000 } as const

// A name that DNS answers with these addresses, the last of which is not public.
const NAMES: Record<string, string[]> = {
  'private.example': ['10.1.2.3'],
  'private.example.': ['10.1.2.3'],
  'two-faced.example': ['93.184.215.14', '127.0.0.1'],
  'mapped.example': ['::ffff:127.0.0.1'],
  'zone.example': ['fe80::1%eth0'],
  'xn--bcher-kva.example': ['192.168.0.1'],
  'nat64.example': ['64:ff9b::7f00:1'],
  'nothing.example': [],
  localhost: ['127.0.0.1'],
  'localhost.': ['127.0.0.1'],
  'app.localhost': ['::1'],
  'metadata.google.internal': ['169.254.169.254'],
}

const REFUSED = [
  ...Object.keys(NAMES).map((name) => `https://${name}/`),
  'https://bücher.example/',
  'https://LOCALHOST/',
  'https://ｌｏｃａｌｈｏｓｔ/',
  'https://127.0.0.1/',
  'https://127.0.0.1./',
  'https://127.1/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0x7f.0.0.1/',
  'https://0177.0.0.1/',
  'https://017700000001/',
  'https://①②⑦.⓪.⓪.①/',
  'https://0/',
  'https://0.0.0.0/',
  'https://10.0.0.1/',
  'https://100.64.0.1/',
  'https://100.100.100.200/',
  'https://168.63.129.16/',
  'https://169.254.169.254/latest/meta-data/',
  'https://169.254.170.2/',
  'https://0xa9fea9fe/',
  'https://2852039166/',
  'https://172.16.0.1/',
  'https://172.31.255.255/',
  'https://192.0.0.192/',
  'https://192.0.2.1/',
  'https://192.88.99.1/',
  'https://192.168.1.1/',
  'https://198.18.0.1/',
  'https://198.51.100.1/',
  'https://203.0.113.1/',
  'https://224.0.0.1/',
  'https://240.0.0.1/',
  'https://255.255.255.255/',
  'https://[::]/',
  'https://[::1]/',
  'https://[::127.0.0.1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::ffff:169.254.169.254]/',
  'https://[::ffff:0:127.0.0.1]/',
  'https://[64:ff9b::127.0.0.1]/',
  'https://[64:ff9b:1::1]/',
  'https://[100::1]/',
  'https://[2001::1]/',
  'https://[2001:db8::1]/',
  'https://[2002:7f00:1::]/',
  'https://[3fff::1]/',
  'https://[fc00::1]/',
  'https://[fd00:ec2::254]/',
  'https://[fe80::1]/',
  'https://[fe80::1%25eth0]/',
  'https://[fec0::1]/',
  'https://[ff02::1]/',
  'http://93.184.215.14/',
  'https://93.184.215.14:8443/',
  'https://user@93.184.215.14/',
  'https://93.184.215.14@127.0.0.1/',
  'https://127.0.0.1\\@93.184.215.14/',
  'file:///etc/passwd',
  'ftp://93.184.215.14/',
  'gopher://127.0.0.1/',
  'data:,x',
  '//127.0.0.1/',
  'no url',
]

test('the table has at least 60 destinations', () => {
  expect(new Set(REFUSED).size).toBeGreaterThanOrEqual(60)
})

it.each(REFUSED)('refuses %s before anything is sent', async (url) => {
  const resolve = (name: string) =>
    Promise.resolve((NAMES[name] ?? []).map((address) => ({ address, family: 4 })))
  const outcome = await sendOutgoing({ ...BOUNDS, url }, { ...GUARDED, resolve })
  expect(outcome).toEqual({ kind: 'failed', reason: 'refused' })
})

it.each(['1.1.1.1', '93.184.215.14', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00::1'])(
  '%s is on the public Internet',
  (address) => expect(isGlobalAddress(address)).toBe(true),
)

it.each(['', 'example.com', '127.0.0.1 ', '999.1.1.1', '2a00::1%lo'])(
  '“%s” is no public address',
  (address) => expect(isGlobalAddress(address)).toBe(false),
)
