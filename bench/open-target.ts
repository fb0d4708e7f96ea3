// Opens a target by its name; the one place that knows how each of them is started.
import { openOtesseTarget } from './otesse-target.ts'
import { openBareTarget, openPlainTarget } from './targets.ts'
import type { Target, TargetName, TargetStores } from './targets.ts'

/** All targets, in the order in which they are loaded. */
export const TARGET_NAMES = [
  'bare',
  'plain',
  'plain_pipelined',
  'before',
  'otesse',
] as const satisfies readonly TargetName[]

/** Starts a target on the given stores. */
export async function openTarget(name: TargetName, stores: TargetStores): Promise<Target> {
  switch (name) {
    case 'bare':
      return await openBareTarget(stores)
    case 'plain':
    case 'plain_pipelined':
      return await openPlainTarget(name, stores)
    case 'otesse':
    case 'before':
      return await openOtesseTarget(name, stores)
  }
}
