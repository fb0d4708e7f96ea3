// Ports for the demo's three servers: the requested one, or the first free one from the usual one
// on.
import { createServer, type RequestListener, type Server } from 'node:http'

const ATTEMPTS = 50

/** A port was asked for that cannot be had; the message is for the person who asked. */
export class PortRefused extends Error {}

/**
 * Chooses a port.
 *
 * @param asked what the person wrote, if anything: that one or none
 * @param usual where the search begins otherwise
 * @param taken ports that others of the demo will use
 * @throws {PortRefused}
 */
export async function choosePort(
  name: string,
  asked: string | undefined,
  usual: number,
  taken: ReadonlySet<number>,
): Promise<number> {
  if (asked !== undefined) {
    const port = /^\d{1,5}$/.test(asked) ? Number(asked) : 0
    if (port < 1 || port > 65_535)
      throw new PortRefused(`The port for the ${name} must be a number from 1 to 65535.`)
    if (taken.has(port) || !(await isFree(port)))
      throw new PortRefused(`Port ${port}, for the ${name}, is in use.`)
    return port
  }
  for (let port = usual; port < usual + ATTEMPTS; port += 1)
    if (!taken.has(port) && (await isFree(port))) return port
  throw new PortRefused(`No free port for the ${name} from ${usual} upwards.`)
}

// Both loopback addresses: a browser may use either for "localhost", and no other server must
// answer there.
const isFree = async (port: number): Promise<boolean> =>
  (await canListen(port, '127.0.0.1')) && (await canListen(port, '::1'))

function canListen(port: number, host: string): Promise<boolean> {
  const probe = createServer()
  return new Promise((resolve) => {
    // A machine without IPv6 has nobody there either.
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'))
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

/** Serves on a loopback port; disposing closes it with all its connections. */
export async function openHttpServer(
  port: number,
  listener: RequestListener,
): Promise<AsyncDisposable> {
  const server: Server = createServer(listener)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
