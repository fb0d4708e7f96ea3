// A request with two Host headers, which two parsers on its way could take for requests to two
// servers. Node keeps the first and says nothing.
import type { IncomingMessage, ServerResponse } from 'node:http'

/** RFC 9112 §3.2: such a request MUST be answered with 400. Returns whether it was. */
export function refuseTwoHosts({ rawHeaders }: IncomingMessage, response: ServerResponse): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  if (hosts < 2) return false
  response.writeHead(400, { Connection: 'close', 'Content-Length': '0' })
  response.end()
  return true
}
