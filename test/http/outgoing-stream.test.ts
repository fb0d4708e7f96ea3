// Bodies that pass through as they come, against real servers that do not behave.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { createOutgoing } from '../../src/outgoing/outgoing.ts'
import type { StreamedOutcome, StreamedRequest } from '../../src/outgoing/streamed-request.ts'

const BOUNDS = {
  headMillis: 5000,
  silenceMillis: 5000,
  totalMillis: 10_000,
  maxSentBytes: 100_000_000,
  maxAnswerBytes: 100_000_000,
}
const PART = Buffer.alloc(64 * 1024, 'x')

const create = (callsAtOnce = 20) =>
  createOutgoing({ privateNetworks: ['127.0.0.0/8'], callsAtOnce })
const outgoing = create()

async function serve(listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return {
    ask: (request: Partial<StreamedRequest> = {}, client = outgoing) =>
      client.stream('lane', { method: 'GET', url, headers: {}, bounds: BOUNDS, ...request }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

function bodyOf(outcome: StreamedOutcome): Readable {
  if (outcome.kind === 'failed') throw new Error(outcome.reason)
  return outcome.body
}

async function textOf(body: AsyncIterable<Buffer> | IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of body as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts).toString()
}

const failed = (reason: string) => ({ kind: 'failed', reason })

test('each part arrives before the next one is sent, in both directions', async () => {
  const said: string[] = []
  await using server = await serve((request, answer) => {
    answer.writeHead(200)
    request.on('data', (part: Buffer) => answer.write(`${part.toString()}!`))
    request.on('end', () => answer.end())
  })
  const stream = new PassThrough()
  stream.write('one')
  const outcome = await server.ask({ method: 'POST', body: { stream, length: undefined } })
  const body = bodyOf(outcome)
  for await (const part of body as AsyncIterable<Buffer>) {
    said.push(part.toString())
    if (said.length === 1) stream.write('two')
    else stream.end()
  }
  expect(said).toEqual(['one!', 'two!'])
})

test('whatever the parts are, the bytes are the same', async () => {
  await using server = await serve((request, answer) => request.pipe(answer))
  const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(parts, fc.boolean(), async (sent, hasLength) => {
      const whole = Buffer.concat(sent)
      const length = hasLength ? whole.length : undefined
      const stream = Readable.from(sent.map((part) => Buffer.from(part)))
      const outcome = await server.ask({ method: 'PUT', body: { stream, length } })
      expect(await textOf(bodyOf(outcome))).toBe(whole.toString())
    }),
    { numRuns: 60 },
  )
})

test('headers go out as lists, but none that belong to the connection', async () => {
  await using server = await serve((request, answer) =>
    answer.end(JSON.stringify(request.rawHeaders)),
  )
  const headers = { 'x-a': ['1', '2'], host: 'evil.example', 'transfer-encoding': 'x', te: 'y' }
  const sent = JSON.parse(await textOf(bodyOf(await server.ask({ headers })))) as string[]
  expect(sent.filter((text) => /^[12]$/.test(text))).toEqual(['1', '2'])
  expect(sent).not.toContain('evil.example')
  expect(sent).not.toContain('y')
})

describe('back-pressure', () => {
  test('a reader that waits holds the sender up', async () => {
    let written = 0
    await using server = await serve((_request, answer) => {
      const more = () => {
        written += PART.length
        if (!answer.destroyed) answer.write(PART, more)
      }
      more()
    })
    const body = bodyOf(await server.ask())
    body.pause()
    await stopsGrowing(() => written)
    const before = written
    // What the system's buffers hold, and not everything.
    expect(before).toBeLessThan(30_000_000)
    body.once('data', () => undefined)
    body.resume()
    while (written < before + 10_000_000) await sleep(5)
    body.destroy()
  })

  test('a server that does not read holds the caller up', async () => {
    let taken = 0
    const stream = Readable.from(
      (function* () {
        for (;;) {
          taken += PART.length
          yield PART
        }
      })(),
      { highWaterMark: 1 },
    )
    await using server = await serve(() => undefined)
    const gone = new AbortController()
    const asked = server.ask({
      method: 'POST',
      body: { stream, length: undefined },
      signal: gone.signal,
    })
    await stopsGrowing(() => taken)
    expect(taken).toBeLessThan(30_000_000)
    gone.abort()
    expect(await asked).toEqual(failed('given_up'))
  })
})

describe('bounds', () => {
  test('a body that is too large never looks whole to the server', async () => {
    const stream = new PassThrough()
    const ends: string[] = []
    await using server = await serve((request) => {
      request.on('end', () => ends.push('whole')).on('aborted', () => ends.push('broken off'))
      // Only now, or the request would end before the server had seen it.
      request.once('data', () => stream.write(Buffer.alloc(101)))
    })
    stream.write(Buffer.alloc(900))
    const outcome = await server.ask({
      method: 'POST',
      body: { stream, length: undefined },
      bounds: { ...BOUNDS, maxSentBytes: 1000 },
    })
    expect(outcome).toEqual(failed('sent_too_large'))
    while (ends.length === 0) await sleep(5)
    expect(ends).toEqual(['broken off'])
  })

  test('an answer of the greatest size passes, one byte more ends in an error', async () => {
    await using server = await serve((request, answer) =>
      answer.end('x'.repeat(Number(request.headers['x-size']))),
    )
    const ask = (size: number) =>
      server.ask({ headers: { 'x-size': String(size) }, bounds: { ...BOUNDS, maxAnswerBytes: 10 } })
    expect(await textOf(bodyOf(await ask(10)))).toHaveLength(10)
    await expect(textOf(bodyOf(await ask(11)))).rejects.toThrow('too_large')
  })

  test('an answer that breaks off ends in an error', async () => {
    await using server = await serve((_request, answer) => {
      answer.writeHead(200, { 'content-length': '10' })
      answer.write('half', () => answer.destroy())
    })
    await expect(textOf(bodyOf(await server.ask()))).rejects.toThrow()
  })

  test.each([
    ['until the answer begins', 'headMillis'],
    ['in all', 'totalMillis'],
  ] as const)('time %s', async (_what, bound) => {
    await using server = await serve(() => undefined)
    const outcome = await server.ask({ bounds: { ...BOUNDS, [bound]: 50 } })
    expect(outcome).toEqual(failed('timed_out'))
  })

  test.each(['silenceMillis', 'totalMillis'] as const)('a body that stalls: %s', async (bound) => {
    await using server = await serve((_request, answer) => {
      answer.write('a')
    })
    const outcome = await server.ask({ bounds: { ...BOUNDS, [bound]: 100 } })
    await expect(textOf(bodyOf(outcome))).rejects.toThrow()
  })
})

test('an answer that comes before the body was sent is the answer', async () => {
  await using server = await serve((_request, answer) => {
    answer.writeHead(413, { connection: 'close' }).end('no')
  })
  const stream = new PassThrough()
  stream.write('a')
  const outcome = await server.ask({ method: 'POST', body: { stream, length: undefined } })
  expect(outcome).toMatchObject({ status: 413 })
  expect(await textOf(bodyOf(outcome))).toBe('no')
  // The caller's stream is the caller's: it may still be answered on the same connection.
  expect(stream.destroyed).toBe(false)
})

test('a caller whose body breaks off has gone', async () => {
  await using server = await serve((request) => request.resume())
  const stream = new PassThrough()
  const asked = server.ask({ method: 'POST', body: { stream, length: 10 } })
  stream.write('half')
  stream.destroy(new Error('aborted'))
  expect(await asked).toEqual(failed('given_up'))
})

describe('a turn', () => {
  test('lasts until the body was read, or thrown away', async () => {
    await using server = await serve((_request, answer) => answer.end('x'))
    const one = create(1)
    const bounds = { ...BOUNDS, headMillis: 300 }
    const first = bodyOf(await server.ask({ bounds }, one))
    expect(await server.ask({ bounds }, one)).toEqual(failed('busy'))
    await textOf(first)
    const second = bodyOf(await server.ask({ bounds }, one))
    second.destroy()
    await once(second, 'close')
    await textOf(bodyOf(await server.ask({ bounds }, one)))
  })

  test('is given back by what fails', async () => {
    await using server = await serve((_request, answer) => answer.destroy())
    const one = create(1)
    for (let call = 0; call < 3; call += 1)
      expect(await server.ask({}, one)).toMatchObject(failed('unreachable'))
  })
})

/** Waits until a number has stood still for a while. */
async function stopsGrowing(read: () => number): Promise<void> {
  for (let before = -1; before !== read();) {
    before = read()
    await sleep(300)
  }
}
