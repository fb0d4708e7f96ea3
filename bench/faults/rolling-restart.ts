// Servers taken out one after the other, as an operator does behind a load balancer that asks for
// readiness.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stage } from './fault.ts'
import type { Node } from './node.ts'

const POLL_MILLIS = 100

const isReady = (node: Node): Promise<boolean> =>
  fetch(`${node.url}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  )

/** Ends each server with SIGTERM, waits until it has finished, and starts it anew. */
export async function restartInTurn(
  { world, load, recorder }: Pick<Stage, 'world' | 'load' | 'recorder'>,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const node of world.nodes) {
    recorder.mark(`node ${node.index} is asked to end`)
    const ended = node.end('SIGTERM')
    while (await isReady(node)) await sleep(POLL_MILLIS)
    load.avoid(node, true)
    await ended
    await node.start(settings)
    load.avoid(node, false)
    recorder.mark(`node ${node.index} is there again`)
  }
}
