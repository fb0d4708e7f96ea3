// What the servers tell a load balancer of themselves.
import type { Stage } from './fault.ts'
import type { Node } from './node.ts'

/** Looks whether a server that cannot serve says so at /readyz. */
export async function checkSaysNotReady({ findings }: Stage, nodes: readonly Node[]) {
  for (const { index, url } of nodes) {
    const status = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(10_000) }).then(
      (answer) => answer.status,
      () => 0,
    )
    findings.check('I5', status === 503, `/readyz of node ${index} answered ${status}`)
  }
}
