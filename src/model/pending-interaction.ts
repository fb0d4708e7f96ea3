// What an app's authorization request waits for: the engine keeps it, the pages ask about it.

export interface PendingInteraction {
  uid: string
  prompt: 'login' | 'select_account' | 'consent'
  appId: string
  /**
   * The account that is signed in in this browser; at a login prompt: the one to sign in again.
   * None while one is chosen.
   */
  accountId: string | undefined
  scopes: readonly string[]
  redirectUri: string
  loginHint: string | undefined
  /** An admin began it to see what the app would get: nothing of it is remembered. */
  isPreview: boolean
}
