// Addresses that somebody else wrote, against a trap on this machine: nothing of them may reach it.
// The same addresses without the guard do reach it, so that the table has teeth.
import { createSocket } from 'node:dgram'
import type { LookupAddress } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GUARDED, type OutgoingRules, UNSAFE_DESTINATIONS } from '../../src/outgoing/destination.ts'
import { sendOutgoing } from '../../src/outgoing/outgoing-request.ts'
import { createOutgoing } from '../../src/outgoing/outgoing.ts'
import { streamOutgoing } from '../../src/outgoing/streamed-request.ts'
import fc from 'fast-check'

const BOUNDS = { method: 'GET', timeoutMillis: 2000, maxBodyBytes: 1000 } as const

/** Names that the test's DNS answers, in turn where there is more than one answer. */
const ZONE: Record<string, string[]> = {
  'loopback.test': ['127.0.0.1'],
  'loopback.test.': ['127.0.0.1'],
  'rebinding.test': ['93.184.215.14', '127.0.0.1'],
  'decoy-first.test': ['127.0.0.2', '127.0.0.1'],
  'xn--bcher-kva.test': ['127.0.0.1'],
  'zero.test': ['0.0.0.0'],
  'mapped.test': ['::ffff:127.0.0.1'],
  'six.test': ['::1'],
}

// 60 ways to write an address of this machine, each with a port.
const LOOPBACK_HOSTS = [
  ...['127.0.0.1', '127.0.0.1.', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7F000001'],
  ...['0x7f.0.0.1', '0x7f.1', '0x7f.0x0.0x0.0x1', '0177.0.0.1', '0177.1', '017700000001'],
  ...['00177.0.0.01', '127.0.0.0x1', '127.0x1', '127.000.000.001', '0177.0x0.0.1', '127.0.01'],
  ...[
    '①②⑦.⓪.⓪.①',
    '127。0。0。1',
    '127．0．0．1',
    '１２７.0.0.1',
    '%31%32%37.0.0.1',
    '127%2e0.0.1',
  ],
  ...['localhost', 'LOCALHOST', 'LocalHost', 'ｌｏｃａｌｈｏｓｔ', 'localhost.', 'ⓛocalhost'],
  ...['0', '0.0.0.0', '0.0', '00', '0x0', '000.0.0.0', '0x0.0', '0.0.0.0.'],
  ...['[::1]', '[0:0:0:0:0:0:0:1]', '[0::1]', '[::0:1]', '[0000::0001]', '[::0.0.0.1]'],
  ...['[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::FFFF:127.0.0.1]', '[0:0:0:0:0:ffff:7f00:1]'],
  ...['[::]', '[0::]', '[::ffff:0.0.0.0]', '[::ffff:0:0]'],
  ...['loopback.test', 'LOOPBACK.test', 'loopback.test.', 'bücher.test', 'zero.test'],
  ...['mapped.test', 'six.test', 'loop%62ack.test', 'ｌｏｏｐback.test'],
]

/** Listens as every address of this machine, and counts. */
async function openTrap(hosts: readonly string[], port = 0) {
  let connections = 0
  const servers: Server[] = []
  let chosen = port
  for (const host of hosts) {
    const server = createServer((_request, answer) => answer.end('trapped'))
    server.on('connection', () => (connections += 1))
    await new Promise<void>((done, fail) => {
      server.once('error', fail)
      server.listen({ host, port: chosen, ipv6Only: true }, done)
    })
    chosen = (server.address() as AddressInfo).port
    servers.push(server)
  }
  return {
    port: chosen,
    count: () => connections,
    async [Symbol.asyncDispose]() {
      for (const server of servers) {
        server.closeAllConnections()
        await new Promise((done) => server.close(done))
      }
    },
  }
}

/** A DNS server for ZONE: each question about a name gets the next of its answers, with no life. */
async function openDns() {
  const asked: string[] = []
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const { name, type, end } = questionOf(query)
    const answers = ZONE[name] ?? ZONE[`${name}.`] ?? []
    const isAsked = (address: string) => (type === 28) === address.includes(':')
    const before = asked.filter((each) => each === name).length
    const answer = answers[Math.min(before, answers.length - 1)]
    if (answer === undefined || !isAsked(answer)) socket.send(reply(query, end, []), from.port)
    else {
      asked.push(name)
      socket.send(reply(query, end, bytesOf(answer)), from.port)
    }
  })
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done))
  const resolver = new Resolver({ timeout: 1000, tries: 1 })
  resolver.setServers([`127.0.0.1:${socket.address().port}`])
  const resolve = async (name: string): Promise<LookupAddress[]> => {
    if (/^localhost\.?$/.test(name)) return [{ address: '127.0.0.1', family: 4 }]
    const four = await resolver.resolve4(name).catch(() => [])
    const six = four.length > 0 ? [] : await resolver.resolve6(name)
    return [
      ...four.map((address) => ({ address, family: 4 })),
      ...six.map((address) => ({ address, family: 6 })),
    ]
  }
  return {
    asked,
    resolve,
    [Symbol.asyncDispose]: () => new Promise<void>((done) => socket.close(() => done())),
  }
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 }
}

