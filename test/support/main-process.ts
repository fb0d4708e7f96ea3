// The real server as a process of its own, for tests of what may end it. Disposing kills it.
import { type ChildProcess, spawn } from 'node:child_process'
import { findFreePort } from './ports.ts'
import { waitUntil } from './server-process.ts'

export const SECRETS = {
  OTESSE_SECRET_KEY: 'tests-sign-with-this-key-0123456789',
  OTESSE_ENCRYPTION_KEY: 'tests-seal-with-this-key-9876543210',
}

export interface MainProcess extends Disposable {
  child: ChildProcess
  url: string
  /** What it wrote until now, on both outputs. */
  output: () => string
}

/**
 * Starts the server and resolves when it is ready.
 *
 * @throws {Error} with its words, when it ends instead
 */
export async function startMain(settings: Readonly<Record<string, string>>): Promise<MainProcess> {
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(process.execPath, ['src/main.ts'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      ...SECRETS,
      OTESSE_ISSUER: url,
      OTESSE_HOST: '127.0.0.1',
      OTESSE_PORT: String(port),
      OTESSE_OPS_PORT: '0',
      ...settings,
    },
  })
  let text = ''
  child.stdout.on('data', (part: Buffer) => (text += part.toString()))
  child.stderr.on('data', (part: Buffer) => (text += part.toString()))
  const main: MainProcess = {
    child,
    url,
    output: () => text,
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  }
  try {
    await waitUntil('the process to be ready', () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${text}`)
      return Promise.resolve(text.includes('"msg":"ready"'))
    })
    return main
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}
