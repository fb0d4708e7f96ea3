// Where links lead that change the address of an account, or take the change back. Invariants: GET
// shows and spends nothing; whoever has the link may press the button, signed in or not.
import Router from '@koa/router'
import type { Context } from 'koa'
import { ADDRESS_LINK_PATH, type AddressChanges } from '../accounts/address-change.ts'
import { createFormKeys, type FormKeys } from '../http/form-key.ts'
import { outcomeToShow, redirectToOutcome } from '../http/form-outcome.ts'
import { limitPages } from '../http/limit-pages.ts'
import { requestFacts } from '../http/request-context.ts'
import { sendPage } from '../http/send-page.ts'
import { sha256 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import type { AccountDeps } from './account-deps.ts'

export type AddressLinkDeps = Pick<AccountDeps, 'issuer' | 'csrf' | 'views' | 'perAddress'> & {
  addresses: AddressChanges
}

const PATH = `${ADDRESS_LINK_PATH}/:token`

interface Outcome {
  kind: 'change' | 'undo' | 'taken'
  email: string
}

/** Creates the router. */
export function createAddressLinkRouter(deps: AddressLinkDeps): Router {
  const formKeys = createFormKeys(deps.issuer)
  const router = new Router({ strict: true, sensitive: true })
  const limited = limitPages(deps.perAddress)
  router.get(PATH, limited, (ctx: Context) => show(deps, formKeys, ctx))
  router.post(PATH, limited, async function confirm(ctx: Context) {
    const token = tokenOf(ctx)
    await deps.csrf.readForm(ctx, bindingOf(formKeys.held(ctx), token))
    redirectToOutcome(ctx, deps.issuer, ctx.path, await spend(deps, ctx, token))
  })
  return router
}

async function spend(
  { addresses }: AddressLinkDeps,
  ctx: Context,
  token: string,
): Promise<Outcome> {
  try {
    const { kind, account } = await addresses.confirm(token, requestFacts(ctx))
    return { kind, email: account.email }
  } catch (error) {
    if (error instanceof AppError && error.code === 'already_exists')
      return { kind: 'taken', email: '' }
    throw error
  }
}

async function show(deps: AddressLinkDeps, formKeys: FormKeys, ctx: Context): Promise<void> {
  const outcome = outcomeToShow(ctx, deps.issuer) as Outcome | undefined
  if (outcome !== undefined && outcome.kind !== 'taken') {
    const { kind: purpose, email } = outcome
    sendPage(ctx, deps.views, { kind: 'address-changed', purpose, email })
    return
  }
  const token = tokenOf(ctx)
  const link = await deps.addresses.find(token)
  if (link === undefined) throw new AppError('link_invalid')
  sendPage(
    ctx,
    deps.views,
    {
      kind: 'address-link',
      purpose: link.kind,
      email: link.email,
      isTaken: outcome?.kind === 'taken',
      action: ctx.path,
      csrf: deps.csrf.token(bindingOf(formKeys.hold(ctx), token)),
    },
    { status: outcome === undefined ? 200 : 409 },
  )
}

const tokenOf = (ctx: Context): string =>
  String((ctx as Context & { params: Record<string, unknown> }).params['token'])

const bindingOf = (key: string, token: string): string => `address ${key} ${sha256(token)}`
