// One HTTP exchange as back-channel code sees it: the few things that it needs, which both Koa's Context and the bare exchange of the hot lane
// have. Written once, an endpoint runs on either.
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What an endpoint may touch. */
export interface Exchange {
  readonly req: IncomingMessage
  readonly path: string
  status: number
  /** A text, an object that is sent as JSON, or nothing. */
  body: unknown
  set(name: string, value: string): void
  vary(name: string): void
}

/** An exchange that can be sent: node:http without a framework. */
export interface BareExchange extends Exchange {
  send(response: ServerResponse): void
}

/**
 * Creates an exchange over a bare request.
 *
 * @param standing names and values of headers that the answer has in any case
 */
export const createBareExchange = (
  req: IncomingMessage,
  path: string,
  standing: readonly string[] = [],
): BareExchange => new Bare(req, path, standing)

// A class, because an object with functions of its own would be made anew for each API call.
class Bare implements BareExchange {
  readonly req: IncomingMessage
  readonly path: string
  status = 404
  body: unknown = undefined
  readonly #headers: string[]

  constructor(req: IncomingMessage, path: string, standing: readonly string[]) {
    this.#headers = [...standing]
    this.req = req
    this.path = path
  }

  set(name: string, value: string): void {
    this.#headers.push(name, value)
  }

  vary(name: string): void {
    this.#headers.push('Vary', name)
  }

  send(response: ServerResponse): void {
    const headers = this.#headers
    const { body, status } = this
    if (body === undefined) {
      response.writeHead(status, headers)
      response.end()
      return
    }
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    if (typeof body !== 'string') headers.push('Content-Type', JSON_TYPE)
    const bytes = Buffer.byteLength(text)
    headers.push('Content-Length', String(bytes))
    response.writeHead(status, headers)
    // Nearly every answer is plain ASCII, which is written as it is.
    response.end(text, bytes === text.length ? 'latin1' : 'utf8')
  }
}

/** The content type of every JSON answer. */
export const JSON_TYPE = 'application/json; charset=utf-8'
