// Stops what global-setup.ts started. Called by Jest after the last test file of a run.

/** Stops the shared stores and deletes their data. */
// eslint-disable-next-line no-restricted-syntax -- Jest calls the default export
export default async function stopSharedBackends(): Promise<void> {
  await globalThis.otesseTestBackends?.disposeAsync()
}