// RFC 1035 §4.1: the question again, and one answer that may not be kept.
function reply(query: Buffer, end: number, data: readonly number[]): Buffer {
  const head = Buffer.from(query.subarray(0, 12))
  head.writeUInt16BE(0x8180, 2)
  head.writeUInt16BE(data.length > 0 ? 1 : 0, 6)
  head.writeUInt32BE(0, 8)
  const type = data.length === 16 ? 28 : 1
  const answer = [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length, ...data]
  return Buffer.concat([
    head,
    query.subarray(12, end),
    ...(data.length > 0 ? [Buffer.from(answer)] : []),
  ])
}

function bytesOf(address: string): number[] {
  if (!address.includes(':')) return address.split('.').map(Number)
  const mapped = /^::ffff:([\d.]+)$/.exec(address)?.[1]
  const low = mapped === undefined ? [0, 0, 0, 1] : mapped.split('.').map(Number)
  const marks = mapped === undefined ? [0, 0] : [255, 255]
  return [...new Array<number>(10).fill(0), ...marks, ...low]
}

const THIS_MACHINE = ['127.0.0.1', '::1']

test('the table has 60 names of this machine, and without the guard each of them arrives', async () => {
  expect(new Set(LOOPBACK_HOSTS).size).toBeGreaterThanOrEqual(60)
  await using trap = await openTrap(THIS_MACHINE)
  await using dns = await openDns()
  const late: string[] = []
  for (const host of LOOPBACK_HOSTS) {
    const url = `http://${host}:${trap.port}/`
    const outcome = await sendOutgoing(
      { ...BOUNDS, url },
      { ...UNSAFE_DESTINATIONS, resolve: dns.resolve },
    )
    if (outcome.kind === 'failed') late.push(`${host} ${outcome.reason} ${outcome.code ?? ''}`)
  }
  expect(late).toEqual([])
  expect(trap.count()).toBe(LOOPBACK_HOSTS.length)
})

