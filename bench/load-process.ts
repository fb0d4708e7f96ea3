// The driver's end of the load process: starts it once and hands it one job after the other.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { LoadJob, LoadReply, LoadResult } from './load/load-job.ts'

/** Runs load jobs one at a time in a process of its own. */
export interface LoadProcess extends AsyncDisposable {
  /** @throws {Error} when any answer was not what the job expects */
  run: (job: LoadJob) => Promise<LoadResult>
}

/** Starts the load process; it inherits the driver's core. */
export function openLoadProcess(): LoadProcess {
  const child = fork(fileURLToPath(new URL('load/load-worker.ts', import.meta.url)), {
    serialization: 'advanced',
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  const ended = once(child, 'exit')
  return {
    async run(job) {
      const replied = once(child, 'message') as Promise<[LoadReply]>
      child.send(job)
      const outcome = await Promise.race([replied, ended.then(() => undefined)])
      if (outcome === undefined) throw new Error('the load process ended')
      const [answer] = outcome
      if (answer.kind === 'failed') throw new Error(answer.reason)
      return answer.result
    },
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}
