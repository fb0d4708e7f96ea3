// Requests to other hosts, against real servers that do not behave.
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { UNSAFE_DESTINATIONS } from '../../src/outgoing/destination.ts'
import {
  sendOutgoing,
  type OutgoingOutcome,
  type OutgoingRequest,
} from '../../src/outgoing/outgoing-request.ts'
import { makeCertificates } from '../support/certificates.ts'

const BOUNDS = { method: 'GET', timeoutMillis: 5000, maxBodyBytes: 1000 } as const

// As a name of the test: always this machine at first, and an address where nobody is afterwards.
function rebinding() {
  const asked: string[] = []
  const resolve = (name: string) => {
    asked.push(name)
    return Promise.resolve([{ address: asked.length === 1 ? '127.0.0.1' : '127.0.0.9', family: 4 }])
  }
  return { asked, rules: { ...UNSAFE_DESTINATIONS, resolve } }
}

async function listening(server: Server): Promise<AsyncDisposable & { port: number }> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise((done) => server.close(() => done())),
  }
}

async function ask(
  listener: RequestListener,
  request: Partial<OutgoingRequest> = {},
): Promise<OutgoingOutcome> {
  await using server = await listening(createServer(listener))
  const url = `http://name.example:${server.port}/path?q=1`
  return await sendOutgoing({ ...BOUNDS, url, ...request }, rebinding().rules)
}

test('goes to the address that was checked, under the name that was asked', async () => {
  await using server = await listening(
    createServer(({ headers, url }, answer) => answer.end(`${headers.host} ${url}`)),
  )
  const { asked, rules } = rebinding()
  const url = `http://name.example:${server.port}/path?q=1`
  const outcome = await sendOutgoing({ ...BOUNDS, url }, rules)
  expect(outcome).toMatchObject({ kind: 'answered', status: 200 })
  expect(bodyOf(outcome)).toBe(`name.example:${server.port} /path?q=1`)
  expect(asked).toEqual(['name.example'])
})

test('TLS is for the name: SNI carries it, and a certificate of another name is refused', async () => {
  using certificates = await makeCertificates()
  const before = getCACertificates()
  setDefaultCACertificates([certificates.ca])
  try {
    const names: unknown[] = []
    const { cert, key } = certificates.server
    await using server = await listening(
      createTlsServer({ cert, key }, ({ socket }, answer) => {
        names.push('servername' in socket && socket.servername)
        answer.end('sealed')
      }),
    )
    const at = (name: string) =>
      sendOutgoing({ ...BOUNDS, url: `https://${name}:${server.port}/` }, rebinding().rules)
    expect(bodyOf(await at('localhost'))).toBe('sealed')
    expect(await at('other.example')).toEqual({
      kind: 'failed',
      reason: 'unreachable',
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
    expect(names).toEqual(['localhost'])
  } finally {
    setDefaultCACertificates(before)
  }
})

test('follows no redirect', async () => {
  const paths: unknown[] = []
  const outcome = await ask(({ url }, answer) => {
    paths.push(url)
    answer.writeHead(302, { location: '/elsewhere' }).end()
  })
  expect(outcome).toMatchObject({ kind: 'answered', status: 302 })
  expect(paths).toEqual(['/path?q=1'])
})

test('sends the caller’s headers, but none that belong to the connection', async () => {
  const headers = {
    authorization: 'Basic eA==',
    Host: 'evil.example',
    'Proxy-Authorization': 'x',
    'Transfer-Encoding': 'chunked',
    'Content-Length': '1',
  }
  const outcome = await ask(
    (request, answer) => {
      request.resume().on('end', () => answer.end(JSON.stringify(request.headers)))
    },
    { method: 'POST', body: 'grüße', headers },
  )
  const sent = JSON.parse(bodyOf(outcome)) as Record<string, string>
  expect(sent).toMatchObject({ authorization: 'Basic eA==', 'content-length': '7' })
  expect(sent['host']).toMatch(/^name\.example:/)
  expect(Object.keys(sent)).not.toContain('proxy-authorization')
  expect(Object.keys(sent)).not.toContain('transfer-encoding')
})

describe('a body', () => {
  const packed = (encoding: string, body: Buffer) =>
    ask((_request, answer) => answer.setHeader('content-encoding', encoding).end(body))

  test('of the greatest size is read, one byte more is too large', async () => {
    expect(bodyOf(await ask((_request, answer) => answer.end('x'.repeat(1000))))).toHaveLength(1000)
    const outcome = await ask((_request, answer) => answer.end('x'.repeat(1001)))
    expect(outcome).toEqual({ kind: 'failed', reason: 'too_large' })
  })

  test('without an end is too large', async () => {
    const outcome = await ask((_request, answer) => {
      const more = () => answer.destroyed || answer.write('x'.repeat(100), () => setImmediate(more))
      more()
    })
    expect(outcome).toEqual({ kind: 'failed', reason: 'too_large' })
  })

  test('is decompressed within the same bound', async () => {
    expect(bodyOf(await packed('gzip', gzipSync('small')))).toBe('small')
    expect(bodyOf(await packed('br', brotliCompressSync('small')))).toBe('small')
    const bomb = Buffer.alloc(200_000)
    const tooLarge = { kind: 'failed', reason: 'too_large' }
    expect(await packed('gzip', gzipSync(bomb))).toEqual(tooLarge)
    expect(await packed('br', brotliCompressSync(bomb))).toEqual(tooLarge)
  })

  test('that cannot be decompressed is unreadable', async () => {
    const unreadable = { kind: 'failed', reason: 'unreadable' }
    expect(await packed('gzip', Buffer.from('no gzip'))).toEqual(unreadable)
    expect(await packed('constructor', Buffer.from('x'))).toEqual(unreadable)
  })

  test('that breaks off is no answer', async () => {
    const outcome = await ask((_request, answer) => {
      answer.writeHead(200, { 'content-length': '10' })
      answer.write('half', () => answer.destroy())
    })
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'unreachable' })
  })
})

describe('time', () => {
  const timedOut = { kind: 'failed', reason: 'timed_out' }

  test('ends for a server that never answers', async () => {
    expect(await ask(() => undefined, { timeoutMillis: 100 })).toEqual(timedOut)
  })

  test('ends for a body that drips', async () => {
    const outcome = await ask(
      (_request, answer) => {
        const drip = setInterval(() => answer.write('.'), 20)
        answer.on('close', () => clearInterval(drip))
      },
      { timeoutMillis: 200 },
    )
    expect(outcome).toEqual(timedOut)
  })

  test('ends for DNS that never answers', async () => {
    const resolve = () => new Promise<never>(() => undefined)
    const request = { ...BOUNDS, url: 'https://name.example/', timeoutMillis: 50 }
    const keptAlive = setTimeout(() => undefined, 5000)
    expect(await sendOutgoing(request, { ...UNSAFE_DESTINATIONS, resolve })).toEqual(timedOut)
    clearTimeout(keptAlive)
  })
})

test('an upgrade that nobody asked for is no answer', async () => {
  const outcome = await ask(({ socket }) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
  })
  expect(outcome).toMatchObject({ kind: 'failed', reason: 'unreachable' })
})

function bodyOf(outcome: OutgoingOutcome): string {
  return outcome.kind === 'answered' ? outcome.body.toString('utf8') : outcome.reason
}
