// otesse secret: a second secret for an app, the end of an old one, the report of one that was
// found where it must not be.
import type { Command } from 'commander'
import type { LeakOutcome } from '../admin/token-service.ts'
import { getNamedApp } from './app-commands.ts'
import { SHOWN_ONCE } from './app-text.ts'
import { facts, timeText } from './layout.ts'
import type { Does } from './command.ts'
import { inputRefusal, OPERATOR, type Outcome } from './session.ts'

/** Adds `otesse secret …`. */
export function addSecretCommands(program: Command, does: Does): void {
  const secret = program
    .command('secret')
    .description('replace client secrets without downtime, report leaked ones')
  addCreate(secret, does)
  addRevoke(secret, does)
  addReport(secret, does)
}

function addCreate(secret: Command, does: Does): void {
  const create = secret
    .command('create <app>')
    .description('add a secret; the current one keeps working, two are valid at a time')
    .option('--expires <when>', 'such as 2030-01-31 or 2030-01-31T12:00:00Z')
    .addHelpText(
      'after',
      `
To change over: create a secret, give it to the app, then end the old one:
  $ otesse secret create app_…
  $ otesse secret revoke app_… sec_…`,
    )
  does(create, (session, name = '') =>
    session.withAdminServices(async (services, { apps }) => {
      const { expires } = create.opts<{ expires?: string }>()
      const expiresAt = expires === undefined ? undefined : new Date(expires)
      const { id } = await getNamedApp(apps, name)
      const outcome = await services.apps.createSecret(id, { expiresAt }, OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      const { secretId } = outcome
      const clientSecret = outcome.secret.reveal()
      return {
        json: { clientId: id, secretId, clientSecret, expiresAt: expiresAt ?? null },
        text: `${facts([
          ['Client id', id],
          ['Secret id', secretId],
          ['Client secret', clientSecret],
          ['Expires', timeText(expiresAt)],
        ])}${SHOWN_ONCE}`,
      }
    }),
  )
}

function addRevoke(secret: Command, does: Does): void {
  const revoke = secret
    .command('revoke <app> <secret-id>')
    .description('revoke a secret at once')
    .addHelpText(
      'after',
      '\nExample (otesse app show lists the ids):\n  $ otesse secret revoke app_… sec_…',
    )
  does(revoke, (session, name = '', secretId = '') =>
    session.withAdminServices(async (services, { apps }) => {
      const { id } = await getNamedApp(apps, name)
      await services.apps.revokeSecret(id, secretId, OPERATOR)
      return {
        json: { clientId: id, secretId, revoked: true },
        text: `The secret ${secretId} no longer works.\n`,
      }
    }),
  )
}

function addReport(secret: Command, does: Does): void {
  const report = secret
    .command('report')
    .description('show whose a leaked secret, token or code is; end it with --revoke')
    .option('--revoke', 'end the secret, or the whole authorization of the token, at once')
    .addHelpText(
      'after',
      `
What was found is read from standard input, or asked for on a terminal. Its checksum tells whether it is ours.
  $ otesse secret report --revoke < found.txt
  $ grep -rhoE 'otesse_(at|rt|ac|cs)_[0-9A-Za-z]+' . | sort -u | while read -r found; do
      printf %s "$found" | otesse secret report --revoke --json; done`,
    )
  does(report, async (session) => {
    const text = await session.readSecretText('Secret or token: ')
    const isRevoking = report.opts<{ revoke?: boolean }>().revoke === true
    return session.withAdminServices(async (services) =>
      reported(await services.tokens.report(text, { revoke: isRevoking }, OPERATOR), isRevoking),
    )
  })
}

function reported(outcome: LeakOutcome, isRevoking: boolean): Outcome {
  switch (outcome.kind) {
    case 'foreign':
      return {
        json: { report: { ...outcome } },
        text: 'It is not from this server: its form or its checksum does not match.\n',
        exitCode: 1,
      }
    case 'unknown':
      return {
        json: { report: { ...outcome } },
        text: `It looks like one of our ${outcome.what}s, but it ended long ago or was never issued.\n`,
      }
    case 'secret':
    case 'token': {
      const { what, appId, wasLive, revoked } = outcome
      const hint = isRevoking || !wasLive ? '' : '\nEnd it: the same with --revoke.\n'
      return {
        json: { report: { ...outcome } },
        text: `${facts([
          ['It is', `${/^[aeiou]/.test(what) ? 'an' : 'a'} ${what} of ours`],
          ['App', appId],
          ['Secret id', outcome.kind === 'secret' ? outcome.secretId : undefined],
          ['Authorization', outcome.kind === 'token' ? outcome.grantId : undefined],
          ['Account', outcome.kind === 'token' ? outcome.accountId : undefined],
          ['Works', wasLive ? (revoked ? 'until now' : 'yes') : 'no'],
          ['Ended', revoked ? endedWords(outcome.kind) : 'nothing'],
        ])}${hint}`,
      }
    }
  }
}

const endedWords = (kind: 'secret' | 'token'): string =>
  kind === 'secret'
    ? 'the secret, and the tokens that the app got for itself'
    : 'the whole authorization, with every token of it'
