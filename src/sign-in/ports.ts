// What sign-in/ needs of its neighbours, in its own words; compose/ plugs them in.
import type { Context } from 'koa'
import type { PendingInteraction } from '../model/pending-interaction.ts'
import type { Account } from '../model/account.ts'
import type { App } from '../model/app.ts'
import type { Events } from '../audit/events.ts'

/** That an account's password was right, and when that was looked at. */
export interface Proof {
  accountId: string
  /** The account's generation as it was read together with the password's hash. */
  generation: number
  /** Seconds since the epoch. */
  checkedAt: number
}

/** The engine's side of the pages. Each answer returns the URL at which the browser goes on. */
export interface Interactions {
  /** @throws {AppError} `interaction_expired`, `interaction_foreign`, `preview_over` */
  get(ctx: Context, uid: string): Promise<PendingInteraction>
  signIn(ctx: Context, proof: Proof): Promise<string>
  /** Goes on with that account, if it is still signed in; asks again otherwise. */
  selectAccount(ctx: Context, accountId: string): Promise<string>
  approve(ctx: Context, approval: { accountId: string; scopes: string[] }): Promise<string>
  deny(ctx: Context): Promise<string>
  /** Asks the engine to look again at who is signed in. */
  lookAgain(ctx: Context): Promise<string>
  /** Signs the user out and asks anew who is there. */
  switchAccount(ctx: Context): Promise<string>
  /** Signs a user in who did not come from an app. */
  signInDirectly(ctx: Context, proof: Proof): Promise<void>
  /** Returns the id of the account that is signed in in this browser. */
  signedIn(ctx: Context): Promise<string | undefined>
  signOut(ctx: Context): Promise<void>
}

/** Finds accounts. */
export interface FindAccount {
  find(accountId: string): Promise<Account | undefined>
}

/** Finds registered apps. */
export type FindApp = (appId: string) => Promise<App | undefined>

/** What a user allowed an app before. */
export interface RememberedConsents {
  find(accountId: string, appId: string): Promise<readonly string[] | undefined>
  remember(accountId: string, appId: string, scopes: readonly string[]): Promise<void>
}

/** What goes to the event log. */
export type SignInEvents = Pick<
  Events,
  | 'loginSucceeded'
  | 'loginFailed'
  | 'loginThrottled'
  | 'sessionEnded'
  | 'consentGranted'
  | 'consentDenied'
>

/**
 * Tells an owner of a sign-in in a browser that did not sign the account in before. Never rejects.
 */
export type TellNewPlace = (
  accountId: string,
  place: { address: string; device: string },
) => Promise<void>

/** Tells an owner of an app that got a sensitive permission. Never rejects. */
export type TellConnected = (
  accountId: string,
  facts: { appName: string; permissions: readonly string[] },
) => Promise<void>
