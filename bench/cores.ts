// Who runs where: measured servers on core 0, everything else (driver, load, Redis, Postgres) on core 1, so that what is measured does
// not compete with what measures. Without `taskset` or a second core the run still works and the report says that it was not pinned.
import { execFileSync, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

const SERVER_CORE = '0'
const DRIVER_CORE = '1'

/** Returns whether processes can be bound to cores on this machine. */
export function canPin(): boolean {
  return availableParallelism() >= 2 && spawnSync('taskset', ['--version']).status === 0
}

/** Binds the calling process to the driver's core; every child that it starts later inherits that. */
export function pinDriver(): void {
  execFileSync(
    'taskset',
    ['--all-tasks', '--cpu-list', '--pid', DRIVER_CORE, String(process.pid)],
    { stdio: 'ignore' },
  )
}

/** Returns the command line that runs a program on the servers' core; unchanged when `pinned` is false. */
export function onServerCore(command: readonly string[], pinned: boolean): string[] {
  return pinned ? ['taskset', '--cpu-list', SERVER_CORE, ...command] : [...command]
}
