// otesse token: what a string that looks like one of our tokens is worth right now, and the end of
// tokens. The token comes from standard input or a prompt, never as an argument, which every
// process on the machine could read.
import type { Command } from 'commander'
import type { RevokeOutcome, TokenInspection } from '../admin/token-service.ts'
import type { Services } from '../services.ts'
import { type Clock, MINUTE } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import { getNamedApp } from './app-commands.ts'
import { facts, timeText } from './layout.ts'
import type { Does } from './command.ts'
import { OPERATOR, type Outcome, Refusal, usageRefusal } from './session.ts'

interface RevokeFlags {
  grant?: string
  account?: string
  app?: string
}

/** Adds `otesse token …`. */
export function addTokenCommands(program: Command, does: Does): void {
  const token = program.command('token').description('inspect and revoke tokens')
  const inspect = token
    .command('inspect')
    .description('show what a token, code or client secret is, and whether it works')
    .addHelpText(
      'after',
      `
The token is read from standard input, or asked for on a terminal:
  $ pbpaste | otesse token inspect
  $ otesse token inspect --json < token.txt`,
    )
  does(inspect, async (session) => {
    const text = await session.readSecretText('Token: ')
    return session.withAdminServices(async ({ tokens }, services, { clock }) =>
      inspected(await tokens.inspect(text, OPERATOR), services, clock),
    )
  })

  const revoke = token
    .command('revoke')
    .description('revoke a token, an authorization, or everything of an account or app')
    .option('--grant <id>', 'revoke this authorization; no token is read')
    .option('--account <id or e-mail>', 'end all authorizations and sessions of this account')
    .option('--app <app>', 'end all authorizations of this app and its own tokens')
    .addHelpText(
      'after',
      `
Without a flag the token is read from standard input, or asked for on a terminal. An access token ends alone, a refresh token or a code
ends everything that came of it.
  $ otesse token revoke < token.txt
  $ otesse token revoke --grant 4fWz…
  $ otesse token revoke --account ada@example.com`,
    )
  does(revoke, async (session) => {
    const flags = revoke.opts<RevokeFlags>()
    if (Object.keys(flags).filter((name) => /^(grant|account|app)$/.test(name)).length > 1)
      throw usageRefusal('Name one of --grant, --account and --app')
    const { grant, account, app } = flags
    const isNamed = grant !== undefined || account !== undefined || app !== undefined
    const text = isNamed ? '' : await session.readSecretText('Token: ')
    return session.withAdminServices(async ({ tokens }, services) => {
      if (account !== undefined) {
        const found = await findAccount(services, account)
        await tokens.revokeAllOfAccount(found.id, OPERATOR)
        return allRevoked({ accountId: found.id }, `Everything of ${found.email}`)
      }
      if (app !== undefined) {
        const found = await getNamedApp(services.apps, app)
        await tokens.revokeAllOfApp(found.id, OPERATOR)
        return allRevoked({ appId: found.id }, `Everything of ${found.name}`)
      }
      return revoked(
        grant === undefined
          ? await tokens.revoke(text, OPERATOR)
          : await tokens.revokeGrant(grant, OPERATOR),
      )
    })
  })
}

async function findAccount({ accounts }: Services, name: string) {
  const found = name.includes('@') ? await accounts.findByEmail(name) : await accounts.find(name)
  if (found === undefined) throw new AppError('not_found', { detail: 'account' })
  return found
}

const allRevoked = (of: object, words: string): Outcome => ({
  json: { revoked: true, whole: true, ...of },
  text: `${words} is being ended: it is written down, and a running server carries it out at once.\n`,
})

function revoked(outcome: RevokeOutcome): Outcome {
  switch (outcome.kind) {
    case 'foreign':
      throw new Refusal('token_foreign', 'This is not from this server. Check that it is complete.')
    case 'client_secret':
      throw new Refusal(
        'token_is_secret',
        'This is a client secret: end it with otesse secret report --revoke, or otesse secret revoke.',
      )
    case 'nothing_alive':
      return {
        json: { revoked: false, reason: 'nothing_alive' },
        text: 'Nothing to revoke: it has expired or was already revoked.\n',
      }
    case 'revoked': {
      const { grantId, appId, whole } = outcome
      return {
        json: { revoked: true, whole, grantId, appId },
        text: whole
          ? `The authorization ${grantId} and all its tokens were revoked.\n`
          : `The access token was revoked. The authorization ${grantId} still exists.\n`,
      }
    }
  }
}

const FORM_WORDS = {
  ours: 'well-formed, checksum right',
  damaged: 'the prefix matches, the rest does not: mistyped, cut off or invented',
  foreign: 'not a token of this server',
}

const REASONS = {
  unknown: 'expired, revoked, replaced, or never issued here',
  app_inactive: 'its app is suspended or deleted',
  account_inactive: 'its account is deactivated',
}

async function inspected(
  found: TokenInspection,
  { accounts }: Services,
  clock: Clock,
): Promise<Outcome> {
  const { form, what, grantId, isAlive, reason, app, accountId, secretId } = found
  const { scopes, audience, issuedAt, expiresAt } = found
  const account = accountId === undefined ? undefined : await accounts.find(accountId)
  const minutes = expiresAt === undefined ? 0 : Math.round((expiresAt.getTime() - clock()) / MINUTE)
  return {
    json: {
      form,
      kind: what ?? null,
      grantId: grantId ?? null,
      secretId: secretId ?? null,
      alive: isAlive ?? null,
      reason: reason ?? null,
      app: app ?? null,
      account: account === undefined ? null : { id: account.id, email: account.email },
      scopes: scopes ?? null,
      audience: audience ?? null,
      issuedAt: issuedAt ?? null,
      expiresAt: expiresAt ?? null,
    },
    text: facts([
      ['Form', FORM_WORDS[form]],
      ['Kind', what],
      ['Authorization', grantId],
      ['Works', isAlive === true ? 'yes' : reason === undefined ? 'no' : `no: ${REASONS[reason]}`],
      ['App', app && `${app.name} (${app.id})`],
      ['Secret id', secretId],
      ['Account', account && `${account.email} (${account.id})`],
      ['Scopes', scopes?.join(' ')],
      ['Audience', audience?.join(' ')],
      ['Issued', timeText(issuedAt)],
      ['Expires', expiresAt && `${timeText(expiresAt)} (in ${minutes} min)`],
    ]),
  }
}
