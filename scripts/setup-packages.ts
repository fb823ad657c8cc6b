/** A Debian package that tests or benchmarks use. */
export type TestPackage = {
  name: string;
  /** What shows that it is installed, however it came there: a command on PATH, or an absolute path. */
  provides: string;
  /** Arguments with which that command must succeed, when being there does not say enough. */
  check?: readonly string[];
  /** What is skipped without it. */
  usedFor: string;
};

const IMAGES = 'tests on real Debian images';
const EQUALITY = 'comparison of mounted snapshots with umoci';

export const TEST_PACKAGES: readonly TestPackage[] = [
  { name: 'docker-registry', provides: 'docker-registry', usedFor: 'tests against a real registry' },
  { name: 'apache2-utils', provides: 'htpasswd', usedFor: 'tests of a registry with a password' },
  { name: 'skopeo', provides: 'skopeo', usedFor: 'benchmarks against skopeo and umoci' },
  { name: 'umoci', provides: 'umoci', usedFor: EQUALITY },
  { name: 'attr', provides: 'getfattr', usedFor: EQUALITY },
  { name: 'acl', provides: 'setfacl', usedFor: EQUALITY },
  { name: 'libcap2-bin', provides: 'setcap', usedFor: EQUALITY },
  { name: 'erofs-utils', provides: 'fsck.erofs', usedFor: 'fsck.erofs on layer blobs' },
  { name: 'debootstrap', provides: 'debootstrap', usedFor: IMAGES },
  { name: 'debian-archive-keyring', provides: '/usr/share/keyrings/debian-archive-keyring.gpg', usedFor: IMAGES },
  { name: 'wget', provides: 'wget', usedFor: IMAGES },
  { name: 'ca-certificates', provides: '/etc/ssl/certs/ca-certificates.crt', usedFor: IMAGES },
  { name: 'tar', provides: 'tar', usedFor: IMAGES },
  { name: 'pigz', provides: 'pigz', usedFor: IMAGES },
  { name: 'isal', provides: 'igzip', usedFor: 'tests with igzip as the inflater' },
  { name: 'openssl', provides: 'openssl', usedFor: 'tests of HTTPS with a private authority' },
  { name: 'strace', provides: 'strace', usedFor: 'tests that watch what the server does to files' },
  { name: 'mount', provides: 'mount', usedFor: 'tests that mount snapshots' },
  { name: 'podman', provides: 'podman', usedFor: 'bench:build, and tests that run containers with Podman' },
  { name: 'runc', provides: 'runc', usedFor: 'tests that run containers' },
  { name: 'squashfs-tools', provides: 'mksquashfs', usedFor: 'bench:build' },
  { name: 'e2fsprogs', provides: 'mkfs.ext4', usedFor: 'tests of a disk that is full or read-only' },
  { name: 'util-linux', provides: 'prlimit', usedFor: 'tests of a server that may open no file' },
  { name: 'containerd', provides: 'containerd', usedFor: 'tests with containerd' },
  { name: 'containers-storage', provides: 'containers-storage', usedFor: 'tests of the library that CRI-O uses' },
  { name: 'systemd', provides: 'systemd-analyze', usedFor: 'tests of the units in deploy' },
  { name: 'golang-go', provides: 'go', usedFor: 'tests with the SDK for Go' },
  // Without this package Debian's Python makes no virtual environment.
  {
    name: 'python3-venv',
    provides: 'python3',
    check: ['-c', 'import ensurepip'],
    usedFor: 'tests with SDKs for Python',
  },
  { name: 'iproute2', provides: 'ip', usedFor: 'tests of slow nodes' },
];
