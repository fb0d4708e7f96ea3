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

/** Creates an exchange over a bare request. */
export function createBareExchange(req: IncomingMessage, path: string): BareExchange {
  const headers: string[] = []
  return {
    req,
    path,
    status: 404,
    body: undefined,
    set: (name, value) => void headers.push(name, value),
    vary: (name) => void headers.push('Vary', name),
    send(response) {
      if (this.body === undefined) {
        response.writeHead(this.status, headers)
        response.end()
        return
      }
      const isText = typeof this.body === 'string'
      const text = isText ? (this.body as string) : JSON.stringify(this.body)
      if (!isText) headers.push('Content-Type', JSON_TYPE)
      const bytes = Buffer.byteLength(text)
      headers.push('Content-Length', String(bytes))
      response.writeHead(this.status, headers)
      // Nearly every answer is plain ASCII, which is written as it is.
      response.end(text, bytes === text.length ? 'latin1' : 'utf8')
    },
  }
}

/** The content type of every JSON answer. */
export const JSON_TYPE = 'application/json; charset=utf-8'
