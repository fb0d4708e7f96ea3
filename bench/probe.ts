// Loaded into a measured server with --import: takes a CPU profile of an exact stretch of time, or
// reads the heap after a full collection (needs --expose-gc). It listens on the IPC channel only
// and does not keep the process alive.
import { Session } from 'node:inspector/promises'
import type { Profiler } from 'node:inspector'

/** What the driver may ask for. */
export type ProbeQuestion =
  { probe: 'profile-start' } | { probe: 'profile-stop' } | { probe: 'heap' }

/** The answer to `heap`, after a full collection, in bytes. */
export interface HeapAnswer {
  heapUsedBytes: number
  externalBytes: number
  residentBytes: number
}

/** The answer to `profile-stop`. */
export type ProfileAnswer = Profiler.Profile

const SAMPLE_INTERVAL_MICROS = 500

let session: Session | undefined

async function answer(question: ProbeQuestion): Promise<unknown> {
  switch (question.probe) {
    case 'profile-start':
      session = new Session()
      session.connect()
      await session.post('Profiler.enable')
      await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_INTERVAL_MICROS })
      await session.post('Profiler.start')
      return 'started'
    case 'profile-stop': {
      const { profile } = await session!.post('Profiler.stop')
      session!.disconnect()
      return profile
    }
    case 'heap': {
      if (globalThis.gc === undefined) throw new Error('the probe needs --expose-gc')
      // Twice: finalizers of the first round let go of more.
      globalThis.gc()
      await new Promise((resolve) => setTimeout(resolve, 100))
      globalThis.gc()
      const { heapUsed, external, rss } = process.memoryUsage()
      return {
        heapUsedBytes: heapUsed,
        externalBytes: external,
        residentBytes: rss,
      } satisfies HeapAnswer
    }
  }
}

process.on('message', (question: ProbeQuestion) => {
  answer(question).then(
    (result) => process.send!(result),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.channel?.unref()
