/**
 * The snapshot that a build makes: `s-…` for `eci-…`. Derived, so that a build that runs again after a crash writes the same
 * manifest, and so that garbage collection knows which manifests the builds under way are about to name.
 */
export function snapshotIdOf(buildId: string): string {
  return buildId.replace(/^eci-/, 's-');
}
