// A throw-away Redis for a benchmark run: no persistence, own directory, free port.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A running store and the way to reach it. */
export interface Store extends AsyncDisposable {
  url: string
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  server.close()
  await once(server, 'close')
  return address.port
}

/** Starts redis-server from the PATH and waits until it accepts connections. */
export async function startRedis(): Promise<Store> {
  const directory = await mkdtemp(join(tmpdir(), 'otesse-bench-redis-'))
  const port = await freePort()
  const settings = `--port ${port} --bind 127.0.0.1 --dir ${directory} --appendonly no --maxmemory-policy noeviction`
  const child = spawn('redis-server', [...settings.split(' '), '--save', ''], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const chunk of child.stdout) {
    if (String(chunk).includes('Ready to accept connections')) break
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill()
      await once(child, 'exit')
      await rm(directory, { recursive: true, force: true })
    },
  }
}
