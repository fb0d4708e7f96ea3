// Requests to other hosts by the rules of this server: where they may go, and how many at once.
import { createNetworkSet } from '../shared/network-set.ts'
import { GUARDED, type OutgoingRules } from './destination.ts'
import { type FailedOutcome, OutgoingError } from './failure.ts'
import { createKeptConnections } from './kept-connections.ts'
import { type OutgoingOutcome, type OutgoingRequest, sendOutgoing } from './outgoing-request.ts'
import { type StreamedOutcome, type StreamedRequest, streamOutgoing } from './streamed-request.ts'
import { createTurns } from './turns.ts'

/** The guarded client. Neither function throws. */
export interface Outgoing {
  /**
   * Sends a request and reads the whole answer.
   *
   * @param lane what the call is counted with, such as an integration; waiting for a turn is part
   * of the request's time
   */
  send(lane: string, request: OutgoingRequest): Promise<OutgoingOutcome>
  /**
   * Sends a request and hands the answer on as it comes; the turn ends with its body. Connections
   * are kept for the next call of the lane.
   */
  stream(lane: string, request: StreamedRequest): Promise<StreamedOutcome>
}

/** Creates the client. @param privateNetworks may be reached as well, by http and at any port */
export function createOutgoing(
  { privateNetworks, callsAtOnce }: { privateNetworks: readonly string[]; callsAtOnce: number },
  resolve: OutgoingRules['resolve'] = GUARDED.resolve,
): Outgoing {
  const rules: OutgoingRules = {
    resolve,
    privateNetworks: privateNetworks.length === 0 ? undefined : createNetworkSet(privateNetworks),
  }
  const turns = createTurns(callsAtOnce)
  const kept = createKeptConnections()

  return {
    async send(lane, request) {
      const startedAt = performance.now()
      const { timeoutMillis } = request
      const turn = await turns.take(lane, timeoutMillis).catch(asOutcome)
      if (typeof turn !== 'function') return turn
      try {
        const left = Math.max(1, Math.ceil(timeoutMillis - (performance.now() - startedAt)))
        return await sendOutgoing({ ...request, timeoutMillis: left }, rules)
      } finally {
        turn()
      }
    },

    async stream(lane, request) {
      const turn = await turns.take(lane, request.bounds.headMillis).catch(asOutcome)
      if (typeof turn !== 'function') return turn
      const outcome = await streamOutgoing(request, rules, (destination) =>
        kept.agentFor(lane, destination),
      )
      if (outcome.kind === 'answered') outcome.body.once('close', turn)
      else turn()
      return outcome
    },
  }
}

function asOutcome(error: unknown): FailedOutcome {
  if (error instanceof OutgoingError) return { kind: 'failed', reason: error.reason }
  throw error
}
