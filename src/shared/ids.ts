// Identifiers of the product's nouns. Base62 keeps them free of characters that need escaping in
// Basic headers, URLs and forms.
import { randomBase62 } from './crypto.ts'

/** Makes an account id: the `sub` that resource servers see. */
export const newAccountId = (): string => `acc_${randomBase62(20)}`

/** Makes a client id. */
export const newClientId = (): string => `app_${randomBase62(20)}`

/** Makes the id of a client secret (public; it names the secret, it is not it). */
export const newSecretId = (): string => `sec_${randomBase62(12)}`

/** Makes the id of a request, which joins the answer, the log line and the event. */
export const newRequestId = (): string => `req_${randomBase62(16)}`

/** Makes the id of an event. */
export const newEventId = (): string => `evt_${randomBase62(20)}`

/** Makes the id of a signing key (`kid`). */
export const newKeyId = (): string => `key_${randomBase62(12)}`

/** Makes the id of an integration. */
export const newIntegrationId = (): string => `int_${randomBase62(16)}`

/** Makes the id of a webhook's secret. */
export const newWebhookSecretId = (): string => `whs_${randomBase62(16)}`

/** Makes the id of a delivery, the same on each try. */
export const newDeliveryId = (): string => `msg_${randomBase62(20)}`

/** Makes the id of a connection. */
export const newConnectionId = (): string => `con_${randomBase62(20)}`
