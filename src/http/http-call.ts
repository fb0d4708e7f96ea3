// One HTTP call as the endpoints of clients see it: the few things that they need, which Koa's
// Context and the bare call of the fast path both have. Written once, an endpoint runs on either.
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What an endpoint may touch. */
export interface HttpCall {
  readonly req: IncomingMessage
  readonly path: string
  status: number
  /** A text, an object that is sent as JSON, or nothing. */
  body: unknown
  set(name: string, value: string): void
  vary(name: string): void
}

/**
 * A call that sends its own answer: node:http without a framework. It is a class, because an object
 * with functions of its own would be made anew for each call.
 */
export class BareHttpCall implements HttpCall {
  readonly req: IncomingMessage
  readonly path: string
  status = 404
  body: unknown = undefined
  readonly #headers: string[]

  /** @param always names and values in turn of the headers that every answer has */
  constructor(req: IncomingMessage, path: string, always: readonly string[]) {
    this.#headers = [...always]
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
