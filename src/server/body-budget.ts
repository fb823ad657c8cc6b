/** What of each body is not counted: a call without long lists fits, and is taken however many large bodies are under way. */
export const FREE_BODY_BYTES = 16 * 1024;

/** Memory for the parts of bodies that are on their way, shared by all requests of a listener. */
export type BodyBudget = {
  /** Takes the bytes, unless all are taken. */
  take(bytes: number): boolean;
  giveBack(bytes: number): void;
};

export function createBodyBudget(maxBytes: number): BodyBudget {
  let taken = 0;
  return {
    take(bytes) {
      if (taken + bytes > maxBytes) return false;
      taken += bytes;
      return true;
    },
    giveBack(bytes) {
      taken -= bytes;
    },
  };
}
