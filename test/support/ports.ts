// Ports for servers that a test starts. They are below the range that the kernel gives to outgoing
// connections, so nothing takes one between the probe and the server's own bind. Two tests may
// still choose the same port; a failed bind is tried again elsewhere.
import { createServer } from 'node:net'

const LOWEST = 12_000
// Twice the offset of Redis Cluster's bus fits between here and 32768, where the kernel's own range
// begins.
const HIGHEST = 21_999
/** Redis Cluster listens for its peers at the client port plus this. */
const CLUSTER_BUS_OFFSET = 10_000

/** Answers a port on 127.0.0.1 that is free, and whose Redis Cluster bus port is free as well. */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1))
    if ((await isFree(port)) && (await isFree(port + CLUSTER_BUS_OFFSET))) return port
  }
  throw new Error(`no free port found between ${LOWEST} and ${HIGHEST}`)
}

/**
 * Runs `start` with a free port, and with another one (up to five) if a different server binds it
 * first.
 */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await findFreePort())
    } catch (error) {
      const isTaken = error instanceof Error && /address already in use/i.test(error.message)
      if (!isTaken || attempt === 5) throw error
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => {
      resolve(false)
    })
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      probe.close(() => {
        resolve(true)
      })
    })
  })
}
