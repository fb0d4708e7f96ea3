// Connections to other hosts that are kept for the next call: how many there are, who may use them,
// and what happens when one has ended meanwhile.
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { createOutgoing } from '../../src/outgoing/outgoing.ts'
import type { StreamedRequest } from '../../src/outgoing/streamed-request.ts'
import { makeCertificates } from '../support/certificates.ts'

const BOUNDS = {
  headMillis: 5000,
  silenceMillis: 5000,
  totalMillis: 10_000,
  maxSentBytes: 1_000_000,
  maxAnswerBytes: 1_000_000,
}

/** A client for which every name is `address`, and a server that counts its connections. */
async function open(listener: RequestListener, tls?: { cert: string; key: string }) {
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  const at = { address: '127.0.0.1' }
  const seen = { connections: 0 }
  server.on(tls === undefined ? 'connection' : 'secureConnection', () => (seen.connections += 1))
  await new Promise<void>((done) => server.listen(0, '0.0.0.0', done))
  const { port } = server.address() as AddressInfo
  const outgoing = createOutgoing({ privateNetworks: ['127.0.0.0/8'], callsAtOnce: 50 }, () =>
    Promise.resolve([{ ...at, family: 4 }]),
  )
  const url = `${tls === undefined ? 'http' : 'https'}://localhost:${port}/`
  const ask = async (lane = 'lane', request: Partial<StreamedRequest> = {}): Promise<string> => {
    const outcome = await outgoing.stream(lane, {
      method: 'GET',
      url,
      headers: {},
      bounds: BOUNDS,
      ...request,
    })
    if (outcome.kind === 'failed') return outcome.reason
    let text = ''
    for await (const part of outcome.body) text += String(part)
    return text
  }
  return {
    at,
    seen,
    ask,
    outgoing,
    url,
    async [Symbol.asyncDispose]() {
      if ('closeAllConnections' in server)
        (server as ReturnType<typeof createServer>).closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

test('100 calls make one TLS handshake, and 10 at a time at most 10', async () => {
  using certificates = await makeCertificates()
  const before = getCACertificates()
  setDefaultCACertificates([certificates.ca])
  try {
    const { cert, key } = certificates.server
    await using one = await open((_request, answer) => answer.end('sealed'), { cert, key })
    for (let count = 0; count < 100; count += 1) expect(await one.ask()).toBe('sealed')
    expect(one.seen.connections).toBe(1)
    await using ten = await open((_request, answer) => answer.end('sealed'), { cert, key })
    for (let round = 0; round < 10; round += 1)
      await Promise.all(Array.from({ length: 10 }, () => ten.ask()))
    expect(ten.seen.connections).toBeLessThanOrEqual(10)
  } finally {
    setDefaultCACertificates(before)
  }
})

test('another lane has connections of its own', async () => {
  await using server = await open((_request, answer) => answer.end('here'))
  await server.ask('one')
  await server.ask('two')
  expect(server.seen.connections).toBe(2)
})

test('a name that leads elsewhere now is not reached where it led before', async () => {
  await using server = await open(({ socket }, answer) => answer.end(socket.localAddress))
  expect(await server.ask()).toBe('127.0.0.1')
  server.at.address = '127.0.0.2'
  expect(await server.ask()).toBe('127.0.0.2')
  server.at.address = '192.0.2.1'
  expect(await server.ask()).toBe('refused')
})

test('RFC 9110 §9.2.2 — a connection that was closed meanwhile repeats only what may be repeated', async () => {
  const arrived: string[] = []
  const first = new WeakSet()
  await using server = await open(({ socket, method }, answer) => {
    arrived.push(method ?? '')
    if (first.has(socket)) socket.destroy()
    else {
      first.add(socket)
      answer.end('well')
    }
  })
  expect(await server.ask()).toBe('well')
  expect(await server.ask()).toBe('well')
  expect(arrived).toEqual(['GET', 'GET', 'GET'])
  expect(await server.ask()).toBe('well')
  expect(await server.ask('lane', { method: 'POST', body: Buffer.from('once') })).toBe(
    'unreachable',
  )
  expect(arrived).toEqual(['GET', 'GET', 'GET', 'GET', 'POST'])
})

test('an answer that nobody read to its end leaves nothing for the next call', async () => {
  let count = 0
  await using server = await open((_request, answer) => {
    count += 1
    if (count > 1) answer.end('the second answer')
    else answer.write('x'.repeat(100_000))
  })
  const outcome = await server.outgoing.stream('lane', {
    method: 'GET',
    url: server.url,
    headers: {},
    bounds: BOUNDS,
  })
  if (outcome.kind === 'answered') outcome.body.destroy()
  expect(await server.ask()).toBe('the second answer')
  expect(server.seen.connections).toBe(2)
})
