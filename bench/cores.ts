// Which core a process runs on: measured servers on core 0; driver, load, Redis and Postgres on
// core 1. So the load does not compete with the server. Without `taskset` or a second core the run
// still works, and the report says that it was not pinned.
import { execFileSync, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

const SERVER_CORE = '0'
const DRIVER_CORE = '1'

/** Returns whether processes can be bound to cores on this machine. */
export function canPin(): boolean {
  return availableParallelism() >= 2 && spawnSync('taskset', ['--version']).status === 0
}

/** Binds the calling process to the driver's core. Children that it starts later inherit that. */
export function pinDriver(): void {
  execFileSync(
    'taskset',
    ['--all-tasks', '--cpu-list', '--pid', DRIVER_CORE, String(process.pid)],
    { stdio: 'ignore' },
  )
}

/**
 * Returns the command line that runs a program on the servers' core, or the program's own command
 * line if `pinned` is false.
 */
export function onServerCore(command: readonly string[], pinned: boolean): string[] {
  return pinned ? ['taskset', '--cpu-list', SERVER_CORE, ...command] : [...command]
}
