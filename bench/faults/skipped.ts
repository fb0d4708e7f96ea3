/** A trial that this machine cannot carry out; the message says why. It is no failure. */
export class Skipped extends Error {}
