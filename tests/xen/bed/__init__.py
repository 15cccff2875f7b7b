# SPDX-License-Identifier: MIT
"""The real-Xen test bed: packages, L1 Xen, images, QEMU, and the judging of what it prints."""
