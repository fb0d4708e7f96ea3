// Keeps why a request was refused, so that an admin can tell the app's developer.
import type { AppError, ErrorCode } from '../shared/errors.ts'
import type { HttpCall } from './http-call.ts'
import { requestFacts, type RequestFacts } from './request-context.ts'

/** Writes the event of a refusal. */
export type WriteRefusal = (
  facts: {
    appId: string | undefined
    reason: ErrorCode
    endpoint: string
    received: string | undefined
  },
  request: RequestFacts,
) => void

/** Creates the recorder. */
export const createRefusalRecord =
  (write: WriteRefusal) =>
  (call: HttpCall, { appId, code: reason, status, came }: AppError): void => {
    // A path that nobody serves is not an event; and what failed on our side is in the log.
    if (reason === 'not_found' || status >= 500) return
    write({ appId, reason, endpoint: endpointOf(call.path), received: came }, requestFacts(call))
  }

const ENDPOINT = /^\/(?:oauth\/)?([a-z-]+)/
const endpointOf = (path: string): string => ENDPOINT.exec(path)?.[1] ?? 'other'
