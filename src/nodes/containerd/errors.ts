import { status } from '@grpc/grpc-js';
import { describeError, LarderError } from '../../lib/errors.ts';

/** The classes of error that containerd tells apart (errdefs), by the gRPC code that carries each (errdefs/grpc.go). */
const CODES = {
  'snapshots.invalid-argument': status.INVALID_ARGUMENT,
  'snapshots.not-found': status.NOT_FOUND,
  'snapshots.already-exists': status.ALREADY_EXISTS,
  'snapshots.failed-precondition': status.FAILED_PRECONDITION,
  'snapshots.unavailable': status.UNAVAILABLE,
} as const;

export type SnapshotErrorCode = keyof typeof CODES;

export function snapshotError(code: SnapshotErrorCode, message: string, cause?: unknown): LarderError {
  return new LarderError(code, message, cause === undefined ? {} : { cause });
}

/** What a call of containerd ends with; `isFault` when it is no answer that containerd expects. */
export function toGrpcStatus(error: unknown): { code: status; details: string; isFault: boolean } {
  const details = describeError(error);
  if (error instanceof LarderError && isSnapshotErrorCode(error.code)) {
    return { code: CODES[error.code], details, isFault: error.code === 'snapshots.unavailable' };
  }
  return { code: status.INTERNAL, details, isFault: true };
}

function isSnapshotErrorCode(code: string): code is SnapshotErrorCode {
  return Object.hasOwn(CODES, code);
}
