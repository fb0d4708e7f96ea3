import { clientAddress, limitKey, networkKey } from '../../../src/http/client-address.ts'
import { createNetworkSet } from '../../../src/shared/network-set.ts'

const nobody = createNetworkSet([])
const proxies = createNetworkSet(['10.0.0.0/8', '192.0.2.1', 'fd00::/8'])

describe('the address of a client', () => {
  it('is that of the connection when there is no proxy of ours', () => {
    expect(clientAddress('203.0.113.9', '198.51.100.1', nobody)).toBe('203.0.113.9')
    expect(clientAddress('203.0.113.9', '198.51.100.1', proxies)).toBe('203.0.113.9')
    expect(clientAddress('10.0.0.1', undefined, proxies)).toBe('10.0.0.1')
  })

  it('is what our proxy saw, whatever the client wrote before it', () => {
    expect(clientAddress('10.0.0.1', '1.2.3.4, 203.0.113.9', proxies)).toBe('203.0.113.9')
    expect(clientAddress('10.0.0.1', '127.0.0.1,203.0.113.9,10.9.9.9', proxies)).toBe('203.0.113.9')
    expect(clientAddress('10.0.0.1', '10.0.0.5, 203.0.113.9', proxies)).toBe('203.0.113.9')
  })

  it('is the farthest proxy when all are ours', () => {
    expect(clientAddress('10.0.0.1', '10.0.0.3, 10.0.0.2', proxies)).toBe('10.0.0.3')
  })

  it('ends at the proxy that passed nonsense on', () => {
    expect(clientAddress('10.0.0.1', '203.0.113.9, nonsense, 10.0.0.2', proxies)).toBe('10.0.0.2')
    expect(clientAddress('10.0.0.1', '', proxies)).toBe('10.0.0.1')
    expect(clientAddress('10.0.0.1', 'unknown', proxies)).toBe('10.0.0.1')
  })

  it('is read without ports, brackets and zones', () => {
    expect(clientAddress('10.0.0.1', '203.0.113.9:4711', proxies)).toBe('203.0.113.9')
    expect(clientAddress('10.0.0.1', '[2001:db8::1]:4711', proxies)).toBe('2001:db8::1')
    expect(clientAddress('fe80::1%eth0', undefined, nobody)).toBe('fe80::1')
    expect(clientAddress('fd00::1%eth0', '[2001:DB8::1]', proxies)).toBe('2001:db8::1')
  })

  it('is IPv4 where IPv6 carries it', () => {
    expect(clientAddress('::ffff:203.0.113.9', undefined, nobody)).toBe('203.0.113.9')
    expect(clientAddress('::ffff:cb00:7109', undefined, nobody)).toBe('203.0.113.9')
    expect(clientAddress('::ffff:10.0.0.1', '0:0:0:0:0:FFFF:cb00:7109', proxies)).toBe(
      '203.0.113.9',
    )
  })

  it('is unknown when the connection has gone', () => {
    expect(clientAddress(undefined, '1.2.3.4', proxies)).toBe('unknown')
  })

  it('refuses a list of proxies that it cannot read', () => {
    expect(() => createNetworkSet(['proxy.example.com'])).toThrow('neither')
  })
})

describe('the key of a limit', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['2001:0db8:0000:0000:ffff::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::3:4:5:6:7:8', '1:0:3:4::/64'],
    ['2001:db8:ffff::1', '2001:db8:ffff:0::/64'],
    ['64:ff9b::192.0.2.1', '192.0.2.1'],
    ['64:ff9b:1:2::c000:201', '192.0.2.1'],
    ['64:ff9b:2::c000:201', '64:ff9b:2:0::/64'],
    ['2002:c000:201:7::1', '192.0.2.1'],
    ['2001:0:4136:e378:8000:63bf:3fff:fdd2', '192.0.2.45'],
    ['::ffff:0:192.0.2.1', '192.0.2.1'],
    ['::192.0.2.1', '192.0.2.1'],
    ['unknown', 'unknown'],
  ])('of %s is %s', (address, key) => {
    expect(limitKey(address)).toBe(key)
  })
})

describe('the network of an address', () => {
  it.each([
    ['203.0.113.9', '203.0.113.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:db8::6', '2001:db8:0::/48'],
    // Whoever has one IPv4 address has a /48 of 6to4.
    ['2002:c000:201:7::1', '192.0.2.0/24'],
    ['64:ff9b::192.0.2.1', '192.0.2.0/24'],
    ['::1', '0:0:0::/48'],
    ['unknown', 'unknown'],
  ])('of %s is %s', (address, key) => {
    expect(networkKey(address)).toBe(key)
  })
})
