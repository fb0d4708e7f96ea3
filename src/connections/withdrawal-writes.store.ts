// Writes down which tokens are to be withdrawn. Invariant: that happens in the transaction in which
// their connection ends, so that none is forgotten.
import { type Selectable, sql } from 'kysely'
import type { OpenTransaction } from '../storage/database.ts'
import type { WithdrawalRow } from '../storage/schema.ts'

/** Why the tokens are withdrawn. */
export type WithdrawalReason =
  | 'disconnected'
  | 'deleted'
  | 'integration_deleted'
  | 'account_deactivated'
  /** They came when the connection had ended already. */
  | 'ended_meanwhile'
  /** They could not be saved. */
  | 'not_saved'

/**
 * Writes the tokens of connections down as to be withdrawn. The rows of the connections must be
 * locked, so that no refresh changes the tokens at the same moment.
 */
export async function writeWithdrawals(
  trx: OpenTransaction,
  ids: readonly string[],
  reason: WithdrawalReason,
  at: Date,
): Promise<void> {
  await sql`
    insert into withdrawals (connection_id, integration_id, integration_handle, owner_kind,
      owner_id, external_id, provider_key, client_id, encrypted_client_secret, config,
      encrypted_access_token, encrypted_refresh_token, reason, due_at, created_at)
    select c.id, i.id, i.handle, c.owner_kind, c.owner_id, c.external_id, i.provider_key,
      i.client_id, i.encrypted_client_secret, i.config || c.config,
      max(k.encrypted_value) filter (where k.kind = 'oauth_access_token'),
      max(k.encrypted_value) filter (where k.kind = 'oauth_refresh_token'),
      ${reason}, ${at}, ${at}
    from connections c
    join integrations i on i.id = c.integration_id
    join credentials k on k.connection_id = c.id
    where c.id = any(${[...ids]}) and i.kind = 'oauth2'
      and k.kind in ('oauth_access_token', 'oauth_refresh_token')
    group by c.id, i.id`.execute(trx)
}

/**
 * Forgets what was to be withdrawn of an account of a provider that was just connected again: many
 * providers end everything that the account has allowed us with any of its tokens.
 */
export async function forgetWithdrawals(
  trx: OpenTransaction,
  of: Pick<Selectable<WithdrawalRow>, 'integration_id' | 'owner_kind' | 'owner_id' | 'external_id'>,
): Promise<void> {
  await trx
    .deleteFrom('withdrawals')
    .where('integration_id', '=', of.integration_id)
    .where('owner_kind', '=', of.owner_kind)
    .where('owner_id', '=', of.owner_id)
    .where('external_id', '=', of.external_id)
    .execute()
}
