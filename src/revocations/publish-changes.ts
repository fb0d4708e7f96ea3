// A change of an app, an account or the catalogue of scopes changes what tokens are worth: it goes
// into the log of revocations beside the channel between our own processes. Invariant: the log is
// told after our processes, so that whoever asks again is told the new state.
import type { Revocation, RevocationLog } from './revocation-log.ts'

type Topic = 'app' | 'account' | 'scopes' | 'keys'

/** The channel between our processes, as far as it matters here. */
interface Channel {
  publish(topic: Topic, id: string): Promise<void>
}

/** Returns the channel with the log behind it. Called before the walk through all grants begins, which may take long. */
export function publishChanges<T extends Channel>(
  channel: T,
  log: Pick<RevocationLog, 'append'>,
): T {
  return {
    ...channel,
    async publish(topic, id) {
      const revocation = revocationOf(topic, id)
      try {
        await channel.publish(topic, id)
      } finally {
        if (revocation !== undefined) await log.append(revocation)
      }
    },
  }
}

function revocationOf(topic: Topic, id: string): Revocation | undefined {
  switch (topic) {
    case 'app':
    case 'account':
      return { kind: topic, key: id }
    case 'scopes':
      // A scope that was withdrawn is gone from every token.
      return { kind: 'all', key: '' }
    case 'keys':
      return undefined
  }
}
