// A TCP proxy to Postgres that cuts a connection at the COMMIT of a transaction that wrote a kept
// answer: before the server has heard of it, or after, when the answer to it gets lost. Disposing
// closes it.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'

export interface CommitProxy extends AsyncDisposable {
  port: number
  /** Cuts at the next such COMMIT, once. Resolves when it has happened. */
  cutAtCommit(when: 'before' | 'after'): Promise<void>
}

/** Starts a proxy to a port of 127.0.0.1. */
export async function startCommitProxy(target: number): Promise<CommitProxy> {
  let armed: { when: 'before' | 'after'; happened: () => void } | undefined
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    const end = (): void => {
      for (const each of [client, upstream]) each.destroy()
    }
    let isKeeping = false
    const watch = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        if (chunk.includes('update "kept_answers"')) isKeeping = true
        const cut = isKeeping && chunk.includes('commit') ? armed : undefined
        if (chunk.includes('commit')) isKeeping = false
        if (cut === undefined) {
          done(null, chunk)
          return
        }
        armed = undefined
        if (cut.when === 'before') {
          end()
          cut.happened()
          return
        }
        upstream.unpipe(client)
        upstream.once('data', () => {
          end()
          cut.happened()
        })
        upstream.resume()
        done(null, chunk)
      },
    })
    client.pipe(watch).pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        open.delete(socket)
        end()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    cutAtCommit: (when) =>
      new Promise((happened) => {
        armed = { when, happened }
      }),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}
