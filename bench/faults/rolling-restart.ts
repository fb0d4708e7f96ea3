// Servers taken out one after the other, as an operator does behind a load balancer that asks for
// readiness.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stage } from './fault.ts'
import type { Node, NodeLife } from './node.ts'

const POLL_MILLIS = 100

const isReady = (node: Node): Promise<boolean> =>
  fetch(`${node.url}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  )

/** Ends each server with SIGTERM, waits until it has finished, and starts it anew. */
export async function restartInTurn(
  { load, recorder }: Pick<Stage, 'load' | 'recorder'>,
  nodes: readonly Node[],
  life: NodeLife = {},
): Promise<void> {
  for (const node of nodes) {
    recorder.mark(`node ${node.index} is asked to end`)
    const ended = node.end('SIGTERM')
    while (await isReady(node)) await sleep(POLL_MILLIS)
    load.avoid(node, true)
    await ended
    await node.start(life)
    load.avoid(node, false)
    recorder.mark(`node ${node.index} is there again`)
  }
}
