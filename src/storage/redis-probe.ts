// Connects to Redis by hand to learn why a client could not: ioredis keeps little of what it heard.
// Called by redis.ts when the first contact failed, and never while the server serves.
import { createConnection } from 'node:net'
import { connect, type ConnectionOptions as TlsOptions } from 'node:tls'
import type { RedisLocation } from './redis-location.ts'

const PATIENCE_MILLIS = 1500

/** Returns why the first address that cannot be talked to cannot; undefined where all answer. */
export async function probeAddresses(
  location: RedisLocation | undefined,
): Promise<Error | undefined> {
  for (const { host, port } of addressesOf(location)) {
    const failure = await probe(host, port, location?.options.tls)
    if (failure !== undefined) return failure
  }
  return undefined
}

function addressesOf(location: RedisLocation | undefined): { host: string; port: number }[] {
  switch (location?.kind) {
    case 'sentinel':
      return location.sentinels
    case 'cluster':
      return location.nodes
    case 'single': {
      const { host = '', port = 6379 } = location.options
      return [{ host, port }]
    }
    case undefined:
      return []
  }
}

function probe(
  host: string,
  port: number,
  tls: TlsOptions | undefined,
): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket =
      tls === undefined ? createConnection({ host, port }) : connect({ ...tls, host, port })
    const end = (failure?: Error): void => {
      resolve(failure)
      socket.destroy()
    }
    socket.setTimeout(PATIENCE_MILLIS, () =>
      end(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })),
    )
    socket.on('error', end)
    socket.on('close', () => end())
    // Whether our certificate is taken is told only after the handshake.
    socket.once('data', () => end())
    socket.write('PING\r\n')
  })
}
