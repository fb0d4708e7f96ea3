// Reads how much processor time a process has used, from /proc. Linux only, like the rest of the benchmark's pinning.
import { readFileSync } from 'node:fs'

// The kernel reports in clock ticks; USER_HZ is 100 on every Linux that Node supports.
const MILLIS_PER_TICK = 10

/** Returns the user + system time of all threads of a process in milliseconds, in steps of 10 ms. */
export function readCpuMillis(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The command name in parentheses may hold spaces; the fields after it are fixed (proc_pid_stat(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * MILLIS_PER_TICK
}

/** Returns the resident set of a process in MiB. */
export function readResidentMebibytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]
  if (kibibytes === undefined) throw new Error(`process ${pid} has no resident set`)
  return Number(kibibytes) / 1024
}
