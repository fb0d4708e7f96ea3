// A piece of network between the servers and a store: a TCP proxy of our own that can be slow,
// deaf, cut, moved to another store, or answer in the words of a pooler. Faults of the network
// happen here and nowhere else; the loopback of the machine is left alone.
import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { resetConnection } from '../../test/support/tcp-proxy.ts'

/** How bytes pass. */
export interface Weather {
  /** Waits so long before each piece, in each direction. */
  delayMillis?: number
  /** Swallows everything and closes nothing: connections stay half open. */
  isDeaf?: boolean
  /** Swallows what the store answers; what it is asked arrives. */
  isMute?: boolean
  /** The share of pieces that come late, as after a lost packet. */
  lossShare?: number
  /** Answers new connections with these bytes and closes them. */
  refusal?: Buffer
}

const RETRANSMISSION_MILLIS = 200

export interface TcpLink extends AsyncDisposable {
  port: number
  /** Changes the weather for old connections and new ones. */
  set(weather: Weather): void
  /** Leads new connections elsewhere. */
  leadTo(port: number): void
  /**
   * Ends all connections: by a reset, in order, or not at all, so that bytes vanish from then on.
   */
  cut(how: 'reset' | 'end' | 'silence'): void
  /** How many there are. */
  connections(): number
}

/** Opens a link to a port of this machine. @param random 0 to 1, for losses */
export async function openTcpLink(target: number, random: () => number): Promise<TcpLink> {
  let weather: Weather = {}
  let port = target
  const sockets = new Set<Socket>()
  const silent = new WeakSet<Socket>()

  function pass(from: Socket, to: Socket, isAnswer: boolean): void {
    // One queue for each direction: late pieces hold up the later ones, as TCP does.
    let last = Promise.resolve()
    from.on('data', (piece) => {
      if (weather.isDeaf || silent.has(from) || (isAnswer && weather.isMute)) return
      const isLost = random() < (weather.lossShare ?? 0)
      const wait = (weather.delayMillis ?? 0) + (isLost ? RETRANSMISSION_MILLIS : 0)
      const due = performance.now() + wait
      if (wait === 0 && last === settled) {
        to.write(piece)
        return
      }
      const turn = last.then(async () => {
        const left = due - performance.now()
        if (left > 0) await new Promise((resolve) => setTimeout(resolve, left))
        if (!to.destroyed) to.write(piece)
      })
      last = turn
      void turn.then(() => {
        if (last === turn) last = settled
      })
    })
    const settled = last
    from.on('end', () => void last.then(() => to.end()))
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }

  const server = createServer({ allowHalfOpen: false, noDelay: true }, (near) => {
    sockets.add(near)
    const { refusal } = weather
    if (refusal !== undefined) {
      near.on('error', () => undefined)
      near.once('close', () => sockets.delete(near))
      // The client speaks first; it is answered and shown out.
      near.once('data', () => near.end(refusal))
      return
    }
    const far = connect({ port, host: '127.0.0.1', noDelay: true })
    sockets.add(far)
    pass(near, far, false)
    pass(far, near, true)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  function cut(how: 'reset' | 'end' | 'silence'): void {
    for (const socket of sockets) {
      if (how === 'silence') silent.add(socket)
      else if (how === 'reset') resetConnection(socket)
      else socket.end()
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    set: (next) => (weather = next),
    leadTo: (next) => (port = next),
    cut,
    connections: () => Math.ceil(sockets.size / 2),
    async [Symbol.asyncDispose]() {
      cut('reset')
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
