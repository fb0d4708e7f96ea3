// Reads from /proc how much processor time a process has used. Linux only, like the pinning.
import { readFileSync, readdirSync } from 'node:fs'

const NANOS_PER_MILLI = 1_000_000

/**
 * Returns the user + system time of all threads of a process, in milliseconds. It is exact, where
 * /proc/<pid>/stat has steps of 10 ms.
 */
export const readCpuMillis = (pid: number): number => sumOfThreads(pid, 0)

/**
 * Returns how long the threads of a process could have run but waited for a core, in milliseconds:
 * the time that neighbours took.
 */
export const readWaitMillis = (pid: number): number => sumOfThreads(pid, 1)

function sumOfThreads(pid: number, field: 0 | 1): number {
  let nanos = 0
  for (const thread of readdirSync(`/proc/${pid}/task`))
    nanos += Number(
      readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[field],
    )
  return nanos / NANOS_PER_MILLI
}

/** Returns the resident set of a process in MiB. */
export function readResidentMebibytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]
  if (kibibytes === undefined) throw new Error(`process ${pid} has no resident set`)
  return Number(kibibytes) / 1024
}