describe('with the guard, no connection reaches the trap', () => {
  // 127.0.0.2 is allowed, so that http and ports are: only the address is in the way.
  const outgoing = (resolve: OutgoingRules['resolve']) =>
    createOutgoing({ privateNetworks: ['127.0.0.2'], callsAtOnce: 20 }, resolve)

  test('from any of the names, whole or streamed', async () => {
    await using trap = await openTrap(THIS_MACHINE)
    await using dns = await openDns()
    const guarded = outgoing(dns.resolve)
    for (const host of LOOPBACK_HOSTS) {
      const url = `http://${host}:${trap.port}/`
      expect(await guarded.send('x', { ...BOUNDS, url })).toEqual(REFUSED)
      expect(await guarded.stream('x', { ...STREAMED, url })).toEqual(REFUSED)
    }
    expect(trap.count()).toBe(0)
  })

  test('from a name that is public at first and this machine when asked again', async () => {
    await using trap = await openTrap(THIS_MACHINE, 443)
    await using dns = await openDns()
    const request = { ...BOUNDS, url: 'https://rebinding.test/', timeoutMillis: 500 }
    const outcome = await sendOutgoing(request, { ...GUARDED, resolve: dns.resolve })
    // Nobody answers at the public address here.
    expect(outcome).toMatchObject({ kind: 'failed' })
    expect(dns.asked).toEqual(['rebinding.test'])
    expect(trap.count()).toBe(0)
  })

  test('from a name whose first address is allowed', async () => {
    await using trap = await openTrap(THIS_MACHINE)
    await using decoy = await openTrap(['127.0.0.2'], trap.port)
    await using dns = await openDns()
    const url = `http://decoy-first.test:${trap.port}/`
    const guarded = outgoing(dns.resolve)
    expect(await guarded.send('x', { ...BOUNDS, url })).toMatchObject({ status: 200 })
    expect(await guarded.send('x', { ...BOUNDS, url })).toEqual(REFUSED)
    expect(dns.asked).toEqual(['decoy-first.test', 'decoy-first.test'])
    expect([decoy.count(), trap.count()]).toEqual([1, 0])
  })

  test.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://127.0.0.1:PORT/',
    '//localhost:PORT',
  ])('from a redirect to %s', async (location) => {
    await using trap = await openTrap(THIS_MACHINE)
    const target = location.replace('PORT', String(trap.port))
    const decoy = createServer((_request, answer) =>
      answer.writeHead(302, { location: target }).end(),
    )
    await new Promise<void>((done) => decoy.listen(0, '127.0.0.2', done))
    const url = `http://127.0.0.2:${(decoy.address() as AddressInfo).port}/`
    const guarded = outgoing(GUARDED.resolve)
    expect(await guarded.send('x', { ...BOUNDS, url })).toMatchObject({ status: 302 })
    const streamed = await guarded.stream('x', { ...STREAMED, url })
    expect(streamed).toMatchObject({ status: 302 })
    if (streamed.kind === 'answered') streamed.body.resume()
    expect(trap.count()).toBe(0)
    decoy.closeAllConnections()
    decoy.close()
  })
})

const REFUSED = { kind: 'failed', reason: 'refused' }
const STREAMED = {
  method: 'GET',
  headers: {},
  bounds: {
    headMillis: 2000,
    silenceMillis: 2000,
    totalMillis: 5000,
    maxSentBytes: 1000,
    maxAnswerBytes: 1000,
  },
}

// Every address that is not public, in every way in which a URL can spell it.
const privateAddress = fc.oneof(
  fc.tuple(fc.constantFrom(10, 127, 0), byte(), byte(), byte()),
  fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), byte(), byte()),
  fc.tuple(fc.constant(192), fc.constant(168), byte(), byte()),
  fc.tuple(fc.constant(169), fc.constant(254), byte(), byte()),
  fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), byte(), byte()),
  fc.tuple(fc.integer({ min: 224, max: 255 }), byte(), byte(), byte()),
)

function byte() {
  return fc.integer({ min: 0, max: 255 })
}

const SPELLINGS: ((bytes: readonly number[]) => string)[] = [
  (bytes) => bytes.join('.'),
  (bytes) => bytes.map((each) => `0x${each.toString(16)}`).join('.'),
  (bytes) => bytes.map((each) => `0${each.toString(8)}`).join('.'),
  (bytes) => String(numberOf(bytes)),
  (bytes) => `0x${numberOf(bytes).toString(16)}`,
  ([a = 0, b = 0, c = 0, d = 0]) => `${a}.${b}.${c * 256 + d}`,
  (bytes) => `[::ffff:${bytes.join('.')}]`,
  (bytes) => `[64:ff9b::${bytes.join('.')}]`,
  (bytes) => `[2002:${hexOf(bytes, 0)}:${hexOf(bytes, 2)}::1]`,
]

const numberOf = (bytes: readonly number[]) => bytes.reduce((sum, each) => sum * 256 + each, 0)
const hexOf = (bytes: readonly number[], at: number) =>
  numberOf(bytes.slice(at, at + 2)).toString(16)

test('no spelling of a private address is let through', async () => {
  await fc.assert(
    fc.asyncProperty(privateAddress, fc.constantFrom(...SPELLINGS), async (bytes, spell) => {
      const url = `https://${spell(bytes)}/`
      expect(await streamOutgoing({ ...STREAMED, url }, GUARDED)).toEqual(REFUSED)
    }),
    { numRuns: 500 },
  )
})
