// Connections to other hosts that are kept for the next call, so that not every proxied call begins
// with a TLS handshake. Invariants: they are kept for one lane and one origin, so that no caller
// meets what another one left; one is used again only while its address is among those that were
// just checked; and none waits for longer than servers do.
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Socket } from 'node:net'
import { SECOND } from '../shared/clock.ts'
import type { CheckedDestination } from './destination.ts'

/** Shorter than any usual server waits: one that is used again should not be about to close. */
const IDLE_MILLIS = 4 * SECOND
const MOST_IDLE_OF_ORIGIN = 16
const MOST_ORIGINS = 200

/** The connections of this process. */
export interface KeptConnections {
  /** Returns what opens a connection to a place, or gives one that is open. */
  agentFor(lane: string, destination: CheckedDestination): HttpAgent
}

/** Creates the pool. */
export function createKeptConnections(): KeptConnections {
  // The one that was used last is the last.
  const agents = new Map<string, HttpAgent>()

  function findOrOpen(key: string, { protocol }: URL): HttpAgent {
    const options = { keepAlive: true, maxFreeSockets: MOST_IDLE_OF_ORIGIN, timeout: IDLE_MILLIS }
    const agent =
      agents.get(key) ?? (protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options))
    agents.delete(key)
    agents.set(key, agent)
    const [oldest] = agents
    if (agents.size > MOST_ORIGINS && oldest !== undefined) {
      agents.delete(oldest[0])
      // Those in use end with their calls.
      closeIdle(oldest[1], () => true)
    }
    return agent
  }

  return {
    agentFor(lane, { url, addresses }) {
      const agent = findOrOpen(`${lane} ${url.origin}`, url)
      const checked = new Set(addresses.map(({ address }) => address))
      closeIdle(agent, ({ remoteAddress }) => !checked.has(remoteAddress ?? ''))
      return agent
    },
  }
}

function closeIdle(agent: HttpAgent, isToClose: (socket: Socket) => boolean): void {
  for (const sockets of Object.values(agent.freeSockets))
    for (const socket of sockets ?? []) if (isToClose(socket)) socket.destroy()
}
