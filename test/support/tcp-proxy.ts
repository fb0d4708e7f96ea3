// A TCP proxy that a test can break: between the server and a store it stands for the network.
// Disposing closes it.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface TcpProxy extends AsyncDisposable {
  port: number
  /**
   * Ends every connection: by a reset, by an orderly end, or not at all, so that bytes vanish from
   * then on.
   */
  cut(how: 'reset' | 'end' | 'silence'): void
  /** Leads connections that come from now on to another port of 127.0.0.1. */
  leadTo(port: number): void
  /**
   * From now on what the server says on the open connections gets lost; what it is told arrives.
   */
  loseAnswers(): void
}

/**
 * Resets a connection. One that is already ending is only destroyed: Node refuses to reset it,
 * never closes its handle, and then spins for ever when the process should end.
 */
export function resetConnection(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/** Starts a proxy to a port of 127.0.0.1. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  let target = targetPort
  const open = new Set<[client: Socket, server: Socket]>()
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    const pair: [Socket, Socket] = [client, upstream]
    open.add(pair)
    client.pipe(upstream).pipe(client)
    for (const socket of pair) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        open.delete(pair)
        pair.forEach((one) => one.destroy())
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    cut(how) {
      for (const [client, upstream] of open) {
        client.unpipe()
        upstream.unpipe()
        if (how === 'silence') continue
        if (how === 'reset') resetConnection(client)
        else client.end()
      }
    },
    leadTo(port) {
      target = port
    },
    loseAnswers() {
      for (const [, upstream] of open) upstream.unpipe().resume()
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const pair of open) pair.forEach((socket) => socket.destroy())
      await closed
    },
  }
}
