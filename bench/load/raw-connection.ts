// One keep-alive HTTP/1.1 connection with one request in flight, on a bare socket. It costs a
// fraction of node:http, so the load process is not what is measured. It understands only what the
// measured servers send: a status line and a Content-Length.
import { connect } from 'node:net'

/** One answer; `body` is only valid until the handler returns. */
export interface RawResponse {
  status: number
  body: Buffer
}

/** A connected socket. `send` may be called again once the previous answer was handled. */
export interface RawConnection {
  send: (request: Buffer) => void
  close: () => void
}

/**
 * Connects to a local port.
 *
 * @param onResponse called once per request, in order
 * @param onFailure called once when the peer goes away or sends what is not understood
 */
export function openRawConnection(
  port: number,
  onResponse: (response: RawResponse) => void,
  onFailure: (reason: string) => void,
): Promise<RawConnection> {
  let received: Buffer | undefined
  let closing = false
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })

  function fail(reason: string): void {
    if (closing) return
    closing = true
    socket.destroy()
    onFailure(reason)
  }

  socket.on('data', (chunk) => {
    received = received === undefined ? chunk : Buffer.concat([received, chunk])
    const headEnd = received.indexOf('\r\n\r\n')
    if (headEnd === -1) return
    const head = received.toString('latin1', 0, headEnd)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined) {
      fail(`an answer without Content-Length:\n${head}`)
      return
    }
    const end = headEnd + 4 + Number(length)
    if (received.length < end) return
    const body = received.subarray(headEnd + 4, end)
    if (received.length > end) {
      fail('more bytes than the answer announced')
      return
    }
    received = undefined
    onResponse({ status: Number(head.slice(9, 12)), body })
  })
  socket.on('close', () => {
    fail('the server closed the connection')
  })

  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      reject(error)
      fail(error.message)
    })
    socket.once('connect', () => {
      resolve({
        send: (request) => void socket.write(request),
        close: () => {
          closing = true
          socket.destroy()
        },
      })
    })
  })
}
